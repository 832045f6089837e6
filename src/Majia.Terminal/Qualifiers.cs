using System.Buffers.Binary;

namespace Majia.Terminal;

/// <summary>TTQ, tag 9F66 (protocols.md 1.3): what the reader can do and what this transaction needs.</summary>
public readonly record struct TerminalTransactionQualifiers(uint Value)
{
    private const uint QpbocBit = 0x20000000, OnlinePinBit = 0x04000000, SignatureBit = 0x02000000,
        OnlineCryptogramBit = 0x00800000, CvmRequiredBit = 0x00400000, ConsumerDeviceCvmBit = 0x00004000;

    public static TerminalTransactionQualifiers Of(uint value) => new(value);

    public bool Qpboc => (Value & QpbocBit) != 0;

    public bool OnlinePinSupported => (Value & OnlinePinBit) != 0;

    public bool SignatureSupported => (Value & SignatureBit) != 0;

    public bool ConsumerDeviceCvmSupported => (Value & ConsumerDeviceCvmBit) != 0;

    public bool OnlineCryptogramRequired => (Value & OnlineCryptogramBit) != 0;

    public bool CvmRequired => (Value & CvmRequiredBit) != 0;

    /// <summary>B2b8 and B2b7 are this transaction's, the rest stays as configured (Book A, pre-processing).</summary>
    public TerminalTransactionQualifiers ForTransaction(bool onlineCryptogram, bool cvm) =>
        new((Value & ~(OnlineCryptogramBit | CvmRequiredBit)) | (onlineCryptogram ? OnlineCryptogramBit : 0) | (cvm ? CvmRequiredBit : 0));

    public byte[] Bytes()
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Value);
        return bytes;
    }

    public override string ToString() => Value.ToString("X8", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>CTQ, tag 9F6C (protocols.md 1.3): what the card wants of the reader.</summary>
public readonly record struct CardTransactionQualifiers(ushort Value)
{
    public bool OnlinePinRequired => (Value & 0x8000) != 0;

    public bool SignatureRequired => (Value & 0x4000) != 0;

    public bool ConsumerDeviceCvmPerformed => (Value & 0x0080) != 0;

    /// <summary>Absent is no wish at all.</summary>
    public static CardTransactionQualifiers From(ReadOnlySpan<byte> value) =>
        value.Length == 2 ? new(BinaryPrimitives.ReadUInt16BigEndian(value)) : default;

    public override string ToString() => Value.ToString("X4", System.Globalization.CultureInfo.InvariantCulture);
}
