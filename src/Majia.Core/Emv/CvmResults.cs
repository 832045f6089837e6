using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>Methods of cardholder verification: the low six bits of byte 1 (EMV Book 3 annex C3).</summary>
public enum CvmMethod : byte
{
    Fail = 0x00,
    PlaintextPinByCard = 0x01,
    OnlinePin = 0x02,
    PlaintextPinByCardAndSignature = 0x03,
    EncipheredPinByCard = 0x04,
    EncipheredPinByCardAndSignature = 0x05,
    Signature = 0x1E,
    NoCvmRequired = 0x1F,
    IdentityDocument = 0x20,
    NotPerformed = 0x3F,
}

public enum CvmOutcome : byte
{
    Unknown = 0x00,
    Failed = 0x01,
    Successful = 0x02,
}

/// <summary>Tag 9F34: how the holder was verified, under which condition, with what result.</summary>
/// <param name="Value">The 3 bytes as they stand on the wire, big-endian.</param>
public readonly record struct CvmResults(uint Value)
{
    public const int Length = 3;

    // protocols.md 1.5: what POS software fills in at the contactless interface.
    public static readonly CvmResults OnlinePin = new(0x020000), Signature = new(0x1E0000), NoCvm = new(0x1F0002);

    /// <summary>The chip compared the PIN, and it was right: where the terminal supports it.</summary>
    public static readonly CvmResults OfflinePin = new(0x040302);

    /// <summary>Verified on the phone: some kernels write this value, no public text fixes one (protocols.md 1.5).</summary>
    public static readonly CvmResults Cdcvm = new(0x010002);

    public static readonly CvmResults NotPerformed = new(0x3F0000);

    public CvmMethod Method => (CvmMethod)((Value >> 16) & 0x3F);

    public bool NextIfFails { get => BitField.Has(Value, Length, 1, 7); init => Value = (uint)BitField.Set(Value, Length, 1, 7, value); }

    /// <summary>Byte 2: 00 always, 03 if the terminal supports the method, 06–09 by amount.</summary>
    public byte Condition => (byte)((Value >> 8) & 0xFF);

    public CvmOutcome Outcome => (CvmOutcome)(Value & 0xFF);

    public static CvmResults Of(CvmMethod method, byte condition, CvmOutcome outcome) => new(((uint)method << 16) | ((uint)condition << 8) | (uint)outcome);

    public static bool TryParse(ReadOnlySpan<byte> bytes, out CvmResults value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, "CVM results", out var bits, out error);
        value = new CvmResults((uint)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}
