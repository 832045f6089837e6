using System.Globalization;
using System.Security.Cryptography;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Terminal.Kernel;

/// <summary>A public key that was certified: RSA, or an SM2 point.</summary>
/// <param name="Value">RSA: modulus. SM2: X ‖ Y.</param>
/// <param name="Exponent">Empty for SM2.</param>
public sealed record CertifiedKey(byte[] Value, byte[] Exponent)
{
    public bool IsSm2 => Exponent.Length == 0;

    /// <summary>Whom the certificate names: the leftmost digits of a number, or all of it.</summary>
    public string Subject { get; init; } = string.Empty;

    public CardRsaPublic Rsa => new(Value, Exponent);
}

/// <summary>A step of offline data authentication: what it gave, or why not.</summary>
public readonly record struct Verified<T>(T? Value, Text Why)
    where T : class
{
    public bool Good => Value is not null;
}

/// <summary>Authority → issuer → chip, in RSA (EMV Book 2 §5.3, §6.3, §6.4) and in SM2 (PBOC 3.0; protocols.md 4.1, 4.3). Pure: every check of the book, in its order.</summary>
public static class PublicKeyChain
{
    private const byte Header = 0x6A, Trailer = 0xBC, Sha1 = 0x01, Rsa = 0x01, IssuerFormat = 0x02, ChipFormat = 0x04;

    private const int HashLength = 20, IssuerHead = 15, ChipHead = 21, IssuerOverhead = 36, ChipOverhead = 42;

    private static readonly byte[] Sm2Key = [0x04, 0x00, 0x11, 0x40];

    /// <summary>The issuer's key out of tag 90.</summary>
    /// <param name="remainder">Tag 92, may be empty.</param>
    /// <param name="exponent">Tag 9F32; empty in SM2.</param>
    /// <param name="number">The card's number, digits.</param>
    public static Verified<CertifiedKey> Issuer(AuthorityKey authority, ReadOnlySpan<byte> certificate, ReadOnlySpan<byte> remainder, ReadOnlySpan<byte> exponent, string number, DateOnly today)
    {
        if (today > authority.Expires)
        {
            return No($"the authority's key {authority.Index:X2} expired on {authority.Expires:yyyy-MM-dd}", $"认证中心公钥 {authority.Index:X2} 已于 {authority.Expires:yyyy-MM-dd} 到期");
        }

        if (authority.IsSm2)
        {
            return Plain(authority.Value, certificate, 0x12, 4, [], number, today, "issuer", "发卡行");
        }

        if (new CardRsaPublic(authority.Value, authority.Exponent).Recover(certificate) is not { } block || block.Length < IssuerOverhead + 1)
        {
            return No("the issuer's certificate is not as long as the authority's key", "发卡行证书长度与认证中心公钥不符");
        }

        return Recovered(block, IssuerFormat, IssuerHead, remainder, exponent, [], block.AsSpan(2, 4), number, today, "issuer", "发卡行");
    }

    /// <summary>The chip's key out of tag 9F46.</summary>
    /// <param name="remainder">Tag 9F48, may be empty.</param>
    /// <param name="exponent">Tag 9F47; empty in SM2.</param>
    /// <param name="staticData">Records that the AFL names for it, then the value of the AIP.</param>
    public static Verified<CertifiedKey> Chip(CertifiedKey issuer, ReadOnlySpan<byte> certificate, ReadOnlySpan<byte> remainder, ReadOnlySpan<byte> exponent, ReadOnlySpan<byte> staticData, string number, DateOnly today)
    {
        if (issuer.IsSm2)
        {
            return Plain(issuer.Value, certificate, 0x14, 10, staticData, number, today, "chip", "芯片");
        }

        if (issuer.Rsa.Recover(certificate) is not { } block || block.Length < ChipOverhead + 1)
        {
            return No("the chip's certificate is not as long as the issuer's key", "芯片证书长度与发卡行公钥不符");
        }

        return Recovered(block, ChipFormat, ChipHead, remainder, exponent, staticData, block.AsSpan(2, 10), number, today, "chip", "芯片");
    }

