using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class SettlementTotalsTests
{
    [Fact]
    public void Totals_that_the_field_cannot_carry_go_as_the_most_that_it_can_and_never_as_balanced()
    {
        var text = new SettlementTotals(1_000_000_000_001, 1_000, 88, 1).Format(BatchBalance.Balanced);
        Assert.True(SettlementTotals.TryParse(text, out var read, out var balance, out var error), error.ToString());
        Assert.Equal((new SettlementTotals(999_999_999_999, 999, 88, 1), BatchBalance.NotBalanced), (read, balance));
    }

    [Theory]
    [InlineData(BatchBalance.Open)]
    [InlineData(BatchBalance.Balanced)]
    [InlineData(BatchBalance.NotBalanced)]
    public void What_fits_is_read_back_as_it_was(BatchBalance said)
    {
        var totals = new SettlementTotals(123_456, 12, 8_800, 1);
        Assert.True(SettlementTotals.TryParse(totals.Format(said), out var read, out var balance, out var error), error.ToString());
        Assert.Equal((totals, said), (read, balance));
    }
}
