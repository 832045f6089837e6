using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>TTQ, tag 9F66: what the reader can do and what it wants of this transaction.</summary>
/// <param name="Value">The 4 bytes as they stand on the wire, big-endian.</param>
public readonly record struct TerminalTransactionQualifiers(uint Value)
{
    public const int Length = 4;

    public bool MagneticStripeModeSupported { get => BitField.Has(Value, Length, 1, 8); init => Value = (uint)BitField.Set(Value, Length, 1, 8, value); }

    public bool FullContactlessSupported { get => BitField.Has(Value, Length, 1, 7); init => Value = (uint)BitField.Set(Value, Length, 1, 7, value); }

    public bool QpbocSupported { get => BitField.Has(Value, Length, 1, 6); init => Value = (uint)BitField.Set(Value, Length, 1, 6, value); }

    public bool ContactSupported { get => BitField.Has(Value, Length, 1, 5); init => Value = (uint)BitField.Set(Value, Length, 1, 5, value); }

    public bool OfflineOnly { get => BitField.Has(Value, Length, 1, 4); init => Value = (uint)BitField.Set(Value, Length, 1, 4, value); }

    public bool OnlinePinSupported { get => BitField.Has(Value, Length, 1, 3); init => Value = (uint)BitField.Set(Value, Length, 1, 3, value); }

    public bool SignatureSupported { get => BitField.Has(Value, Length, 1, 2); init => Value = (uint)BitField.Set(Value, Length, 1, 2, value); }

    public bool OfflineAuthenticationForOnlineSupported { get => BitField.Has(Value, Length, 1, 1); init => Value = (uint)BitField.Set(Value, Length, 1, 1, value); }

    public bool OnlineCryptogramRequired { get => BitField.Has(Value, Length, 2, 8); init => Value = (uint)BitField.Set(Value, Length, 2, 8, value); }

    public bool CvmRequired { get => BitField.Has(Value, Length, 2, 7); init => Value = (uint)BitField.Set(Value, Length, 2, 7, value); }

    public bool OfflinePinSupported { get => BitField.Has(Value, Length, 2, 6); init => Value = (uint)BitField.Set(Value, Length, 2, 6, value); }

    public bool IssuerUpdateSupported { get => BitField.Has(Value, Length, 3, 8); init => Value = (uint)BitField.Set(Value, Length, 3, 8, value); }

    public bool CdcvmSupported { get => BitField.Has(Value, Length, 3, 7); init => Value = (uint)BitField.Set(Value, Length, 3, 7, value); }

    public bool Fdda01Supported { get => BitField.Has(Value, Length, 4, 8); init => Value = (uint)BitField.Set(Value, Length, 4, 8, value); }

    public static bool TryParse(ReadOnlySpan<byte> bytes, out TerminalTransactionQualifiers value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.TerminalTransactionQualifiers.Label, out var bits, out error);
        value = new TerminalTransactionQualifiers((uint)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}

/// <summary>CTQ, tag 9F6C: what the card wants of the reader, and what the device has already done.</summary>
/// <param name="Value">The 2 bytes as they stand on the wire, big-endian.</param>
public readonly record struct CardTransactionQualifiers(ushort Value)
{
    public const int Length = 2;

    public bool OnlinePinRequired { get => BitField.Has(Value, Length, 1, 8); init => Value = (ushort)BitField.Set(Value, Length, 1, 8, value); }

    public bool SignatureRequired { get => BitField.Has(Value, Length, 1, 7); init => Value = (ushort)BitField.Set(Value, Length, 1, 7, value); }

    public bool GoOnlineIfAuthenticationFails { get => BitField.Has(Value, Length, 1, 6); init => Value = (ushort)BitField.Set(Value, Length, 1, 6, value); }

    public bool SwitchInterfaceIfAuthenticationFails { get => BitField.Has(Value, Length, 1, 5); init => Value = (ushort)BitField.Set(Value, Length, 1, 5, value); }

    public bool GoOnlineIfExpired { get => BitField.Has(Value, Length, 1, 4); init => Value = (ushort)BitField.Set(Value, Length, 1, 4, value); }

    public bool SwitchInterfaceForCash { get => BitField.Has(Value, Length, 1, 3); init => Value = (ushort)BitField.Set(Value, Length, 1, 3, value); }

    public bool SwitchInterfaceForCashback { get => BitField.Has(Value, Length, 1, 2); init => Value = (ushort)BitField.Set(Value, Length, 1, 2, value); }

    public bool NotValidAtContactlessAtm { get => BitField.Has(Value, Length, 1, 1); init => Value = (ushort)BitField.Set(Value, Length, 1, 1, value); }

    public bool CdcvmPerformed { get => BitField.Has(Value, Length, 2, 8); init => Value = (ushort)BitField.Set(Value, Length, 2, 8, value); }

    public bool IssuerUpdateSupported { get => BitField.Has(Value, Length, 2, 7); init => Value = (ushort)BitField.Set(Value, Length, 2, 7, value); }

    public static bool TryParse(ReadOnlySpan<byte> bytes, out CardTransactionQualifiers value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.CardTransactionQualifiers.Label, out var bits, out error);
        value = new CardTransactionQualifiers((ushort)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}

/// <summary>Tag 9F68: what the issuer lets the contactless application do. Personalised; changed by PUT DATA.</summary>
/// <param name="Value">The 4 bytes as they stand on the wire, big-endian.</param>
public readonly record struct CardAdditionalProcesses(uint Value)
{
    public const int Length = 4;

    public bool LowValueCheckSupported { get => BitField.Has(Value, Length, 1, 8); init => Value = (uint)BitField.Set(Value, Length, 1, 8, value); }

    public bool LowValueAndCumulativeCheckSupported { get => BitField.Has(Value, Length, 1, 7); init => Value = (uint)BitField.Set(Value, Length, 1, 7, value); }

    public bool LowValueOrCumulativeCheckSupported { get => BitField.Has(Value, Length, 1, 6); init => Value = (uint)BitField.Set(Value, Length, 1, 6, value); }

    public bool NewCardCheckSupported { get => BitField.Has(Value, Length, 1, 5); init => Value = (uint)BitField.Set(Value, Length, 1, 5, value); }

    public bool PinTryExceededCheckSupported { get => BitField.Has(Value, Length, 1, 4); init => Value = (uint)BitField.Set(Value, Length, 1, 4, value); }

    public bool OfflineAllowedInOtherCurrency { get => BitField.Has(Value, Length, 1, 3); init => Value = (uint)BitField.Set(Value, Length, 1, 3, value); }

    public bool ContactOnlinePreferred { get => BitField.Has(Value, Length, 1, 2); init => Value = (uint)BitField.Set(Value, Length, 1, 2, value); }

    public bool AvailableOfflineAmountReturned { get => BitField.Has(Value, Length, 1, 1); init => Value = (uint)BitField.Set(Value, Length, 1, 1, value); }

    public bool Prepaid { get => BitField.Has(Value, Length, 2, 8); init => Value = (uint)BitField.Set(Value, Length, 2, 8, value); }

    public bool CurrencyMismatchRefused { get => BitField.Has(Value, Length, 2, 7); init => Value = (uint)BitField.Set(Value, Length, 2, 7, value); }

    public bool NewCardDeclinedOffline { get => BitField.Has(Value, Length, 2, 6); init => Value = (uint)BitField.Set(Value, Length, 2, 6, value); }

    public bool OfflineApprovalsLogged { get => BitField.Has(Value, Length, 2, 5); init => Value = (uint)BitField.Set(Value, Length, 2, 5, value); }

    public bool OnlinePinSupported { get => BitField.Has(Value, Length, 3, 8); init => Value = (uint)BitField.Set(Value, Length, 3, 8, value); }

    public bool OnlinePinSupportedInOtherCurrency { get => BitField.Has(Value, Length, 3, 7); init => Value = (uint)BitField.Set(Value, Length, 3, 7, value); }

    public bool CvmAlwaysRequiredInOtherCurrency { get => BitField.Has(Value, Length, 3, 6); init => Value = (uint)BitField.Set(Value, Length, 3, 6, value); }

    public bool SignatureSupported { get => BitField.Has(Value, Length, 3, 5); init => Value = (uint)BitField.Set(Value, Length, 3, 5, value); }

    public static bool TryParse(ReadOnlySpan<byte> bytes, out CardAdditionalProcesses value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.CardAdditionalProcesses.Label, out var bits, out error);
        value = new CardAdditionalProcesses((uint)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}

/// <summary>AIP, tag 82: what the application can do.</summary>
/// <param name="Value">The 2 bytes as they stand on the wire, big-endian.</param>
public readonly record struct ApplicationInterchangeProfile(ushort Value)
{
    public const int Length = 2;

    public bool StaticDataAuthenticationSupported { get => BitField.Has(Value, Length, 1, 7); init => Value = (ushort)BitField.Set(Value, Length, 1, 7, value); }

    public bool DynamicDataAuthenticationSupported { get => BitField.Has(Value, Length, 1, 6); init => Value = (ushort)BitField.Set(Value, Length, 1, 6, value); }

    public bool CardholderVerificationSupported { get => BitField.Has(Value, Length, 1, 5); init => Value = (ushort)BitField.Set(Value, Length, 1, 5, value); }

    public bool TerminalRiskManagementRequired { get => BitField.Has(Value, Length, 1, 4); init => Value = (ushort)BitField.Set(Value, Length, 1, 4, value); }

    public bool IssuerAuthenticationSupported { get => BitField.Has(Value, Length, 1, 3); init => Value = (ushort)BitField.Set(Value, Length, 1, 3, value); }

    public bool OnDeviceVerificationSupported { get => BitField.Has(Value, Length, 1, 2); init => Value = (ushort)BitField.Set(Value, Length, 1, 2, value); }

    public bool CombinedAuthenticationSupported { get => BitField.Has(Value, Length, 1, 1); init => Value = (ushort)BitField.Set(Value, Length, 1, 1, value); }

    public bool EmvModeSupported { get => BitField.Has(Value, Length, 2, 8); init => Value = (ushort)BitField.Set(Value, Length, 2, 8, value); }

    public static bool TryParse(ReadOnlySpan<byte> bytes, out ApplicationInterchangeProfile value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.ApplicationInterchangeProfile.Label, out var bits, out error);
        value = new ApplicationInterchangeProfile((ushort)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}

/// <summary>Tag 9F33: what the terminal can do.</summary>
/// <param name="Value">The 3 bytes as they stand on the wire, big-endian.</param>
public readonly record struct TerminalCapabilities(uint Value)
{
    public const int Length = 3;

    public bool ManualKeyEntry { get => BitField.Has(Value, Length, 1, 8); init => Value = (uint)BitField.Set(Value, Length, 1, 8, value); }

    public bool MagneticStripe { get => BitField.Has(Value, Length, 1, 7); init => Value = (uint)BitField.Set(Value, Length, 1, 7, value); }

    public bool ContactChip { get => BitField.Has(Value, Length, 1, 6); init => Value = (uint)BitField.Set(Value, Length, 1, 6, value); }

    public bool PlaintextPin { get => BitField.Has(Value, Length, 2, 8); init => Value = (uint)BitField.Set(Value, Length, 2, 8, value); }

    public bool OnlinePin { get => BitField.Has(Value, Length, 2, 7); init => Value = (uint)BitField.Set(Value, Length, 2, 7, value); }

    public bool Signature { get => BitField.Has(Value, Length, 2, 6); init => Value = (uint)BitField.Set(Value, Length, 2, 6, value); }

    public bool EncipheredOfflinePin { get => BitField.Has(Value, Length, 2, 5); init => Value = (uint)BitField.Set(Value, Length, 2, 5, value); }

    public bool NoCvm { get => BitField.Has(Value, Length, 2, 4); init => Value = (uint)BitField.Set(Value, Length, 2, 4, value); }

    public bool IdentityDocument { get => BitField.Has(Value, Length, 2, 1); init => Value = (uint)BitField.Set(Value, Length, 2, 1, value); }

    public bool StaticDataAuthentication { get => BitField.Has(Value, Length, 3, 8); init => Value = (uint)BitField.Set(Value, Length, 3, 8, value); }

    public bool DynamicDataAuthentication { get => BitField.Has(Value, Length, 3, 7); init => Value = (uint)BitField.Set(Value, Length, 3, 7, value); }

    public bool CardCapture { get => BitField.Has(Value, Length, 3, 6); init => Value = (uint)BitField.Set(Value, Length, 3, 6, value); }

    public bool CombinedDataAuthentication { get => BitField.Has(Value, Length, 3, 4); init => Value = (uint)BitField.Set(Value, Length, 3, 4, value); }

    public static bool TryParse(ReadOnlySpan<byte> bytes, out TerminalCapabilities value, out ParseError error)
    {
        var read = BitField.TryRead(bytes, Length, BitTables.TerminalCapabilities.Label, out var bits, out error);
        value = new TerminalCapabilities((uint)bits);
        return read;
    }

    public byte[] ToBytes() => BitField.ToBytes(Value, Length);

    /// <summary>Upper-case hex.</summary>
    public override string ToString() => BitField.Hex(Value, Length);
}
