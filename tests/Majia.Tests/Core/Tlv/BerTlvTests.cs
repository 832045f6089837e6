using CsCheck;
using Majia.Core.Tlv;
using Majia.Tests.Core.Emv;

namespace Majia.Tests.Core.Tlv;

public sealed class BerTlvTests
{
    private static readonly Gen<Tag> PrimitiveTag = Gen.OneOf<Tag>(0x57, 0x82, 0x9F26, 0x9F10, 0x5F34, 0xDF69, 0x9C);

    // Field 55 of a sale as a terminal sends it: 21 objects (protocols.md 6.5).
    private static readonly byte[] FieldFiftyFive = Convert.FromHexString(
        "9F2608C66055EE8F9D78649F2701809F100807010103A00000019F3704A1B2C3D49F36020001950500000000009A032611229C01009F02060000000012345F2A02015682027C00" +
        "9F1A0201569F03060000000000009F3303E0F8C89F34031F00029F3501229F1E0831323334353637388408A0000003330101019F090200309F4104000000019F631038313731393939390080304000000000");

    [Theory]
    [InlineData("9F26020102", 0x9F26, "0102", 5)]
    [InlineData("0000820101", 0x82, "01", 5)]
    [InlineData("5A8101FF99", 0x5A, "FF", 4)]
    [InlineData("5A820001FF", 0x5A, "FF", 5)]
    [InlineData("DF81290100", 0xDF8129, "00", 5)]
    [InlineData("9C00", 0x9C, "", 2)]
    public void An_object_is_read_with_the_bytes_it_used(string hex, int tag, string value, int consumed)
    {
        Assert.True(BerTlv.TryRead(Convert.FromHexString(hex), out var readTag, out var readValue, out var used, out _));
        Assert.Equal(new Tag(tag), readTag);
        Assert.Equal(value, Convert.ToHexString(readValue));
        Assert.Equal(consumed, used);
    }

    [Theory]
    [InlineData("", 0, "a tag", "the end")]
    [InlineData("0000", 2, "a tag", "the end")]
    [InlineData("9F", 1, "another tag byte", "the end")]
    [InlineData("DF818283", 3, "a tag of one to three bytes", "a fourth byte")]
    [InlineData("9F26", 2, "a length byte", "the end")]
    [InlineData("9F268000", 2, "00-7F, 81 or 82", "80 (indefinite form)")]
    [InlineData("9F2683000001", 2, "00-7F, 81 or 82", "83")]
    [InlineData("9F268200", 3, "2 more length bytes", "1 bytes")]
    [InlineData("570A6299", 2, "10 bytes", "2 bytes")]
    public void A_malformed_object_says_where_what_was_expected_and_what_stood_there(string hex, int offset, string expected, string got)
    {
        Assert.False(BerTlv.TryRead(Convert.FromHexString(hex), out _, out _, out _, out var error));
        Assert.Equal((offset, expected, got), (error.Offset, error.Expected, error.Got));
    }

    [Fact]
    public void An_error_inside_templates_counts_its_offset_from_the_outermost_byte()
    {
        Assert.False(BerTlv.TryCheck(Convert.FromHexString("9C01006F078408A000000333"), out var error));
        Assert.Equal(7, error.Offset);
        Assert.Equal("value of 84", error.Field);
    }

    [Fact]
    public void A_tag_is_found_inside_templates()
    {
        var response = HexVectors.Read("emv-qpboc-trace.txt", "select-ppse.response").AsSpan()[..^2];
        Assert.True(BerTlv.TryFind(response, 0x4F, out var aid));
        Assert.Equal("A000000333010101", Convert.ToHexString(aid));
        Assert.False(BerTlv.TryFind(response, 0x57, out _));
    }

    [Fact]
    public void What_stands_behind_a_malformed_object_is_not_found() =>
        Assert.False(BerTlv.TryFind(Convert.FromHexString("9F26805701FF"), 0x57, out _));

