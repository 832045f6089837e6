namespace Majia.Core.Primitives;

/// <summary>The check digit of ISO/IEC 7812-1 annex B (modulus 10, double-add-double).</summary>
public static class Luhn
{
    /// <summary>True when <paramref name="digits"/> (decimal digits only) ends in its check digit.</summary>
    public static bool IsValid(ReadOnlySpan<char> digits) => digits.Length > 1 && digits[^1] == CheckDigit(digits[..^1]);

    /// <summary>The digit to append to <paramref name="payload"/> (decimal digits only).</summary>
    public static char CheckDigit(ReadOnlySpan<char> payload)
    {
        var sum = 0;
        for (var i = 0; i < payload.Length; i++)
        {
            var digit = payload[^(i + 1)] - '0';
            if (i % 2 == 0)
            {
                digit *= 2;
            }

            sum += digit > 9 ? digit - 9 : digit;
        }

        return (char)('0' + ((10 - (sum % 10)) % 10));
    }
}
