using Majia.Core.Apdu;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;

namespace Majia.Tests.Terminal;

public class KernelTests
{
    private static readonly DateTimeOffset Noon = new(2026, 7, 1, 12, 0, 0, TimeSpan.FromHours(8));

    private static TransactionData Data(long fen = 8800, uint ttq = 0x26804080) =>
        new(Amount.Cny(fen), 0x00, Noon, FakeCard.Hex("2B29EBE4"), new TerminalTransactionQualifiers(ttq), TerminalParameters.Default);

    private static ApplicationSelection.Selected Application { get; } = Select();

    [Fact]
    public void The_recorded_transcript_is_spoken_byte_for_byte()
    {
        var lines = File.ReadLines(Repository.Vector("qpboc-transcript.txt")).Where(line => !line.StartsWith('#')).Select(line => line.Split(' ')).ToDictionary(part => part[0]);
        var indicators = PreProcessing.Run(TerminalParameters.Default, Amount.Cny(1));

        Assert.Equal(lines["ppse"][1], Convert.ToHexString(ApplicationSelection.SelectPpse.ToBytes()));
        var candidate = Assert.Single(ApplicationSelection.Candidates(Response(FakeCard.Hex(lines["ppse"][2])), indicators));
        Assert.Equal(lines["select"][1], Convert.ToHexString(ApplicationSelection.Select(candidate.Aid).ToBytes()));
        var selected = ApplicationSelection.Open(candidate, Response(FakeCard.Hex(lines["select"][2])));
        Assert.NotNull(selected);
        Assert.Equal("PBOC DEBIT", selected.Label);

        var data = new TransactionData(Amount.Cny(1), 0x00, new DateTimeOffset(2017, 6, 1, 9, 0, 0, TimeSpan.FromHours(8)), FakeCard.Hex("2B29EBE4"),
            new TerminalTransactionQualifiers(0x36800000), TerminalParameters.Default);
        Assert.Null(InitiateApplication.Prepare(selected.Pdol, data, out var gpo));
        Assert.Equal(lines["gpo"][1], Convert.ToHexString(gpo!.ToBytes()));

        Assert.Null(InitiateApplication.Interpret(Response(FakeCard.Hex(lines["gpo"][2])), out var content));
        Assert.Null(CardActionAnalysis.Read(new CardData(content, []), selected, data, out var card));
        Assert.Equal(CryptogramKind.OnlineRequest, card!.Kind);
        Assert.Equal("2011", card.Expiry);
        Assert.Equal("000", card.SequenceNumber);
        Assert.Equal("0ADC", Convert.ToHexString(card.TransactionCounter.Span));
        Assert.False(card.Qualifiers.OnlinePinRequired);
    }

    // PDOL → outcome
    [Theory]
    [InlineData("", typeof(Outcome.SelectNext))]
    [InlineData("9F0206 9F3704", typeof(Outcome.SelectNext))] // no 9F66
    [InlineData("9F66", typeof(Outcome.EndApplication))] // no length
    [InlineData("9F6604 9F02FF", typeof(Outcome.EndApplication))] // too long for one GPO
    [InlineData("9F6604 9F0206 9F3704 5F2A02", null)] // CVN 17
    public void A_gpo_needs_a_pdol_with_the_ttq(string pdol, Type? outcome)
    {
        Assert.Equal(outcome, InitiateApplication.Prepare(FakeCard.Hex(pdol), Data(), out var command)?.GetType());
        Assert.Equal(outcome is null, command is not null);
    }

    [Theory]
    [InlineData(0x6984, typeof(Outcome.TryAnotherInterface))]
    [InlineData(0x6985, typeof(Outcome.SelectNext))]
    [InlineData(0x6986, typeof(Outcome.SeePhone))]
    [InlineData(0x6A81, typeof(Outcome.EndApplication))]
    [InlineData(0x6F00, typeof(Outcome.EndApplication))]
    public void Status_words_of_gpo_are_outcomes(int status, Type outcome) =>
        Assert.IsType(outcome, InitiateApplication.Interpret(ResponseApdu.Of((ushort)status), out _));

    // AFL → addresses, or null for malformed
    [Theory]
    [InlineData("", "")]
    [InlineData("08010200", "1.1 1.2")]
    [InlineData("08010100 10030401", "1.1 2.3 2.4")]
    [InlineData("080102", null)]
    [InlineData("00010100", null)]
    [InlineData("08000100", null)]
    [InlineData("08020100", null)]
    [InlineData("0801FF00", null)]
    public void The_file_locator_plans_the_records(string afl, string? expected)
    {
        var content = afl.Length == 0 ? [] : FakeCard.Hex($"94 {FakeCard.Hex(afl).Length:X2} {afl}");
        var outcome = ReadRecords.Plan(content, out var records);
        Assert.Equal(expected is null, outcome is not null);
        Assert.Equal(expected ?? string.Empty, string.Join(' ', records.Select(record => $"{record.Sfi}.{record.Number}")));
    }

