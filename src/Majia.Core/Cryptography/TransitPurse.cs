using System.Buffers.Binary;

namespace Majia.Core.Cryptography;

/// <summary>The arithmetic that transit card, gate and operator share: the PBOC electronic purse's commands and MAC inputs, computed with SM4.</summary>
/// <remarks>
/// Card keys: SM4(master, number ‖ ~number). Session key: SM4(card key, random (4) ‖ transaction number (2) ‖ tail (2) ‖ their complement). MAC and TAC: leftmost four bytes of the
/// CBC-MAC over the 80-padded input. The purse's own text has single DES here; SM4 in its place, and the journey under the debit's MAC, are ours (docs/protocols/keys.md).
/// </remarks>
public static class TransitPurse
{
    /// <summary>Transaction kinds of the purse: top-up, debit with journey.</summary>
    public const byte Load = 0x02, JourneyDebit = 0x09;

    public const byte KeyVersion = 0x01, Sm4 = 0x04;

    /// <summary>1 000 CNY: what a transit card holds at most, in minor units.</summary>
    public const uint MaxBalance = 100_000;

    public const int MacLength = 4;

    /// <summary>The card's key out of a master key, over the card's number (8 bytes BCD).</summary>
    public static byte[] CardKey(ReadOnlySpan<byte> master, ReadOnlySpan<byte> number) => Spread(master, number);

    /// <param name="tail">8000 for a top-up, the low half of the terminal's own number for a debit.</param>
    public static byte[] SessionKey(ReadOnlySpan<byte> cardKey, ReadOnlySpan<byte> random, ushort number, ushort tail) =>
        Spread(cardKey, [.. random, (byte)(number >> 8), (byte)(number & 0xFF), (byte)(tail >> 8), (byte)(tail & 0xFF)]);

    public static byte[] Mac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) => Cryptogram.Compute(CipherAlgorithm.Sm4, key, data)[..MacLength];

    /// <summary>MAC1 of a top-up: what the card says of itself before it takes money.</summary>
    public static byte[] LoadRequest(uint balance, uint amount, ReadOnlySpan<byte> terminal) => [.. Number(balance), .. Number(amount), Load, .. terminal];

    /// <summary>MAC2 of a top-up: the operator lets the balance rise.</summary>
    /// <param name="when">Date (4) and time (3), BCD.</param>
    public static byte[] LoadGrant(uint amount, ReadOnlySpan<byte> terminal, ReadOnlySpan<byte> when) => [.. Number(amount), Load, .. terminal, .. when];

    /// <summary>MAC1 of a debit: the gate proves itself, and which journey it writes.</summary>
    public static byte[] DebitRequest(uint amount, ReadOnlySpan<byte> terminal, ReadOnlySpan<byte> when, ReadOnlySpan<byte> journey) =>
        [.. Number(amount), JourneyDebit, .. terminal, .. when, .. journey];

    /// <summary>TAC of a top-up.</summary>
    public static byte[] LoadCode(ReadOnlySpan<byte> key, uint balance, ushort number, uint amount, ReadOnlySpan<byte> terminal, ReadOnlySpan<byte> when) =>
        Mac(key, [.. Number(balance), (byte)(number >> 8), (byte)(number & 0xFF), .. LoadGrant(amount, terminal, when)]);

    /// <summary>TAC of a debit: what the operator pays the gate for.</summary>
    public static byte[] DebitCode(ReadOnlySpan<byte> key, ushort number, uint amount, ReadOnlySpan<byte> terminal, uint terminalNumber, ReadOnlySpan<byte> when) =>
        Mac(key, [.. Number(amount), JourneyDebit, .. terminal, .. Number(terminalNumber), .. when, (byte)(number >> 8), (byte)(number & 0xFF)]);

    private static byte[] Spread(ReadOnlySpan<byte> key, ReadOnlySpan<byte> eight)
    {
        if (eight.Length != 8)
        {
            throw new ArgumentException("diversified over eight bytes", nameof(eight));
        }

        Span<byte> block = stackalloc byte[16];
        eight.CopyTo(block);
        for (var i = 0; i < 8; i++)
        {
            block[8 + i] = (byte)(eight[i] ^ 0xFF);
        }

        return Cipher.EncryptEcb(CipherAlgorithm.Sm4, key, block);
    }

    private static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }
}
