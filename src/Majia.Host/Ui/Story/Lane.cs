using Majia.Core.Primitives;

namespace Majia.Host.Ui.Story;

/// <summary>A party as the picture draws it, and what the mission lets it know.</summary>
/// <param name="Key">Style name; terminals and banks share one each.</param>
/// <param name="MayKnow">What the party may know of a card, in one sentence.</param>
/// <param name="MayHoldPan">The plastic's number may pass here.</param>
public sealed record Lane(string Key, Text Name, Text MayKnow, bool MayHoldPan)
{
    /// <summary>Left to right as a payment travels.</summary>
    public static readonly IReadOnlyList<Lane> All =
    [
        new("phone", new("Phone", "手机"), new("Its own device numbers. After enrolment never the plastic's.", "仅知道自己的设备卡号；添加完成后不持有实体卡号。"), false),
        new("chip", new("Chip", "芯片"), new("Its device number and keys, which never leave it.", "持有设备卡号与密钥，密钥不出芯片。"), false),
        new("wallet", new("Wallet", "钱包云"), new("References and the device number's last four. No plastic number, no payment key.", "仅有引用和设备卡号后四位；无实体卡号，无支付密钥。"), false),
        new("se-issuer", new("SE issuer", "SE 发行方"), new("The keys of the chips' issuer domains, nothing of any card.", "仅持有芯片发行域密钥，不接触任何卡号。"), false),
        new("terminal", new("Terminal", "终端"), new("The device number. Never the plastic behind it.", "仅知道设备卡号，不知道背后的实体卡。"), false),
        new("acquirer", new("Acquirer", "收单"), new("The device number. Never the plastic behind it.", "仅知道设备卡号，不知道背后的实体卡。"), false),
        new("network", new("Network", "转接"), new("Device number and plastic number, in flight.", "转接过程中可见设备卡号和实体卡号。"), true),
        new("token-service", new("Token service", "标记服务"), new("Which plastic wears which device number.", "掌握设备卡号与实体卡号的对应关系。"), true),
        new("transit", new("Transit", "公交"), new("Its own stored-value cards, no bank card.", "仅有自己的公交卡，不接触银行卡。"), false),
        new("issuer", new("Bank", "发卡行"), new("Its own customers, their plastic and their device cards.", "掌握自己客户的实体卡与设备卡。"), true),
    ];

    /// <summary>Who will take part, as far as the reference tells: their lifelines stand from the first row on, and nothing moves when they speak.</summary>
    public static IEnumerable<string> Expected(string? reference) =>
        reference is null ? []
        : reference.StartsWith("card:", StringComparison.Ordinal) ? ["phone", "chip", "wallet", "se-issuer", "token-service", "issuer"]
        : reference.StartsWith("pos:", StringComparison.Ordinal) || reference.StartsWith("rrn:", StringComparison.Ordinal) ? ["phone", "terminal", "acquirer", "network", "token-service", "issuer"]
        : reference.StartsWith(Stand.GatePrefix, StringComparison.Ordinal) ? ["phone", "transit"]
        : [];

    /// <summary>The party that a trace row names; banks by institution or code, and terminals by number, are one lane each.</summary>
    public static string KeyOf(string party) =>
        party.StartsWith("issuer", StringComparison.Ordinal) || (party.Length > 0 && party.All(char.IsAsciiLetterUpper)) ? "issuer"
        : party is "gate" ? "transit"
        : party.StartsWith("terminal", StringComparison.Ordinal) ? "terminal"
        : party;

    public static Lane? Of(string party)
    {
        var key = KeyOf(party);
        return All.FirstOrDefault(lane => lane.Key == key);
    }
}
