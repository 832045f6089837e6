using Majia.Storage;
using Microsoft.Win32.SafeHandles;

namespace Majia.Tests.Storage;

/// <summary>Where a life of the store ends.</summary>
public enum CrashPoint
{
    /// <summary>A record of the log is about to be written.</summary>
    BeforeWrite,

    /// <summary>It is written and not synchronised: a killed process leaves it.</summary>
    Written,

    /// <summary>As <see cref="Written"/>, without power: some of its sectors are on the disk.</summary>
    Torn,

    /// <summary>It is synchronised, and nobody has been told.</summary>
    Synced,

    /// <summary>As <see cref="Synced"/>, and bits of it are wrong afterwards.</summary>
    Flipped,

    /// <summary>Some of the rows are in the database's open transaction.</summary>
    UnderApply,

    /// <summary>They are committed there, not synchronised, and the log has them still.</summary>
    AfterApply,

    /// <summary>They are durable there; the log may be written over from here on.</summary>
    Released,

    /// <summary>Wherever it is when the last unit has been given.</summary>
    End,
}

/// <summary>The disk of one life: at the chosen time of the chosen point it keeps what a crash would leave, in another folder. The life goes on, and nobody looks at it again.</summary>
/// <param name="power">What was not synchronised is lost, in part or whole; otherwise the process alone is gone.</param>
internal sealed class LosingDisk(string folder, string left, CrashPoint point, int skip, bool power, Random dice) : RedoDisk
{
    private const int Sector = 512;

    private readonly Lock gate = new();
    private readonly List<Pending> pending = [];
    private readonly Dictionary<string, long> lengths = [];
    private int skipped = skip;

    /// <summary>From here on the database's own log is not synchronised.</summary>
    private long? unsynced;

    /// <summary>Called before the copy and after it.</summary>
    public required Action<bool> Crashing { get; init; }

    /// <summary>It has crashed, wherever.</summary>
    public bool Crashed { get; private set; }

    /// <summary>At its point.</summary>
    public bool Met { get; private set; }

    public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long at)
    {
        lock (gate)
        {
            Meet(CrashPoint.BeforeWrite);
            var before = new byte[bytes.Length];
            _ = RandomAccess.Read(file, before, at);
            pending.Add(new(NameOf(file), at, before, bytes.ToArray()));
            base.Write(file, bytes, at);
        }
    }

    public override void Sync(SafeFileHandle file)
    {
        lock (gate)
        {
            var name = NameOf(file);
            if (name.EndsWith("-wal", StringComparison.Ordinal))
            {
                unsynced = null;
                return;
            }

            Meet(CrashPoint.Written);
            Meet(CrashPoint.Torn);
            var record = pending[^1];
            pending.Clear();
            lengths[name] = RandomAccess.GetLength(file);
            Meet(CrashPoint.Synced);
            Meet(CrashPoint.Flipped, record);
        }
    }

    public override void SyncFolder(string folder)
    {
    }

    public override void Reached(ApplyStep step)
    {
        lock (gate)
        {
            if (step == ApplyStep.Under)
            {
                unsynced ??= new FileInfo(Path.Combine(folder, "majia.db-wal")).Length;
            }

            Meet(step switch { ApplyStep.Under => CrashPoint.UnderApply, ApplyStep.Committed => CrashPoint.AfterApply, _ => CrashPoint.Released });
        }
    }

    /// <summary>The life is over without having met its point.</summary>
    public void End()
    {
        lock (gate)
        {
            if (!Crashed)
            {
                Crash(null);
            }
        }
    }

    private void Meet(CrashPoint here, Pending? record = null)
    {
        if (here == point && !Crashed && skipped-- == 0)
        {
            Met = true;
            Crash(record);
        }
    }

    /// <summary>The log first: what is written over there is durable in the database, so a database that is a little younger than the log is a state that a crash leaves too.</summary>
    private void Crash(Pending? record)
    {
        Crashed = true;
        Crashing(true);
        Directory.CreateDirectory(left);
        foreach (var name in (string[])["majia.db-redo", "majia.db-redo2", "majia.db", "majia.db-wal"])
        {
            if (File.Exists(Path.Combine(folder, name)))
            {
                File.Copy(Path.Combine(folder, name), Path.Combine(left, name));
            }
        }

        var wal = Path.Combine(left, "majia.db-wal");
        if (power && unsynced is { } from && File.Exists(wal) && new FileInfo(wal) is { Length: var length } && length > from)
        {
            using var file = File.OpenHandle(wal, FileMode.Open, FileAccess.Write);
            RandomAccess.SetLength(file, dice.Next(2) == 0 ? from : dice.NextInt64(from, length));
        }

        if (point == CrashPoint.Torn || (power && pending.Count > 0))
        {
            Tear();
        }

        if (point == CrashPoint.Flipped && record is not null)
        {
            using var file = File.OpenHandle(Path.Combine(left, record.Name), FileMode.Open, FileAccess.ReadWrite);
            for (var i = dice.Next(1, 4); i > 0; i--)
            {
                var at = record.At + dice.Next(record.After.Length);
                var one = new byte[1];
                _ = RandomAccess.Read(file, one, at);
                one[0] ^= (byte)(1 << dice.Next(8));
                RandomAccess.Write(file, one, at);
            }
        }

        Crashing(false);
    }

    private void Tear()
    {
        foreach (var write in pending)
        {
            using var file = File.OpenHandle(Path.Combine(left, write.Name), FileMode.Open, FileAccess.Write);
            for (var sector = 0; sector < write.Before.Length; sector += Sector)
            {
                if (dice.Next(2) == 0)
                {
                    RandomAccess.Write(file, write.Before.AsSpan(sector, Sector), write.At + sector);
                }
            }

            if (dice.Next(2) == 0 && lengths.GetValueOrDefault(write.Name) < RandomAccess.GetLength(file))
            {
                RandomAccess.SetLength(file, lengths.GetValueOrDefault(write.Name));
            }
        }
    }

    private static string NameOf(SafeFileHandle file) => Path.GetFileName(File.ResolveLinkTarget($"/proc/self/fd/{file.DangerousGetHandle()}", returnFinalTarget: false)!.FullName);

    /// <summary>Written since the last synchronisation.</summary>
    private sealed record Pending(string Name, long At, byte[] Before, byte[] After);
}

/// <summary>The applier stops at its first row until it may go on.</summary>
internal sealed class StandingDisk : RedoDisk, IDisposable
{
    private readonly TaskCompletionSource met = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Met => met.Task;

    public ManualResetEventSlim GoOn { get; } = new();

    public override void Reached(ApplyStep step)
    {
        met.TrySetResult();
        GoOn.Wait();
    }

    public void Dispose() => GoOn.Dispose();
}
