using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Majia.Core.Primitives;

namespace Majia.Core.Apdu;

/// <summary>SW1 SW2 of ISO/IEC 7816-4.</summary>
public readonly record struct StatusWord(ushort Value)
{
    public static readonly StatusWord Ok = new(0x9000);

    public bool IsOk => Value == 0x9000;

    public override string ToString() => Value.ToString("X4", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>Application identifier, 5 to 16 bytes.</summary>
public sealed class Aid : IEquatable<Aid>
{
    private readonly byte[] bytes;

    private Aid(byte[] bytes) => this.bytes = bytes;

    public ReadOnlySpan<byte> Bytes => bytes;

    public static Aid Parse(string hex) => From(Convert.FromHexString(hex));

    public static Aid From(ReadOnlySpan<byte> bytes) =>
        bytes.Length is >= 5 and <= 16 ? new Aid(bytes.ToArray()) : throw new FormatException("an AID has 5 to 16 bytes");

    /// <summary>The door for bytes from outside: false instead of an exception.</summary>
    public static bool TryFrom(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Aid? aid)
    {
        aid = bytes.Length is >= 5 and <= 16 ? new Aid(bytes.ToArray()) : null;
        return aid is not null;
    }

    public bool StartsWith(ReadOnlySpan<byte> prefix) => bytes.AsSpan().StartsWith(prefix);

    public bool Equals(Aid? other) => other is not null && bytes.AsSpan().SequenceEqual(other.bytes);

    public override bool Equals(object? obj) => Equals(obj as Aid);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.AddBytes(bytes);
        return hash.ToHashCode();
    }

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => Convert.ToHexString(bytes);
}

/// <summary>A command APDU of ISO/IEC 7816-4: all four cases, short and extended length.</summary>
/// <param name="Le">Expected length, 1 to 65536 (short: 256 for a coded 00); null when absent.</param>
public sealed record CommandApdu(byte Cla, byte Ins, byte P1, byte P2, ReadOnlyMemory<byte> Data, int? Le)
{
    public const int HeaderLength = 4, MaxShortLe = 256, MaxExtendedLe = 65536;

    /// <summary>Header, Lc, 255 bytes of data, Le.</summary>
    public const int MaxShortLength = 261;

    public static CommandApdu Of(byte cla, byte ins, byte p1, byte p2, ReadOnlySpan<byte> data, int? le = 256) => new(cla, ins, p1, p2, data.ToArray(), le);

    /// <summary>Reads exactly one command: every byte is used, or it is an error.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out CommandApdu? command, out ParseError error)
    {
        command = null;
        error = default;
        if (bytes.Length < HeaderLength)
        {
            error = new ParseError("APDU header", bytes.Length, "4 bytes CLA INS P1 P2", $"{bytes.Length} bytes");
            return false;
        }

        // ISO/IEC 7816-4 §5.2, cases 1 to 4; a first length byte 00 with more behind it announces extended lengths.
        if (bytes.Length == HeaderLength)
        {
            command = Of(bytes, [], null);
            return true;
        }

        if (bytes.Length == 5)
        {
            command = Of(bytes, [], bytes[4] == 0 ? MaxShortLe : bytes[4]);
            return true;
        }

        return bytes[4] == 0 ? TryParseExtended(bytes, out command, out error) : TryParseShort(bytes, out command, out error);
    }

    /// <summary>Short form when data and Le allow it.</summary>
    /// <exception cref="InvalidOperationException">Data longer than 65535 bytes or Le outside 1 to 65536: our own bug.</exception>
    public byte[] ToBytes()
    {
        if (Data.Length > ushort.MaxValue || Le is < 1 or > MaxExtendedLe)
        {
            throw new InvalidOperationException("command data has at most 65535 bytes, Le is 1 to 65536");
        }

        var extended = Data.Length > byte.MaxValue || Le > MaxShortLe;
        var lcLength = Data.IsEmpty ? 0 : extended ? 3 : 1;
        var leLength = Le is null ? 0 : !extended ? 1 : Data.IsEmpty ? 3 : 2;
        var bytes = new byte[HeaderLength + lcLength + Data.Length + leLength];
        (bytes[0], bytes[1], bytes[2], bytes[3]) = (Cla, Ins, P1, P2);
        if (lcLength == 1)
        {
            bytes[4] = (byte)Data.Length;
        }
        else if (lcLength == 3)
        {
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(5), (ushort)Data.Length);
        }

        Data.Span.CopyTo(bytes.AsSpan(HeaderLength + lcLength));
        if (leLength == 1)
        {
            bytes[^1] = (byte)(Le!.Value & 0xFF);
        }
        else if (leLength > 1)
        {
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(bytes.Length - 2), (ushort)(Le!.Value & 0xFFFF));
        }

        return bytes;
    }

    public bool Equals(CommandApdu? other) =>
        other is not null && (Cla, Ins, P1, P2, Le) == (other.Cla, other.Ins, other.P1, other.P2, other.Le) && Data.Span.SequenceEqual(other.Data.Span);

    public override int GetHashCode() => HashCode.Combine(Cla, Ins, P1, P2, Le, Data.Length);

    /// <summary>The header alone: data may hold what must not be printed.</summary>
    public override string ToString() => $"{Cla:X2}{Ins:X2}{P1:X2}{P2:X2} ({Data.Length} bytes)";

    private static CommandApdu Of(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data, int? le) => Of(header[0], header[1], header[2], header[3], data, le);

    private static bool TryParseShort(ReadOnlySpan<byte> bytes, out CommandApdu? command, out ParseError error)
    {
        var lc = bytes[4];
        var rest = bytes.Length - 5 - lc;
        if (rest is not (0 or 1))
        {
            command = null;
            error = new ParseError("APDU Lc", 4, $"{lc} data bytes and at most one Le byte after Lc {lc:X2}", $"{bytes.Length - 5} bytes");
            return false;
        }

        command = Of(bytes, bytes.Slice(5, lc), rest == 0 ? null : bytes[^1] == 0 ? MaxShortLe : bytes[^1]);
        error = default;
        return true;
    }

    private static bool TryParseExtended(ReadOnlySpan<byte> bytes, out CommandApdu? command, out ParseError error)
    {
        command = null;
        if (bytes.Length < 7)
        {
            error = new ParseError("APDU extended length", 4, "two length bytes after 00", "one byte");
            return false;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[5..]);
        if (bytes.Length == 7)
        {
            command = Of(bytes, [], length == 0 ? MaxExtendedLe : length);
            error = default;
            return true;
        }

        var rest = bytes.Length - 7 - length;
        if (length == 0 || rest is not (0 or 2))
        {
            error = new ParseError("APDU extended Lc", 5, length == 0 ? "an extended Lc from 1" : $"{length} data bytes and no or two Le bytes", length == 0 ? "0" : $"{bytes.Length - 7} bytes");
            return false;
        }

        int le = rest == 0 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(bytes[^2..]);
        command = Of(bytes, bytes.Slice(7, length), rest == 0 ? null : le == 0 ? MaxExtendedLe : le);
        error = default;
        return true;
    }
}

