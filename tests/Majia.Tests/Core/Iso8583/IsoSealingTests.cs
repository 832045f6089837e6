using System.Security.Cryptography;
using System.Text;
using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class IsoSealingTests
{
    [Fact]
    public void The_MAC_of_the_POS_line_covers_all_from_the_MTI_up_to_field_64()
    {
        byte[] covered = [];
        var body = IsoSealing.Seal(Dialect.Pos, new IsoMessage(Mti.FinancialRequest).Set(3, "000000").Set(4, "000000000123"), data =>
        {
            covered = data.ToArray();
            return "94ADAB08"u8.ToArray();
        });

        Assert.Equal("0200" + "3000000000000001" + "000000" + "000000000123", Convert.ToHexString(covered));
        Assert.Equal(Convert.ToHexString(covered) + "3934414441423038", Convert.ToHexString(body));
        Assert.Equal(covered, MacBlock.Pos(body).ToArray());
    }

    [Fact]
    public void Without_field_64_nothing_is_covered() =>
        Assert.True(MacBlock.Pos(IsoCodec.Write(Dialect.Pos, new IsoMessage(Mti.FinancialRequest).Set(4, "000000000123").Set(52, new byte[8]))).IsEmpty);

    [Fact]
    public void The_MAC_of_the_switch_line_covers_the_listed_elements_joined_with_single_spaces()
    {
        var message = new IsoMessage(Mti.ReversalAdvice)
            .Set(2, "8199010000000017").Set(3, "000000").Set(4, "000000008800").Set(7, "1123120000").Set(11, "000001").Set(12, "200000").Set(18, "5942").Set(25, "00").Set(28, "C00000100")
            .Set(32, "63990900").Set(33, "00010000").Set(37, "999999999999").Set(38, "ab12  ").Set(39, "98").Set(41, "T-1/0001").Set(42, "M  1,2.3  中").Set(49, "156")
            .Set(90, "0200000001112312000000063990900000630909000").Set(102, "acc*1").Set(128, new byte[8]);
        message.Set(90, message.Text(90)![..42]);
        Assert.Equal(
            "0420 8199010000000017 000000 000000008800 1123120000 000001 5942 00 C00000100 63990900 00010000 AB12 98 T10001 M 1,2.3 02000000011123120000 ACC1",
            Encoding.ASCII.GetString(MacBlock.Switch(message)));
    }

    [Theory]
    [InlineData("pos")]
    [InlineData("switch")]
    public void A_sealed_message_verifies_and_a_changed_one_does_not(string line)
    {
        var dialect = line == "pos" ? Dialect.Pos : Dialect.Switch;
        static byte[] Mac(ReadOnlySpan<byte> data) => Encoding.ASCII.GetBytes(Convert.ToHexString(SHA256.HashData(data))[..8]);

        var body = IsoSealing.Seal(dialect, IsoCodecTests.Sale().Remove(dialect == Dialect.Pos ? 128 : 60), Mac);
        Assert.True(IsoCodec.TryRead(dialect, body, out var message, out var error), error.ToString());
        Assert.True(IsoSealing.Verify(dialect, body, message, Mac));
        Assert.True(IsoSealing.Verify(dialect, body, message, (data, mac) => mac.SequenceEqual(Mac(data))));

        var changed = IsoCodec.Write(dialect, message.Copy().Set(4, "000000008801"));
        Assert.True(IsoCodec.TryRead(dialect, changed, out var other, out _));
        Assert.False(IsoSealing.Verify(dialect, changed, other, Mac));

        var bare = IsoCodec.Write(dialect, message.Remove(dialect.MacField));
        Assert.True(IsoCodec.TryRead(dialect, bare, out var unsealed, out _));
        Assert.False(IsoSealing.Verify(dialect, bare, unsealed, Mac));
    }
}
