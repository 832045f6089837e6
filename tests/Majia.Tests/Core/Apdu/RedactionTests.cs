using CsCheck;
using Majia.Core.Apdu;
using Majia.Core.Emv;
using Majia.Tests.Core.Emv;

namespace Majia.Tests.Core.Apdu;

public sealed class RedactionTests
{
    [Fact]
    public void Of_track_2_the_discretionary_digits_become_zeros_and_the_rest_of_the_answer_stays()
    {
        var command = HexVectors.Read("emv-qpboc-trace.txt", "gpo.command");
        var response = HexVectors.Read("emv-qpboc-trace.txt", "gpo.response");
        var expected = Convert.ToHexString(response).Replace("6299999999999999D20112010123456789", "6299999999999999D20112010000000000", StringComparison.Ordinal);
        Assert.NotEqual(Convert.ToHexString(response), expected);
        Assert.Equal(expected, Convert.ToHexString(Redaction.Response(command, response)));
        Assert.Equal(command, Redaction.Command(command));
    }

    [Theory]
    [InlineData("00B2010C00", "70145A0862990000000000065F200741424344454647" + "9000", "70145A0800000000000000005F200700000000000000" + "9000")]
    [InlineData("00B2010C00", "70135A08629900" + "9000", "00000000000000" + "9000")] // cut: fails closed
    [InlineData("80CA000100", "00000001029000", "00000001029000")] // binding state is raw
    [InlineData("8050010008000000000000000000", "5A0812345678123456789000", "5A0812345678123456789000")] // raw answer of INITIALIZE UPDATE
    [InlineData("00B2010C00", "57138199010000000000019D30122201234567890F9000", "57138199010000000000019D30122200000000000F9000")] // padding stays
    [InlineData("00B2010C00", "570581990100009000", "570500000000009000")] // no track
    [InlineData("", "5A0812345678123456789000", "5A0800000000000000009000")]
    [InlineData("00A4040000", "6A82", "6A82")]
    public void An_answer_keeps_what_may_be_kept(string command, string response, string expected) =>
        Assert.Equal(expected, Convert.ToHexString(Redaction.Response(Convert.FromHexString(command), Convert.FromHexString(response))));

    [Theory]
    [InlineData("002000800824123456FFFFFFFF", "00200080080000000000000000")]
    [InlineData("80D801810401880112", "80D801810400000000")]
    [InlineData("00DA5F20024142", "00DA5F20020000")]
    [InlineData("00DA9F680400008000", "00DA9F680400008000")]
    [InlineData("80E200000D800004AABBCCDD900003112233", "80E200000D80000400000000900003112233")]
    [InlineData("80E2000009800004AABBCCDD9000", "80E2000009800004000000000000")] // a cut grouping fails closed
    [InlineData("84E2000005AABBCCDDEE", "84E2000005AABBCCDDEE")] // cipher text of the secure channel
    [InlineData("80E200000601010370015A", "80E2000006010103000000")]
    [InlineData("1234", "0000")]
    public void A_command_keeps_what_may_be_kept(string command, string expected) =>
        Assert.Equal(expected, Convert.ToHexString(Redaction.Command(Convert.FromHexString(command))));

    [Fact]
    public void Lengths_are_kept_and_nothing_throws() =>
        Gen.Select(Gen.Byte.Array[0, 60], Gen.Byte.Array[0, 200]).Sample((command, response) =>
        {
            Assert.Equal(command.Length, Redaction.Command(command).Length);
            Assert.Equal(response.Length, Redaction.Response(command, response).Length);
        });

    [Fact]
    public void No_sensitive_element_survives_in_any_answer() =>
        Gen.Select(Gen.OneOf(Tags.Pan, Tags.CardholderName, Tags.TrackOneDiscretionaryData, Tags.TrackTwoDiscretionaryData, Tags.LastFourOfPan), Gen.Byte[1, 255].Array[2, 26]).Sample((tag, value) =>
        {
            var record = Majia.Core.Tlv.BerTlv.Encode(0x70, Majia.Core.Tlv.BerTlv.Encode(tag, (ReadOnlySpan<byte>)value));
            byte[] kept = Redaction.Response(Convert.FromHexString("00B2010C00"), [.. record, 0x90, 0]);
            Assert.True(Majia.Core.Tlv.BerTlv.TryFind(kept.AsSpan()[..^2], tag, out var blank));
            Assert.Equal(-1, blank.IndexOfAnyExcept((byte)0));
            Assert.Equal(value.Length, blank.Length);
        });
}
