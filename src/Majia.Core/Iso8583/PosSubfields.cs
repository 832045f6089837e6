using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Majia.Core.Primitives;

namespace Majia.Core.Iso8583;

/// <summary>Checks that the sub-field readers share.</summary>
internal static class Subfield
{
    public static bool Digits(ReadOnlySpan<char> text, string field, string expected, ReadOnlySpan<int> lengths, out ParseError error)
    {
        if (!lengths.Contains(text.Length))
        {
            error = new ParseError(field, 0, expected, $"{text.Length} characters");
            return false;
        }

        var wrong = text.IndexOfAnyExceptInRange('0', '9');
        error = wrong < 0 ? default : new ParseError(field, wrong, "a digit", "another character");
        return wrong < 0;
    }

    public static string Require(string value, int length, string name) =>
        value.Length == length ? value : throw new ArgumentException($"{name} has {length} characters, not {value.Length}");
}

/// <summary>F60 of the POS line: type 2 ‖ batch 6 ‖ network management 3 [‖ terminal capability 1 [‖ IC condition 1 [‖ partial approval 1 [‖ account type 3]]]] (protocols.md 6.2, 6.3).</summary>
/// <param name="Type">60.1, which transaction it is: 22 sale, 23 void, 25 refund, 01 balance …</param>
/// <param name="Batch">60.2, the terminal's batch.</param>
/// <param name="NetworkManagement">60.3: 000 for payments, 001 sign-on, 201 settlement …</param>
/// <param name="Capability">60.4, reads: 0 unknown, 2 magnetic stripe, 5 contact chip, 6 contactless chip.</param>
/// <param name="IcCondition">60.5, why a chip card was not read by its chip: 0 it was.</param>
/// <param name="Partial">60.6: 1 the terminal takes partial approvals.</param>
/// <param name="AccountType">60.7, three digits.</param>
public sealed record Field60Pos(string Type, string Batch, string NetworkManagement = "000", char? Capability = null, char? IcCondition = null, char? Partial = null, string? AccountType = null)
{
    /// <summary>F60 of a payment at a contactless terminal: type ‖ batch ‖ 000 ‖ 60.</summary>
    public static Field60Pos Payment(string type, string batch) => new(type, batch, "000", '6', '0');

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field60Pos? value, out ParseError error)
    {
        value = Subfield.Digits(text, "F60", "type 2, batch 6, network management 3, then up to 6 more digits", [11, 12, 13, 14, 17], out error)
            ? new Field60Pos(
                text[..2].ToString(), text[2..8].ToString(), text[8..11].ToString(),
                text.Length > 11 ? text[11] : null, text.Length > 12 ? text[12] : null, text.Length > 13 ? text[13] : null, text.Length > 14 ? text[14..].ToString() : null)
            : null;
        return value is not null;
    }

    public string Format() => string.Concat(
        Subfield.Require(Type, 2, "F60.1") + Subfield.Require(Batch, 6, "F60.2") + Subfield.Require(NetworkManagement, 3, "F60.3"),
        Capability?.ToString(), IcCondition?.ToString(), Partial + AccountType);
}

/// <summary>F61 of the POS line: original batch 6 ‖ original trace 6 [‖ original date 4 MMDD [‖ authorisation mode 2 [‖ authorising institution 11]]] (protocols.md 6.2).</summary>
public sealed record Field61Pos(string Batch, string Stan, string? Date = null, string? AuthorisationMode = null, string? Institution = null)
{
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field61Pos? value, out ParseError error)
    {
        value = Subfield.Digits(text, "F61", "original batch 6, trace 6, date 4, authorisation mode 2, institution 11", [12, 16, 18, 29], out error)
            ? new Field61Pos(
                text[..6].ToString(), text[6..12].ToString(),
                text.Length > 12 ? text[12..16].ToString() : null, text.Length > 16 ? text[16..18].ToString() : null, text.Length > 18 ? text[18..].ToString() : null)
            : null;
        return value is not null;
    }

    public string Format() => Subfield.Require(Batch, 6, "F61.1") + Subfield.Require(Stan, 6, "F61.2") + Date + AuthorisationMode + Institution;
}

