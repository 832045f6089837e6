using CsCheck;
using Majia.Core.Emv;
using Majia.Core.Tlv;
using Majia.Tests.Core.Emv;

namespace Majia.Tests.Core.Tlv;

public sealed class DolTests
{
    [Fact]
    public void The_PDOL_of_a_real_card_asks_for_33_bytes_that_its_GPO_brought()
    {
        var fci = HexVectors.Read("emv-qpboc-trace.txt", "select-aid.response").AsSpan()[..^2];
        Assert.True(BerTlv.TryFind(fci, Tags.ProcessingOptionsDol, out var pdol));
        Assert.True(Dol.TryParse(pdol, out var entries, out _));
        Assert.Equal(Describe.UsualPdol, entries);
        Assert.Equal(33, Dol.DataLength(entries));

        var gpo = HexVectors.Read("emv-qpboc-trace.txt", "gpo.command");
        Assert.True(Dol.TrySplit(entries, gpo.AsMemory(7, 33), out var values, out _));
        Assert.Equal("36800000", Convert.ToHexString(values[Tags.TerminalTransactionQualifiers].Span));
        Assert.Equal("2B29EBE4", Convert.ToHexString(values[Tags.UnpredictableNumber].Span));
        Assert.Equal(gpo[7..40], Dol.Build(entries, tag => values[tag]));
    }

    // EMV Book 3 §5.4, protocols.md 1.1.
    [Theory]
    [InlineData(0x9F02, "1234", 6, "000000001234")]
    [InlineData(0x9F02, "000000001234", 2, "1234")]
    [InlineData(0x9F1A, "0156", 3, "000156")]
    [InlineData(0x5A, "8199010000000016", 10, "8199010000000016FFFF")]
    [InlineData(0x5A, "8199010000000016", 4, "81990100")]
    [InlineData(0x9F1E, "3132333435363738", 10, "31323334353637380000")]
    [InlineData(0x9F66, "26004080", 2, "2600")]
    [InlineData(0x95, "8000000000", 7, "80000000000000")]
    public void Values_are_cut_and_padded_by_their_format(int tag, string value, int length, string expected) =>
        Assert.Equal(expected, Convert.ToHexString(Dol.Build([new Dol.Entry(tag, length)], _ => Convert.FromHexString(value))));

    [Fact]
    public void Unknown_and_constructed_elements_are_answered_with_zeros() =>
        Assert.Equal("000000", Convert.ToHexString(Dol.Build([new Dol.Entry(0x9F02, 1), new Dol.Entry(0x70, 2)], tag => tag == 0x70 ? new byte[] { 1, 2 } : null)));

    [Theory]
    [InlineData("9F", 1, "another tag byte")]
    [InlineData("9F66", 2, "a length byte")]
    [InlineData("9F660400", 3, "a tag")]
    [InlineData("DF81828304", 3, "a tag of one to three bytes")]
    public void A_malformed_list_says_where(string hex, int offset, string expected)
    {
        Assert.False(Dol.TryParse(Convert.FromHexString(hex), out _, out var error));
        Assert.Equal((offset, expected), (error.Offset, error.Expected));
    }

    [Fact]
    public void Data_of_another_length_does_not_answer_the_list()
    {
        Assert.False(Dol.TrySplit(Describe.UsualPdol, new byte[32], out _, out var error));
        Assert.Equal(("33 bytes", "32 bytes"), (error.Expected, error.Got));
    }

    [Fact]
    public void A_list_written_is_the_list_read() =>
        Gen.Select(Gen.OneOf(0x9A, 0x9F02, 0x5F2A, 0xDF8129), Gen.Int[0, 255]).Array[0, 20].Sample(pairs =>
        {
            Dol.Entry[] entries = [.. pairs.Select(pair => new Dol.Entry(pair.Item1, pair.Item2))];
            Assert.True(Dol.TryParse(Dol.Encode(entries), out var read, out _));
            Assert.Equal(entries, read);
        });

    [Fact]
    public void No_bytes_make_a_reader_throw() =>
        Gen.Byte.Array[0, 300].Sample(bytes =>
        {
            if (Dol.TryParse(bytes, out var entries, out _))
            {
                Assert.Equal(bytes, Dol.Encode([.. entries]));
                Assert.True(Dol.TrySplit(entries, Dol.Build(entries, _ => bytes), out _, out _));
            }
        });
}
