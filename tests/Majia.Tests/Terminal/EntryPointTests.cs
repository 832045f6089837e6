using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;

namespace Majia.Tests.Terminal;

public class EntryPointTests
{
    private static readonly IReadOnlyList<PreProcessing.Indicators> Indicators = PreProcessing.Run(TerminalParameters.Default, Amount.Cny(8800));

    // amount (fen), DF19, DF20, DF21, status check, zero allowed → allowed, TTQ
    [Theory]
    [InlineData(8_800, 0, 10_000_001, 100_001, false, false, true, "26804080")]
    [InlineData(100_000, 0, 10_000_001, 100_001, false, false, true, "26804080")] // 1000.00 inclusive: no CVM
    [InlineData(100_001, 0, 10_000_001, 100_001, false, false, true, "26C04080")] // DF21 compares ≥
    [InlineData(10_000_000, 0, 10_000_001, 100_001, false, false, true, "26C04080")]
    [InlineData(10_000_001, 0, 10_000_001, 100_001, false, false, false, "26004080")] // DF20 compares ≥
    [InlineData(5_000, 5_000, 10_000_001, 100_001, false, false, true, "26004080")] // DF19 compares >
    [InlineData(5_001, 5_000, 10_000_001, 100_001, false, false, true, "26804080")]
    [InlineData(100, 5_000, 10_000_001, 100_001, true, false, true, "26804080")] // status check
    [InlineData(100, 5_000, 10_000_001, 100_001, false, false, true, "26004080")]
    [InlineData(0, 0, 10_000_001, 100_001, false, false, false, "26004080")]
    [InlineData(0, 0, 10_000_001, 100_001, false, true, true, "26804080")]
    public void Limits_set_the_bits_of_this_transaction(long amount, long floor, long transaction, long cvm, bool status, bool zero, bool allowed, string ttq)
    {
        var row = new AidParameters(Aid.Parse("A000000333010101"), false, Amount.Cny(floor), Amount.Cny(transaction), Amount.Cny(cvm), status, zero);
        var indicators = PreProcessing.Decide(row, TerminalParameters.Default.Qualifiers, Amount.Cny(amount));
        Assert.Equal(allowed, indicators.Allowed);
        Assert.Equal(ttq, indicators.Qualifiers.ToString());
        Assert.NotEmpty(indicators.Why.Zh);
    }

    [Fact]
    public void Candidates_are_ordered_by_priority_and_none_comes_last()
    {
        var answer = Response(FakeCard.Ppse(
            FakeCard.Entry("A0000003330101010001", priority: 3),
            FakeCard.Entry("A0000003330101020001", priority: null),
            FakeCard.Entry("A0000003330101020002", priority: 1),
            FakeCard.Entry("A0000003330101010002", priority: 3)));
        Assert.Equal(
            ["A0000003330101020002", "A0000003330101010001", "A0000003330101010002", "A0000003330101020001"],
            ApplicationSelection.Candidates(answer, Indicators).Select(candidate => candidate.Aid.ToString()));
    }

    // kernel identifier of the entry → is it ours?
    [Theory]
    [InlineData(null, 1)]
    [InlineData("07", 1)]
    [InlineData("07 A00000", 1)]
    [InlineData("03", 0)]
    [InlineData("", 0)]
    public void Only_kernel_seven_is_a_candidate(string? kernel, int count) =>
        Assert.Equal(count, ApplicationSelection.Candidates(Response(FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid, kernel: kernel))), Indicators).Count);

    [Theory]
    [InlineData("A000000333010101", 1)] // exactly ours
    [InlineData("A0000003330101010001", 1)] // ours with the issuer's suffix
    [InlineData("A000000333010106", 0)] // electronic cash only: not in the parameters
    [InlineData("A0000000031010", 0)] // another scheme
    [InlineData("A0000003", 0)] // too short
    public void An_application_matches_by_prefix(string aid, int count) =>
        Assert.Equal(count, ApplicationSelection.Candidates(Response(FakeCard.Ppse(FakeCard.Entry(aid))), Indicators).Count);

    [Fact]
    public void An_exact_match_wants_the_whole_name()
    {
        var parameters = TerminalParameters.Default with { Aids = [TerminalParameters.Default.Aids[0] with { ExactMatch = true }] };
        var indicators = PreProcessing.Run(parameters, Amount.Cny(100));
        Assert.Empty(ApplicationSelection.Candidates(Response(FakeCard.Ppse(FakeCard.Entry("A0000003330101010001"))), indicators));
        Assert.Single(ApplicationSelection.Candidates(Response(FakeCard.Ppse(FakeCard.Entry("A000000333010101"))), indicators));
    }

    [Fact]
    public void An_application_over_its_limit_is_no_candidate()
    {
        var indicators = PreProcessing.Run(TerminalParameters.Default, Amount.Cny(10_000_001));
        Assert.Empty(ApplicationSelection.Candidates(Response(FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid))), indicators));
    }

    [Fact]
    public void A_selected_application_names_itself_and_gives_its_pdol()
    {
        var candidate = ApplicationSelection.Candidates(Response(FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid))), Indicators)[0];
        var selected = ApplicationSelection.Open(candidate, Response(FakeCard.Fci(FakeCard.DebitAid)));
        Assert.NotNull(selected);
        Assert.Equal("UnionPay Debit", selected.Label);
        Assert.Equal(FakeCard.Hex(FakeCard.Pdol33), selected.Pdol.ToArray());
        Assert.Null(ApplicationSelection.Open(candidate, Response(FakeCard.Fci("A0000003330101020001"))));
        Assert.Null(ApplicationSelection.Open(candidate, Response(FakeCard.Status(0x6A82))));
    }

    private static ResponseApdu Response(byte[] bytes)
    {
        Assert.True(ResponseApdu.TryParse(bytes, out var response, out _));
        return response;
    }
}