    [Theory]
    [InlineData(0x82)]
    [InlineData(0x9F36)]
    [InlineData(0x9F26)]
    [InlineData(0x9F10)]
    [InlineData(0x57)]
    public void Mandatory_data_missing_ends_the_application(int tag)
    {
        var objects = FakeCard.Answer();
        objects.Remove(tag);
        Assert.IsType<Outcome.EndApplication>(Analyse(objects, out _));
        objects[tag] = "00";
        Assert.IsType<Outcome.EndApplication>(Analyse(objects, out _));
    }

    // CID (or none), CVR → kind
    [Theory]
    [InlineData(null, "03A00000", CryptogramKind.OnlineRequest)]
    [InlineData(null, "03900000", CryptogramKind.ApprovedOffline)]
    [InlineData(null, "03800000", CryptogramKind.Declined)]
    [InlineData("80", "03800000", CryptogramKind.OnlineRequest)]
    [InlineData("40", "03A00000", CryptogramKind.ApprovedOffline)]
    [InlineData("00", "03A00000", CryptogramKind.Declined)]
    public void The_kind_of_cryptogram_is_in_the_cid_else_in_the_cvr(string? cid, string cvr, CryptogramKind kind)
    {
        var objects = FakeCard.Answer(cvr: cvr);
        if (cid is not null)
        {
            objects[0x9F27] = cid;
        }

        Assert.Null(Analyse(objects, out var card));
        Assert.Equal(kind, card!.Kind);
        Assert.Equal(kind == CryptogramKind.OnlineRequest, CardActionAnalysis.Decide(kind, onlineWanted: true) is null);
    }

