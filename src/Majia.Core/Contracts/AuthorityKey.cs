using System.Security.Cryptography;

namespace Majia.Core.Contracts;

/// <summary>A certification authority's public key as terminals have it, by data (protocols.md 4.4).</summary>
/// <param name="Rid">Registered application provider, 10 hex digits: whose cards it vouches for.</param>
/// <param name="Index">Tag 8F of the cards below it.</param>
/// <param name="Value">RSA: modulus. SM2: X ‖ Y.</param>
/// <param name="Exponent">RSA: 03 or 010001. SM2: empty.</param>
/// <param name="Expires">Last good day.</param>
public sealed record AuthorityKey(string Rid, byte Index, byte[] Value, byte[] Exponent, DateOnly Expires)
{
    /// <summary>RID of UnionPay.</summary>
    public const string UnionPay = "A000000333";

    /// <summary>Indices of this system's own test authority: out of the range of any real one (protocols.md 4.4).</summary>
    public const byte TestRsaIndex = 0xF1, TestSm2Index = 0xF2;

    public bool IsSm2 => Exponent.Length == 0;

    /// <summary>SHA-1 over RID ‖ index ‖ modulus ‖ exponent, as key lists print it (EMV Book 2 §11.2); SM2: the same over its point.</summary>
    public byte[] CheckSum()
    {
        byte[] all = [.. Convert.FromHexString(Rid), Index, .. Value, .. Exponent];
#pragma warning disable CA5350 // the lists' own hash
        return SHA1.HashData(all);
#pragma warning restore CA5350
    }
}
