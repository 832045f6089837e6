using Majia.Core.Primitives;

namespace Majia.Core.Emv;

/// <summary>An application identifier, or its beginning, that people know by a name.</summary>
public sealed record AidRow(string Prefix, Text Name);

/// <summary>Names of applications, the longest prefix first wins (protocols.md 2.1, 5.6).</summary>
public static class AidDirectory
{
    public static readonly IReadOnlyList<AidRow> Rows =
    [
        new("A000000333010101", new("UnionPay debit", "银联借记")),
        new("A000000333010102", new("UnionPay credit", "银联贷记")),
        new("A000000333010103", new("UnionPay quasi-credit", "银联准贷记")),
        new("A000000333010106", new("UnionPay electronic cash", "银联纯电子现金")),
        new("A000000333010108", new("UnionPay US common debit", "银联美国通用借记")),
        new("A000000333010100", new("payment application (module)", "支付应用（模块）")),
        new("A0000003330101", new("UnionPay payment package", "银联支付应用包")),
        new("A000000333", new("UnionPay", "银联")),
        new("325041592E5359532E4444463031", new("proximity payment system environment (PPSE), 2PAY.SYS.DDF01", "近场支付系统环境（PPSE），2PAY.SYS.DDF01")),
        new("315041592E5359532E4444463031", new("payment system environment (PSE), 1PAY.SYS.DDF01", "支付系统环境（PSE），1PAY.SYS.DDF01")),
        new("A0000001510000004D4A5453", new("security domain of the token service", "令牌服务安全域")),
        new("A000000151000000", new("issuer security domain", "主安全域")),
        new("A00000015143525300", new("contactless registry (CRS)", "非接触注册服务（CRS）")),
        new("F04D4A42494E44", new("binding applet", "绑定应用")),
    ];

    /// <summary>The row with the longest prefix of <paramref name="aid"/>, or null.</summary>
    public static AidRow? Find(ReadOnlySpan<byte> aid)
    {
        var hex = Convert.ToHexString(aid);
        AidRow? best = null;
        foreach (var row in Rows)
        {
            if (hex.StartsWith(row.Prefix, StringComparison.Ordinal) && (best is null || row.Prefix.Length > best.Prefix.Length))
            {
                best = row;
            }
        }

        return best;
    }
}
