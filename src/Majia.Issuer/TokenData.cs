using System.Globalization;

namespace Majia.Issuer;

/// <summary>F63 usage TK: what the token service says of the device card (protocols.md 8): "TK", then tag 2 ‖ length 3 ‖ value.</summary>
internal readonly record struct TokenData(bool Verified, string Token, string TokenExpiry, string AssuranceMethod, string Scenario, string TokenRequestor)
{
    /// <summary>F61: identity type 2, number 20, CVV 1, PVV 1, marks 3, value 3, its result 1, then the cryptogram's result (61.8).</summary>
    private const int CryptogramResultOffset = 31;

    /// <summary>'1' good, '2' failed, '0' not checked; null when the field is too short.</summary>
    public static char? CryptogramResult(string f61) => f61.Length > CryptogramResultOffset ? f61[CryptogramResultOffset] : null;

    public static bool TryRead(string f63, out TokenData data)
    {
        data = default;
        if (!f63.StartsWith("TK", StringComparison.Ordinal))
        {
            return false;
        }

        string flag = "", token = "", expiry = "", assurance = "", scenario = "", requestor = "";
        for (var rest = f63.AsSpan(2); rest.Length > 0;)
        {
            if (rest.Length < 5 || !int.TryParse(rest[2..5], NumberStyles.None, CultureInfo.InvariantCulture, out var length) || rest.Length < 5 + length)
            {
                return false;
            }

            var value = rest.Slice(5, length).ToString();
            switch (rest[..2])
            {
                case "01": flag = value; break;
                case "02": token = value; break;
                case "03": expiry = value; break;
                case "04": assurance = value; break;
                case "05": scenario = value; break;
                case "06": requestor = value; break;
            }

            rest = rest[(5 + length)..];
        }

        data = new TokenData(flag == "1", token, expiry, assurance, scenario, requestor);
        return token.Length > 0;
    }
}