/// <summary>F44 of an answer: issuer 11 ‖ acquirer 11, filled with spaces behind.</summary>
public sealed record Field44(string Issuer, string Acquirer)
{
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field44? value, out ParseError error)
    {
        value = null;
        if (text.Length is < 11 or > 25)
        {
            error = new ParseError("F44", 0, "issuer 11 and acquirer 11", $"{text.Length} characters");
            return false;
        }

        error = default;
        value = new Field44(text[..11].TrimEnd(' ').ToString(), text[11..Math.Min(22, text.Length)].TrimEnd(' ').ToString());
        return true;
    }

    public string Format() => Subfield.Require(Issuer.PadRight(11), 11, "F44.1") + Subfield.Require(Acquirer.PadRight(11), 11, "F44.2");
}

/// <summary>F53: PIN format 1 ‖ algorithm 1 ‖ track encryption 1 ‖ zeros (protocols.md 6.6).</summary>
/// <param name="PinFormat">0 no PIN, 1 without the number, 2 with the number (ISO 9564 format 0).</param>
/// <param name="Algorithm">0 single DES, 6 triple DES; SM4 is 3 on the POS line and 4 between institutions (sources differ).</param>
/// <param name="TrackEncrypted">Track data stand under the TDK.</param>
public sealed record Field53(char PinFormat, char Algorithm, bool TrackEncrypted = false)
{
    /// <summary>2600000000000000.</summary>
    public static readonly Field53 TripleDesWithNumber = new('2', '6');

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Field53? value, out ParseError error)
    {
        value = null;
        if (!Subfield.Digits(text, "F53", "16 digits", [16], out error))
        {
            return false;
        }

        if (text[0] > '2')
        {
            error = new ParseError("F53", 0, "PIN format 0, 1 or 2", text[0].ToString());
            return false;
        }

        value = new Field53(text[0], text[1], text[2] == '1');
        return true;
    }

    public string Format() => $"{PinFormat}{Algorithm}{(TrackEncrypted ? '1' : '0')}0000000000000";
}

/// <summary>One balance of F54: account type 2 ‖ amount type 2 ‖ currency 3 ‖ C or D ‖ amount 12.</summary>
/// <param name="AmountType">01 ledger balance, 02 available balance.</param>
/// <param name="Balance">Negative for D.</param>
public sealed record Field54(string AccountType, string AmountType, Amount Balance)
{
    public const int Length = 20;

    /// <summary>Reads the balances that stand one behind the other.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IReadOnlyList<Field54> balances, out ParseError error)
    {
        balances = [];
        if (text.IsEmpty || text.Length % Length != 0)
        {
            error = new ParseError("F54", 0, "balances of 20 characters each", $"{text.Length} characters");
            return false;
        }

        var read = new List<Field54>(text.Length / Length);
        for (var at = 0; at < text.Length; at += Length)
        {
            var one = text.Slice(at, Length);
            if (one[7] is not ('C' or 'D'))
            {
                error = new ParseError("F54", at + 7, "C or D", "another character");
                return false;
            }

            if (one[..7].IndexOfAnyExceptInRange('0', '9') >= 0 || one[8..].IndexOfAnyExceptInRange('0', '9') >= 0)
            {
                error = new ParseError("F54", at, "account type 2, amount type 2, currency 3, C or D, amount 12", "another character");
                return false;
            }

            var minor = long.Parse(one[8..], NumberStyles.None, CultureInfo.InvariantCulture);
            var currency = new Currency(int.Parse(one[4..7], NumberStyles.None, CultureInfo.InvariantCulture));
            read.Add(new Field54(one[..2].ToString(), one[2..4].ToString(), new Amount(one[7] == 'D' ? -minor : minor, currency)));
        }

        error = default;
        balances = read;
        return true;
    }

    public string Format() =>
        Subfield.Require(AccountType, 2, "account type") + Subfield.Require(AmountType, 2, "amount type") + Balance.Currency.Digits + (Balance.Minor < 0 ? 'D' : 'C') + new Amount(Math.Abs(Balance.Minor), Balance.Currency).Digits12;
}

