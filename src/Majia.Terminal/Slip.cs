using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Terminal.Kernel;
using Majia.Terminal.Line;

namespace Majia.Terminal;

/// <summary>Whose paper it is.</summary>
public enum SlipCopy
{
    Merchant,
    Cardholder,
}

/// <summary>Chip data as slips print it (protocols.md 9). Upper-case hex.</summary>
public sealed record SlipChipData(
    string Cryptogram,
    string VerificationResults,
    string Aid,
    string TransactionCounter,
    string UnpredictableNumber,
    string InterchangeProfile,
    string IssuerApplicationData,
    string? SequenceNumber,
    string Label)
{
    public static SlipChipData Of(CardAnswer card) => new(
        Convert.ToHexString(card.Cryptogram.Span),
        Convert.ToHexString(card.Terminal.Results.Span),
        card.Aid,
        Convert.ToHexString(card.TransactionCounter.Span),
        Convert.ToHexString(card.Terminal.UnpredictableNumber.Span),
        Convert.ToHexString(card.InterchangeProfile.Span),
        Convert.ToHexString(card.IssuerApplicationData.Span),
        card.SequenceNumber,
        card.Label);
}

/// <summary>签购单: what is printed of an approved payment (protocols.md 9). It holds the device number masked, nothing more of it (R19).</summary>
/// <param name="MaskedNumber">First six, stars, last four of the number that was tapped: the device's.</param>
/// <param name="Entry">C contactless, I inserted.</param>
/// <param name="Voucher">凭证号: F11.</param>
/// <param name="OriginalVoucher">On a void: the voucher of the sale.</param>
/// <param name="NoSignatureLimit">The limit that frees this payment from a signature; null when a signature is wanted.</param>
/// <param name="Remark">F63.2.</param>
public sealed record Slip(
    TransactionKind Kind,
    Text MerchantName,
    string MerchantNumber,
    string TerminalNumber,
    string Operator,
    string Issuer,
    string Acquirer,
    string MaskedNumber,
    char Entry,
    string Batch,
    string Voucher,
    string? OriginalVoucher,
    string? Authorisation,
    string Rrn,
    DateTime LocalTime,
    Amount Amount,
    CvmResult Cvm,
    Amount? NoSignatureLimit,
    SlipChipData? Chip,
    string? Remark)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        IgnoreReadOnlyProperties = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter() },
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    [JsonIgnore]
    public string LastFour => MaskedNumber.Length < 4 ? string.Empty : MaskedNumber[^4..];

    [JsonIgnore]
    public bool PinEntered => Cvm is CvmResult.OnlinePin or CvmResult.CdcvmAndOnlinePin or CvmResult.OfflinePin;

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    public static Slip FromJson(string json) => JsonSerializer.Deserialize<Slip>(json, Json) ?? throw new FormatException("a stored slip is null");

    /// <summary>The paper as text, one line each, no line wider than <paramref name="columns"/> (a Chinese character is two).</summary>
    /// <param name="columns">32 to 48: the printer's width.</param>
    public string Print(SlipCopy copy, bool duplicate = false, int columns = 40) => new SlipPaper(columns).Print(this, copy, duplicate);

    /// <summary>What a text takes of the printer's columns: a Chinese character is two.</summary>
    public static int Columns(string text) => SlipPaper.Width(text);
}

/// <summary>A printer of fixed pitch: lines are justified, centred and broken by display width.</summary>
internal sealed class SlipPaper(int columns)
{
    private readonly StringBuilder paper = new();

    public string Print(Slip slip, SlipCopy copy, bool duplicate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 32);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(columns, 48);

        Centre("银联POS签购单");
        Centre("POS SALES SLIP");
        Rule('=');
        Between(copy == SlipCopy.Merchant ? "商户存根 MERCHANT COPY" : "持卡人存根 CARDHOLDER COPY", string.Empty);
        if (duplicate)
        {
            Centre("*** 重打印 DUPLICATE ***");
        }

