using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.Web.TokenApi;

/// <summary>One call that the token service makes to a bank or a token requestor: in the OpenAPI document a webhook.</summary>
/// <param name="Name">Of the webhook; the requestors' ones begin with <c>requestor.</c>, since both hear of some things.</param>
/// <param name="Operation">The last part of the path.</param>
public sealed record Callback(string Name, string Operation, Type Request, Type Reply, Text Says)
{
    /// <summary>The bank is asked; otherwise the token requestor.</summary>
    public bool ToIssuer => !Name.StartsWith("requestor.", StringComparison.Ordinal);
}

/// <summary>What a bank of one's own, or a token requestor of one's own, has to answer. A test holds the table against what our own parties answer.</summary>
public static class Callbacks
{
    public static IReadOnlyList<Callback> All { get; } =
    [
        Bank<TokenIssuer.AuthorizeServiceRequest, TokenIssuer.AuthorizeServiceReply>(
            TokenIssuer.Operations.AuthorizeService, "May this plastic go into this handset? Decision with its reason, ways to verify the holder, and what the device card is personalised with.", "该卡可否添加到该手机？返回决策与原因、验证方式及个人化所需数据。"),
        Bank<TokenIssuer.DeliverActivationCodeRequest, TokenIssuer.DeliverActivationCodeReply>(
            TokenIssuer.Operations.DeliverActivationCode, "Send your code to the holder, or wait for his word in your app.", "请向持卡人发送验证码，或等待其在银行应用中确认。"),
        Bank<TokenIssuer.GetPublicKeyRequest, TokenIssuer.GetPublicKeyReply>(
            TokenIssuer.Operations.GetPublicKey, "The key that card data and codes are encrypted to for you (ECDH-ES+A256KW, A256GCM, P-256).", "加密卡片信息与验证码所用的发卡行公钥（ECDH-ES+A256KW、A256GCM、P-256）。"),
        Bank<TokenIssuer.NotifyServiceActivatedRequest, TokenIssuer.Done>(
            TokenIssuer.Operations.NotifyServiceActivated, "The device card is live: tell your customer. Sent until it is answered.", "设备卡已生效：请通知客户。未收到应答前将重复发送。"),
        Bank<TokenIssuer.NotifyTokenUpdatedRequest, TokenIssuer.Done>(
            TokenIssuer.Operations.NotifyTokenUpdated, "The device card has another state, or other holds. Sent until it is answered; of two, the higher version is later.", "设备卡状态或暂停方有变化。未收到应答前将重复发送，version 较大者为较新。"),
        Bank<TokenIssuer.ReconcileTokensRequest, TokenIssuer.ReconcileTokensReply>(
            TokenIssuer.Operations.ReconcileTokens, "Once a day: these are your device cards; bring your records to it and name what was different.", "每日核对：以此为准更新记录，并返回差异。"),
        Bank<TokenIssuer.ValidateActivationCodeRequest, TokenIssuer.ValidateActivationCodeReply>(
            TokenIssuer.Operations.ValidateActivationCode, "Is this the code that you sent? You count the tries.", "验证码是否正确？次数由发卡行控制。"),
        new($"requestor.{TokenWallet.Operations.NotifyTokenUpdated}", TokenWallet.Operations.NotifyTokenUpdated, typeof(TokenWallet.NotifyTokenUpdatedRequest), typeof(TokenWallet.Done), new(
            "To the token requestor: a device card of yours has another state, whoever changed it. Sent until it is answered.", "致标记请求方：设备卡状态有变化，无论由谁发起。未收到应答前将重复发送。")),
    ];

    private static Callback Bank<TRequest, TReply>(string operation, string en, string zh) => new(operation, operation, typeof(TRequest), typeof(TReply), new(en, zh));
}