    // track 2 → good?
    [Theory]
    [InlineData("8199011234567890D3012220123456789", true)]
    [InlineData("8199011234567891D3012220123456789", false)] // check digit
    [InlineData("8199011234567890D3013220123456789", false)] // month 13
    [InlineData("81990112345678903012220123456789", false)] // no separator
    [InlineData("8199011234567890D301", false)] // cut short
    [InlineData("8199011234567890D3012220A23456789", false)] // not a digit
    public void Track_two_is_checked_before_it_is_used(string track, bool good)
    {
        var objects = FakeCard.Answer();
        objects[0x57] = track.Length % 2 == 0 ? track : track + "F";
        Assert.Equal(good, Analyse(objects, out var card) is null);
        if (good)
        {
            Assert.Equal(track, card!.Track2);
            Assert.Equal("3012", card.Expiry);
            Assert.DoesNotContain("8199011234567890", card.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_number_may_come_in_records()
    {
        var objects = FakeCard.Answer();
        objects.Remove(0x57);
        var record = FakeCard.Hex("5A 08 8199011234567890 5F24 03 301231");
        Assert.Null(CardActionAnalysis.Read(new CardData(Content(objects), [new CardRecord(new(1, 1), record)]), Application, Data(), out var card));
        Assert.Equal("3012", card!.Expiry);
        Assert.Null(card.Track2);
    }

    [Fact]
    [Rule("R15")]
    public void Every_row_of_the_pin_decision()
    {
        var shown = new System.Text.StringBuilder("card   merchant   amount   fingerprint  → verification\n");
        foreach (var cardAsks in new[] { false, true })
        {
            foreach (var merchant in new[] { MerchantPinRule.OverLimit, MerchantPinRule.Always })
            {
                foreach (var amount in new[] { 100_000L, 100_001L })
                {
                    foreach (var fingerprint in new[] { false, true })
                    {
                        var ctq = new CardTransactionQualifiers { OnlinePinRequired = cardAsks, CdcvmPerformed = fingerprint };
                        var decision = CardholderVerification.Decide(new(new(0x26804080), ctq, merchant, Amount.Cny(amount), Amount.Cny(100_001), BankAsked: false));
                        Assert.True(decision.Accepted);
                        shown.Append(System.Globalization.CultureInfo.InvariantCulture,
                            $"{(cardAsks ? "asks" : "-"),-6} {merchant,-10} {Amount.Cny(amount),-8} {(fingerprint ? "yes" : "no"),-12} → {decision.Result.Name()}: {decision.Why.En}\n");
                    }
                }
            }
        }

        Assert.Equal(
            """
            card   merchant   amount   fingerprint  → verification
            -      OverLimit  1000.00  no           → none: No PIN: 1000.00 is within the limit of 1000.00.
            -      OverLimit  1000.00  yes          → cdcvm: No PIN: the fingerprint was verified on the phone, and neither bank, merchant nor the limit of 1000.00 asks more.
            -      OverLimit  1000.01  no           → online-pin: PIN asked: 1000.01 is over the no-PIN limit of 1000.00.
            -      OverLimit  1000.01  yes          → cdcvm+online-pin: PIN asked: 1000.01 is over the no-PIN limit of 1000.00.
            -      Always     1000.00  no           → online-pin: PIN asked: this merchant asks it for every payment.
            -      Always     1000.00  yes          → cdcvm+online-pin: PIN asked: this merchant asks it for every payment.
            -      Always     1000.01  no           → online-pin: PIN asked: this merchant asks it for every payment.
            -      Always     1000.01  yes          → cdcvm+online-pin: PIN asked: this merchant asks it for every payment.
            asks   OverLimit  1000.00  no           → online-pin: PIN asked: the bank has set this card to need it for this amount.
            asks   OverLimit  1000.00  yes          → cdcvm+online-pin: PIN asked: the bank has set this card to need it for this amount.
            asks   OverLimit  1000.01  no           → online-pin: PIN asked: the bank has set this card to need it for this amount.
            asks   OverLimit  1000.01  yes          → cdcvm+online-pin: PIN asked: the bank has set this card to need it for this amount.
            asks   Always     1000.00  no           → online-pin: PIN asked: the bank has set this card to need it for this amount.
            asks   Always     1000.00  yes          → cdcvm+online-pin: PIN asked: the bank has set this card to need it for this amount.
            asks   Always     1000.01  no           → online-pin: PIN asked: the bank has set this card to need it for this amount.
            asks   Always     1000.01  yes          → cdcvm+online-pin: PIN asked: the bank has set this card to need it for this amount.

            """,
            shown.ToString());
    }

    // TTQ, CTQ, amount, bank asked → accepted, result: terminals without a PIN pad, signatures, CDCVM that the terminal does not take
    [Theory]
    [InlineData(0x26804080u, 0x0080, 100, true, true, CvmResult.CdcvmAndOnlinePin)]
    [InlineData(0x26804080u, 0x4000, 100, false, true, CvmResult.Signature)]
    [InlineData(0x22804080u, 0x8080, 100, false, true, CvmResult.Cdcvm)] // no PIN pad: the fingerprint is what both have
    [InlineData(0x22C04080u, 0x0000, 100_001, false, false, CvmResult.None)]
    [InlineData(0x22C04080u, 0x0080, 100_001, false, true, CvmResult.Cdcvm)]
    [InlineData(0x22800080u, 0x0080, 100, false, true, CvmResult.None)] // CDCVM performed, not supported here
    [InlineData(0x20804080u, 0x4000, 100, false, false, CvmResult.None)] // signature wanted, not supported
    public void Without_a_pin_pad_the_rest_of_the_order_holds(uint ttq, ushort ctq, long amount, bool bankAsked, bool accepted, CvmResult result)
    {
        var decision = CardholderVerification.Decide(new(new(ttq), new(ctq), MerchantPinRule.OverLimit, Amount.Cny(amount), Amount.Cny(100_001), bankAsked));
        Assert.Equal((accepted, result), (decision.Accepted, decision.Result));
    }

    private static Outcome? Analyse(SortedDictionary<int, string> objects, out CardAnswer? card) =>
        CardActionAnalysis.Read(new CardData(Content(objects), []), Application, Data(), out card);

    private static ReadOnlyMemory<byte> Content(SortedDictionary<int, string> objects)
    {
        Assert.Null(InitiateApplication.Interpret(Response(FakeCard.Template77(objects)), out var content));
        return content;
    }

    private static ApplicationSelection.Selected Select()
    {
        var indicators = PreProcessing.Run(TerminalParameters.Default, Amount.Cny(8800));
        var candidate = ApplicationSelection.Candidates(Response(FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid))), indicators)[0];
        return ApplicationSelection.Open(candidate, Response(FakeCard.Fci(FakeCard.DebitAid)))!;
    }

    private static ResponseApdu Response(byte[] bytes)
    {
        Assert.True(ResponseApdu.TryParse(bytes, out var response, out _));
        return response;
    }
}
