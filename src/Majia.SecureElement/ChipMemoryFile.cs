using System.Buffers.Binary;
using System.Security.Cryptography;
using Majia.Core.Primitives;
using Microsoft.Win32.SafeHandles;

namespace Majia.SecureElement;

/// <summary>A chip's memory as one file of fixed size, sealed under the chip's silicon key.</summary>
/// <remarks>
/// Four slots; image number n goes to slot n mod 4 and is on disk (fsync) when <see cref="Save"/> returns, so a torn write can only spoil
/// the slot of an image three older than the last good one, and no save grows or renames a file. The highest number that opens is the state.
/// A slot: number (8, big-endian) ‖ length (4) ‖ nonce (12) ‖ AES-256-GCM ciphertext ‖ tag (16); number and length are authenticated.
/// A slot that does not open is a write that never returned, so its answer never left.
/// The silicon key is a file of its own beside it (32 bytes, owner-readable only): it stands for what no laptop has, a key inside the die.
/// </remarks>
public sealed class ChipMemoryFile : IChipMemory, IDisposable
{
    private const int Slots = 4, HeaderLength = 8 + 4, NonceLength = 12, TagLength = 16, SlotLength = 32 * 1024;

    private readonly SafeFileHandle file, hold;
    private readonly AesGcm gcm;
    private readonly Entropy entropy;
    private ulong last;

    /// <summary>Opens or creates the memory file, and its key file if there is neither.</summary>
    /// <exception cref="ChipMemoryException">The memory is there and its key is not, or one is not what it should be.</exception>
    public ChipMemoryFile(string path, string keyPath, Entropy entropy)
    {
        this.entropy = entropy;
        if (!File.Exists(keyPath))
        {
            if (File.Exists(path))
            {
                throw new ChipMemoryException("the chip's silicon key is gone: its memory cannot be opened");
            }

            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(keyPath))!);
            using var created = Open(keyPath, FileMode.CreateNew, FileShare.None);
            RandomAccess.Write(created, entropy.Bytes(32), 0);
            RandomAccess.FlushToDisk(created);
        }

        var key = File.ReadAllBytes(keyPath);
        if (key.Length != 32)
        {
            throw new ChipMemoryException("the chip's silicon key does not have 32 bytes");
        }

        gcm = new AesGcm(key, TagLength);
        CryptographicOperations.ZeroMemory(key);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        // One holder and no other: a second process on the same chip would make two clones of it. Whoever only reads, to copy it, may.
        hold = Open(path + ".lock", FileMode.OpenOrCreate, FileShare.None);
        try
        {
            file = Open(path, FileMode.OpenOrCreate, FileShare.Read);
        }
        catch
        {
            hold.Dispose();
            throw;
        }

        if (RandomAccess.GetLength(file) < Slots * SlotLength)
        {
            // A fresh file, or one cut short while it was made: whole before the first image.
            RandomAccess.Write(file, new byte[Slots * SlotLength - RandomAccess.GetLength(file)], RandomAccess.GetLength(file));
            RandomAccess.FlushToDisk(file);
        }
    }

    public byte[]? Load()
    {
        byte[]? newest = null;
        var spoiled = 0;
        ulong spoiledNumber = 0;
        last = 0;
        var slot = new byte[SlotLength];
        for (var i = 0; i < Slots; i++)
        {
            if (RandomAccess.Read(file, slot, (long)i * SlotLength) != SlotLength)
            {
                throw new ChipMemoryException("the chip's memory file is too short");
            }

            var number = BinaryPrimitives.ReadUInt64BigEndian(slot);
            if (number == 0)
            {
                continue;
            }

            if (!TryUnseal(slot, out var image))
            {
                spoiled++;
                spoiledNumber = number;
                continue;
            }

            if (number > last)
            {
                last = number;
                newest = image;
            }
        }

        // Power can spoil one slot, the one being written; image 1 is the factory's own. More than that is damage or a foreign key.
        return spoiled > 1 || (newest is null && spoiledNumber > 1)
            ? throw new ChipMemoryException("the chip's memory is damaged, or sealed under another key")
            : newest;
    }

    public void Save(ReadOnlySpan<byte> image)
    {
        if (image.Length > SlotLength - HeaderLength - NonceLength - TagLength)
        {
            throw new ChipMemoryException("the image is larger than a slot");
        }

        var number = last + 1;
        var record = new byte[HeaderLength + NonceLength + image.Length + TagLength];
        BinaryPrimitives.WriteUInt64BigEndian(record, number);
        BinaryPrimitives.WriteInt32BigEndian(record.AsSpan(8), image.Length);
        var nonce = record.AsSpan(HeaderLength, NonceLength);
        entropy.Fill(nonce);
        gcm.Encrypt(nonce, image, record.AsSpan(HeaderLength + NonceLength, image.Length), record.AsSpan(record.Length - TagLength), record.AsSpan(0, HeaderLength));
        RandomAccess.Write(file, record, (long)(number % Slots) * SlotLength);
        RandomAccess.FlushToDisk(file);
        last = number;
    }

    public void Dispose()
    {
        file.Dispose();
        hold.Dispose();
        gcm.Dispose();
    }

    private bool TryUnseal(ReadOnlySpan<byte> slot, out byte[] image)
    {
        image = [];
        var length = BinaryPrimitives.ReadInt32BigEndian(slot[8..]);
        if (length < 0 || length > SlotLength - HeaderLength - NonceLength - TagLength)
        {
            return false;
        }

        var plain = new byte[length];
        try
        {
            gcm.Decrypt(slot.Slice(HeaderLength, NonceLength), slot.Slice(HeaderLength + NonceLength, length), slot.Slice(HeaderLength + NonceLength + length, TagLength), plain, slot[..HeaderLength]);
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }

        image = plain;
        return true;
    }

    private static SafeFileHandle Open(string path, FileMode mode, FileShare share)
    {
        var handle = File.OpenHandle(path, mode, FileAccess.ReadWrite, share);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(handle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return handle;
    }
}
