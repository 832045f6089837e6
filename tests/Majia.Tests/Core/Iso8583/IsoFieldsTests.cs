using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class IsoFieldsTests
{
    [Fact]
    public void Rows_stand_in_the_standards_order_each_once() =>
        Assert.Equal(IsoFields.All.Select(static row => row.Number).Distinct().Order(), IsoFields.All.Select(static row => row.Number));

    [Fact]
    public void Tracks_PIN_and_MACs_are_never_kept_and_the_number_only_as_a_token()
    {
        Assert.All((int[])[35, 36, 45, 52, 64, 96, 128], static field => Assert.Equal(Sensitive.Drop, IsoFields.Find(field)!.Sensitive));
        Assert.Equal(Sensitive.Number, IsoFields.Find(2)!.Sensitive);
    }

    [Fact]
    public void A_field_that_both_lines_hold_as_bytes_is_taken_and_shown_as_hex()
    {
        foreach (var row in IsoFields.All)
        {
            var binary = (row.Pos ?? row.Switch)!.Value.Content == Content.B;
            var text = new IsoMessage(Mti.FinancialRequest).Set(row.Number, [0x30, 0x31]).Text(row.Number)!;
            Assert.Equal(binary ? "3031" : "01", text);
        }
    }
}
