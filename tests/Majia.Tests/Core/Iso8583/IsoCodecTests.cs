using CsCheck;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Tests.Core.Iso8583;

public sealed class IsoCodecTests
{
    private static readonly Dialect[] Lines = [Dialect.Pos, Dialect.Switch];

    [Fact]
    public void A_sale_is_written_on_the_POS_line_byte_for_byte()
    {
        var message = new IsoMessage(Mti.FinancialRequest)
            .Set(2, "8199010000000000017").Set(3, "000000").Set(4, "000000008800").Set(11, "000012").Set(14, "3012").Set(22, "072").Set(23, "001").Set(25, "00")
            .Set(35, "8199010000000000017D30122200000000000").Set(41, "10000001").Set(42, "990031058120001").Set(49, "156").Set(55, [0x9F, 0x27, 0x01, 0x80]).Set(60, "2200000100060");

        var expected = string.Concat(
            "0200", "7024068020C08210",
            "19", "81990100000000000170", // n19 left-justified
            "000000", "000000008800", "000012", "3012",
            "0720", "0001", // 22 left-justified, 23 right-justified
            "00",
            "37", "8199010000000000017D301222000000000000",
            "3130303030303031", "393930303331303538313230303031", "313536",
            "0004", "9F270180",
            "0013", "22000001000600");
        Assert.Equal(expected, Convert.ToHexString(IsoCodec.Write(Dialect.Pos, message)));
    }

