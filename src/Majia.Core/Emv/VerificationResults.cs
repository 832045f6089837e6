using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>TVR, tag 95: what the terminal found. All zero in an ordinary qPBOC online purchase.</summary>
/// <param name="Value">The 5 bytes as they stand on the wire, big-endian.</param>
public readonly record struct TerminalVerificationResults(ulong Value)
{
    public const int Length = 5;

    public bool OfflineAuthenticationNotPerformed { get => BitField.Has(Value, Length, 1, 8); init => Value = (ulong)BitField.Set(Value, Length, 1, 8, value); }

    public bool StaticAuthenticationFailed { get => BitField.Has(Value, Length, 1, 7); init => Value = (ulong)BitField.Set(Value, Length, 1, 7, value); }

    public bool CardDataMissing { get => BitField.Has(Value, Length, 1, 6); init => Value = (ulong)BitField.Set(Value, Length, 1, 6, value); }

    public bool OnExceptionFile { get => BitField.Has(Value, Length, 1, 5); init => Value = (ulong)BitField.Set(Value, Length, 1, 5, value); }

    public bool DynamicAuthenticationFailed { get => BitField.Has(Value, Length, 1, 4); init => Value = (ulong)BitField.Set(Value, Length, 1, 4, value); }

    public bool CombinedAuthenticationFailed { get => BitField.Has(Value, Length, 1, 3); init => Value = (ulong)BitField.Set(Value, Length, 1, 3, value); }

    public bool StaticAuthenticationSelected { get => BitField.Has(Value, Length, 1, 2); init => Value = (ulong)BitField.Set(Value, Length, 1, 2, value); }

    public bool VersionsDiffer { get => BitField.Has(Value, Length, 2, 8); init => Value = (ulong)BitField.Set(Value, Length, 2, 8, value); }

    public bool ApplicationExpired { get => BitField.Has(Value, Length, 2, 7); init => Value = (ulong)BitField.Set(Value, Length, 2, 7, value); }

    public bool ApplicationNotYetEffective { get => BitField.Has(Value, Length, 2, 6); init => Value = (ulong)BitField.Set(Value, Length, 2, 6, value); }

    public bool ServiceNotAllowed { get => BitField.Has(Value, Length, 2, 5); init => Value = (ulong)BitField.Set(Value, Length, 2, 5, value); }

    public bool NewCard { get => BitField.Has(Value, Length, 2, 4); init => Value = (ulong)BitField.Set(Value, Length, 2, 4, value); }

    public bool VerificationFailed { get => BitField.Has(Value, Length, 3, 8); init => Value = (ulong)BitField.Set(Value, Length, 3, 8, value); }

    public bool VerificationMethodUnknown { get => BitField.Has(Value, Length, 3, 7); init => Value = (ulong)BitField.Set(Value, Length, 3, 7, value); }

    public bool PinTriesExceeded { get => BitField.Has(Value, Length, 3, 6); init => Value = (ulong)BitField.Set(Value, Length, 3, 6, value); }

    public bool PinPadMissing { get => BitField.Has(Value, Length, 3, 5); init => Value = (ulong)BitField.Set(Value, Length, 3, 5, value); }

    public bool PinNotEntered { get => BitField.Has(Value, Length, 3, 4); init => Value = (ulong)BitField.Set(Value, Length, 3, 4, value); }

    public bool OnlinePinEntered { get => BitField.Has(Value, Length, 3, 3); init => Value = (ulong)BitField.Set(Value, Length, 3, 3, value); }

    public bool OverFloorLimit { get => BitField.Has(Value, Length, 4, 8); init => Value = (ulong)BitField.Set(Value, Length, 4, 8, value); }

    public bool LowerOfflineLimitExceeded { get => BitField.Has(Value, Length, 4, 7); init => Value = (ulong)BitField.Set(Value, Length, 4, 7, value); }

    public bool UpperOfflineLimitExceeded { get => BitField.Has(Value, Length, 4, 6); init => Value = (ulong)BitField.Set(Value, Length, 4, 6, value); }

    public bool RandomlySelectedOnline { get => BitField.Has(Value, Length, 4, 5); init => Value = (ulong)BitField.Set(Value, Length, 4, 5, value); }

    public bool MerchantForcedOnline { get => BitField.Has(Value, Length, 4, 4); init => Value = (ulong)BitField.Set(Value, Length, 4, 4, value); }

    public bool DefaultTdolUsed { get => BitField.Has(Value, Length, 5, 8); init => Value = (ulong)BitField.Set(Value, Length, 5, 8, value); }

    public bool IssuerAuthenticationFailed { get => BitField.Has(Value, Length, 5, 7); init => Value = (ulong)BitField.Set(Value, Length, 5, 7, value); }

    public bool ScriptFailedBeforeFinal { get => BitField.Has(Value, Length, 5, 6); init => Value = (ulong)BitField.Set(Value, Length, 5, 6, value); }

    public bool ScriptFailedAfterFinal { get => BitField.Has(Value, Length, 5, 5); init => Value = (ulong)BitField.Set(Value, Length, 5, 5, value); }

    public static bool TryParse(ReadOnlySpan<byte> bytes, out TerminalVerificationResults value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.TerminalVerificationResults.Label, out var bits, out error);
        value = new TerminalVerificationResults((ulong)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}

/// <summary>TSI, tag 9B: what the terminal did.</summary>
/// <param name="Value">The 2 bytes as they stand on the wire, big-endian.</param>
public readonly record struct TransactionStatusInformation(ushort Value)
{
    public const int Length = 2;

    public bool OfflineAuthenticationPerformed { get => BitField.Has(Value, Length, 1, 8); init => Value = (ushort)BitField.Set(Value, Length, 1, 8, value); }

    public bool CardholderVerificationPerformed { get => BitField.Has(Value, Length, 1, 7); init => Value = (ushort)BitField.Set(Value, Length, 1, 7, value); }

    public bool CardRiskManagementPerformed { get => BitField.Has(Value, Length, 1, 6); init => Value = (ushort)BitField.Set(Value, Length, 1, 6, value); }

    public bool IssuerAuthenticationPerformed { get => BitField.Has(Value, Length, 1, 5); init => Value = (ushort)BitField.Set(Value, Length, 1, 5, value); }

    public bool TerminalRiskManagementPerformed { get => BitField.Has(Value, Length, 1, 4); init => Value = (ushort)BitField.Set(Value, Length, 1, 4, value); }

    public bool ScriptProcessingPerformed { get => BitField.Has(Value, Length, 1, 3); init => Value = (ushort)BitField.Set(Value, Length, 1, 3, value); }

    public static bool TryParse(ReadOnlySpan<byte> bytes, out TransactionStatusInformation value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.TransactionStatusInformation.Label, out var bits, out error);
        value = new TransactionStatusInformation((ushort)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}

/// <summary>CVR inside 9F10: what the card found and did. Four bytes, the first one 03.</summary>
/// <param name="Value">The 4 bytes as they stand on the wire, big-endian.</param>
public readonly record struct CardVerificationResults(uint Value)
{
    public const int Length = 4;

    public bool IssuerAuthenticationFailed { get => BitField.Has(Value, Length, 2, 4); init => Value = (uint)BitField.Set(Value, Length, 2, 4, value); }

    public bool OfflinePinPerformed { get => BitField.Has(Value, Length, 2, 3); init => Value = (uint)BitField.Set(Value, Length, 2, 3, value); }

    public bool OfflinePinFailed { get => BitField.Has(Value, Length, 2, 2); init => Value = (uint)BitField.Set(Value, Length, 2, 2, value); }

    public bool UnableToGoOnline { get => BitField.Has(Value, Length, 2, 1); init => Value = (uint)BitField.Set(Value, Length, 2, 1, value); }

    public bool LastOnlineNotCompleted { get => BitField.Has(Value, Length, 3, 8); init => Value = (uint)BitField.Set(Value, Length, 3, 8, value); }

    public bool PinTriesExceeded { get => BitField.Has(Value, Length, 3, 7); init => Value = (uint)BitField.Set(Value, Length, 3, 7, value); }

    public bool VelocityCountersExceeded { get => BitField.Has(Value, Length, 3, 6); init => Value = (uint)BitField.Set(Value, Length, 3, 6, value); }

    public bool NewCard { get => BitField.Has(Value, Length, 3, 5); init => Value = (uint)BitField.Set(Value, Length, 3, 5, value); }

    public bool IssuerAuthenticationFailedLastOnline { get => BitField.Has(Value, Length, 3, 4); init => Value = (uint)BitField.Set(Value, Length, 3, 4, value); }

    public bool IssuerAuthenticationMissingAfterOnline { get => BitField.Has(Value, Length, 3, 3); init => Value = (uint)BitField.Set(Value, Length, 3, 3, value); }

    public bool BlockedByPinTries { get => BitField.Has(Value, Length, 3, 2); init => Value = (uint)BitField.Set(Value, Length, 3, 2, value); }

    public bool StaticAuthenticationFailedLast { get => BitField.Has(Value, Length, 3, 1); init => Value = (uint)BitField.Set(Value, Length, 3, 1, value); }

    public bool LastScriptFailed { get => BitField.Has(Value, Length, 4, 4); init => Value = (uint)BitField.Set(Value, Length, 4, 4, value); }

    public bool DynamicAuthenticationFailedLast { get => BitField.Has(Value, Length, 4, 3); init => Value = (uint)BitField.Set(Value, Length, 4, 3, value); }

    public bool DynamicAuthenticationPerformed { get => BitField.Has(Value, Length, 4, 2); init => Value = (uint)BitField.Set(Value, Length, 4, 2, value); }

    public static readonly CardVerificationResults OnlineRequest = For(CryptogramType.Arqc), Approved = For(CryptogramType.Tc), Declined = For(CryptogramType.Aac);

    /// <summary>The base value of a qPBOC answer: no second GENERATE AC asked (PBOC 3.0 part 12).</summary>
    public static CardVerificationResults For(CryptogramType type) => new(0x03800000u | ((uint)type << 20));

    /// <summary>Result of the first GENERATE AC, or of the GPO of qPBOC: byte 2 bits 6-5. Null for the reserved value.</summary>
    public CryptogramType? FirstResult => ((Value >> 20) & 3) is var type and < 3 ? (CryptogramType)type : null;

    public bool SecondGenerateRequested => ((Value >> 22) & 3) < 2;

    /// <summary>Byte 4 bits 8-5.</summary>
    public int ScriptCommandsReceived => (int)((Value >> 4) & 0xF);

    /// <summary>The byte that goes into a reduced cryptogram (CVN 17): the second one.</summary>
    public byte SecondByte => (byte)((Value >> 16) & 0xFF);

    public static bool TryParse(ReadOnlySpan<byte> bytes, out CardVerificationResults value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.CardVerificationResults.Label, out var bits, out error);
        value = new CardVerificationResults((uint)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}

/// <summary>CID, tag 9F27. A qPBOC answer usually leaves it out; the type is then in the CVR.</summary>
/// <param name="Value">The 1 bytes as they stand on the wire, big-endian.</param>
public readonly record struct CryptogramInformationData(byte Value)
{
    public const int Length = 1;

    public bool AdviceRequired { get => BitField.Has(Value, Length, 1, 4); init => Value = (byte)BitField.Set(Value, Length, 1, 4, value); }

    /// <summary>Bits 8-7; null for the reserved value.</summary>
    public CryptogramType? Type => (Value >> 6) < 3 ? (CryptogramType)(Value >> 6) : null;

    public static CryptogramInformationData Of(CryptogramType type) => new((byte)((int)type << 6));

    public static bool TryParse(ReadOnlySpan<byte> bytes, out CryptogramInformationData value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.CryptogramInformationData.Label, out var bits, out error);
        value = new CryptogramInformationData((byte)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}
