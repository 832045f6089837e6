using System.Globalization;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.TokenService.Enrolment;

/// <summary>What the token service has seen of one chip and one plastic lately.</summary>
/// <param name="DeviceAttempts">Enrolments begun on this chip in the last day, of whatever card and outcome.</param>
/// <param name="Activations">Device cards of this plastic that went live on this chip in the last day.</param>
public sealed record EnrolmentHistory(int DeviceAttempts, int Activations)
{
    public static EnrolmentHistory Look(Session session, byte[] panIndex, string seid, string except, DateTimeOffset now) => new(
        (int)(session.Number("SELECT count(*) FROM token_request WHERE seid = $1 AND at > $2 AND tur <> $3", seid, now - TimeSpan.FromDays(1), except) ?? 0),
        (int)(session.Number(
            "SELECT count(*) FROM token_token t JOIN token_audit a ON a.tur = t.tur AND a.action = 'activate' WHERE t.pan_index = $1 AND t.seid = $2 AND a.at > $3",
            panIndex, seid, now - TimeSpan.FromDays(1)) ?? 0));
}

/// <summary>Wallet, network and bank each have a colour; together they decide (features.md B4). Pure: the caller reads before it and writes after it.</summary>
public static class EnrolmentColours
{
    public const string Wallet = "WALLET", Network = "NETWORK", Issuer = "ISSUER";

    /// <summary>Any red declines, all green passes, any yellow verifies.</summary>
    public static IssuerDecision Decide(IReadOnlyList<Assessment> assessments) =>
        assessments.Any(each => each.Colour == Colour.Red) ? IssuerDecision.Declined
        : assessments.Any(each => each.Colour == Colour.Yellow) ? IssuerDecision.RequireAdditionalAuthentication
        : IssuerDecision.Approved;

    /// <summary>The wallet's own word; without one it has no doubts.</summary>
    public static Assessment OfWallet(Assessment? recommendation) =>
        recommendation is null ? new(Wallet, Colour.Green, []) : recommendation with { By = Wallet };

    /// <summary>What the network makes of the chip's and the plastic's last day: in order of weight, every reason.</summary>
    public static Assessment OfNetwork(EnrolmentHistory history, TokenServiceOptions options)
    {
        var reasons = new List<Refusal>();
        var colour = Colour.Green;
        if (history.Activations >= options.ActivationsPerDay)
        {
            colour = Colour.Red;
            reasons.Add(new(Ineligible.TooOften, new(
                string.Create(CultureInfo.InvariantCulture, $"This card was added to this phone {history.Activations} times within a day; try again tomorrow."),
                string.Create(CultureInfo.InvariantCulture, $"一天内该卡已在这部手机上添加 {history.Activations} 次，请明天再试。"))));
        }

        if (history.DeviceAttempts >= options.DeviceAttemptsRed)
        {
            colour = Colour.Red;
            reasons.Add(new("DEVICE_ATTEMPTS", new("Far too many cards were tried on this phone within a day; try again tomorrow.", "一天内这部手机尝试添加的次数过多，请明天再试。")));
        }
        else if (history.DeviceAttempts >= options.DeviceAttemptsYellow)
        {
            colour = colour == Colour.Red ? Colour.Red : Colour.Yellow;
            reasons.Add(new("DEVICE_ATTEMPTS", new("Many cards were tried on this phone within a day.", "一天内这部手机尝试添加的次数较多。")));
        }

        return new(Network, colour, reasons);
    }

    public static Assessment OfIssuer(TokenIssuer.AuthorizeServiceReply reply) => new(
        Issuer,
        reply.Decision switch { IssuerDecision.Approved => Colour.Green, IssuerDecision.Declined => Colour.Red, _ => Colour.Yellow },
        reply.Reason is null ? [] : [reply.Reason]);

    /// <summary>A refusal that nobody asked the bank about: every red reason, each on a line of its own.</summary>
    public static ApiError NotRecommended(IReadOnlyList<Assessment> assessments)
    {
        var reasons = assessments.Where(each => each.Colour == Colour.Red).SelectMany(each => each.Reasons.Select(reason => (each.By, Reason: reason))).ToList();
        var code = reasons.Count == 1 ? reasons[0].Reason.Code : Ineligible.NotRecommended;
        var why = reasons.Count == 0
            ? new Text("This card cannot be added to this phone now.", "目前无法将该卡添加到这部手机。")
            : new Text(string.Join(" ", reasons.Select(each => each.Reason.Why.En)), string.Concat(reasons.Select(each => each.Reason.Why.Zh)));
        return new(code, why.En, [.. reasons.Select(each => new FieldError(each.Reason.Code, "", $"{each.By}: {each.Reason.Why.En}"))], why);
    }

    public static string Words(IReadOnlyList<Assessment> assessments) => string.Join("; ", assessments.Select(each =>
        $"{each.By.ToLowerInvariant()} {each.Colour.ToString().ToLowerInvariant()}{(each.Reasons.Count == 0 ? "" : $" ({string.Join(", ", each.Reasons.Select(reason => reason.Code))})")}"));

    public static string WordsZh(IReadOnlyList<Assessment> assessments) => string.Join("；", assessments.Select(static each =>
        $"{each.By switch { Network => "标记服务", Issuer => "发卡行", _ => "钱包" }}{each.Colour switch { Colour.Green => "绿", Colour.Yellow => "黄", _ => "红" }}{(each.Reasons.Count == 0 ? "" : $"（{string.Join("、", each.Reasons.Select(reason => reason.Code))}）")}"));
}

/// <summary>What an enrolment was decided on, kept for whoever asks why.</summary>
public sealed record EnrolmentRecord(string Tur, IReadOnlyList<ActivationMethod> Methods, IReadOnlyList<Assessment> Assessments)
{
    public static EnrolmentRecord? Find(Session session, string tur) => session.One(
        "SELECT tur, methods, assessments FROM token_enrolment WHERE tur = $1",
        static row => new EnrolmentRecord(row.GetString(0), Read<ActivationMethod>(row.Bytes(1)), Read<Assessment>(row.Bytes(2))), tur);

    public void Insert(Session session, DateTimeOffset now) => session.Execute(
        "INSERT INTO token_enrolment (tur, methods, assessments, at) VALUES ($1, $2, $3, $4) ON CONFLICT (tur) DO UPDATE SET methods = excluded.methods, assessments = excluded.assessments",
        Tur, JsonSerializer.SerializeToUtf8Bytes(Methods, JsonEndpoint.Json), JsonSerializer.SerializeToUtf8Bytes(Assessments, JsonEndpoint.Json), now);

    private static List<T> Read<T>(byte[] json) => JsonSerializer.Deserialize<List<T>>(json, JsonEndpoint.Json)!;
}
