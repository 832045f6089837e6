using System.Collections.Immutable;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Phone;

/// <summary>What the cloud's errors say to the phone's owner: the sentence that came with it, else a row of this table, else its description.</summary>
public static class Reasons
{
    /// <summary>The cloud does not know this handset, or not by this key.</summary>
    public const string NotAuthenticated = "NOT_AUTHENTICATED";

    /// <summary>A script from the cloud that is no list of APDUs.</summary>
    public const string InvalidScript = "INVALID_SCRIPT";

    /// <summary>A key from the cloud that is no public key.</summary>
    public const string InvalidKey = "INVALID_KEY";

    private static readonly ImmutableDictionary<string, Text> Rows = new Dictionary<string, Text>
    {
        [Ineligible.BadCheckDigit] = PhoneRules.BadNumber.Why,
        [Ineligible.UnknownBin] = new("No bank is known for this card number.", "无法识别该卡号所属的银行。"),
        [Ineligible.NotUnionPay] = new("This is not a UnionPay card.", "该卡不是银联卡，暂不支持添加。"),
        [Ineligible.UnknownBank] = new("This bank is not supported yet.", "暂不支持该银行的银行卡。"),
        [Ineligible.KindNotTaken] = new("This bank does not offer this kind of card on phones.", "该银行暂不支持添加这一类型的银行卡。"),
        [Ineligible.MissingField] = new("Some of the card's details are missing.", "银行卡信息不完整，请补充后重试。"),
        [Ineligible.TooManyOnDevice] = new("A phone holds at most 8 bank cards.", "每部手机最多可添加 8 张银行卡。"),
        [Ineligible.TooManyForCard] = new("This card is on 10 phones already.", "该银行卡已添加到 10 部手机，无法继续添加。"),
        [Ineligible.AlreadyOnDevice] = new("This card is on this phone already.", "该银行卡已添加到本机。"),
        [Ineligible.DeclinedByIssuer] = new("The bank declined. Please ask your bank.", "银行未通过验证，请联系发卡银行。"),
        [Ineligible.CodeInvalid] = new("The code is not right.", "验证码错误，请重新输入。"),
        [Ineligible.CodeExpired] = new("The code has expired. Ask for a new one.", "验证码已过期，请重新获取。"),
        [Ineligible.CodeTriesExceeded] = new("Too many wrong codes. Please add the card again.", "验证码错误次数过多，请重新添加银行卡。"),
        [InvalidKey] = new("The service's answer could not be used. Nothing was changed on this phone; please try again later.", "服务返回的数据无效，本机未作任何更改，请稍后重试。"),
        [InvalidScript] = new("The service's answer could not be used. Nothing was changed on this phone; please try again later.", "服务返回的数据无效，本机未作任何更改，请稍后重试。"),
    }.ToImmutableDictionary(StringComparer.Ordinal);

    public static Refusal Of(ApiError error) =>
        new(error.ErrorCode, error.Why ?? (Rows.TryGetValue(error.ErrorCode, out var says) ? says : new Text(error.ErrorDescription, $"操作未完成（{error.ErrorCode}）。")));

    /// <summary>Somebody behind the cloud could not be reached, or stumbled: nothing is decided, and the same request may be sent again.</summary>
    public static bool IsPassing(ApiError error) => error.ErrorCode == JsonEndpoint.InternalError || error.ErrorCode.EndsWith("_UNREACHABLE", StringComparison.Ordinal);
}
