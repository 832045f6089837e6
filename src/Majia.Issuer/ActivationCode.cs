using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>A one-time code as decisions see it: never the code itself.</summary>
/// <param name="Generation">Which code of this enrolment; 0 before the first. A new one replaces the old one.</param>
/// <param name="Live">False once the device card is live, the tries are used up, or before the first.</param>
public sealed record ActivationCode(long Generation, bool Live, DateTimeOffset ExpiresAt, int TriesLeft, int Sent)
{
    /// <summary>What one attempt says and leaves behind, in order of precedence.</summary>
    /// <param name="right">Whether the typed code is this generation's.</param>
    /// <param name="proven">It has been right already: it is right again until the device card is live, for an answer may be lost (R8). It proves nothing new.</param>
    public static (CodeVerdict Verdict, ActivationCode After) Validate(ActivationCode code, bool right, bool proven, DateTimeOffset now)
    {
        if (code.Generation == 0) return (CodeVerdict.NoCode, code);
        if (!code.Live && code.TriesLeft > 0) return (CodeVerdict.NoCode, code);
        if (code.TriesLeft <= 0) return (CodeVerdict.TriesExceeded, code);
        if (!proven && now >= code.ExpiresAt) return (CodeVerdict.Expired, code);
        if (right) return (CodeVerdict.Right, code);

        var left = code.TriesLeft - 1;
        return (left > 0 ? CodeVerdict.Wrong : CodeVerdict.TriesExceeded, code with { TriesLeft = left, Live = left > 0 });
    }

    /// <summary>The next code, or null when the holder has had the first and every new one.</summary>
    public static ActivationCode? Next(ActivationCode code, IssuerOptions options, DateTimeOffset now) =>
        code.Sent > options.CodeResends
            ? null
            : new ActivationCode(code.Generation + 1, true, now.AddSeconds(options.CodeLifeSeconds), options.CodeTries, code.Sent + 1);
}

/// <summary>What one plastic card has had in a day, over all its enrolments: whoever begins anew gets no new guesses (quality.md 23).</summary>
/// <param name="Since">When the day began: with the first code.</param>
/// <param name="Sent">Codes.</param>
/// <param name="Wrong">Wrong guesses.</param>
public sealed record CodeDay(DateTimeOffset Since, int Sent, int Wrong)
{
    public static readonly TimeSpan Length = TimeSpan.FromDays(1);

    /// <summary>The day that counts now: this one, or a new one when it is over.</summary>
    public CodeDay At(DateTimeOffset now) => now >= Since + Length ? new(now, 0, 0) : this;

    public bool MaySend(IssuerOptions options) => Sent < options.CodesPerDay && MayGuess(options);

    public bool MayGuess(IssuerOptions options) => Wrong < options.WrongCodesPerDay;

    internal static CodeDay Of(Session session, string institution, string card, DateTimeOffset now) => (session.One(
        "SELECT since, sent, wrong FROM issuer_code_days WHERE institution = $1 AND card = $2",
        static row => new CodeDay(row.Instant(0), (int)row.GetInt64(1), (int)row.GetInt64(2)),
        institution, card) ?? new(now, 0, 0)).At(now);

    internal void Write(Session session, string institution, string card) => session.Execute(
        """
        INSERT INTO issuer_code_days (institution, card, since, sent, wrong) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (institution, card) DO UPDATE SET since = excluded.since, sent = excluded.sent, wrong = excluded.wrong
        """,
        institution, card, Since, Sent, Wrong);
}
