using Majia.Core.Contracts;

namespace Majia.Issuer;

/// <summary>A one-time code as decisions see it: never the code itself.</summary>
/// <param name="Generation">Which code of this enrolment; 0 before the first. A new one replaces the old one.</param>
/// <param name="Live">False once used, or before the first.</param>
public sealed record ActivationCode(long Generation, bool Live, DateTimeOffset ExpiresAt, int TriesLeft, int Sent)
{
    /// <summary>What one attempt says and leaves behind, in order of precedence.</summary>
    /// <param name="right">Whether the typed code is this generation's.</param>
    public static (CodeVerdict Verdict, ActivationCode After) Validate(ActivationCode code, bool right, DateTimeOffset now)
    {
        if (code.Generation == 0) return (CodeVerdict.NoCode, code);
        if (!code.Live && code.TriesLeft > 0) return (CodeVerdict.NoCode, code);
        if (code.TriesLeft <= 0) return (CodeVerdict.TriesExceeded, code);
        if (now >= code.ExpiresAt) return (CodeVerdict.Expired, code);
        if (right) return (CodeVerdict.Right, code with { Live = false });

        var left = code.TriesLeft - 1;
        return (left > 0 ? CodeVerdict.Wrong : CodeVerdict.TriesExceeded, code with { TriesLeft = left, Live = left > 0 });
    }

    /// <summary>The next code, or null when the holder has had the first and every new one.</summary>
    public static ActivationCode? Next(ActivationCode code, IssuerOptions options, DateTimeOffset now) =>
        code.Sent > options.CodeResends
            ? null
            : new ActivationCode(code.Generation + 1, true, now.AddSeconds(options.CodeLifeSeconds), options.CodeTries, code.Sent + 1);
}
