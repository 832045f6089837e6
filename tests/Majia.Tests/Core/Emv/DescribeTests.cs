using CsCheck;
using Majia.Core.Apdu;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Tests.Core.Emv;

public sealed class DescribeTests
{
    [Fact]
    public void The_answer_to_GPO_of_a_real_card_is_put_into_words_with_its_track_masked()
    {
        var bytes = HexVectors.Read("emv-qpboc-trace.txt", "gpo.response");
        Assert.True(Describe.TryApdu(bytes, reveal: false, out var node, out _));
        var lines = Lines(node);
        Assert.Contains("2 82 7C00 Application interchange profile (AIP)", lines);
        Assert.Equal("629999******9999D2011201**********", Find(node, "57").Value);
        Assert.Equal("number of 16 digits, valid to 2020-11, service code 201", Find(node, "57").Meaning!.En);
        Assert.Equal("2780", Find(node, "9F36").Meaning!.En);
        Assert.Equal("387.87", Find(node, "9F5D").Meaning!.En);
        Assert.Equal("first cryptogram: ARQC (online asked)", Find(node, "CVR").Children.Single(child => child.Label == "B2 b6-5").Name.En);
        Assert.Equal("electronic cash balance", Find(node, "ID").Meaning!.En);
        Assert.DoesNotContain(lines, line => line.Contains("99999999", StringComparison.Ordinal));

        Assert.True(Describe.TryApdu(bytes, reveal: true, out var revealed, out _));
        Assert.Equal("6299999999999999D20112010123456789", Find(revealed, "57").Value);
    }

    [Fact]
    public void GPO_shows_each_element_of_its_PDOL_data()
    {
        Assert.True(Describe.TryApdu(HexVectors.Read("emv-qpboc-trace.txt", "gpo.command"), reveal: false, out var node, out _));
        Assert.Equal("GET PROCESSING OPTIONS", node.Name.En);
        Assert.Equal("CNY 0.01", Find(node, "9F02").Meaning!.En);
        Assert.Equal("人民币 0.01 元", Find(node, "9F02").Meaning!.Zh);
        Assert.Equal("China", Find(node, "9F1A").Meaning!.En);
        Assert.Equal("2017-06-01", Find(node, "9A").Meaning!.En);
        Assert.Equal("purchase", Find(node, "9C").Meaning!.En);
        Assert.Equal(36, Find(node, "9F37").Offset);
        Assert.Contains(Find(node, "9F66").Children, child => child is { Label: "B2 b8", Name.En: "online cryptogram required" });
    }

    [Fact]
    public void SELECT_names_the_application()
    {
        Assert.True(Describe.TryApdu(HexVectors.Read("emv-qpboc-trace.txt", "select-aid.command"), reveal: false, out var node, out _));
        Assert.Equal("UnionPay debit", Find(node, "AID").Meaning!.En);
        Assert.True(Describe.TryApdu(HexVectors.Read("emv-qpboc-trace.txt", "select-aid.response"), reveal: false, out var answer, out _));
        Assert.Equal(9, Find(answer, "9F38").Children.Count);
        Assert.Equal("\"PBOC DEBIT\"", Find(answer, "50").Meaning!.En);
        Assert.Equal("done", Find(answer, "SW").Meaning!.En);
    }

    [Fact]
    public void Secure_channel_and_personalisation_commands_are_named()
    {
        Assert.Equal("INITIALIZE UPDATE", Command("8050300008B13E5F938FC108C400").Name.En);
        Assert.Equal("commands and answers encrypted and MACed", Find(Command("84823300108C36F96BCC00724A4E13AD591D7DA3F0"), "P1 P2").Meaning!.En);
        Assert.Equal("protected by the secure channel", Find(Command("84E29100050102030405"), "data").Meaning!.En);
        Assert.Equal("card keys AC, MAC, ENC (encrypted)", Find(Command("80E2000007800004AABBCCDD"), "8000").Name.En);
        Assert.Equal("********", Find(Command("80E2000007800004AABBCCDD"), "8000").Value);
        Assert.Equal("GET STATE", Command("80CA000100").Name.En);
        Assert.Equal("AUTHORISE", Command("802A00001A" + new string('0', 32) + "A0000003330101010001").Name.En);
        var install = Command("80E60C001F" + "07A0000003330101" + "08A000000333010100" + "0AA0000003330101010001" + "0100" + "00");
        Assert.Equal("application instance", Find(install, "2").Name.En);
        Assert.Equal("UnionPay debit", Find(install, "2").Meaning!.En);

        static DescribedNode Command(string hex)
        {
            Assert.True(Describe.TryApdu(Convert.FromHexString(hex), reveal: false, out var node, out var error), error.ToString());
            return node;
        }
    }

    [Fact]
    public void The_answer_to_INITIALIZE_UPDATE_is_told_apart_by_its_command()
    {
        CommandApdu.TryParse(Convert.FromHexString("8050300008B13E5F938FC108C400"), out var command, out _);
        Assert.True(Describe.TryResponse(Convert.FromHexString("000000000000000000003003703EB51047495B249F66C484C1D2EF19480000029000"), false, command, out var node, out _));
        Assert.Equal("3EB51047495B249F", Find(node, "challenge").Value);
        Assert.Equal("000002", Find(node, "sequence").Value);
    }