        Rule('-');
        Line("商户名称 MERCHANT NAME:");
        Indented(slip.MerchantName.Zh);
        if (slip.MerchantName.En != slip.MerchantName.Zh)
        {
            Indented(slip.MerchantName.En);
        }

        Between("商户编号 MERCHANT NO:", slip.MerchantNumber);
        Between("终端编号 TERMINAL NO:", slip.TerminalNumber);
        Between("操作员号 OPERATOR:", slip.Operator);
        Rule('-');
        Between("发卡行 ISSUER:", slip.Issuer);
        Between("收单行 ACQUIRER:", slip.Acquirer);
        Line("卡号 CARD NO:");
        Right($"{slip.MaskedNumber} /{slip.Entry}");
        Between("交易类型 TRANS TYPE:", slip.Kind switch { TransactionKind.Sale => "消费 SALE", TransactionKind.Void => "消费撤销 VOID", TransactionKind.Offline => "脱机消费 OFFLINE SALE", TransactionKind.OfflineRefund => "脱机退货 OFFLINE REFUND", _ => "退货 REFUND" });
        Between("批次号 BATCH NO:", slip.Batch);
        Between("凭证号 VOUCHER NO:", slip.Voucher);
        if (slip.OriginalVoucher is not null)
        {
            Between("原凭证号 ORIG VOUCHER:", slip.OriginalVoucher);
        }

        Between("授权码 AUTH NO:", slip.Authorisation ?? string.Empty);
        Between("参考号 REFER NO:", slip.Rrn);
        Between("日期时间 DATE/TIME:", string.Empty);
        Right(slip.LocalTime.ToString("yyyy/MM/dd HH:mm:ss", CultureInfo.InvariantCulture));
        Between("金额 AMOUNT:", $"RMB {slip.Amount}");
        Rule('-');
        Line("备注 REFERENCE:");
        if (!string.IsNullOrWhiteSpace(slip.Remark))
        {
            Indented(slip.Remark.Trim());
        }

        if (slip.Chip is { } chip)
        {
            Line($"{(slip.Kind == TransactionKind.Offline ? "TC" : "ARQC")}: {chip.Cryptogram}");
            Line($"TVR: {chip.VerificationResults}  ATC: {chip.TransactionCounter}");
            Line($"AID: {chip.Aid}");
            Line($"UNPR NUM: {chip.UnpredictableNumber}  AIP: {chip.InterchangeProfile}");
            Line($"IAD: {chip.IssuerApplicationData}");
            Line(chip.SequenceNumber is null ? $"APPLAB: {chip.Label}" : $"APPLAB: {chip.Label}  CSN: {chip.SequenceNumber}");
        }

