using System.Diagnostics.CodeAnalysis;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.TokenService.Directory;

namespace Majia.TokenService.Enrolment;

/// <summary>A card that may go into a phone, as far as it alone can tell.</summary>
public sealed record EligibleCard(Pan Pan, BinRow Bin, BankRow Bank, string Institution, TokenRange Range);

/// <summary>How full the places are (R9, R10), seen from one chip and one plastic.</summary>
/// <param name="OnDevice">Cards on this chip.</param>
/// <param name="OfCard">Device cards of this plastic, on all chips.</param>
/// <param name="CardOnDevice">This plastic already has a device card on this chip.</param>
public sealed record Places(int OnDevice, int OfCard, bool CardOnDevice);

/// <summary>May this card be added? The whole decision in order of precedence (R9–R12).</summary>
public static class Eligibility
{
    /// <summary>R9.</summary>
    public const int MaxOnDevice = 8;

    /// <summary>R10.</summary>
    public const int MaxOfCard = 10;

    /// <summary>The bank stands in the directory, but nobody answers for it yet.</summary>
    public const string BankNotConnected = "BANK_NOT_CONNECTED";

    /// <summary>Check digit → BIN → brand → bank → kind → fields. Null when the card qualifies.</summary>
    public static Refusal? Check(CardToEnrol card, CardDirectory directory, out EligibleCard? eligible, out IReadOnlyList<FieldError> fields)
    {
        eligible = null;
        fields = [];
        if (!Pan.TryParse(card.Pan, out var pan, out var error))
        {
            fields = [new FieldError("pan", error.Expected, error.Got)];
            return new(Ineligible.BadCheckDigit, new(
                "This is not a bank card number: its length or its check digit is wrong. Please type it again.",
                "卡号有误：位数或校验位不正确，请重新输入。"));
        }

        if (!directory.TryBin(pan, out var bin))
        {
            return new(Ineligible.UnknownBin, new(
                "No bank is known for this card number.",
                "无法识别该卡号所属的银行。"));
        }

        if (!bin.IsUnionPay)
        {
            return new(Ineligible.NotUnionPay, new(
                "This card does not carry UnionPay. A single-brand VISA card cannot be added; a card with UnionPay and another brand can.",
                "该卡没有银联标志。单一 VISA 卡不能添加，银联双标卡可以添加。"));
        }

        if (!directory.TryBank(bin.Bank, out var bank))
        {
            return new(Ineligible.UnknownBank, new(
                "The bank of this card does not take part.",
                "该卡的发卡银行尚未开通此服务。"));
        }

        if (!bank.Takes.Contains(bin.Kind))
        {
            var taken = bank.Takes.Select(kind => kind.Name()).ToList();
            return new(Ineligible.KindNotTaken, new(
                $"{bank.Name.En} takes {string.Join(", ", taken.Select(kind => kind.En + "s"))} only; this is a {bin.Kind.Name().En}.",
                $"{bank.Name.Zh}仅支持{string.Join("、", taken.Select(kind => kind.Zh))}，这是一张{bin.Kind.Name().Zh}。"));
        }

        if (bank.Institution is null || !directory.TryRange(bank.Institution, bin.Kind, pan.Length, out var range))
        {
            return new(BankNotConnected, new(
                $"{bank.Name.En} takes part, but is not connected here.",
                $"{bank.Name.Zh}支持此服务，但本系统尚未与其联通。"));
        }

        fields = Missing(card, bin.Kind);
        if (fields.Count > 0)
        {
            return new(Ineligible.MissingField, new(
                "Expiry date and CVN2 of a credit card are needed: they stand on the front and the back of the card.",
                "信用卡需要填写有效期和卡背面的 CVN2。"));
        }

        eligible = new(pan, bin, bank, bank.Institution, range);
        return null;
    }

    /// <summary>R9, then R10. Null when there is a place.</summary>
    public static Refusal? Check(Places places)
    {
        if (places.OnDevice >= MaxOnDevice)
        {
            return DeviceFull;
        }

        if (places.OfCard >= MaxOfCard && !places.CardOnDevice)
        {
            return CardFull;
        }

        return places.CardOnDevice ? AlreadyThere : null;
    }

    public static readonly Refusal DeviceFull = new(Ineligible.TooManyOnDevice, new(
        "This phone already holds 8 bank cards, the most it can. Remove one first.",
        "这部手机已有 8 张银行卡，达到上限，请先删除一张。"));

    public static readonly Refusal CardFull = new(Ineligible.TooManyForCard, new(
        "This card is already on 10 devices, the most it can be. Remove it from one first.",
        "这张卡已添加到 10 台设备，达到上限，请先从其中一台删除。"));

    public static readonly Refusal AlreadyThere = new(Ineligible.AlreadyOnDevice, new(
        "This card is already on this phone.",
        "这张卡已添加到这部手机。"));

    private static List<FieldError> Missing(CardToEnrol card, CardKind kind)
    {
        var missing = new List<FieldError>();
        if (!kind.NeedsExpiryAndCvn2())
        {
            return missing;
        }

        if (!IsExpiry(card.Expiry))
        {
            missing.Add(new("expiry", "YYMM, four digits", Shape(card.Expiry)));
        }

        if (card.Cvn2 is not { Length: 3 } || card.Cvn2.AsSpan().ContainsAnyExceptInRange('0', '9'))
        {
            missing.Add(new("cvn2", "three digits", Shape(card.Cvn2)));
        }

        return missing;
    }

    internal static bool IsExpiry([NotNullWhen(true)] string? text) =>
        text is { Length: 4 } && !text.AsSpan().ContainsAnyExceptInRange('0', '9') && string.CompareOrdinal(text[2..], "01") >= 0 && string.CompareOrdinal(text[2..], "12") <= 0;

    private static string Shape(string? text) => string.IsNullOrEmpty(text) ? "nothing" : $"{text.Length} characters";
}
