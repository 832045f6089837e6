using System.Globalization;
using System.Text;
using CsCheck;
using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class IsoFramesTests
{
    private static readonly Dictionary<string, string> Vector = File.ReadLines(Repository.Vector("iso-frames.txt"))
        .Where(static line => line.Contains('=') && !line.StartsWith('#'))
        .Select(static line => line.Split('='))
        .ToDictionary(static pair => pair[0], static pair => pair[1].Replace(" ", "", StringComparison.Ordinal));

    [Fact]
    public void The_sample_frame_of_the_POS_line_begins_as_printed()
    {
        var body = IsoCodec.Write(Dialect.Pos, new IsoMessage(Mti.NetworkRequest).Set(11, "000001").Set(60, "00000001401").Set(62, new byte[29]));
        var frame = PosFrame.Write(Convert.FromHexString("6000030000"), Convert.FromHexString("60310031FFF1"), body);

        var start = Vector["pos-start"];
        Assert.StartsWith(start, Convert.ToHexString(frame), StringComparison.Ordinal);
        Assert.True(PosFrame.TryRead(frame, out var tpdu, out var header, out var read, out _));
        Assert.Equal(("6000030000", "60310031FFF1"), (Convert.ToHexString(tpdu.Span), Convert.ToHexString(header.Span)));
        Assert.Equal(body, read.ToArray());
    }

    [Fact]
    public void The_recorded_balance_answer_has_the_fields_that_its_bitmap_says()
    {
        var printed = new Dictionary<int, string>();
        foreach (var (key, value) in Vector)
        {
            if (key.StartsWith("switch-", StringComparison.Ordinal) && int.TryParse(key.AsSpan(7), CultureInfo.InvariantCulture, out var field))
            {
                printed[field] = value;
            }
        }

        // The parts that are not printed are filled.
        var message = new IsoMessage(new Mti(int.Parse(Vector["switch-mti"], CultureInfo.InvariantCulture)))
            .Set(14, "3012").Set(15, "0826").Set(18, "5411").Set(25, "00").Set(32, "00010000").Set(33, "00010000").Set(37, "000000863743").Set(39, "00")
            .Set(41, "12345678").Set(42, "123456789012345").Set(49, "156").Set(60, new Field60Switch().Format()).Set(100, "00010000").Set(121, "0").Set(128, "12345678"u8);
        foreach (var (field, value) in printed.OrderBy(static pair => pair.Key))
        {
            message.Set(field, value);
        }

        var body = IsoCodec.Write(Dialect.Switch, message);
        Assert.Equal(Vector["switch-mti"], Encoding.ASCII.GetString(body.AsSpan(0, 4)));
        Assert.Equal(Vector["switch-bitmap"], Convert.ToHexString(body.AsSpan(4, 16)));
        Assert.StartsWith("1662518800000516883000000825112400863743112400" + "0825", Encoding.ASCII.GetString(body.AsSpan(20)), StringComparison.Ordinal);
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body, out var read, out var error), error.ToString());
        foreach (var (field, value) in printed.OrderBy(static pair => pair.Key))
        {
            Assert.Equal(value, read.Text(field));
        }

        Assert.Null(MessageMatrix.Check(Dialect.Switch, read));
    }

    [Fact]
    public void The_host_answers_with_destination_and_source_swapped() =>
        Assert.Equal("6000000003", Convert.ToHexString(PosFrame.AnswerTpdu(Convert.FromHexString("6000030000"))));

    [Fact]
    public void The_header_of_the_switch_line_is_46_bytes_with_both_institutions()
    {
        var frame = SwitchFrame.Write("00010000", "63990900", "0800"u8);
        Assert.Equal(4 + 46 + 4, frame.Length);
        var expected = "30303530" + "2E" + "02" + "30303530" + "3030303130303030202020" + "3633393930393030202020" + "000000" + "00" + "3030303030303030" + "00" + "3030303030" + "30383030";
        Assert.Equal(expected, Convert.ToHexString(frame));
        Assert.True(SwitchFrame.TryRead(frame, out var destination, out var source, out var body, out _));
        Assert.Equal(("00010000", "63990900", "0800"), (destination, source, Encoding.ASCII.GetString(body.Span)));
    }

    [Theory]
    [InlineData("pos", "003F", "frame")]
    [InlineData("pos", "00100000030000603100310011080000", "length")]
    [InlineData("pos", "000E5000030000603100310011080000", "TPDU")]
    [InlineData("switch", "303035302E02", "frame")]
    public void A_frame_that_is_wrong_says_where(string line, string hex, string field)
    {
        var frame = Convert.FromHexString(hex);
        var read = line == "pos" ? PosFrame.TryRead(frame, out _, out _, out _, out var error) : SwitchFrame.TryRead(frame, out _, out _, out _, out error);
        Assert.False(read);
        Assert.Equal(field, error.Field);
    }

    [Theory]
    [InlineData(0, "length")]
    [InlineData(4, "header length")]
    [InlineData(7, "total length")]
    [InlineData(10, "destination")]
    [InlineData(21, "source")]
    [InlineData(45, "reject code")]
    public void A_damaged_switch_header_is_named(int at, string field)
    {
        var frame = SwitchFrame.Write("00010000", "63990900", "0800"u8);
        frame[at] = (byte)'X';
        Assert.False(SwitchFrame.TryRead(frame, out _, out _, out _, out var error));
        Assert.Equal(field, error.Field);
    }

    [Fact]
    public void Random_frames_never_throw() =>
        Gen.Byte.Array[0, 120].Sample(bytes =>
        {
            PosFrame.TryRead(bytes, out _, out _, out _, out _);
            SwitchFrame.TryRead(bytes, out _, out _, out _, out _);
        });
}
