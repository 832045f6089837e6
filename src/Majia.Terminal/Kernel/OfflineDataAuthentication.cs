using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Terminal.Kernel;

/// <summary>Whether the card's own signature over this very tap holds, up to an authority that this terminal trusts (EMV Book 2 §6, Book C-7 fDDA; protocols.md 4.2).</summary>
/// <param name="Good">The card is what its issuer made, and answered this tap.</param>
public sealed record OfflineAuthentication(bool Good, Text Why);

/// <summary>fDDA: certificates from the records, signature from the answer to GPO or a record. Version 01 alone.</summary>
public static class OfflineDataAuthentication
{
    private const int AuthorityIndex = 0x8F, IssuerCertificate = 0x90, IssuerRemainder = 0x92, IssuerExponent = 0x9F32, ChipCertificate = 0x9F46, ChipExponent = 0x9F47, ChipRemainder = 0x9F48,
        SignedDynamicData = 0x9F4B, StaticDataTagList = 0x9F4A, CardAuthenticationData = 0x9F69, InterchangeProfile = 0x82, Number = 0x5A, Counter = 0x9F36;

    /// <summary>Version of fDDA: first byte of 9F69.</summary>
    private const byte Version = 0x01;

    /// <summary>SFI up to which a record enters the static data without its template (EMV Book 3 §10.3).</summary>
    private const byte LastPlainSfi = 10;

    /// <param name="issuers">Certificates that held before, of this terminal.</param>
    /// <param name="rid">First five bytes of the AID, in hex: whose authority is asked.</param>
    public static OfflineAuthentication Verify(CardData card, TransactionData terminal, IReadOnlyList<AuthorityKey> authorities, VerifiedIssuers issuers, string rid, DateOnly today)
    {
        var chip = ChipKey(card, authorities, issuers, rid, today);
        if (chip.Value is null)
        {
            return new(false, chip.Why);
        }

        if (card.Find(CardAuthenticationData) is not { Length: 8 } related || related.Span[0] != Version)
        {
            return No("the card does not sign as fDDA version 01 (9F69)", "卡片签名不是 fDDA 版本 01（9F69）");
        }

        byte[] terminalData = [.. terminal.UnpredictableNumber.Span, .. terminal.Value(0x9F02)!.Value.Span, .. terminal.Value(0x5F2A)!.Value.Span, .. related.Span];
        var answered = SignedApplicationData.Dynamic(chip.Value, card.Find(SignedDynamicData).Span, terminalData);
        if (answered.Value is null)
        {
            return new(false, answered.Why);
        }

        // ICC dynamic number: the counter of this very cryptogram.
        return answered.Value.AsSpan().SequenceEqual((byte[])[0x02, .. card.Find(Counter).Span])
            ? Good
            : No("the chip signed another counter than its cryptogram has", "芯片签名中的交易计数器与密文不符");
    }

    /// <summary>DDA over contacts (EMV Book 2 §6.5): the chip's signature over what INTERNAL AUTHENTICATE sent it.</summary>
    /// <param name="signed">9F4B of its answer.</param>
    /// <param name="sent">The DDOL's data.</param>
    public static OfflineAuthentication VerifyDynamic(Verified<CertifiedKey> chip, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> sent)
    {
        if (chip.Value is null)
        {
            return new(false, chip.Why);
        }

        var answered = SignedApplicationData.Dynamic(chip.Value, signed, sent);
        return answered.Value is null ? new(false, answered.Why) : Good;
    }

    /// <summary>The chip's key out of the records, certified up to an authority that this terminal trusts.</summary>
    public static Verified<CertifiedKey> ChipKey(CardData card, IReadOnlyList<AuthorityKey> authorities, VerifiedIssuers issuers, string rid, DateOnly today)
    {
        if (card.Find(AuthorityIndex) is not { Length: 1 } index || authorities.FirstOrDefault(key => key.Rid == rid && key.Index == index.Span[0]) is not { } authority)
        {
            return PublicKeyChain.No("this terminal has no authority's key for the card", "本终端没有该卡对应的认证中心公钥");
        }

        if (card.Find(Number) is not { Length: >= 4 and <= 10 } compressed)
        {
            return PublicKeyChain.No("the signed records hold no number (5A)", "认证记录中没有卡号（5A）");
        }

        var number = Convert.ToHexString(compressed.Span).TrimEnd('F');
        var issuer = issuers.Open(authority, card.Find(IssuerCertificate).Span, card.Find(IssuerRemainder).Span, card.Find(IssuerExponent).Span, number, today);
        if (issuer.Value is null)
        {
            return issuer;
        }

        if (StaticData(card) is not { } staticData)
        {
            return PublicKeyChain.No("the records for authentication are not usable", "用于认证的记录无法使用");
        }

        return PublicKeyChain.Chip(issuer.Value, card.Find(ChipCertificate).Span, card.Find(ChipRemainder).Span, card.Find(ChipExponent).Span, staticData, number, today);
    }

    /// <summary>Records that the AFL marks, in its order; then what 9F4A lists, which may be the AIP alone (EMV Book 3 §10.3). Null when it lists anything else.</summary>
    public static byte[]? StaticData(CardData card)
    {
        var data = new List<byte>();
        foreach (var record in card.Records.Where(record => record.Address.IsSigned))
        {
            data.AddRange(record.Address.Sfi <= LastPlainSfi ? record.Content.Span : BerTlv.Encode(0x70, record.Content.Span));
        }

        var list = card.Find(StaticDataTagList);
        if (!list.IsEmpty && !(list.Length == 1 && list.Span[0] == InterchangeProfile))
        {
            return null;
        }

        if (!list.IsEmpty)
        {
            data.AddRange(card.Find(InterchangeProfile).Span);
        }

        return [.. data];
    }

    private static OfflineAuthentication Good => new(true, new("The chip's own signature holds, up to the authority's key.", "芯片签名验证通过，证书链完整。"));

    private static OfflineAuthentication No(string en, string zh) => new(false, new(en, zh));
}

/// <summary>One record as it was read.</summary>
/// <param name="Content">Of its template 70.</param>
public sealed record CardRecord(ReadRecords.RecordAddress Address, ReadOnlyMemory<byte> Content);

/// <summary>Everything one activation read of the card: the answer to GPO, then the records in order.</summary>
public sealed record CardData(ReadOnlyMemory<byte> Gpo, IReadOnlyList<CardRecord> Records)
{
    /// <summary>The first value of that tag; empty when there is none.</summary>
    public ReadOnlyMemory<byte> Find(Tag tag)
    {
        if (BerTlv.TryFind(Gpo.Span, tag, out var value))
        {
            return value.ToArray();
        }

        foreach (var record in Records)
        {
            // A signature's place stays empty in its record until it was made.
            if (BerTlv.TryFind(record.Content.Span, tag, out value) && !value.IsEmpty)
            {
                return value.ToArray();
            }
        }

        return default;
    }

    public override string ToString() => $"card data with {Records.Count} records";
}