    [Fact]
    public void A_DOL_says_what_it_asks_for()
    {
        Assert.True(Describe.TryDol(Dol.Encode([.. Describe.UsualPdol]), out var node, out _));
        Assert.Equal("asks for 33 bytes", node.Meaning!.En);
        Assert.Equal("不可预知数", node.Children[^1].Name.Zh);
    }

    [Theory]
    [InlineData("80A80000238321", 4, "35 data bytes and at most one Le byte after Lc 23", "2 bytes")]
    [InlineData("770482027C9000", 2, "4 bytes", "3 bytes")]
    [InlineData("AABBCC", 1, "a command, or an answer that ends in a status word", "BBCC")]
    [InlineData("90", 1, "a command from 4 bytes or an answer from 2", "1 bytes")]
    public void A_malformed_APDU_names_offset_expected_and_got(string hex, int offset, string expected, string got)
    {
        Assert.False(Describe.TryApdu(Convert.FromHexString(hex), reveal: false, out _, out var error));
        Assert.Equal((offset, expected, got), (error.Offset, error.Expected, error.Got));
    }

    [Fact]
    public void Sensitive_values_are_masked_unless_they_are_asked_for()
    {
        var record = Convert.FromHexString("701C" + "5A086299010000000000" + "5F200A4C492F4D494E47595545" + "9F1F023132");
        Assert.True(Describe.TryTlv(record, reveal: false, out var node, out _));
        Assert.Equal("629901******0000", Find(node, "5A").Value);
        Assert.Equal(new string('*', 20), Find(node, "5F20").Value);
        Assert.Equal("****", Find(node, "9F1F").Value);
        Assert.True(Describe.TryTlv(Convert.FromHexString("5F2002202F"), reveal: false, out var empty, out _));
        Assert.Equal("202F", Find(empty, "5F20").Value);
    }

    [Fact]
    public void A_number_too_short_or_a_track_that_is_none_shows_nothing()
    {
        Assert.True(Describe.TryTlv(Convert.FromHexString("5A06123456789012" + "5708FFFFFFFFFFFFFFFF" + "570812345678D2011201" + "57086299010000000000"), reveal: false, out var node, out _));
        Assert.Equal(4, node.Children.Count);
        Assert.All(node.Children, child => Assert.Equal(-1, child.Value.AsSpan().IndexOfAnyExcept('*')));
    }

    [Fact]
    public void An_unusual_length_and_a_reserved_bit_are_said()
    {
        Assert.True(Describe.TryTlv(Convert.FromHexString("9F26029988" + "9F6C020001"), reveal: false, out var node, out _));
        Assert.Equal("unusual length: 2 bytes, the standard says 8", Find(node, "9F26").Meaning!.En);
        Assert.Equal("reserved bit", Find(node, "B2 b1").Name.En);
    }

    [Fact]
    public void No_bytes_make_a_decoder_throw_and_every_line_speaks_both_languages() =>
        Gen.Select(Gen.Byte.Array[0, 200], Gen.Bool).Sample((bytes, reveal) =>
        {
            Speak(Describe.TryTlv(bytes, reveal, out var tlv, out _) ? tlv : null);
            Speak(Describe.TryDol(bytes, out var dol, out _) ? dol : null);
            Speak(Describe.TryApdu(bytes, reveal, out var apdu, out _) ? apdu : null);
        });

    [Fact]
    public void No_value_of_any_tag_makes_a_decoder_throw() =>
        Gen.Select(Gen.OneOf(TagDictionary.Rows.ToArray()), Gen.Byte.Array[0, 60], Gen.Bool).Sample((row, value, reveal) =>
            Speak(Describe.Element(row.Tag, value, 0, reveal)));

    [Fact]
    public void No_data_of_any_command_makes_a_decoder_throw() =>
        Gen.Select(Gen.OneOf(Instructions.Rows.ToArray()), Gen.Byte, Gen.Byte, Gen.Byte.Array[0, 120], Gen.Bool).Sample((row, p1, p2, data, reveal) =>
        {
            var command = CommandApdu.Of((byte)(row.Proprietary ? 0x80 : 0x00), row.Ins, p1, p2, data);
            Assert.True(Describe.TryApdu(command.ToBytes(), reveal, out var node, out _));
            Speak(node);
        });

    private static void Speak(DescribedNode? node)
    {
        if (node is null)
        {
            return;
        }

        Assert.NotEmpty(node.Name.En);
        Assert.NotEmpty(node.Name.Zh);
        Assert.True(node.Meaning is null || (node.Meaning.En.Length > 0 && node.Meaning.Zh.Length > 0));
        foreach (var child in node.Children)
        {
            Speak(child);
        }
    }

    private static DescribedNode Find(DescribedNode node, string label) =>
        All(node).FirstOrDefault(one => one.Label == label) ?? throw new InvalidOperationException($"no {label} in\n{string.Join('\n', Lines(node))}");

    private static IEnumerable<DescribedNode> All(DescribedNode node) => node.Children.SelectMany(All).Prepend(node);

    private static List<string> Lines(DescribedNode node) => [.. All(node).Select(one => $"{one.Offset} {one.Label} {one.Value} {one.Name.En}")];
}
