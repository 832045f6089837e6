using CsCheck;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Tests.Core.Iso8583;

public sealed class SubfieldTests
{
    private static readonly PaymentToken Token = PaymentToken.Parse("8199010000000011");

    [Theory]
    [InlineData("00000001003")]
    [InlineData("2200000100060")]
    [InlineData("22000001000601")]
    [InlineData("22000001000601003")]
    public void Field_60_of_the_POS_line_reads_and_writes(string text)
    {
        Assert.True(Field60Pos.TryParse(text, out var value, out _));
        Assert.Equal(text, value.Format());
        Assert.Equal("000001", value.Batch);
    }

    [Fact]
    public void A_payment_says_contactless_terminal() => Assert.Equal("2200000100060", Field60Pos.Payment("22", "000001").Format());

    [Theory]
    [InlineData("000001000012")]
    [InlineData("0000010000121123")]
    [InlineData("00000100001211230063990100000")]
    public void Field_61_of_the_POS_line_reads_and_writes(string text)
    {
        Assert.True(Field61Pos.TryParse(text, out var value, out _));
        Assert.Equal(text, value.Format());
        Assert.Equal(("000001", "000012"), (value.Batch, value.Stan));
    }

    [Fact]
    public void Issuer_and_acquirer_stand_in_field_44()
    {
        Assert.True(Field44.TryParse("63990100   63990900   ", out var value, out _));
        Assert.Equal(new Field44("63990100", "63990900"), value);
        Assert.Equal("63990100   63990900   ", value.Format());
    }

    [Fact]
    public void Security_control_says_format_and_algorithm()
    {
        Assert.Equal("2600000000000000", Field53.TripleDesWithNumber.Format());
        Assert.True(Field53.TryParse("2610000000000000", out var value, out _));
        Assert.Equal(new Field53('2', '6', true), value);
        Assert.False(Field53.TryParse("9600000000000000", out _, out _));
    }

    [Fact]
    public void Balances_stand_one_behind_the_other()
    {
        const string text = "1002156C0000000088001001156D000000000001";
        Assert.True(Field54.TryParse(text, out var balances, out _));
        Assert.Equal([new Field54("10", "02", Amount.Cny(8800)), new Field54("10", "01", Amount.Cny(-1))], balances);
        Assert.Equal(text, string.Concat(balances.Select(static balance => balance.Format())));
        Assert.False(Field54.TryParse("1002156X000000008800", out _, out var error));
        Assert.Equal(("F54", 7), (error.Field, error.Offset));
    }

    [Fact]
    public void Texts_of_field_63_stand_in_their_widths_in_GBK()
    {
        var value = new Field63Pos("CUP", "明月银行", "", "交易成功");
        var bytes = value.Format();
        Assert.Equal(3 + 20 + 20 + 20, bytes.Length);
        Assert.True(Field63Pos.TryParse(bytes, out var read, out _));
        Assert.Equal(value, read);
        Assert.Equal("CUP"u8.ToArray(), new Field63Pos("CUP").Format());
        Assert.Equal(23, new Field63Pos("CUP", "一二三四五六七八九十十一").Format().Length);
    }

    [Fact]
    public void Field_60_of_the_switch_line_is_30_characters()
    {
        var text = new Field60Switch(NoPinAccepted: '1').Format();
        Assert.Equal("000006000310000" + "000000000000000", text);
        Assert.True(Field60Switch.TryParse(text.AsSpan(0, 27), out var shorter, out _));
        Assert.Equal(text[..27], shorter.Format());
        Assert.Equal('4', new Field60Switch(Rest: "000004000000000").MacAlgorithm);
    }

    [Theory]
    [InlineData(ArqcResult.NotChecked, '0')]
    [InlineData(ArqcResult.Good, '1')]
    [InlineData(ArqcResult.Failed, '2')]
    public void The_verdict_over_the_cryptogram_stands_in_61_8(ArqcResult result, char expected)
    {
        var text = new Field61Switch(result).Format();
        Assert.Equal("00" + new string(' ', 20) + "00CUP   0" + expected, text);
        Assert.True(Field61Switch.TryParse(text, out var value, out _));
        Assert.Equal(new Field61Switch(result), value);
    }

    [Fact]
    public void What_the_token_service_says_is_tagged()
    {
        var value = new Field63Token(true, Token, "3012", "11", "01", "99900000001", "0001");
        const string text = "TK01001102016819901000000001103004301204002110500201060119990000000108004" + "0001";
        Assert.Equal(text, value.Format());
        Assert.True(Field63Token.TryParse(text, out var read, out var error), error.ToString());
        Assert.Equal(value, read);

        // 07 is reserved and passed over.
        Assert.True(Field63Token.TryParse(text + "07003abc", out read, out _));
        Assert.Equal(value, read);
    }