        Rule('-');
        Signature(slip, copy);
        return paper.ToString();
    }

    public string Print(SettlementSlip slip)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 32);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(columns, 48);

        Centre("银联POS结算单");
        Centre("POS SETTLEMENT SLIP");
        Rule('=');
        Line("商户名称 MERCHANT NAME:");
        Indented(slip.MerchantName.Zh);
        if (slip.MerchantName.En != slip.MerchantName.Zh)
        {
            Indented(slip.MerchantName.En);
        }

        Between("商户编号 MERCHANT NO:", slip.MerchantNumber);
        Between("终端编号 TERMINAL NO:", slip.TerminalNumber);
        Between("操作员号 OPERATOR:", slip.Operator);
        Between("批次号 BATCH NO:", slip.Batch);
        Between("参考号 REFER NO:", slip.Rrn);
        Between("日期时间 DATE/TIME:", string.Empty);
        Right(slip.LocalTime.ToString("yyyy/MM/dd HH:mm:ss", CultureInfo.InvariantCulture));
        Rule('-');
        Totals(slip.Own);
        if (slip.Balance != BatchBalance.Balanced)
        {
            Rule('-');
            Line("收单行合计 ACQUIRER'S TOTALS");
            Totals(slip.Host);
        }

        Rule('-');
        Centre(slip.Balance == BatchBalance.Balanced ? "对账平 BALANCED" : "*** 对账不平 NOT BALANCED ***");
        return paper.ToString();
    }

    private void Totals(SettlementTotals totals)
    {
        Between(string.Create(CultureInfo.InvariantCulture, $"消费 SALE ({totals.DebitCount})"), $"RMB {Amount.Cny(totals.Debit)}");
        Between(string.Create(CultureInfo.InvariantCulture, $"退货 REFUND ({totals.CreditCount})"), $"RMB {Amount.Cny(totals.Credit)}");
        Between("净额 NET", $"RMB {totals.Net}");
    }

    /// <summary>Under the limit nobody signs; above it, and for every void, the holder signs the merchant's copy.</summary>
    private void Signature(Slip slip, SlipCopy copy)
    {
        if (slip.NoSignatureLimit is { } limit)
        {
            var free = slip.PinEntered ? "无需签名" : "免密免签";
            var sentence = $"交易金额未超 {limit} 元，";
            if (Width(sentence) + Width(free) <= columns)
            {
                Line(sentence + free);
            }
            else
            {
                Line(sentence);
                Line(free);
            }

            Line(slip.PinEntered ? $"AMOUNT WITHIN RMB {limit}: NO SIGNATURE" : $"AMOUNT WITHIN RMB {limit}:");
            if (!slip.PinEntered)
            {
                Line("NO PIN, NO SIGNATURE");
            }

            return;
        }

        if (copy == SlipCopy.Merchant)
        {
            Line("持卡人签名 CARDHOLDER SIGNATURE:");
            paper.Append('\n').Append('\n');
            Rule('_');
        }

        Line("本人确认以上交易，同意将其记入本人账户");
        Line("I ACKNOWLEDGE SATISFACTORY RECEIPT OF RELATIVE GOODS/SERVICES");
    }

    /// <summary>Display width: CJK, fullwidth forms and CJK punctuation take two columns (Unicode East Asian Width W and F).</summary>
    public static int Width(string text)
    {
        var width = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            width += IsWide(rune.Value) ? 2 : 1;
        }

        return width;
    }

    private static bool IsWide(int rune) => rune is (>= 0x1100 and <= 0x115F) or (>= 0x2E80 and <= 0x303E) or (>= 0x3041 and <= 0x4DBF) or (>= 0x4E00 and <= 0xA4CF)
        or (>= 0xAC00 and <= 0xD7A3) or (>= 0xF900 and <= 0xFAFF) or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60) or (>= 0xFFE0 and <= 0xFFE6) or (>= 0x20000 and <= 0x3FFFD);

    private void Rule(char of) => paper.Append(of, columns).Append('\n');

    private void Centre(string text) => paper.Append(' ', Math.Max(0, (columns - Width(text)) / 2)).Append(text).Append('\n');

    private void Right(string text) => paper.Append(' ', Math.Max(0, columns - Width(text))).Append(text).Append('\n');

    private void Indented(string text) => Wrap(text, "  ");

    private void Line(string text) => Wrap(text, string.Empty);

    /// <summary>Label left, value right; the value on a line of its own where both do not fit.</summary>
    private void Between(string label, string value)
    {
        var gap = columns - Width(label) - Width(value);
        if (value.Length == 0)
        {
            Line(label);
        }
        else if (gap >= 1)
        {
            paper.Append(label).Append(' ', gap).Append(value).Append('\n');
        }
        else
        {
            Line(label);
            Right(value);
        }
    }

    /// <summary>Breaks at the last space that fits, or where the line is full.</summary>
    private void Wrap(string text, string indent)
    {
        var room = columns - indent.Length;
        while (Width(text) > room)
        {
            var (fits, width) = (0, 0);
            foreach (var rune in text.EnumerateRunes())
            {
                width += IsWide(rune.Value) ? 2 : 1;
                if (width > room)
                {
                    break;
                }

                fits += rune.Utf16SequenceLength;
            }

            var space = text[fits] == ' ' ? fits : text.LastIndexOf(' ', fits - 1);
            var cut = space > 0 ? space : fits;
            paper.Append(indent).Append(text, 0, cut).Append('\n');
            text = text[cut..].TrimStart();
        }

        paper.Append(indent).Append(text).Append('\n');
    }
}