    [Fact]
    public void The_same_fields_are_written_on_the_switch_line_in_characters()
    {
        var message = new IsoMessage(Mti.FinancialResponse).Set(2, "8199010000000017").Set(22, "072").Set(23, "001").Set(32, "63990900").Set(39, "00").Set(52, [1, 2, 3, 4, 5, 6, 7, 8]);

        var head = "0210"u8.ToArray().Concat(Convert.FromHexString("C0000601020010000000000000000000"));
        var body = "168199010000000017072001086399090000"u8.ToArray().Concat(new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 });
        Assert.Equal(Convert.ToHexString([.. head, .. body]), Convert.ToHexString(IsoCodec.Write(Dialect.Switch, message)));
    }

    [Fact]
    public void A_message_read_on_one_line_is_written_on_the_other()
    {
        var pos = IsoCodec.Write(Dialect.Pos, Sale());
        Assert.True(IsoCodec.TryRead(Dialect.Pos, pos, out var read, out _));

        var forward = new IsoMessage(Mti.FinancialRequest).Take(read, 2, 3, 4, 11, 14, 22, 23, 25, 35, 41, 42, 49, 52, 53, 55);
        Assert.True(IsoCodec.TryRead(Dialect.Switch, IsoCodec.Write(Dialect.Switch, forward), out var arrived, out var error), error.ToString());

        foreach (var field in forward.Fields)
        {
            Assert.Equal(read.Text(field), arrived.Text(field));
        }
    }

    [Fact]
    public void Either_separator_of_track_2_is_nibble_D_on_the_POS_line()
    {
        var equals = IsoCodec.Write(Dialect.Pos, new IsoMessage(Mti.FinancialRequest).Set(35, "8199010000000017=3012220"));
        var letter = IsoCodec.Write(Dialect.Pos, new IsoMessage(Mti.FinancialRequest).Set(35, "8199010000000017D3012220"));
        Assert.Equal(letter, equals);
        Assert.True(IsoCodec.TryRead(Dialect.Pos, equals, out var read, out _));
        Assert.Equal("8199010000000017D3012220", read.Text(35));
    }

    [Fact]
    public void Chinese_is_GBK_and_its_bytes_are_counted()
    {
        var message = new IsoMessage(Mti.FinancialRequest).Set(43, "晨光书店");
        var body = IsoCodec.Write(Dialect.Switch, message);
        Assert.Equal(4 + 16 + 40, body.Length);
        Assert.Equal("B3BFB9E2CAE9B5EA", Convert.ToHexString(body.AsSpan(20, 8)));
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body, out var read, out _));
        Assert.Equal("晨光书店" + new string(' ', 32), read.Text(43));
    }

    [Theory]
    [InlineData("pos", "02", "MTI", 0)]
    [InlineData("pos", "0A00", "MTI", 0)]
    [InlineData("pos", "0200" + "0000", "bitmap", 2)]
    [InlineData("pos", "0200" + "8000000000000000", "bitmap", 2)] // no second bitmap on this line
    [InlineData("pos", "0200" + "0200000000000000", "F7", 10)] // a field of the other line
    [InlineData("pos", "0200" + "4000000000000000", "F2", 10)] // no length
    [InlineData("pos", "0200" + "4000000000000000" + "20", "F2", 10)] // longer than 19
    [InlineData("pos", "0200" + "4000000000000000" + "1A", "F2", 10)] // length not digits
    [InlineData("pos", "0200" + "4000000000000000" + "168199", "F2", 11)] // cut
    [InlineData("pos", "0200" + "4000000000000000" + "0481F9", "F2", 12)] // not a digit
    [InlineData("pos", "0200" + "4000000000000000" + "038195", "F2", 12)] // filling is not zero
    [InlineData("pos", "0200" + "0000000000000200" + "9999", "F55", 10)] // longer than 255
    [InlineData("pos", "0200" + "2000000000000000" + "00000000", "message", 13)] // more behind
    [InlineData("switch", "30323030" + "4000000000000000" + "0000000000000000", "bitmap", 4)]
    [InlineData("switch", "30323030" + "8000000000000000" + "8000000000000000", "F65", 20)]
    [InlineData("switch", "30323030" + "A000000000000000" + "0000000000000000" + "3030303030", "F3", 20)]
    [InlineData("switch", "30323030" + "8000000002000000" + "0000000000000000" + "2A30", "F39", 20)]
    public void What_is_wrong_is_named_with_its_place(string line, string hex, string field, int offset)
    {
        Assert.False(IsoCodec.TryRead(line == "pos" ? Dialect.Pos : Dialect.Switch, Convert.FromHexString(hex), out var message, out var error));
        Assert.Null(message);
        Assert.Equal((field, offset), (error.Field, error.Offset));
        Assert.NotEqual(error.Expected, error.Got);
    }

    [Fact]
    public void A_value_that_does_not_fit_its_field_is_our_own_bug()
    {
        Assert.Throws<InvalidOperationException>(() => IsoCodec.Write(Dialect.Pos, new IsoMessage(Mti.FinancialRequest).Set(4, "88.00")));
        Assert.Throws<InvalidOperationException>(() => IsoCodec.Write(Dialect.Pos, new IsoMessage(Mti.FinancialRequest).Set(3, "00000A")));
        Assert.Throws<InvalidOperationException>(() => IsoCodec.Write(Dialect.Pos, new IsoMessage(Mti.FinancialRequest).Set(7, "1123120000")));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IsoMessage(Mti.FinancialRequest).Set(62, new byte[1000]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IsoMessage(Mti.FinancialRequest).Set(129, "1"));
    }

    [Fact]
    public void Fields_are_set_replaced_and_removed()
    {
        var message = new IsoMessage(Mti.FinancialRequest).Set(100, "63990100").Set(3, "000000").Set(39, "00").Set(39, "55").SetNumber(4, 8800, 12);
        Assert.Equal([3, 4, 39, 100], message.Fields);
        Assert.Equal("55", message.Text(39));
        Assert.Equal(8800, message.Number(4));
        Assert.True(message.Is(39, "55"));
        Assert.Null(message.Set(39, (string?)null).Text(39));
        Assert.Equal([3, 4, 100], message.Fields);
        Assert.Equal("63990100", message.Text(100));
        Assert.Null(message.Number(39));
        Assert.True(message.Binary(52).IsEmpty);
        Assert.Equal("0200 3 4 100", message.ToString());
    }

    [Fact]
    public void The_same_request_again_is_told_from_other_content()
    {
        var first = Sale();
        Assert.True(IsoCodec.TryRead(Dialect.Pos, IsoCodec.Write(Dialect.Pos, first), out var second, out _));
        Assert.True(first.SameContent(second.Set(64, [1, 2, 3, 4, 5, 6, 7, 8])));
        Assert.Equal(first.ContentDigest(), second.ContentDigest());
        second.Set(4, "000000008801");
        Assert.False(first.SameContent(second));
        Assert.NotEqual(first.ContentDigest(), second.ContentDigest());
    }

    [Theory]
    [InlineData(100, 110)]
    [InlineData(200, 210)]
    [InlineData(220, 230)]
    [InlineData(320, 330)]
    [InlineData(400, 410)]
    [InlineData(420, 430)]
    [InlineData(421, 430)]
    [InlineData(500, 510)]
    [InlineData(620, 630)]
    [InlineData(800, 810)]
    [InlineData(820, 830)]
    public void Every_request_has_its_answer(int request, int answer)
    {
        Assert.Equal(new Mti(answer), new Mti(request).Response);
        Assert.False(new Mti(request).IsResponse);
        Assert.True(new Mti(answer).IsResponse);
    }

    [Fact]
    public void Random_bytes_never_throw() =>
        Gen.Byte.Array[0, 400].Sample(bytes =>
        {
            foreach (var dialect in Lines)
            {
                if (IsoCodec.TryRead(dialect, bytes, out var message, out var error))
                {
                    Assert.Equal(bytes, IsoCodec.Write(dialect, message));
                }
                else
                {
                    Assert.NotEmpty(error.Expected);
                }
            }
        });

    [Fact]
    public void A_damaged_message_never_throws() =>
        Gen.Select(Gen.Int[0, 1], Gen.Int[0, 500], Gen.Byte).Sample((line, at, value) =>
        {
            var bytes = IsoCodec.Write(Lines[line], Sale());
            bytes[at % bytes.Length] = value;
            if (IsoCodec.TryRead(Lines[line], bytes, out var message, out _))
            {
                Assert.Equal(bytes, IsoCodec.Write(Lines[line], message));
                foreach (var field in message.Fields)
                {
                    Assert.NotNull(message.Text(field));
                }
            }
        });

    [Fact]
    public void What_was_written_is_read_back()
    {
        foreach (var dialect in Lines)
        {
            GenMessage(dialect).Sample(message =>
            {
                var bytes = IsoCodec.Write(dialect, message);
                Assert.True(IsoCodec.TryRead(dialect, bytes, out var read, out var error), error.ToString());
                Assert.Equal(message.Fields, read.Fields);
                foreach (var field in message.Fields)
                {
                    Assert.Equal(message.Text(field), read.Text(field));
                    Assert.Equal(message.Binary(field).ToArray(), read.Binary(field).ToArray());
                }

                Assert.Equal(bytes, IsoCodec.Write(dialect, read));
            });
        }
    }

    /// <summary>Random valid messages of a line.</summary>
    internal static Gen<IsoMessage> GenMessage(Dialect dialect)
    {
        var fields = IsoFields.All.Where(row => dialect.Shape(row.Number) is not null).ToArray();
        return Gen.Select(Gen.Int[0, 9999], Gen.Shuffle(fields, 0, fields.Length), Gen.Int[0, int.MaxValue]).Select((mti, chosen, seed) =>
        {
            var entropy = new SeededEntropy(seed);
            var message = new IsoMessage(new Mti(mti));
            foreach (var row in chosen)
            {
                var shape = dialect.Shape(row.Number)!.Value;
                var length = shape.Length == LengthKind.Fixed ? shape.Max : entropy.Below(shape.Max + 1);
                const string track = "0123456789D";
                const string alphanumeric = "ABCxyz 0123456789";
                const string special = "Abc 019+-*/:;中文";
                _ = shape.Content switch
                {
                    Content.N => message.Set(row.Number, entropy.Digits(length)),
                    Content.Z => message.Set(row.Number, Characters(entropy, track, length)),
                    Content.An => message.Set(row.Number, Characters(entropy, alphanumeric, length)),
                    Content.Ans => message.Set(row.Number, Characters(entropy, special, length / 2)[..(shape.Length == LengthKind.Fixed ? length / 2 : entropy.Below((length / 2) + 1))]),
                    _ => message.Set(row.Number, entropy.Bytes(length)),
                };
            }

            return message;
        });
    }

    /// <summary>A contactless sale with a PIN as a terminal sends it.</summary>
    internal static IsoMessage Sale() => new IsoMessage(Mti.FinancialRequest)
        .Set(2, "8199010000000000017").Set(3, "000000").Set(4, "000000008800").Set(11, "000012").Set(14, "3012").Set(22, "071").Set(23, "001").Set(25, "00").Set(26, "06")
        .Set(35, "8199010000000000017D30122200000000000").Set(41, "10000001").Set(42, "990031058120001").Set(49, "156").Set(52, [1, 2, 3, 4, 5, 6, 7, 8])
        .Set(53, "2600000000000000").Set(55, Convert.FromHexString("9F2608D3967976A8E5B5B69F2701809F360200019F3704BEEBC49195050000000000")).Set(60, "2200000100060");

    private static string Characters(Entropy entropy, string alphabet, int count) => string.Create(count, (entropy, alphabet), static (span, from) =>
    {
        for (var i = 0; i < span.Length; i++)
        {
            span[i] = from.alphabet[from.entropy.Below(from.alphabet.Length)];
        }
    });
}
