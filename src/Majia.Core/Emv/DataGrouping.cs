using System.Buffers.Binary;
using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>A data grouping of personalisation (DGI): two bytes of identifier, one of length (or FF and two), value (EMV CPS §2; protocols.md 5.5).</summary>
/// <param name="consumed">Bytes that identifier, length and value take.</param>
public readonly ref struct DataGrouping(int id, ReadOnlySpan<byte> value, int consumed)
{
    public int Id { get; } = id;

    public ReadOnlySpan<byte> Value { get; } = value;

    /// <summary>Bytes that identifier, length and value take.</summary>
    public int Consumed { get; } = consumed;

    /// <summary>Keys and PINs: 80xx, 82xx (and the SM2 key 81xx).</summary>
    public bool IsSecret => (Id >> 8) is 0x80 or 0x81 or 0x82;

    /// <summary>Records, internal data and answers: their value is BER-TLV.</summary>
    public bool IsTlv => (Id >> 8) is (>= 0x01 and <= 0x1E) or 0x91 or 0x92;

    public static bool TryRead(ReadOnlySpan<byte> data, out DataGrouping group, out ParseError error)
    {
        group = default;
        error = default;
        if (data.Length < 3)
        {
            error = new ParseError("DGI", data.Length, "two bytes of identifier and a length", "the end");
            return false;
        }

        int id = BinaryPrimitives.ReadUInt16BigEndian(data);
        var (length, start) = ((int)data[2], 3);
        if (length == 0xFF)
        {
            if (data.Length < 5)
            {
                error = new ParseError("DGI length", data.Length, "two length bytes after FF", "the end");
                return false;
            }

            (length, start) = (BinaryPrimitives.ReadUInt16BigEndian(data[3..]), 5);
        }

        if (data.Length - start < length)
        {
            error = new ParseError($"DGI {id:X4}", start, $"{length} bytes", $"{data.Length - start} bytes");
            return false;
        }

        group = new DataGrouping(id, data.Slice(start, length), start + length);
        return true;
    }

    /// <exception cref="ArgumentException">More than 65535 bytes: our own bug.</exception>
    public static byte[] Encode(int id, ReadOnlySpan<byte> value)
    {
        if (value.Length > ushort.MaxValue)
        {
            throw new ArgumentException("a data grouping has at most 65535 bytes");
        }

        // EMV CPS §2.2: from 255 bytes on FF and two length bytes.
        byte[] length = value.Length < 0xFF ? [(byte)value.Length] : [0xFF, (byte)(value.Length >> 8), (byte)(value.Length & 0xFF)];
        return [(byte)(id >> 8), (byte)(id & 0xFF), .. length, .. value];
    }
}