    /// <summary>Header, format, hash, subject, date, algorithm, then the key's two parts put together.</summary>
    private static Verified<CertifiedKey> Recovered(
        byte[] block, byte format, int head, ReadOnlySpan<byte> remainder, ReadOnlySpan<byte> exponent, ReadOnlySpan<byte> staticData, ReadOnlySpan<byte> subject, string number, DateOnly today, string en, string zh)
    {
        if (block[^1] != Trailer || block[0] != Header || block[1] != format)
        {
            return No($"the {en}'s certificate does not open with the key above it", $"{zh}证书无法用上级公钥恢复");
        }

        if (block[head - 4] != Sha1)
        {
            return No($"the {en}'s certificate names hash {block[head - 4]:X2}, not 01", $"{zh}证书的哈希算法标识为 {block[head - 4]:X2}，应为 01");
        }

#pragma warning disable CA5350 // the certificate format's own hash (EMV Book 2 annex B3.1)
        var hash = SHA1.HashData((byte[])[.. block[1..^(HashLength + 1)], .. remainder, .. exponent, .. staticData]);
#pragma warning restore CA5350
        if (!hash.AsSpan().SequenceEqual(block.AsSpan(block.Length - HashLength - 1, HashLength)))
        {
            return No($"the hash in the {en}'s certificate differs", $"{zh}证书哈希不符");
        }

        if (!IsOf(subject, number))
        {
            return No($"the {en}'s certificate is of another number", $"{zh}证书不属于该卡号");
        }

        if (Expired(block.AsSpan(2 + subject.Length, 2), today) is { } expired)
        {
            return No($"the {en}'s certificate {expired.En}", $"{zh}证书{expired.Zh}");
        }

        if (block[head - 3] != Rsa)
        {
            return No($"the {en}'s key is of algorithm {block[head - 3]:X2}, not RSA", $"{zh}公钥算法标识为 {block[head - 3]:X2}，应为 RSA");
        }

        // Inside as much of the modulus as fits, padded with BB; the rest stands in the remainder.
        int length = block[head - 2], room = block.Length - head - HashLength - 1;
        if (exponent.Length is 0 or > 3 || block[head - 1] != exponent.Length || length < 1 || Math.Max(length - room, 0) != remainder.Length)
        {
            return No($"the {en}'s key is not whole: {length} bytes announced", $"{zh}公钥不完整：声明长度 {length} 字节");
        }

        return new(new CertifiedKey([.. block.AsSpan(head, Math.Min(length, room)), .. remainder], exponent.ToArray()) { Subject = Digits(subject) }, new(string.Empty, string.Empty));
    }

    /// <summary>SM2 certificates are plain: fields, key, signature (protocols.md 4.3).</summary>
    private static Verified<CertifiedKey> Plain(byte[] above, ReadOnlySpan<byte> certificate, byte format, int subjectLength, ReadOnlySpan<byte> staticData, string number, DateOnly today, string en, string zh)
    {
        var signed = 1 + subjectLength + 2 + 3 + Sm2Key.Length + Sm2.PublicLength;
        if (certificate.Length != signed + Sm2.SignatureLength || certificate[0] != format || !certificate.Slice(1 + subjectLength + 5, Sm2Key.Length).SequenceEqual(Sm2Key))
        {
            return No($"the {en}'s certificate is no SM2 certificate", $"{zh}证书不是 SM2 证书");
        }

        if (!Sm2.Verify(above, (byte[])[.. certificate[..signed], .. staticData], certificate[signed..]))
        {
            return No($"the signature under the {en}'s certificate is wrong", $"{zh}证书签名不正确");
        }

        if (!IsOf(certificate.Slice(1, subjectLength), number))
        {
            return No($"the {en}'s certificate is of another number", $"{zh}证书不属于该卡号");
        }

        return Expired(certificate.Slice(1 + subjectLength, 2), today) is { } expired
            ? No($"the {en}'s certificate {expired.En}", $"{zh}证书{expired.Zh}")
            : new(new CertifiedKey(certificate.Slice(signed - Sm2.PublicLength, Sm2.PublicLength).ToArray(), []) { Subject = Digits(certificate.Slice(1, subjectLength)) }, new(string.Empty, string.Empty));
    }

    /// <summary>The leftmost digits of the number, or all of it, padded with F (EMV Book 2 §6.3 step 6, §6.4 step 6).</summary>
    private static bool IsOf(ReadOnlySpan<byte> subject, string number)
    {
        var digits = Digits(subject);
        return subject.Length == 4 ? IsIssuerOf(digits, number) : digits == number;
    }

    internal static bool IsIssuerOf(string subject, string number) => subject.Length >= 3 && number.StartsWith(subject, StringComparison.Ordinal);

    private static string Digits(ReadOnlySpan<byte> subject) => Convert.ToHexString(subject).TrimEnd('F');

    /// <summary>MMYY: good to the last day of its month.</summary>
    private static Text? Expired(ReadOnlySpan<byte> date, DateOnly today)
    {
        var digits = Convert.ToHexString(date);
        if (!int.TryParse(digits.AsSpan(0, 2), NumberStyles.None, CultureInfo.InvariantCulture, out var month) || month is < 1 or > 12
            || !int.TryParse(digits.AsSpan(2, 2), NumberStyles.None, CultureInfo.InvariantCulture, out var year))
        {
            return new("has no date", "日期无效");
        }

        return new DateOnly(2000 + year, month, DateTime.DaysInMonth(2000 + year, month)) < today
            ? new($"expired in 20{year:D2}-{month:D2}", $"已于 20{year:D2}-{month:D2} 到期")
            : null;
    }

    internal static Verified<CertifiedKey> No(string en, string zh) => new(null, new(en, zh));
}