    [Fact]
    public void Eight_levels_are_read_and_a_ninth_is_refused()
    {
        var eight = BerTlv.Encode(0x9C, (ReadOnlySpan<byte>)[1]);
        for (var i = 0; i < 7; i++)
        {
            eight = BerTlv.Encode(0x70, eight);
        }

        Assert.True(BerTlv.TryCheck(eight, out _));
        Assert.True(BerTlv.TryFind(eight, 0x9C, out _));
        Assert.False(BerTlv.TryCheck(BerTlv.Encode(0x70, eight), out var error));
        Assert.Equal("at most 8 levels", error.Expected);
        Assert.False(BerTlv.TryFind(BerTlv.Encode(0x70, eight), 0x9C, out _));
    }

    [Fact]
    public void Thousands_of_nested_templates_neither_overflow_nor_take_long()
    {
        var deep = new byte[60_000];
        for (var i = 0; i + 3 < deep.Length; i += 4)
        {
            (deep[i], deep[i + 1]) = (0x70, 0x82);
            var left = deep.Length - i - 4;
            (deep[i + 2], deep[i + 3]) = ((byte)(left >> 8), (byte)(left & 0xFF));
        }

        Assert.False(BerTlv.TryCheck(deep, out _));
        Assert.False(BerTlv.TryFind(deep, 0x57, out _));
    }

    [Fact]
    public void Field_55_with_21_objects_is_read_without_allocation()
    {
        Walk();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var count = Walk();
        var after = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(21, count);
        Assert.Equal(0, after - before);

        static int Walk()
        {
            var rest = FieldFiftyFive.AsSpan();
            var count = 0;
            while (BerTlv.TryRead(rest, out _, out _, out var consumed, out _))
            {
                rest = rest[consumed..];
                count++;
                if (rest.IsEmpty)
                {
                    break;
                }
            }

            foreach (var item in BerTlv.Objects(FieldFiftyFive))
            {
                count += item.Tag == 0 ? 1 : 0;
            }

            return BerTlv.TryFind(FieldFiftyFive, 0x9F63, out _) && BerTlv.TryCheck(FieldFiftyFive, out _) ? count : -1;
        }
    }

    [Fact]
    public void A_walk_tells_offsets_and_the_error_that_ended_it()
    {
        var walk = BerTlv.Objects(Convert.FromHexString("00009C0100570A62"));
        Assert.True(walk.MoveNext());
        Assert.Equal((2, 4), (walk.Current.Offset, walk.Current.ValueOffset));
        Assert.False(walk.MoveNext());
        Assert.True(walk.Failed);
        Assert.Equal(7, walk.Error.Offset);
        Assert.False(walk.MoveNext());
    }

    [Fact]
    public void What_was_written_is_read_back() =>
        Gen.Select(PrimitiveTag, Gen.Byte.Array[0, 400]).Sample((tag, value) =>
        {
            var bytes = BerTlv.Encode(tag, (ReadOnlySpan<byte>)value);
            Assert.Equal(BerTlv.EncodedLength(tag, value.Length), bytes.Length);
            Assert.True(BerTlv.TryRead(bytes, out var readTag, out var readValue, out var consumed, out _));
            Assert.Equal(tag, readTag);
            Assert.Equal(bytes.Length, consumed);
            Assert.True(readValue.SequenceEqual(value));
        });

    [Fact]
    public void A_template_holds_its_children_in_order()
    {
        var bytes = BerTlv.Encode(0x77, BerTlv.Encode(0x82, (ReadOnlySpan<byte>)[0x7C, 0]), BerTlv.Encode(0x9F36, (ReadOnlySpan<byte>)[0, 1]));
        Assert.Equal("770982027C009F36020001", Convert.ToHexString(bytes));
    }

    [Fact]
    public void No_bytes_make_a_reader_throw() =>
        Gen.Byte.Array[0, 300].Sample(bytes =>
        {
            BerTlv.TryRead(bytes, out _, out _, out var consumed, out _);
            Assert.InRange(consumed, 0, bytes.Length);
            BerTlv.TryFind(bytes, 0x57, out _);
            if (!BerTlv.TryCheck(bytes, out var error))
            {
                Assert.InRange(error.Offset, 0, bytes.Length);
            }
        });
}
