using Majia.Core.Primitives;

namespace Majia.Core.Tlv;

/// <summary>A BER-TLV tag of one to three bytes, as its bytes read big-endian: <c>0x9F26</c>.</summary>
public readonly record struct Tag(int Value)
{
    public static implicit operator Tag(int value) => new(value);

    public int ByteCount => Value > 0xFFFF ? 3 : Value > 0xFF ? 2 : 1;

    public bool IsConstructed => ((Value >> (8 * (ByteCount - 1))) & 0x20) != 0;

    public override string ToString() => Value.ToString("X" + (2 * ByteCount), System.Globalization.CultureInfo.InvariantCulture);
}
