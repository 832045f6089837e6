using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class MessageMatrixTests
{
    /// <summary>Our row, the row of the collected matrix.</summary>
    private static readonly (string Ours, string Theirs)[] Rows =
    [
        ("balance", "BALANCE"),
        ("sale", "SALE"),
        ("void", "VOID"),
        ("refund", "REFUND"),
        ("offline-refund", "E_REFUND"),
        ("pre-authorisation", "AUTH"),
        ("offline-upload", "IC_OFFLINE_UPLOAD"),
        ("pre-authorisation-void", "CANCEL"),
        ("completion", "AUTH_COMPLETE"),
        ("completion-void", "COMPLETE_VOID"),
        ("completion-advice", "AUTH_SETTLEMENT"),
        ("sale-reversal", "SALE_REVERSE"),
        ("void-reversal", "VOID_REVERSE"),
        ("pre-authorisation-reversal", "AUTH_REVERSE"),
        ("pre-authorisation-void-reversal", "CANCEL_REVERSE"),
        ("completion-reversal", "AUTH_COMPLETE_REVERSE"),
        ("completion-void-reversal", "COMPLETE_VOID_REVERSE"),
        ("settlement", "SETTLEMENT"),
        ("batch-upload-ic", "TRANS_IC_DETAIL"),
        ("batch-upload", "TRANS_CARD_DETAIL"),
        ("settlement-end", "SETTLEMENT_DONE"),
        ("sign-on", "POS_SIGN_IN"),
        ("sign-off", "POS_SIGN_OUT"),
        ("echo", "ECHO_TEST"),
        ("status-upload", "POS_STATUS_UPLOAD"),
        ("parameter-download", "DOWNLOAD_PARAMS"),
        ("script-result", "UPLOAD_SCRIPT_RESULT"),
    ];

    /// <summary>Where we differ, and why.</summary>
    private static readonly Dictionary<string, string> Differences = new(StringComparer.Ordinal)
    {
        ["echo PACK +11c"] = "a trace number lets an echo's answer find its question",
        ["echo UNPACK +11c"] = "the same",
        ["offline-refund PACK +37m"] = "the sale that is given back is found by its reference number, as with any refund (decision 0034)",
        ["pre-authorisation-void-reversal PACK -52c"] = "a reversal carries no PIN: nothing would check it, and a PIN block that is not needed is not sent",
        ["settlement PACK +64c"] = "whoever closes a batch decides when its sales can no longer be voided: it bears a MAC (decision 0030)",
        ["settlement UNPACK +39c"] = "a settlement that cannot be read is refused with its code",
        ["settlement UNPACK +64c"] = "the answer bears a MAC as the request does",
    };

    [Fact]
    public void Our_rows_are_those_of_the_collected_matrix_but_for_the_listed_differences()
    {
        var theirs = File.ReadLines(Repository.SharedVector("pos-field-matrix.txt"))
            .Where(static line => line.Length > 0 && !line.StartsWith('('))
            .Select(static line => line.Split(' '))
            .ToDictionary(static words => $"{words[0]} {words[1]}", static words => words[2..]);
        var found = new List<string>();
        foreach (var (ours, name) in Rows)
        {
            var row = Assert.Single(MessageMatrix.All, row => row.Line == Dialect.Pos && row.Transaction == ours);
            Assert.Equal(theirs[$"{name} PACK"][0], row.Mti.Digits);
            Compare($"{ours} PACK", row.Request, theirs[$"{name} PACK"]);
            Compare($"{ours} UNPACK", row.Answer, theirs[$"{name} UNPACK"]);
        }

        Assert.Equal(Differences.Keys.Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
        Assert.Equal(MessageMatrix.All.Where(static row => row.Line == Dialect.Pos).Select(static row => row.Transaction), Rows.Select(static row => row.Ours).OrderBy(name => MessageMatrix.All.ToList().FindIndex(row => row.Transaction == name)));

        void Compare(string where, string ours, string[] theirWords)
        {
            var mine = ours.Split(' ').Select(static word => word.EndsWith('c') ? word : word + "m").ToHashSet(StringComparer.Ordinal);
            var other = theirWords[1..].ToHashSet(StringComparer.Ordinal);
            found.AddRange(mine.Except(other).Select(word => $"{where} +{word}"));
            found.AddRange(other.Except(mine).Select(word => $"{where} -{word}"));
        }
    }

    [Fact]
    public void Every_field_of_a_row_is_a_field_of_its_line()
    {
        foreach (var row in MessageMatrix.All)
        {
            foreach (var word in $"{row.Request} {row.Answer}".Split(' '))
            {
                Assert.NotNull(row.Line.Shape(int.Parse(word.TrimEnd('c'), System.Globalization.CultureInfo.InvariantCulture)));
            }
        }
    }

    [Fact]
    public void A_sale_is_in_order()
    {
        Assert.Null(MessageMatrix.Check(Dialect.Pos, IsoCodecTests.Sale()));
        Assert.Equal("sale", MessageMatrix.Find(Dialect.Pos, IsoCodecTests.Sale())!.Transaction);
    }

    [Fact]
    public void The_first_field_that_is_missing_or_too_many_is_named()
    {
        Assert.Equal("F4", MessageMatrix.Check(Dialect.Pos, IsoCodecTests.Sale().Remove(4))!.Value.Field);
        Assert.Equal("absent", MessageMatrix.Check(Dialect.Pos, IsoCodecTests.Sale().Remove(4))!.Value.Got);
        Assert.Equal("F37", MessageMatrix.Check(Dialect.Pos, IsoCodecTests.Sale().Set(37, "123456789012"))!.Value.Field);
        Assert.Equal("F60", MessageMatrix.Check(Dialect.Pos, IsoCodecTests.Sale().Remove(60))!.Value.Field);
        Assert.Equal("F3", MessageMatrix.Check(Dialect.Pos, IsoCodecTests.Sale().Set(3, "200000"))!.Value.Field);
        Assert.Equal("F25", MessageMatrix.Check(Dialect.Pos, IsoCodecTests.Sale().Set(25, "06"))!.Value.Field);
        Assert.Equal("MTI", MessageMatrix.Check(Dialect.Pos, new IsoMessage(new Mti(420)))!.Value.Field);
        Assert.Equal("MTI", MessageMatrix.Check(Dialect.Switch, new IsoMessage(new Mti(400)))!.Value.Field);
    }

    [Fact]
    public void A_decline_may_say_less_than_an_approval()
    {
        var answer = new IsoMessage(Mti.FinancialResponse).Set(3, "000000").Set(11, "000012").Set(39, "30").Set(41, "10000001").Set(42, "990031058120001").Set(60, "2200000100060");
        Assert.Null(MessageMatrix.Check(Dialect.Pos, answer));
        Assert.Equal("F4", MessageMatrix.Check(Dialect.Pos, answer.Set(39, "00"))!.Value.Field);
    }

    [Fact]
    public void A_void_between_institutions_names_its_original()
    {
        var message = new IsoMessage(Mti.FinancialRequest).Set(2, "8199010000000017").Set(3, "200000").Set(4, "000000008800").Set(7, "1123120000").Set(11, "000001").Set(18, "5812").Set(22, "072")
            .Set(25, "00").Set(32, "63990900").Set(33, "63990900").Set(37, "123456789012").Set(41, "10000001").Set(42, "990031058120001").Set(49, "156").Set(128, new byte[8]);
        Assert.Equal("F90", MessageMatrix.Check(Dialect.Switch, message)!.Value.Field);
        Assert.Null(MessageMatrix.Check(Dialect.Switch, message.Set(90, new string('0', 42))));
        Assert.Null(MessageMatrix.Check(Dialect.Switch, message.Remove(90).Set(3, "000000")));
    }
}
