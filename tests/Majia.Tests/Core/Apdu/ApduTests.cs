using CsCheck;
using Majia.Core.Apdu;

namespace Majia.Tests.Core.Apdu;

public sealed class ApduTests
{
    [Theory]
    [InlineData("00A40400", 0, null)]
    [InlineData("80CA9F3600", 0, 256)]
    [InlineData("80CA9F3608", 0, 8)]
    [InlineData("00A4040002A000", 2, null)]
    [InlineData("00A4040002A00000", 2, 256)]
    [InlineData("00B2010C000000", 0, 65536)]
    [InlineData("00B2010C000101", 0, 257)]
    [InlineData("80E2000000000211220003", 2, 3)]
    public void The_four_cases_are_read_short_and_extended(string hex, int dataLength, int? le)
    {
        Assert.True(CommandApdu.TryParse(Convert.FromHexString(hex), out var command, out _));
        Assert.Equal(dataLength, command.Data.Length);
        Assert.Equal(le, command.Le);
    }

    [Theory]
    [InlineData("00A404", 3, "4 bytes CLA INS P1 P2")]
    [InlineData("00A4040008A000", 4, "8 data bytes and at most one Le byte after Lc 08")]
    [InlineData("00A4040001A0000000", 4, "1 data bytes and at most one Le byte after Lc 01")]
    [InlineData("00A404000000", 4, "two length bytes after 00")]
    [InlineData("00A4040000000001", 5, "an extended Lc from 1")]
    [InlineData("00A4040000000301", 5, "3 data bytes and no or two Le bytes")]
    public void A_malformed_command_says_where(string hex, int offset, string expected)
    {
        Assert.False(CommandApdu.TryParse(Convert.FromHexString(hex), out _, out var error));
        Assert.Equal((offset, expected), (error.Offset, error.Expected));
    }

    [Fact]
    public void What_was_written_is_read_back() =>
        Gen.Select(Gen.Byte.Array[4], Gen.Frequency((4, Gen.Byte.Array[0, 255]), (1, Gen.Byte.Array[256, 1000])), Gen.Int[0, 65536]).Sample((header, data, le) =>
        {
            var command = CommandApdu.Of(header[0], header[1], header[2], header[3], data, le == 0 ? null : le % 3 == 0 ? le : (le % 256) + 1);
            Assert.True(CommandApdu.TryParse(command.ToBytes(), out var read, out _));
            Assert.Equal(command, read);

            var response = new ResponseApdu(data, new StatusWord((ushort)(le % 65536)));
            Assert.True(ResponseApdu.TryParse(response.ToBytes(), out var answered, out _));
            Assert.Equal(response, answered);
        });

    [Fact]
    public void What_was_read_is_written_back_unless_the_long_form_was_not_needed() =>
        Gen.Byte.Array[0, 40].Sample(bytes =>
        {
            if (CommandApdu.TryParse(bytes, out var command, out _) && (bytes.Length < 5 || bytes[4] != 0 || bytes.Length == 5))
            {
                Assert.Equal(bytes, command.ToBytes());
            }

            Assert.Equal(bytes.Length >= 2, ResponseApdu.TryParse(bytes, out _, out _));
        });

    [Fact]
    public void Commands_and_answers_print_no_data()
    {
        Assert.Equal("00200080 (8 bytes)", CommandApdu.Of(0, 0x20, 0, 0x80, Convert.FromHexString("24123456FFFFFFFF"), null).ToString());
        Assert.Equal("9000 (2 bytes)", ResponseApdu.Ok([0x12, 0x34]).ToString());
    }

    [Theory]
    [InlineData(0x9000, "done")]
    [InlineData(0x6986, "command not allowed; at GPO: see the phone, then tap again")]
    [InlineData(0x6C10, "wrong Le; the second byte is the right one")]
    [InlineData(0x63C2, "verification failed; the last digit counts the tries left")]
    public void A_status_word_is_put_into_words(int status, string meaning) =>
        Assert.Equal(meaning, StatusWords.Meaning(new StatusWord((ushort)status))?.En);

    [Fact]
    public void An_AID_from_outside_is_refused_without_an_exception()
    {
        Assert.False(Aid.TryFrom([1, 2, 3, 4], out _));
        Assert.True(Aid.TryFrom([0xA0, 0, 0, 3, 0x33], out var aid));
        Assert.Equal("A000000333", aid.ToString());
    }
}
