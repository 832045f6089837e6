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
    public static CommandApdu Of(byte cla, byte ins, byte p1, byte p2, ReadOnlySpan<byte> data, int? le = 256) => new(cla, ins, p1, p2, data.ToArray(), le);

    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out CommandApdu? command, out ParseError error) => throw new NotImplementedException();

    /// <summary>Short form when data and Le allow it.</summary>
    public byte[] ToBytes() => throw new NotImplementedException();
}

/// <summary>A response APDU: data, then SW1 SW2.</summary>
public sealed record ResponseApdu(ReadOnlyMemory<byte> Data, StatusWord Status)
{
    public static ResponseApdu Of(ushort status) => new(default, new StatusWord(status));

    public static ResponseApdu Ok(byte[] data) => new(data, StatusWord.Ok);

    public static bool TryParse(ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out ResponseApdu? response, out ParseError error) => throw new NotImplementedException();

    public byte[] ToBytes() => throw new NotImplementedException();
}
