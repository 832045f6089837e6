using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Issuer.Plastic;

/// <summary>What a plastic card's chip said with a payment, and whether its cryptogram is under the card's own key. For a device card the token service has looked (decisions.md 7).</summary>
/// <param name="Chip">Null: field 55 is missing or cannot be read.</param>
/// <param name="SequenceNumber">F23, two digits: which plastic of this number.</param>
internal sealed record PlasticEvidence(ChipData? Chip, string SequenceNumber, bool CryptogramRight, bool AmountAgrees);

/// <summary>The bank checks its own plastic: card key from its master key, cryptogram, counter, and what the chip was asked for (protocols.md 3.1 to 3.4).</summary>
internal static class PlasticCheck
{
    /// <summary>9F10 byte 8: triple DES, as <see cref="PlasticProfile"/> personalises it.</summary>
    private const byte TripleDes = 0x01;

    private static readonly Decision
        NoChip = No("A plastic card pays with its chip, and no chip data came.", "实体卡须以芯片交易，报文中没有芯片数据。"),
        Unreadable = No("The chip data cannot be read.", "芯片数据无法识别。"),
        OtherPlastic = No("The cryptogram is of another plastic of this number.", "密文属于该卡号的另一张实体卡。"),
        OtherAmount = No("The chip was asked for another amount or currency.", "芯片所见金额或币种与交易不一致。"),
        NotItsKey = No("The cryptogram is not under this card's key.", "密文与该卡密钥不符。"),
        NoRequest = No("The chip itself declined, or did not ask to go online.", "芯片自身拒绝，或未请求联机。"),
        NoApproval = No("The chip did not approve this payment offline.", "芯片并未脱机批准该笔交易。"),
        Reused = No("This counter of the card has been used: a repeated cryptogram.", "该卡的交易计数器已使用过：密文重复。"),
        TooOld = No("The card's counter lies too far back to tell whether it was used.", "该卡的交易计数器过旧，无法判断是否用过。");

    /// <summary>Before the unit: what the key module says. Null where the payment is no plastic's.</summary>
    internal static PlasticEvidence? Look(KeyModule keys, AuthorisationRequest request)
    {
        if (!request.IsPlastic || request.Operation is not (Operation.Sale or Operation.Offline))
        {
            return null;
        }

        var sequence = request.SequenceNumber;
        if (!ChipData.TryRead(request.ChipData.Span, out var chip))
        {
            return new PlasticEvidence(null, sequence, false, false);
        }

        var right = chip.Algorithm == TripleDes && keys.TryInfo(PlasticIssuing.CryptogramMaster, out _)
            && keys.VerifyCryptogram(PlasticIssuing.CryptogramMaster, request.Pan, sequence, chip.Version, chip.Input, chip.Cryptogram);
        return new PlasticEvidence(chip, sequence, right, chip.Agrees(request.Amount.Digits12, request.Amount.Currency.Digits));
    }

    /// <summary>Why this is not the card's word, in order of precedence; null when it is.</summary>
    internal static Decision? Object(PlasticEvidence evidence, Operation operation, bool chipSent, Card card, AtcWindow seen)
    {
        if (!chipSent) return NoChip;
        if (evidence.Chip is not { } chip) return Unreadable;
        if (evidence.SequenceNumber != card.SequenceNumber) return OtherPlastic;
        if (!evidence.CryptogramRight) return NotItsKey;
        if (!evidence.AmountAgrees) return OtherAmount;
        if (operation == Operation.Offline ? !chip.IsApproval : !chip.IsRequest) return operation == Operation.Offline ? NoApproval : NoRequest;

        return seen.Look(chip.Atc) switch
        {
            AtcVerdict.Reused => Reused,
            AtcVerdict.TooOld => TooOld,
            _ => null,
        };
    }

    /// <summary>What is known of the PIN: the block's verdict where one came; else the chip's own word, which its cryptogram vouches for.</summary>
    internal static PinEvidence Pin(PlasticEvidence evidence, PinEvidence typed)
    {
        if (typed != PinEvidence.Absent || evidence is not { CryptogramRight: true, Chip: { } chip } || !CardVerificationResults.TryParse(chip.Input.CardVerificationResults.Span, out var said, out _))
        {
            return typed;
        }

        return said is { OfflinePinPerformed: true, OfflinePinFailed: false } ? PinEvidence.Right : typed;
    }

    /// <summary>Field 55 of the answer: 91 = ARPC ‖ response code, and what the bank has to tell its card (protocols.md 3.4, 3.5, 6.5). The same for a repeat: nothing in it is drawn.</summary>
    internal static byte[]? Answer(KeyModule keys, AuthorisationRequest request, PlasticEvidence? evidence, ResponseCode code, IReadOnlyList<PlasticScript> scripts)
    {
        if (evidence is not { CryptogramRight: true, Chip: { } chip } || request.Operation != Operation.Sale)
        {
            return null;
        }

        var said = Encoding.ASCII.GetBytes(code.Value);
        var field = new List<byte>(BerTlv.Encode(0x91, [.. keys.ResponseCryptogram(PlasticIssuing.CryptogramMaster, request.Pan, evidence.SequenceNumber, chip.Atc, chip.Cryptogram, said), .. said]));
        if (scripts.Count > 0)
        {
            field.AddRange(PlasticScript.Template(keys, request.Pan, evidence, chip, scripts));
        }

        return [.. field];
    }

    private static Decision No(string en, string zh) => new(ResponseCode.CardCheckFailed, new(en, zh));
}

/// <summary>The counters of a plastic card that were used: each at most once (decisions.md 8). No row yet means none.</summary>
internal sealed record PlasticCounter(string Institution, string Card, AtcWindow Seen)
{
    private static readonly HotTable<PlasticCounter> Table = new(
        "issuer_plastic", keys: 2, columns: "institution, card, high, bits", changing: "high, bits", stays: true,
        map: static row => new PlasticCounter(row.GetString(0), row.GetString(1), new AtcWindow((int)row.GetInt64(2), unchecked((ulong)row.GetInt64(3)))),
        values: static row => [row.Institution, row.Card, (long)row.Seen.High, unchecked((long)row.Seen.Bits)]);

    internal static AtcWindow Of(Session session, string institution, string card) => session.Find(Table, institution, card)?.Seen ?? AtcWindow.Empty;

    /// <summary>Names what <see cref="Of"/> will look at.</summary>
    internal static void Want(Wanted wanted, string institution, string card) => wanted.Row(Table, institution, card);

    internal void Put(Session session)
    {
        if (!session.TryAdd(Table, this))
        {
            session.Put(Table, this);
        }
    }
}
