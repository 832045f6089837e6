using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Hsm;

/// <summary>Where one party's keys rest: <c>{party}.lmk</c>, and <c>{party}.keys.json</c> with a TR-31 block for each key under it. Owner-readable only.</summary>
/// <remarks>A new state goes into a file of its own, to the disk, and then over the old one: after a crash there is the one or the other.</remarks>
internal sealed class KeyStore
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    private readonly string folder, party;

    private KeyStore(string folder, string party)
    {
        this.folder = folder;
        this.party = party;
    }

    /// <param name="Usage">Repeats the block's header, for the reader of the file; the block decides.</param>
    internal sealed record Entry(string Name, KeyUsage Usage, bool Test, string Block);

    private sealed record Contents(int Version, string Party, string MasterKeyCheckValue, IReadOnlyList<Entry> Keys);

    private string MasterKeyFile => Path.Combine(folder, party + ".lmk");

    private string KeysFile => Path.Combine(folder, party + ".keys.json");

    /// <summary>Opens the store, or makes an empty one with a new local master key where there is neither file.</summary>
    internal static KeyStore Open(string folder, string party, Entropy entropy, out byte[] masterKey, out IReadOnlyList<Entry> entries)
    {
        var store = new KeyStore(folder, party);
        if (!OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
        }
        else
        {
            Directory.CreateDirectory(folder);
        }

        if (!File.Exists(store.MasterKeyFile) && !File.Exists(store.KeysFile))
        {
            masterKey = entropy.Bytes(32);
            store.Write(store.MasterKeyFile, Encoding.ASCII.GetBytes(Convert.ToHexString(masterKey) + "\n"));
        }

        store.RefuseOpenFile(store.MasterKeyFile);
        masterKey = store.ReadMasterKey();
        if (!File.Exists(store.KeysFile))
        {
            store.Save(masterKey, []);
        }

        store.RefuseOpenFile(store.KeysFile);
        entries = store.ReadEntries(masterKey);
        return store;
    }

    /// <summary>Replaces the whole file; on disk when it returns.</summary>
    internal void Save(ReadOnlySpan<byte> masterKey, IReadOnlyList<Entry> entries) =>
        Write(KeysFile, JsonSerializer.SerializeToUtf8Bytes(new Contents(1, party, CheckValue(masterKey), entries), Json));

    private byte[] ReadMasterKey()
    {
        try
        {
            var text = File.ReadAllText(MasterKeyFile, Encoding.ASCII).TrimEnd('\n');
            return text.Length == 64 ? Convert.FromHexString(text) : throw new FormatException();
        }
        catch (Exception wrong) when (wrong is FormatException or IOException or UnauthorizedAccessException)
        {
            throw new KeyModuleException($"local master key of {party}: {party}.lmk is missing or damaged");
        }
    }

    private IReadOnlyList<Entry> ReadEntries(ReadOnlySpan<byte> masterKey)
    {
        Contents? contents;
        try
        {
            contents = JsonSerializer.Deserialize<Contents>(File.ReadAllBytes(KeysFile), Json);
        }
        catch (Exception wrong) when (wrong is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new KeyModuleException($"keys of {party}: {party}.keys.json is not readable as a key store");
        }

        if (contents is not { Version: 1, Keys: not null } || contents.Party != party)
        {
            throw new KeyModuleException($"keys of {party}: {party}.keys.json is another party's, or of another version");
        }

        if (contents.MasterKeyCheckValue != CheckValue(masterKey))
        {
            throw new KeyModuleException($"local master key of {party}: {party}.lmk is not the one that {party}.keys.json was written under");
        }

        return contents.Keys;
    }

    private static string CheckValue(ReadOnlySpan<byte> masterKey) => Convert.ToHexString(Cipher.KeyCheckValue(CipherAlgorithm.Aes, masterKey));

    private void RefuseOpenFile(string path)
    {
        if (!OperatingSystem.IsWindows() && File.Exists(path) && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
        {
            throw new KeyModuleException($"keys of {party}: {Path.GetFileName(path)} is open to others than its owner (want mode 600)");
        }
    }

    private void Write(string path, byte[] bytes)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        using (var file = new FileStream(temporary, options))
        {
            file.Write(bytes);
            file.Flush(flushToDisk: true);
        }

        CryptographicOperations.ZeroMemory(bytes);
        File.Move(temporary, path, overwrite: true);
        if (!OperatingSystem.IsWindows())
        {
            FlushFolder();
        }
    }

    /// <summary>A rename is durable when its folder is: the platform has no call for that.</summary>
    private void FlushFolder()
    {
        var descriptor = open(folder, 0);
        if (descriptor >= 0)
        {
            _ = fsync(descriptor);
            _ = close(descriptor);
        }
    }

#pragma warning disable SYSLIB1054 // three calls of libc, nothing to marshal but a path
    [DllImport("libc", CharSet = CharSet.Ansi)]
    private static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc")]
    private static extern int fsync(int descriptor);

    [DllImport("libc")]
    private static extern int close(int descriptor);
#pragma warning restore SYSLIB1054
}
