namespace Majia.Core.Cryptography;

/// <summary>The parameter "i" of SCP03 (GlobalPlatform Amendment D table 5-1): what a card offers. Bit 10 a pseudo-random challenge, 20 R-MAC, 60 R-MAC and R-ENC.</summary>
public static class Scp03Option
{
    public const byte AsShipped = 0x70;

    /// <summary>Options that both our ends speak.</summary>
    public static bool IsKnown(byte option) => option is 0x00 or 0x10 or 0x20 or 0x60 or 0x70;

    public static bool IsPseudoRandom(byte option) => (option & 0x10) != 0;

    /// <summary>Bytes of the answer to INITIALIZE UPDATE: the sequence counter comes with a pseudo-random challenge only.</summary>
    public static int AnswerLength(byte option) => IsPseudoRandom(option) ? 32 : 29;

    /// <summary>Whether a card of this option opens a channel at this level: one that protects responses only where it can.</summary>
    public static bool Allows(byte option, byte level) => level switch
    {
        0x00 or 0x01 or 0x03 => true,
        0x11 or 0x13 => (option & 0x20) != 0,
        0x33 => (option & 0x60) == 0x60,
        _ => false,
    };
}
