using System.Globalization;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Tlv;
using Majia.TokenService.Directory;
using Majia.TokenService.Vault;

namespace Majia.TokenService.Personalisation;

/// <summary>What is personalised into one payment instance besides its keys: data grouping identifiers and their contents (EMV CPS; protocols.md 5.5).</summary>
public static class CardProfile
{
    /// <summary>Cipher of the card keys, in our own DGI and in 9F10: 01 is 3DES.</summary>
    public const byte TripleDes = 0x01;

    /// <summary>Derivation key index: which generation of master keys.</summary>
    public const byte DerivationKeyIndex = 0x01;

    /// <summary>9F10: length, DKI, CVN, CVR (filled in by the card), algorithm.</summary>
    private static readonly byte[] IssuerApplicationData = [0x07, DerivationKeyIndex, 0x01, 0x03, 0xA0, 0x00, 0x00, TripleDes];

    // The card's wishes for CVN 01, 33 bytes (protocols.md 2.3).
    private static readonly byte[] Pdol = Convert.FromHexString("9F66049F02069F03069F1A0295055F2A029A039C019F3704");

    /// <summary>94: SFI 2, record 1, none of it signed. A reader that does not care leaves it.</summary>
    private static readonly byte[] Files = [0x10, 0x01, 0x01, 0x00];

    /// <summary>All groups but the keys, in the order in which they are stored. The last one ends personalisation.</summary>
    /// <param name="par">29 characters: which account, without a digit of its number.</param>
    public static IReadOnlyList<byte[]> Groups(TokenRow token, string par) =>
    [
        Group(0x0201, Frame(token, par)),
        Group(0x4D4A, [TripleDes]),
        Group(0x0D01, InternalData(token.PinPolicy)),
        Group(0x9103, FileControlInformation(token.Kind)),
        Group(0x9207, ProcessingOptions(token)),
    ];

    /// <summary>When the chip asks for the bank's PIN (decisions.md 12): 9F68 byte 3 bit 8 with the limit 9F6B.</summary>
    public static (byte[] AdditionalProcesses, byte[] CvmLimit) PinAsked(PinPolicy policy) => policy switch
    {
        PinPolicy.Always => ([0x00, 0x00, 0x80, 0x00], new byte[6]),
        PinPolicy.OverLimit => ([0x00, 0x00, 0x80, 0x00], [0x00, 0x00, 0x00, 0x10, 0x00, 0x00]),
        _ => (new byte[4], [0x00, 0x00, 0x00, 0x10, 0x00, 0x00]),
    };

    private static byte[] InternalData(PinPolicy policy)
    {
        var (processes, limit) = PinAsked(policy);
        return
        [
            .. BerTlv.Encode(0x9F36, [0x00, 0x00]),
            .. BerTlv.Encode(0x9F68, processes),
            .. BerTlv.Encode(0x9F6B, limit),
            .. BerTlv.Encode(0x9F51, [0x01, 0x56]),
            .. BerTlv.Encode(0x5F28, [0x01, 0x56]),
        ];
    }

    /// <summary>Record 2.1: PAR and token requestor (EMV tokenisation; protocols.md 1.2, 2.3), so that a terminal can tell whose token it is, and that two are one account's.</summary>
    private static byte[] Frame(TokenRow token, string par) =>
        BerTlv.Encode(0x70, BerTlv.Encode(0x9F24, Encoding.ASCII.GetBytes(par)), BerTlv.Encode(0x9F19, Convert.FromHexString(token.Trid.PadLeft(12, '0'))));

    // 9F25 (last four of the plastic) is never personalised (decisions.md 13).
    private static byte[] ProcessingOptions(TokenRow token) =>
    [
        .. BerTlv.Encode(0x82, [0x7C, 0x00]),
        .. BerTlv.Encode(0x94, Files),
        .. BerTlv.Encode(0x57, Track2(token)),
        .. BerTlv.Encode(0x5F34, [Convert.ToByte(token.Sequence, 16)]),
        .. BerTlv.Encode(0x9F10, IssuerApplicationData),
        .. BerTlv.Encode(0x9F63, [.. Encoding.ASCII.GetBytes(token.Token.Reveal()[..8]), 0x00, 0x80, 0x30, 0x40, 0x00, 0x00, 0x00, 0x00]),
        .. BerTlv.Encode(0x5F20, " /"u8),
        .. BerTlv.Encode(0x9F6C, [0x00, 0x00]),
    ];

    private static byte[] FileControlInformation(CardKind kind)
    {
        var label = kind == CardKind.Debit ? "UnionPay Debit"u8 : "UnionPay Credit"u8;
        return BerTlv.Encode(
            0xA5,
            BerTlv.Encode(0x50, label),
            BerTlv.Encode(0x87, [0x01]),
            BerTlv.Encode(0x9F38, Pdol),
            BerTlv.Encode(0x5F2D, "zhen"u8),
            BerTlv.Encode(0x9F11, [0x01]),
            BerTlv.Encode(0x9F12, label),
            BerTlv.Encode(0xBF0C, BerTlv.Encode(0x9F4D, [0x0B, 0x0A])));
    }

    /// <summary>Device number D expiry service code 220, zeros, F: 19 bytes at most (EMV Book 3, tag 57).</summary>
    private static byte[] Track2(TokenRow token)
    {
        var track = $"{token.Token.Reveal()}D{token.Expiry}220".PadRight(37, '0') + "F";
        return Convert.FromHexString(track);
    }

    private static byte[] Group(int id, ReadOnlySpan<byte> value) =>
        value.Length < 0xFF
            ? [(byte)(id >> 8), (byte)(id & 0xFF), (byte)value.Length, .. value]
            : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"DGI {id:X4} has {value.Length} bytes"));
}
