using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.SecureElement;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;
using Majia.Tests.SecureElement;
using Majia.Tests.Terminal;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Transcripts;

/// <summary>Transcripts play both ways: our cards answer their commands, our terminal is played against their answers.</summary>
public sealed class TranscriptTests
{
    [Fact]
    public async Task The_terminal_reads_the_real_card_of_the_trace()
    {
        var card = Transcript.Read(Repository.Vector("qpboc-trace.apdu")).Card();
        var result = await ReadAsync(card, 1, 0x36800000, new DateTimeOffset(2017, 6, 1, 1, 0, 0, TimeSpan.Zero));

        var read = Assert.IsType<PresentationResult.Read>(result);
        Assert.True(card.IsDone);
        Assert.Equal(CryptogramKind.OnlineRequest, read.Card.Kind);
        Assert.Equal("PBOC DEBIT", read.Card.Label);
        Assert.Equal("AD03EE811AFAD484", Convert.ToHexString(read.Card.Cryptogram.Span));
        Assert.True(IssuerApplicationData.TryParse(read.Card.IssuerApplicationData.Span, out _, out _));
    }

    [Fact]
    public async Task A_device_card_answers_its_transcript_and_the_terminal_reads_it_there()
    {
        var transcript = Transcript.Read(Repository.Vector("device-card.apdu"));
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        bench.AddCard(ChipBench.Debit1);
        Assert.True(bench.Arm(ChipBench.Debit1).Status.IsOk);
        await transcript.AssertAnsweredByAsync(bench.Device.Contactless);

        // The vectors' track 2 has 38 digits, one more than ISO/IEC 7813 allows, and a terminal minds: the last one is padding instead.
        const string Discretionary = "D311222000000000000";
        await AssertReadAsync(Transcript.Parse(File.ReadLines(Repository.Vector("device-card.apdu")).Select(line => line.Replace(Discretionary, Discretionary[..^1] + "F", StringComparison.Ordinal)), "device-card.apdu"), CvmResult.Cdcvm);
    }

    [Fact]
    public async Task A_plastic_card_answers_its_transcript_and_the_terminal_reads_it_there()
    {
        var transcript = Transcript.Read(Path.Combine(Repository.Root, "tests", "Majia.Tests", "Transcripts", "plastic-card.apdu"));
        await transcript.AssertAnsweredByAsync(new PlasticBench().Device.Contactless);
        await AssertReadAsync(transcript, CvmResult.None);
    }

    private static async Task AssertReadAsync(Transcript transcript, CvmResult cvm)
    {
        var card = transcript.Card();
        var read = Assert.IsType<PresentationResult.Read>(await ReadAsync(card, 8_800, 0x26004080, new DateTimeOffset(2026, 7, 1, 4, 0, 0, TimeSpan.Zero)));
        Assert.True(card.IsDone);
        Assert.Equal(cvm, read.Cvm.Result);
    }

    [Theory]
    [InlineData("> 00A4", "line 1: expected the last command's answer, got the end")]
    [InlineData("< 9000", "line 1: expected '>' and a command, got '<'")]
    [InlineData("> 00A4\n> 00A4", "line 2: expected '<' and its answer, got '>'")]
    [InlineData("# x\n> 00 A?", "line 2 column 6: expected two hex digits or ??, got 'A?'")]
    [InlineData("> 0", "line 1 column 3: expected two hex digits or ??, got '0'")]
    [InlineData("00A4", "line 1: expected '>' and a command, got '0'")]
    public void What_is_no_transcript_says_where(string text, string expected)
    {
        var error = Assert.Throws<FormatException>(() => Transcript.Parse(text.Split('\n'), "it"));
        Assert.Equal("it " + expected, error.Message);
    }

    [Fact]
    public async Task A_card_that_answers_otherwise_is_told_apart()
    {
        var transcript = Transcript.Parse(["> 00A4040000", "< 6F ?? 9000"], "it");
        await transcript.AssertAnsweredByAsync(new FakeCard(_ => FakeCard.Hex("6F01 9000")));
        await Assert.ThrowsAnyAsync<Xunit.Sdk.XunitException>(() => transcript.AssertAnsweredByAsync(new FakeCard(_ => FakeCard.Hex("6F0102 9000"))));
        await Assert.ThrowsAnyAsync<Xunit.Sdk.XunitException>(() => transcript.AssertAnsweredByAsync(new FakeCard(_ => FakeCard.Hex("7001 9000"))));
    }

    private static async Task<PresentationResult> ReadAsync(ICardChannel card, long fen, uint qualifiers, DateTimeOffset at)
    {
        var clock = new FakeTimeProvider(at);
        var options = new TerminalOptions("10000001", "990031058120001", new("Shop", "商店")) { Parameters = TerminalParameters.Default with { Qualifiers = new TerminalTransactionQualifiers(qualifiers) } };
        var reader = new ContactlessReader(options, clock, new SeededEntropy(9), new TerminalTrace(NoTrace.Instance, clock), new VerifiedIssuers(), static _ => { });
        return await reader.ReadAsync(new Presentation(Amount.Cny(fen), 0x00, NumberOnly: false, BankAsked: false, "test"), new FakeField(card), TestContext.Current.CancellationToken);
    }
}
