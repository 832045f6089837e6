using CsCheck;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Tests.Core.Iso8583;

public sealed class IsoDescribeTests
{
    [Fact]
    public void A_sale_reads_as_a_tree_with_places_and_meanings()
    {
        var tree = Describe(Dialect.Pos, IsoCodecTests.Sale());
        Assert.Equal(new Text("sale, request", "消费请求"), tree.Meaning is null ? tree.Name : null);
        Assert.Equal(["MTI", "bitmap", "F2", "F3", "F4", "F11", "F14", "F22", "F23", "F25", "F26", "F35", "F41", "F42", "F49", "F52", "F53", "F55", "F60"], tree.Children.Select(static node => node.Label));
        Assert.Equal("819901*********0017", Node(tree, "F2").Value);
        Assert.Equal(10, Node(tree, "F2").Offset);
        Assert.Equal("88.00 CNY", Node(tree, "F4").Meaning!.En);
        Assert.Equal("非接触式芯片（qPBOC），已输入密码", Node(tree, "F22").Meaning!.Zh);
        Assert.Equal("PIN block with the number, 3DES", Node(tree, "F53").Meaning!.En);
        Assert.Equal("********", Node(tree, "F35").Value);
        Assert.Equal("********", Node(tree, "F52").Value);
        Assert.Equal(["9F26", "9F27", "9F36", "9F37", "95"], Node(tree, "F55").Children.Select(static node => node.Label));
        var field60 = Node(tree, "F60");
        Assert.Equal(["22", "000001", "000", "6", "0"], field60.Children.Select(static node => node.Value));
        Assert.Equal("消费", field60.Children[0].Meaning!.Zh);
        Assert.Equal([2, 3, 6, 7, 8], field60.Children.Select(node => node.Offset - field60.Offset));
    }

    [Fact]
    public void Revealed_it_shows_all()
    {
        Assert.True(IsoDescribe.TryDescribe(Dialect.Pos, IsoCodec.Write(Dialect.Pos, IsoCodecTests.Sale()), false, reveal: true, out var tree, out _));
        Assert.Equal("8199010000000000017", Node(tree, "F2").Value);
        Assert.Equal("8199010000000000017D30122200000000000", Node(tree, "F35").Value);
        Assert.Equal("0102030405060708", Node(tree, "F52").Value);
    }

    [Fact]
    public void A_frame_is_described_from_its_length_on()
    {
        var body = IsoCodec.Write(Dialect.Switch, new IsoMessage(Mti.FinancialResponse).Set(39, "55").Set(61, new Field61Switch(ArqcResult.Good).Format())
            .Set(63, new Field63Token(true, PaymentToken.Parse("8199010000000011"), "3012", "11", "01", "99900000001").Format()));
        var frame = SwitchFrame.Write("63990900", "00010000", body);
        Assert.True(IsoDescribe.TryDescribe(Dialect.Switch, frame, framed: true, reveal: false, out var tree, out _));
        Assert.Equal("to 63990900 from 00010000", Node(tree, "header").Meaning!.En);
        Assert.Equal(50, Node(tree, "MTI").Offset);
        Assert.Equal("密码错误", Node(tree, "F39").Meaning!.Zh);
        Assert.Equal("ARQC 验证通过", Node(tree, "F61").Children[^1].Meaning!.Zh);
        Assert.Equal("819901******0011", Node(tree, "F63").Children[1].Value);

        var pos = PosFrame.Write(Convert.FromHexString("6000030000"), Convert.FromHexString("603100311001"), IsoCodec.Write(Dialect.Pos, IsoCodecTests.Sale()));
        Assert.True(IsoDescribe.TryDescribe(Dialect.Pos, pos, framed: true, reveal: false, out tree, out _));
        Assert.Equal(13, Node(tree, "MTI").Offset);
    }

    [Fact]
    public void What_is_missing_is_said()
    {
        var tree = Describe(Dialect.Pos, IsoCodecTests.Sale().Remove(49));
        Assert.Equal("F49: expected present in 0200 sale, got absent", tree.Meaning!.En);
    }

    [Fact]
    public void The_reason_of_a_reversal_is_no_response_code()
    {
        var tree = Describe(Dialect.Pos, IsoCodecTests.Sale().Copy(Mti.ReversalRequest).Remove(26).Remove(35).Remove(52).Remove(53).Set(39, "98"));
        Assert.Equal(("no answer came", "reversal of a sale, request"), (Node(tree, "F39").Meaning!.En, tree.Name.En));
    }

    [Fact]
    public void An_error_names_its_place_from_the_start_of_the_frame()
    {
        var frame = PosFrame.Write(Convert.FromHexString("6000030000"), Convert.FromHexString("603100311001"), Convert.FromHexString("02004000000000000000"));
        Assert.False(IsoDescribe.TryDescribe(Dialect.Pos, frame, framed: true, reveal: false, out _, out var error));
        Assert.Equal(("F2", 23), (error.Field, error.Offset));
    }

    [Fact]
    public void Any_message_and_any_bytes_can_be_described_without_throwing()
    {
        foreach (var dialect in (Dialect[])[Dialect.Pos, Dialect.Switch])
        {
            IsoCodecTests.GenMessage(dialect).Sample(message => Describe(dialect, message));
            Gen.Select(Gen.Byte.Array[0, 200], Gen.Bool).Sample((bytes, framed) =>
            {
                IsoDescribe.TryDescribe(dialect, bytes, framed, true, out _, out _);
            });
        }
    }

    private static DescribedNode Describe(Dialect dialect, IsoMessage message)
    {
        Assert.True(IsoDescribe.TryDescribe(dialect, IsoCodec.Write(dialect, message), false, false, out var tree, out var error), error.ToString());
        return tree;
    }

    private static DescribedNode Node(DescribedNode tree, string label) => Assert.Single(tree.Children, node => node.Label == label);
}
