using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Vault;
using VaultFence = Majia.TokenService.Vault.Fence;

namespace Majia.Host.Operations;

/// <summary>A backup, a restoration or what is named cannot be used: which file, what was expected, what was found.</summary>
public sealed class BackupException(string message) : Exception(message);

/// <param name="Path">In the backup, with / between folders.</param>
/// <param name="Schemas">Of a database: <c>party=version</c>.</param>
public sealed record BackupFile(string Path, long Bytes, string Sha256, IReadOnlyList<string>? Schemas = null);

/// <param name="At">When it began: what happened later need not be in it.</param>
public sealed record BackupManifest(int Version, DateTimeOffset At, bool WithKeys, IReadOnlyList<BackupFile> Files);

/// <summary>A copy of a data folder, taken while its process runs, and the way back with the fence of decisions.md 24.</summary>
public static class Backup
{
    public const string ManifestFile = "manifest.json";

    /// <summary>Where a backup has the dumps of PostgreSQL's schemas, one a party.</summary>
    private const string Dumps = "postgres/";

    private const int Version = 1;

    private static readonly JsonSerializerOptions Json = new(JsonEndpoint.Json) { WriteIndented = true };

    /// <summary>Databases of the parties, of phones and of terminals, chips, and with <paramref name="withKeys"/> the keys, into a new folder, or into one file when its name ends with <c>.tar</c>.</summary>
    /// <param name="store">Connection string of the PostgreSQL that has the parties' rows; null: <c>majia.db</c> in the folder has them.</param>
    /// <exception cref="BackupException">The target is there, or there is nothing to copy.</exception>
    /// <exception cref="StoreException">A database cannot be read.</exception>
    public static BackupManifest Take(string data, string target, bool withKeys, TimeProvider time, string? store = null)
    {
        if (Path.Exists(target))
        {
            throw new BackupException($"{target} is there already; name a new one");
        }

        var sources = Sources(data, withKeys, onPostgres: store is not null);
        if (sources.Count == 0 && store is null)
        {
            throw new BackupException($"{Path.GetFullPath(data)} holds no data");
        }

        var folder = IsTar(target) ? target + ".making" : target;
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            var at = time.GetUtcNow();
            var files = new List<BackupFile>();
            if (store is not null)
            {
                var dumps = Directory.CreateDirectory(Path.Combine(folder, Dumps)).FullName;
                files.AddRange(PostgresDump.TakeAsync(store, dumps, [Restoration.Schema.Party, OperationsSchema.Schema.Party]).GetAwaiter().GetResult()
                    .Select(dump => Described(dumps, dump)));
            }

            foreach (var name in sources)
            {
                var (from, to) = (Path.Combine(data, name), Path.Combine(folder, name));
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                if (name.EndsWith(".db", StringComparison.Ordinal))
                {
                    Snapshots.Take(from, to);
                }
                else
                {
                    File.Copy(from, to);
                }

                files.Add(new BackupFile(name, new FileInfo(to).Length, Hash(to), name.EndsWith(".db", StringComparison.Ordinal) ? Snapshots.Versions(to) : null));
            }

            var manifest = new BackupManifest(Version, at, withKeys, files);
            File.WriteAllBytes(Path.Combine(folder, ManifestFile), JsonSerializer.SerializeToUtf8Bytes(manifest, Json));
            if (IsTar(target))
            {
                TarFile.CreateFromDirectory(folder, target, includeBaseDirectory: false);
                File.SetUnixFileMode(target, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            return manifest;
        }
        finally
        {
            if (IsTar(target))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    /// <summary>Brings a backup back into a folder that no process holds. Databases that are there are moved aside; devices and keys that are there stay.</summary>
    /// <param name="withDevices">Phones, chips and terminals too: their counters go back, and what they pay next may be taken for a replay.</param>
    /// <param name="store">Connection string of a PostgreSQL that has nothing of these parties yet, for a backup that was made of one.</param>
    /// <returns>What was restored, by path, and where the old files are (null: there were none).</returns>
    public static (IReadOnlyList<string> Restored, string? Aside) Restore(string source, string data, bool withDevices, TimeProvider time, string? store = null, PostgresOptions? postgres = null)
    {
        var folder = IsTar(source) ? Directory.CreateTempSubdirectory("majia-restore-").FullName : source;
        try
        {
            if (IsTar(source))
            {
                TarFile.ExtractToDirectory(source, folder, overwriteFiles: false);
            }

            var manifest = Check(folder);
            using var held = DataFolder.Open(data);
            var now = time.GetUtcNow();
            string? aside = null;
            var restored = new List<string>();
            if (DumpsOf(source, manifest, store) is { Count: > 0 } dumps)
            {
                RestoreDumps(store!, dumps.ToDictionary(Party, file => Path.Combine(folder, file.Path), StringComparer.Ordinal), manifest.At, now, postgres);
                restored.AddRange(dumps.Select(static file => file.Path));
            }

            foreach (var file in manifest.Files.Where(static file => !IsDump(file)))
            {
                var to = Path.Combine(held.Path, file.Path);
                var belongsToDevice = file.Path.Contains('/', StringComparison.Ordinal);
                if (File.Exists(to) || File.Exists(to + "-redo") || File.Exists(to + "-redo2"))
                {
                    if (belongsToDevice && (!withDevices || file.Path.StartsWith("keys/", StringComparison.Ordinal)))
                    {
                        continue;
                    }

                    aside ??= Directory.CreateDirectory(Path.Combine(held.Path, $"before-restore-{now.UtcDateTime:yyyyMMdd-HHmmss}")).FullName;
                    MoveAside(held.Path, file.Path, aside);
                }

                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Copy(Path.Combine(folder, file.Path), to);
                File.SetUnixFileMode(to, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                restored.Add(file.Path);
            }

            if (restored.Contains("majia.db"))
            {
                Fence(held.Database, manifest.At, now, time);
            }

            return (restored, aside);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new BackupException($"{source}: {error.Message}");
        }
        finally
        {
            if (folder != source)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    /// <summary>Takes the fence away by hand, where nobody is left who could tell what was missed. Whoever does it answers for taps of that time;
    /// device cards whose chips are in the same folder (one process for all) take their counters from there, so that nothing older is good.</summary>
    /// <param name="store">As for <see cref="Take"/>. A process that runs beside it sees the fence gone when it next asks.</param>
    /// <returns>How many counters were taken from chips; null when there was no fence.</returns>
    public static int? Lift(string data, TimeProvider time, Entropy entropy, string? store = null, PostgresOptions? postgres = null)
    {
        using var held = DataFolder.Open(data);
        var chips = ChipCounters.Read(held.Path, entropy);
        int? Work(Session session)
        {
            if (VaultFence.Up(session) is null)
            {
                return null;
            }

            var taken = chips.Counters.Sum(chip => session.Execute(
                "UPDATE token_token SET atc_high = $3, atc_bits = -1, spent = NULL WHERE seid = $1 AND instance_aid = $2 AND state <> 'Deactivated' AND atc_high < $3", chip.Seid, chip.InstanceAid, (long)chip.Counter));
            VaultFence.Lift(session, time.GetUtcNow(), FormattableString.Invariant($"lifted by hand, {taken} counters taken from chips"));
            return taken;
        }

        return store is null ? WithSession(held.Database, time, Work) : WithVault(store, time, postgres, Work);
    }

    /// <exception cref="BackupException">No manifest, one of another version, a file missing or altered.</exception>
    private static BackupManifest Check(string folder)
    {
        var path = Path.Combine(folder, ManifestFile);
        BackupManifest manifest;
        try
        {
            manifest = JsonSerializer.Deserialize<BackupManifest>(File.ReadAllBytes(path), Json) ?? throw new JsonException();
        }
        catch (Exception wrong) when (wrong is JsonException or IOException)
        {
            throw new BackupException($"{path}: expected the manifest of a backup, got {(File.Exists(path) ? "something else" : "no file")}");
        }

        if (manifest.Version != Version)
        {
            throw new BackupException($"{path}: expected version {Version}, got {manifest.Version}");
        }

        foreach (var file in manifest.Files)
        {
            var full = Path.GetFullPath(Path.Combine(folder, file.Path));
            if (!full.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            {
                throw new BackupException($"{path}: '{file.Path}' is not inside the backup");
            }

            if (!File.Exists(full) || Hash(full) != file.Sha256)
            {
                throw new BackupException($"{full}: expected SHA-256 {file.Sha256}, got {(File.Exists(full) ? Hash(full) : "no file")}; nothing was restored");
            }

            if (file.Schemas is not null && !IsDump(file) && Snapshots.Damage(full) is { Count: > 0 } damage)
            {
                throw new BackupException($"{full}: {damage[0]}; nothing was restored");
            }
        }

        return manifest;
    }

    /// <summary>Paths relative to the data folder.</summary>
    private static List<string> Sources(string data, bool withKeys, bool onPostgres)
    {
        var found = new List<string>();
        foreach (var name in (string[])[.. onPostgres ? (string[])[] : ["majia.db"], "trace.db"])
        {
            if (File.Exists(Path.Combine(data, name)))
            {
                found.Add(name);
            }
        }

        foreach (var (folder, pattern) in ((string, string)[])[("phones", "*.db"), ("terminals", "*.db"), ("chips", "*.chip"), .. withKeys ? [("keys", "*")] : ((string, string)[])[]])
        {
            var full = Path.Combine(data, folder);
            if (Directory.Exists(full))
            {
                found.AddRange(Directory.EnumerateFiles(full, pattern).Select(file => $"{folder}/{Path.GetFileName(file)}").Order(StringComparer.Ordinal));
            }
        }

        return found;
    }

    private static void MoveAside(string data, string name, string aside)
    {
        foreach (var part in (string[])["", "-wal", "-shm", "-redo", "-redo2"])
        {
            var from = Path.Combine(data, name + part);
            if (File.Exists(from))
            {
                var to = Path.Combine(aside, name + part);
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Move(from, to);
            }
        }
    }

    private static bool IsDump(BackupFile file) => file.Path.StartsWith(Dumps, StringComparison.Ordinal);

    private static string Party(BackupFile dump) => Path.GetFileNameWithoutExtension(dump.Path);

    private static BackupFile Described(string folder, PartyDump dump)
    {
        var path = Path.Combine(folder, dump.Name);
        return new BackupFile(Dumps + dump.Name, new FileInfo(path).Length, Hash(path), [dump.Schema]);
    }

    /// <summary>The dumps, when they fit where they are to go.</summary>
    private static List<BackupFile> DumpsOf(string source, BackupManifest manifest, string? store)
    {
        var dumps = manifest.Files.Where(IsDump).ToList();
        return (store, dumps.Count) switch
        {
            (null, > 0) => throw new BackupException($"{source}: the parties' rows are dumps of PostgreSQL ({string.Join(", ", dumps.Select(Party))}): name the database that takes them with --store; nothing was restored"),
            (not null, 0) => throw new BackupException($"{source}: the backup holds no dump of PostgreSQL: restore it without --store; nothing was restored"),
            _ => dumps,
        };
    }

    private static void RestoreDumps(string store, IReadOnlyDictionary<string, string> dumps, DateTimeOffset backupAt, DateTimeOffset now, PostgresOptions? postgres)
    {
        var fence = new Dictionary<string, string>(StringComparer.Ordinal);
        if (dumps.ContainsKey(VaultTables.Schema.Party))
        {
            fence.Add(VaultTables.Schema.Party, VaultFence.RaiseStatement(now, backupAt));
        }

        PostgresDump.RestoreAsync(store, dumps, Restoration.Of(dumps.Keys, backupAt, now), fence, postgres).GetAwaiter().GetResult();
    }

    private static T WithVault<T>(string connection, TimeProvider time, PostgresOptions? postgres, Func<Session, T> work)
    {
        if (!PostgresDatabase.Parties(connection).Contains(VaultTables.Schema.Party))
        {
            throw new BackupException("the database has no token service, or none that this login may read");
        }

        var database = PostgresDatabase.Open(connection, [VaultTables.Schema], time, postgres);
        try
        {
            return database[VaultTables.Schema.Party].CommitAsync(work).GetAwaiter().GetResult();
        }
        finally
        {
            database.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static void Fence(string database, DateTimeOffset backupAt, DateTimeOffset now, TimeProvider time) => WithSession(database, time, session =>
    {
        new Restoration(backupAt, now).Write(session);
        if (session.Number("SELECT count(*) FROM schema_version WHERE party = 'token'") > 0)
        {
            VaultFence.Raise(session, now, backupAt);
        }

        return true;
    });

    private static T WithSession<T>(string database, TimeProvider time, Func<Session, T> work)
    {
        var parties = Snapshots.Versions(database).Select(row => row.Split('=')[0]).ToList();
        var store = SqliteStore.Open(database, [Restoration.Schema, .. parties.Contains("token") ? [VaultTables.Schema] : (PartySchema[])[]], time);
        try
        {
            return store.CommitAsync(work).GetAwaiter().GetResult();
        }
        finally
        {
            store.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static bool IsTar(string path) => path.EndsWith(".tar", StringComparison.OrdinalIgnoreCase);

    private static string Hash(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexString(SHA256.HashData(file));
    }
}