/// <summary>F63 of an answer on the POS line: card organisation 3 ‖ texts of issuer 20, network 20, acquirer 20, terminal 60, in bytes of GBK.</summary>
public sealed record Field63Pos(string Organisation, string Issuer = "", string Network = "", string Acquirer = "", string Terminal = "")
{
    private static readonly int[] Widths = [3, 20, 20, 20, 60];
    private static readonly Encoding Gbk = CodePagesEncodingProvider.Instance.GetEncoding(936)!;

    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Field63Pos? value, out ParseError error)
    {
        value = null;
        if (bytes.Length is < 3 or > 163)
        {
            error = new ParseError("F63", 0, "card organisation 3, then texts of 20, 20, 20 and 60 bytes", $"{bytes.Length} bytes");
            return false;
        }

        Span<string> parts = ["", "", "", "", ""];
        var at = 0;
        for (var i = 0; i < Widths.Length && at < bytes.Length; i++)
        {
            var width = Math.Min(Widths[i], bytes.Length - at);
            parts[i] = Gbk.GetString(bytes.Slice(at, width)).TrimEnd(' ', '\0');
            at += width;
        }

        error = default;
        value = new Field63Pos(parts[0], parts[1], parts[2], parts[3], parts[4]);
        return true;
    }

    /// <summary>The bytes up to the last text that is not empty. A text too long for its place is cut between characters.</summary>
    public byte[] Format()
    {
        string[] parts = [Organisation, Issuer, Network, Acquirer, Terminal];
        var last = Array.FindLastIndex(parts, static part => part.Length > 0);
        var bytes = new List<byte>(123);
        for (var i = 0; i <= Math.Max(0, last); i++)
        {
            var text = parts[i];
            while (Gbk.GetByteCount(text) > Widths[i])
            {
                text = text[..^1];
            }

            var part = Gbk.GetBytes(text);
            bytes.AddRange(part);
            bytes.AddRange(Enumerable.Repeat((byte)' ', Widths[i] - part.Length));
        }

        return [.. bytes];
    }
}

/// <summary>What a 0400 or a void names its original by: merchant, terminal, batch, trace number (decisions.md 19).</summary>
public sealed record PosOriginal(string Merchant, string Terminal, string Batch, string Stan)
{
    /// <summary>The original of a reversal: the 0400 carries its trace number and its F60.</summary>
    public static bool TryReadReversal(IsoMessage message, [NotNullWhen(true)] out PosOriginal? original, out ParseError error)
    {
        original = PosKey.TryRead(message, out var key, out error) ? key.Original : null;
        return original is not null;
    }

    /// <summary>The original that F61 names: of a void, a completion, a refund and of their reversals.</summary>
    public static bool TryReadField61(IsoMessage message, [NotNullWhen(true)] out PosOriginal? original, out ParseError error)
    {
        original = null;
        if (message.Text(42) is not { } merchant || message.Text(41) is not { } terminal)
        {
            error = new ParseError(message.Has(42) ? "F41" : "F42", 0, "present", "absent");
            return false;
        }

        if (!Field61Pos.TryParse(message.Text(61), out var field61, out error))
        {
            return false;
        }

        original = new PosOriginal(merchant, terminal, field61.Batch, field61.Stan);
        return true;
    }
}

/// <summary>Same transaction on the POS line? F42, F41, batch F60.2, F11, class of the MTI, F3, F60.1 (decisions.md 19). Same key and content: the stored answer; same key, other content: 94.</summary>
/// <param name="MtiClass">Second digit of the MTI: 2 financial, 4 reversal …</param>
/// <param name="ProcessingCode">F3, empty where the message has none.</param>
public sealed record PosKey(string Merchant, string Terminal, string Batch, string Stan, int MtiClass, string ProcessingCode, string Type)
{
    public PosOriginal Original => new(Merchant, Terminal, Batch, Stan);

    /// <summary>From a request that carries 11, 41, 42 and 60.</summary>
    public static bool TryRead(IsoMessage message, [NotNullWhen(true)] out PosKey? key, out ParseError error)
    {
        key = null;
        foreach (var field in (ReadOnlySpan<int>)[11, 41, 42, 60])
        {
            if (!message.Has(field))
            {
                error = new ParseError("F" + field.ToString(CultureInfo.InvariantCulture), 0, "present", "absent");
                return false;
            }
        }

        if (!Field60Pos.TryParse(message.Text(60), out var field60, out error))
        {
            return false;
        }

        key = new PosKey(message.Text(42)!, message.Text(41)!, field60.Batch, message.Text(11)!, message.Mti.Class, message.Text(3) ?? string.Empty, field60.Type);
        return true;
    }

    /// <summary>One line of text, for a column that must be unique.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Merchant}:{Terminal}:{Batch}:{Stan}:{MtiClass}:{ProcessingCode}:{Type}");
}
