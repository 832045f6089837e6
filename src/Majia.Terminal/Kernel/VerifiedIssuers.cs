using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Majia.Core.Contracts;

namespace Majia.Terminal.Kernel;

/// <summary>Issuers' certificates that held today: a terminal opens each once, and every further card of that bank needs one public-key operation less.</summary>
/// <remarks>
/// What is kept hangs on every byte that the chain looks at, the authority's key and the day among them; the card's number is compared anew each time.
/// Only what held is kept: a wrong certificate is refused with its own reason however often it comes. One terminal's, one transaction at a time.
/// </remarks>
public sealed class VerifiedIssuers
{
    /// <summary>More banks than a counter sees in a day; then it begins anew.</summary>
    private const int MostKept = 64;

    private readonly Dictionary<string, CertifiedKey> kept = new(StringComparer.Ordinal);

    /// <summary>As <see cref="PublicKeyChain.Issuer"/>.</summary>
    public Verified<CertifiedKey> Open(AuthorityKey authority, ReadOnlySpan<byte> certificate, ReadOnlySpan<byte> remainder, ReadOnlySpan<byte> exponent, string number, DateOnly today)
    {
        var name = Name(authority, certificate, remainder, exponent, today);
        if (kept.TryGetValue(name, out var known) && PublicKeyChain.IsIssuerOf(known.Subject, number))
        {
            return new(known, new(string.Empty, string.Empty));
        }

        var opened = PublicKeyChain.Issuer(authority, certificate, remainder, exponent, number, today);
        if (opened.Value is { } issuer)
        {
            if (kept.Count == MostKept)
            {
                kept.Clear();
            }

            kept[name] = issuer;
        }

        return opened;
    }

    /// <summary>Each part with its length before it, so that no two lists of parts read alike.</summary>
    private static string Name(AuthorityKey authority, ReadOnlySpan<byte> certificate, ReadOnlySpan<byte> remainder, ReadOnlySpan<byte> exponent, DateOnly today)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[sizeof(int)];
        void Append(ReadOnlySpan<byte> part, Span<byte> length)
        {
            BinaryPrimitives.WriteInt32BigEndian(length, part.Length);
            hash.AppendData(length);
            hash.AppendData(part);
        }

        Append(Encoding.ASCII.GetBytes(authority.Rid), number);
        Append([authority.Index], number);
        Append(authority.Value, number);
        Append(authority.Exponent, number);
        Append(certificate, number);
        Append(remainder, number);
        Append(exponent, number);
        BinaryPrimitives.WriteInt32BigEndian(number, today.DayNumber);
        hash.AppendData(number);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    public override string ToString() => $"{kept.Count} issuers' certificates";
}