    [Theory]
    [InlineData("", "F63", 0)]
    [InlineData("SM016", "F63", 0)]
    [InlineData("TK01", "F63", 2)]
    [InlineData("TK01001", "F63", 7)]
    [InlineData("TK0100110100" + "11", "F63", 8)]
    [InlineData("TK010011", "F63.02", 0)]
    [InlineData("TK02016" + "8199010000000011", "F63.01", 0)]
    [InlineData("TK010011" + "02016" + "8199010000000012", "F63.02", 15)]
    public void A_damaged_token_field_is_named(string text, string field, int offset)
    {
        Assert.False(Field63Token.TryParse(text, out _, out var error));
        Assert.Equal((field, offset), (error.Field, error.Offset));
    }

    [Fact]
    public void A_payment_account_reference_is_29_characters()
    {
        const string text = "PR01029UP0026G2JROSB8XHYU55SMYFYR6VJ";
        Assert.True(Field56Par.TryParse(text, out var value, out _));
        Assert.Equal("UP0026G2JROSB8XHYU55SMYFYR6VJ", value.Par);
        Assert.Equal(text, value.Format());
        Assert.False(Field56Par.TryParse(text.ToLowerInvariant(), out _, out _));
    }

    [Fact]
    public void The_binding_is_16_hex_digits_and_prints_nothing()
    {
        var value = new Field48Binding([0x12, 0xAB, 3, 4, 5, 6, 7, 8]);
        Assert.Equal("TB12AB030405060708", value.Format());
        Assert.True(Field48Binding.TryParse("TB12AB030405060708", out var read, out _));
        Assert.Equal(value, read);
        Assert.Equal([0x12, 0xAB, 3, 4, 5, 6, 7, 8], read.Bytes);
        Assert.DoesNotContain("12AB", value.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_key_of_a_switch_transaction_is_the_same_read_from_field_90()
    {
        var sale = new IsoMessage(Mti.FinancialRequest).Set(7, "1123120000").Set(11, "000001").Set(32, "63990900").Set(33, "00010000");
        Assert.True(SwitchKey.TryRead(sale, out var key, out _));
        Assert.True(Field90.TryNaming(sale, out var original, out _));
        Assert.Equal("0200" + "000001" + "1123120000" + "00063990900" + "00000010000", original.Format());

        var reversal = new IsoMessage(Mti.ReversalAdvice).Set(90, original.Format());
        Assert.True(SwitchKey.TryReadOriginal(reversal, out var named, out _));
        Assert.Equal(key, named);
        Assert.Equal(key.ToString(), named.ToString());
        Assert.Equal("1123120000" + "000001" + "00063990900" + "00000010000", key.ToString());
        Assert.False(SwitchKey.TryRead(reversal, out _, out var error));
        Assert.Equal("F7", error.Field);
    }

    [Fact]
    public void The_key_of_a_POS_transaction_tells_a_sale_from_its_reversal_and_both_from_a_void()
    {
        Assert.True(PosKey.TryRead(IsoCodecTests.Sale(), out var sale, out _));
        Assert.True(PosKey.TryRead(IsoCodecTests.Sale().Copy(Mti.ReversalRequest), out var reversal, out _));
        Assert.True(PosKey.TryRead(IsoCodecTests.Sale().Set(60, "2300000100060").Set(3, "200000"), out var voided, out _));
        Assert.Equal("990031058120001:10000001:000001:000012:2:000000:22", sale.ToString());
        Assert.Equal(3, new HashSet<PosKey> { sale, reversal, voided }.Count);
        Assert.Equal(sale.Original, reversal.Original);
        Assert.True(PosOriginal.TryReadReversal(IsoCodecTests.Sale().Copy(Mti.ReversalRequest), out var original, out _));
        Assert.Equal(sale.Original, original);
        Assert.True(PosOriginal.TryReadField61(IsoCodecTests.Sale().Set(11, "000013").Set(61, "000001000012"), out var byField61, out _));
        Assert.Equal(sale.Original, byField61);
        Assert.False(PosKey.TryRead(IsoCodecTests.Sale().Remove(11), out _, out var error));
        Assert.Equal("F11", error.Field);
    }

    [Fact]
    public void Random_text_never_throws() =>
        Gen.OneOf(Gen.String[0, 60], Gen.String[Gen.Char['0', '9'], 0, 60], Gen.String[Gen.Char['0', '9'], 0, 60].Select(static digits => "TK" + digits)).Sample(text =>
        {
            Field60Pos.TryParse(text, out _, out _);
            Field61Pos.TryParse(text, out _, out _);
            Field44.TryParse(text, out _, out _);
            Field53.TryParse(text, out _, out _);
            Field54.TryParse(text, out _, out _);
            Field60Switch.TryParse(text, out _, out _);
            Field61Switch.TryParse(text, out _, out _);
            Field63Token.TryParse(text, out _, out _);
            Field56Par.TryParse(text, out _, out _);
            Field48Binding.TryParse(text, out _, out _);
            Field90.TryParse(text, out _, out _);
            Field63Pos.TryParse(System.Text.Encoding.UTF8.GetBytes(text), out _, out _);
        });
}
