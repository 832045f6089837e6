using System.Diagnostics.CodeAnalysis;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>Issuer discretionary data behind the CVR: <c>L ‖ id ‖ value ‖ MAC(4)</c> (protocols.md 1.4).</summary>
/// <param name="Id">01: electronic cash balance, 5 bytes; 02–06: offline totals; else the issuer's own.</param>
/// <param name="Value">Without id and MAC.</param>
/// <param name="Mac">4 bytes under the session MAC key.</param>
public sealed record IssuerDiscretionaryData(byte Id, ReadOnlyMemory<byte> Value, ReadOnlyMemory<byte> Mac)
{
    public const int MacLength = 4;

    public bool Equals(IssuerDiscretionaryData? other) =>
        other is not null && Id == other.Id && Value.Span.SequenceEqual(other.Value.Span) && Mac.Span.SequenceEqual(other.Mac.Span);

    public override int GetHashCode() => HashCode.Combine(Id, Value.Length);
}

/// <summary>IAD of UnionPay, tag 9F10: <c>07 ‖ DKI ‖ CVN ‖ CVR(4) ‖ algorithm ‖ [L ‖ IDD]</c>, 8 to 32 bytes (protocols.md 1.4).</summary>
/// <param name="DerivationKeyIndex">The issuer's choice: which version of the master key.</param>
/// <param name="Algorithm">3DES (byte 01) or SM4 (byte 04).</param>
public sealed record IssuerApplicationData(
    byte DerivationKeyIndex,
    CryptogramVersion Version,
    CardVerificationResults CardVerificationResults,
    CipherAlgorithm Algorithm,
    IssuerDiscretionaryData? Discretionary = null)
{
    public const int BaseLength = 8, MaxLength = 32;

    private const byte TripleDesByte = 0x01, Sm4Byte = 0x04;

    /// <summary>Where the four bytes of the CVR stand in the element.</summary>
    public const int CvrOffset = 3;

    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out IssuerApplicationData? data, out ParseError error)
    {
        data = null;
        if (bytes.Length is < BaseLength or > MaxLength)
        {
            error = new ParseError("IAD", Math.Min(bytes.Length, MaxLength), "8 to 32 bytes", $"{bytes.Length} bytes");
            return false;
        }

        if (bytes[0] != 7)
        {
            error = new ParseError("IAD length", 0, "07", $"{bytes[0]:X2}");
            return false;
        }

        if (bytes[2] is not ((byte)CryptogramVersion.Full or (byte)CryptogramVersion.Reduced))
        {
            error = new ParseError("IAD cryptogram version", 2, "01 or 17", $"{bytes[2]:X2}");
            return false;
        }

        if (bytes[CvrOffset] != 3)
        {
            error = new ParseError("CVR length", CvrOffset, "03", $"{bytes[CvrOffset]:X2}");
            return false;
        }

        if (bytes[7] is not (TripleDesByte or Sm4Byte))
        {
            error = new ParseError("IAD algorithm", 7, "01 (3DES) or 04 (SM4)", $"{bytes[7]:X2}");
            return false;
        }

        if (!TryParseDiscretionary(bytes[BaseLength..], out var discretionary, out error) ||
            !CardVerificationResults.TryParse(bytes.Slice(CvrOffset, CardVerificationResults.Length), out var cvr, out error))
        {
            return false;
        }

        data = new IssuerApplicationData(bytes[1], (CryptogramVersion)bytes[2], cvr, bytes[7] == Sm4Byte ? CipherAlgorithm.Sm4 : CipherAlgorithm.TripleDes, discretionary);
        return true;
    }

    /// <exception cref="InvalidOperationException">An algorithm without a byte, or discretionary data that does not fit: our own bug.</exception>
    public byte[] ToBytes()
    {
        var algorithm = Algorithm switch
        {
            CipherAlgorithm.TripleDes => TripleDesByte,
            CipherAlgorithm.Sm4 => Sm4Byte,
            _ => throw new InvalidOperationException("cryptograms are made in 3DES or SM4"),
        };
        byte[] start = [7, DerivationKeyIndex, (byte)Version, .. CardVerificationResults.ToBytes(), algorithm];
        if (Discretionary is not { } idd)
        {
            return start;
        }

        var length = 1 + idd.Value.Length + idd.Mac.Length;
        if (idd.Mac.Length != IssuerDiscretionaryData.MacLength || BaseLength + 1 + length > MaxLength)
        {
            throw new InvalidOperationException("discretionary data has a MAC of 4 bytes and fits in 32");
        }

        return [.. start, (byte)length, idd.Id, .. idd.Value.Span, .. idd.Mac.Span];
    }

    private static bool TryParseDiscretionary(ReadOnlySpan<byte> bytes, out IssuerDiscretionaryData? discretionary, out ParseError error)
    {
        discretionary = null;
        error = default;
        if (bytes.IsEmpty)
        {
            return true;
        }

        if (bytes[0] != bytes.Length - 1 || bytes.Length < 2 + IssuerDiscretionaryData.MacLength)
        {
            error = new ParseError("IDD length", BaseLength, $"{bytes.Length - 1:X2}, the bytes that follow (5 or more)", $"{bytes[0]:X2}");
            return false;
        }

        discretionary = new IssuerDiscretionaryData(bytes[1], bytes[2..^IssuerDiscretionaryData.MacLength].ToArray(), bytes[^IssuerDiscretionaryData.MacLength..].ToArray());
        return true;
    }
}
