using Majia.Core.Primitives;
using Majia.TokenService.Directory;

namespace Majia.TokenService.Vault;

/// <summary>New device numbers and payment account references.</summary>
public static class TokenNumber
{
    private const string Alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    /// <summary>Controller id of UnionPay (EMV Payment Tokenisation; protocols.md 8).</summary>
    public const string ParController = "UP00";

    /// <summary>A number drawn uniformly from its range, Luhn's digit last, never ending like the plastic (R19, decisions.md 13) or like another device card of it.</summary>
    /// <param name="others">Last four digits by which the plastic's live device cards are told apart.</param>
    public static PaymentToken Draw(TokenRange range, Pan plastic, IReadOnlySet<string> others, Entropy entropy)
    {
        while (true)
        {
            var payload = range.Bin + entropy.Digits(range.Length - range.Bin.Length - 1);
            var token = PaymentToken.Parse(payload + Luhn.CheckDigit(payload));
            if (token.LastFour != plastic.LastFour && !others.Contains(token.LastFour))
            {
                return token;
            }
        }
    }

    /// <summary>29 characters: controller id and 25 upper-case alphanumerics. One for each plastic account.</summary>
    public static string DrawPar(Entropy entropy) => string.Create(29, entropy, static (span, source) =>
    {
        ParController.CopyTo(span);
        for (var i = ParController.Length; i < span.Length; i++)
        {
            span[i] = Alphanumerics[source.Below(Alphanumerics.Length)];
        }
    });
}
