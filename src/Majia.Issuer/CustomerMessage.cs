using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>What the bank writes to a customer. The body is sealed at rest: it may hold a code.</summary>
/// <param name="Mobile">Masked.</param>
public sealed record CustomerMessage(string Id, string Customer, string Mobile, Text Body, DateTimeOffset At)
{
    internal static Text Code(IssuerOptions options, string code) => new(
        $"[{options.Name.En}] {code} is your code to add the card to your phone, good for {options.CodeLifeSeconds / 60} minutes. We never ask for it: tell nobody.",
        $"【{options.Name.Zh}】验证码 {code}，用于将银行卡添加到手机，{options.CodeLifeSeconds / 60} 分钟内有效。银行工作人员不会向您索取，请勿告知他人。");

    internal static Text CardAdded(IssuerOptions options, string lastFour, string model, string deviceLastFour) => new(
        $"[{options.Name.En}] Your card ending {lastFour} was added to a phone ({model}); its device card ends {deviceLastFour}. Was it not you? Call our hotline at once.",
        $"【{options.Name.Zh}】您尾号 {lastFour} 的银行卡已添加到手机（{model}），设备卡尾号 {deviceLastFour}。如非本人操作，请立即致电本行客服。");

    internal static Text CardReplaced(IssuerOptions options, string lastFour, string newLastFour, ReplacementPolicy policy) => policy == ReplacementPolicy.MoveTokens
        ? new(
            $"[{options.Name.En}] Your card ending {lastFour} was replaced by one ending {newLastFour}. Your phones go on paying; nothing needs to be added again.",
            $"【{options.Name.Zh}】您尾号 {lastFour} 的银行卡已换发为尾号 {newLastFour} 的新卡。手机支付可继续使用，无需重新添加。")
        : new(
            $"[{options.Name.En}] Your card ending {lastFour} was replaced by one ending {newLastFour}. It is removed from your phones: add the new card there.",
            $"【{options.Name.Zh}】您尾号 {lastFour} 的银行卡已换发为尾号 {newLastFour} 的新卡。旧卡已从手机移除，请在手机上添加新卡。");

    internal static byte[] Seal(KeyModule keys, IssuerOptions options, string id, Text body) =>
        keys.Seal(IssuerKeys.Pan, JsonSerializer.SerializeToUtf8Bytes(body, JsonEndpoint.Json), IssuerKeys.MessageContext(options.Institution, id));

    internal static void Send(Session session, string institution, string id, Customer customer, byte[] body, DateTimeOffset at)
    {
        if (customer.MobileBox is not null)
        {
            session.Lock($"issuer/messages/{institution}/{customer.Id}");
            session.Execute(
                """
                INSERT INTO issuer_messages (institution, message, customer, mobile_masked, body_box, sequence, at)
                VALUES ($1, $2, $3, $4, $5, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM issuer_messages WHERE institution = $1 AND customer = $3), $6)
                """,
                institution, id, customer.Id, customer.MaskedMobile, body, at);
        }
    }

    internal static List<CustomerMessage> Of(Session session, KeyModule keys, string institution, string customer) => session.Query(
        "SELECT message, customer, mobile_masked, body_box, at FROM issuer_messages WHERE institution = $1 AND customer = $2 ORDER BY sequence",
        row => new CustomerMessage(
            row.GetString(0), row.GetString(1), row.GetString(2),
            keys.TryUnseal(IssuerKeys.Pan, row.Bytes(3), IssuerKeys.MessageContext(institution, row.GetString(0)), out var plain)
                ? JsonSerializer.Deserialize<Text>(plain, JsonEndpoint.Json)!
                : throw new InvalidOperationException("a message does not open"),
            row.Instant(4)),
        institution, customer);
}
