using System.Buffers.Binary;
using System.ComponentModel;
using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Majia.Storage;

/// <summary>What the log asks of the disk, and when: a test takes its place and loses what was not synchronised.</summary>
internal class RedoDisk
{
    public static readonly RedoDisk Real = new();

    public virtual void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long at) => RandomAccess.Write(file, bytes, at);

    /// <summary>Durable when it returns, with the file's length. Times of change are not waited for (fdatasync): a file that is written over needs no journal.</summary>
    public virtual void Sync(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux())
        {
            RandomAccess.FlushToDisk(file);
        }
        else if (Flush(file) != 0)
        {
            throw new IOException($"the disk did not take it: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        }
    }

    /// <summary>New files of a folder are durable when their folder is: the platform has no call for that.</summary>
    public virtual void SyncFolder(string folder)
    {
        if (OperatingSystem.IsLinux())
        {
            using var handle = OpenFolder(folder, 0);
            if (handle.IsInvalid || Flush(handle) != 0)
            {
                throw new IOException($"the folder {folder} is not durable: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
            }
        }
    }

    /// <summary>The applying thread has come so far.</summary>
    public virtual void Reached(ApplyStep step)
    {
    }

    [DllImport("libc", EntryPoint = "open", ExactSpelling = true, SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern SafeFileHandle OpenFolder([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fdatasync", ExactSpelling = true, SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Flush(SafeFileHandle file);
}

/// <summary>On the way of rows from the log into the database.</summary>
internal enum ApplyStep
{
    /// <summary>Some rows of the transaction are written.</summary>
    Under,

    /// <summary>It is committed, and not yet durable.</summary>
    Committed,

    /// <summary>The database has it for good: the log may be written over.</summary>
    Durable,
}

/// <summary>One of the two files of the log. Records begin at whole blocks; behind the last one stands what an earlier time of the file left there, all of it long in the database.</summary>
/// <remarks>
/// A record: mark, length, checksum (CRC-32C), number of texts, number in the log, life; then each statement's text that this file has not had yet, behind its number and length; then the rows (<see cref="RedoRecord"/>).
/// A record that is torn has no good checksum, and nothing behind it is newer: it was never acknowledged. One that is damaged later leaves a gap in the numbers, which recovery refuses. The last one cannot be told from a torn one.
/// </remarks>
internal sealed class RedoFile(string path, RedoDisk disk) : IDisposable
{
    public const int Block = 4096, HeadSize = 32;

    private const uint Magic = 0x314A_4D52;

    /// <summary>It grows by so many bytes of zeros, so that most commits change no length.</summary>
    private const int Step = 1 << 20;

    private readonly SafeFileHandle handle = Open(path);
    private readonly HashSet<int> texts = [];
    private long at, length;

    /// <summary>From here on it is written over.</summary>
    public void Begin()
    {
        at = 0;
        texts.Clear();
    }

    /// <summary>This file does not have the text of this statement yet.</summary>
    public bool Lacks(int statement) => texts.Add(statement);

    /// <summary>Durable when it returns.</summary>
    /// <param name="record">Whole blocks.</param>
    public void Append(ReadOnlySpan<byte> record)
    {
        if (at + record.Length > length)
        {
            var grown = (at + record.Length + Step - 1) / Step * Step;
            disk.Write(handle, new byte[grown - length], length);
            length = grown;
        }

        disk.Write(handle, record, at);
        disk.Sync(handle);
        at += record.Length;
    }

    /// <summary>Nothing of it may be read any more.</summary>
    public void Empty()
    {
        if (length > 0)
        {
            RandomAccess.SetLength(handle, 0);
            length = 0;
            Begin();
        }
    }

    public void Dispose() => handle.Dispose();

    /// <summary>Whole blocks.</summary>
    public static int RoundUp(int bytes) => (bytes + Block - 1) / Block * Block;

    /// <summary>Fills in the head of a record whose texts and rows stand behind it.</summary>
    public static void Finish(Span<byte> record, int texts, long seq, long life)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(record, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(record[4..], record.Length);
        BinaryPrimitives.WriteInt32LittleEndian(record[12..], texts);
        BinaryPrimitives.WriteInt64LittleEndian(record[16..], seq);
        BinaryPrimitives.WriteInt64LittleEndian(record[24..], life);
        BinaryPrimitives.WriteUInt32LittleEndian(record[8..], Checksum(record));
    }

    /// <summary>All good records of a file, in the order in which they stand.</summary>
    public static List<RedoRecovery.Record> Read(byte[] file)
    {
        var records = new List<RedoRecovery.Record>();
        for (var at = 0; at + HeadSize <= file.Length;)
        {
            var rest = file.AsSpan(at);
            var size = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
            if (BinaryPrimitives.ReadUInt32LittleEndian(rest) != Magic || size < HeadSize || size > rest.Length || BinaryPrimitives.ReadUInt32LittleEndian(rest[8..]) != Checksum(rest[..size]))
            {
                at += Block;
                continue;
            }

            records.Add(new(BinaryPrimitives.ReadInt64LittleEndian(rest[16..]), BinaryPrimitives.ReadInt64LittleEndian(rest[24..]), BinaryPrimitives.ReadInt32LittleEndian(rest[12..]), file.AsMemory(at + HeadSize, size - HeadSize)));
            at += RoundUp(size);
        }

        return records;
    }

    private static SafeFileHandle Open(string path)
    {
        SqliteStore.CreateForOwner(path);
        return File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
    }

    /// <summary>Of the length and of all that stands behind the checksum itself.</summary>
    private static uint Checksum(ReadOnlySpan<byte> record)
    {
        var crc = BitOperations.Crc32C(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(record[4..]));
        var rest = record[12..];
        for (; rest.Length >= sizeof(ulong); rest = rest[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(rest));
        }

        foreach (var one in rest)
        {
            crc = BitOperations.Crc32C(crc, one);
        }

        return ~crc;
    }
}