/// <summary>A response APDU: data, then SW1 SW2.</summary>
public sealed record ResponseApdu(ReadOnlyMemory<byte> Data, StatusWord Status)
{
    public static ResponseApdu Of(ushort status) => new(default, new StatusWord(status));

    public static ResponseApdu Ok(byte[] data) => new(data, StatusWord.Ok);

    /// <param name="bytes">Not copied: the response keeps a slice of it.</param>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out ResponseApdu? response, out ParseError error)
    {
        if (bytes.Length < 2)
        {
            response = null;
            error = new ParseError("APDU status word", bytes.Length, "2 bytes SW1 SW2", $"{bytes.Length} bytes");
            return false;
        }

        response = new ResponseApdu(bytes[..^2], new StatusWord(BinaryPrimitives.ReadUInt16BigEndian(bytes.Span[^2..])));
        error = default;
        return true;
    }

    public byte[] ToBytes()
    {
        var bytes = new byte[Data.Length + 2];
        Data.Span.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(Data.Length), Status.Value);
        return bytes;
    }

    public bool Equals(ResponseApdu? other) => other is not null && Status == other.Status && Data.Span.SequenceEqual(other.Data.Span);

    public override int GetHashCode() => HashCode.Combine(Status, Data.Length);

    /// <summary>The status word alone: data may hold what must not be printed.</summary>
    public override string ToString() => $"{Status} ({Data.Length} bytes)";
}
