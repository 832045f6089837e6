using System.Text;
using CsCheck;
using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class IsoRedactionTests
{
    private const string Pan = "6299010000000017", PanHex = "36323939303130303030303030303137";

    [Fact]
    [Rule("R19")]
    public void A_PAN_is_masked_on_the_switch_line_and_read_back_masked()
    {
        var kept = IsoRedaction.Redact(Dialect.Switch, Full().Set(2, Pan), numberIsToken: false);
        var hex = Convert.ToHexString(kept);
        Assert.DoesNotContain(PanHex, hex, StringComparison.Ordinal);
        Assert.DoesNotContain(Pan, hex, StringComparison.Ordinal);
        Assert.False(IsoCodec.TryRead(Dialect.Switch, kept, out _, out _));
        Assert.True(IsoRedaction.TryRead(Dialect.Switch, kept, out var read, out var error), error.ToString());
        Assert.Equal("629901******0017", read.Text(2));
        Assert.Equal([2, 3, 4, 11, 39, 41, 55, 61], read.Fields);
        Assert.Equal("9F360200019F02060000000088009F2701", Convert.ToHexString(read.Binary(55).Span)[..34]);
        Assert.DoesNotContain("110101199001011234", Encoding.ASCII.GetString(kept), StringComparison.Ordinal);
    }

    [Fact]
    public void A_PAN_is_dropped_on_the_POS_line_and_a_token_is_kept()
    {
        var message = IsoCodecTests.Sale();
        Assert.True(IsoCodec.TryRead(Dialect.Pos, IsoRedaction.Redact(Dialect.Pos, message, numberIsToken: false), out var masked, out _));
        Assert.False(masked.Has(2));
        Assert.True(IsoCodec.TryRead(Dialect.Pos, IsoRedaction.Redact(Dialect.Pos, message, numberIsToken: true), out var token, out _));
        Assert.Equal(message.Text(2), token.Text(2));
        Assert.False(token.Has(35) || token.Has(52));
        Assert.True(message.Has(35) && message.Has(52));
    }

    [Fact]
    public void A_PIN_block_under_SM4_a_binding_and_key_blocks_are_dropped_whatever_field_holds_them()
    {
        var message = new IsoMessage(Mti.NetworkRequest).Set(11, "000001").Set(48, new Field48Binding(new byte[8]).Format()).Set(62, new byte[40]).Set(63, [.. "SM016"u8, .. new byte[16]]).Set(96, new byte[8]);
        Assert.Equal([11], IsoRedaction.Keep(Dialect.Switch, message, false).Fields);
        Assert.Equal([11, 48], IsoRedaction.Keep(Dialect.Pos, new IsoMessage(Mti.SettlementRequest).Set(11, "000001").Set(48, "00").Set(62, "0010"), true).Fields);
    }

    [Theory]
    [InlineData("57136299010000000017D3012220")] // cut short
    [InlineData("70125A086299010000000017")] // cut short inside a template
    [InlineData("700A5A086299010000000017")] // hidden in a template
    public void Card_data_that_cannot_be_told_apart_is_dropped_as_a_whole(string hex) =>
        Assert.Equal(0, IsoRedaction.Keep(Dialect.Pos, new IsoMessage(Mti.FinancialRequest).Set(55, Convert.FromHexString(hex)), true).Binary(55).Length);

    [Fact]
    public void Any_message_can_be_kept_and_keeps_nothing_that_the_table_forbids()
    {
        foreach (var dialect in (Dialect[])[Dialect.Pos, Dialect.Switch])
        {
            IsoCodecTests.GenMessage(dialect).Sample(message =>
            {
                var bytes = IsoRedaction.Redact(dialect, message, numberIsToken: false);
                Assert.True(IsoRedaction.TryRead(dialect, bytes, out var kept, out var error), error.ToString());
                foreach (var field in kept.Fields)
                {
                    Assert.NotEqual(Sensitive.Drop, IsoFields.Find(field)!.Sensitive);
                }

                Assert.True(IsoDescribe.TryDescribe(dialect, bytes, framed: false, reveal: false, out _, out error), error.ToString());
            });
        }
    }

    private static IsoMessage Full() => new IsoMessage(Mti.FinancialRequest).Set(3, "000000").Set(4, "000000008800").Set(11, "000012").Set(35, Pan + "=3012220").Set(36, "99").Set(39, "00").Set(41, "10000001")
        .Set(45, "B" + Pan).Set(48, "TB0102030405060708").Set(52, new byte[8])
        .Set(55, Convert.FromHexString("9F36020001" + "57106299010000000017D30122200000000F" + "9F0206000000008800" + "5A086299010000000017" + "9F270180"))
        .Set(61, new Field61Switch(ArqcResult.Good, "01", "110101199001011234", NoCardValue: "123").Format()).Set(102, Pan).Set(128, new byte[8]);
}
