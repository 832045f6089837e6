using System.CommandLine;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host.Tools;

namespace Majia.Cli.Commands;

/// <summary><c>majia decode</c>: bytes as a tree; malformed input names offset, expected and got, exit code 2.</summary>
public static class DecodeCommand
{
    private delegate bool Decoder(byte[] bytes, bool reveal, out DescribedNode? tree, out ParseError error);

    public static Command Create() => new("decode", "Bytes as a tree: names, lengths, meanings of bits. Sensitive values are masked unless --reveal.")
    {
        CreateOf("tlv", "BER-TLV of cards and field 55.", (byte[] bytes, bool reveal, out DescribedNode? tree, out ParseError error) => Describe.TryTlv(bytes, reveal, out tree, out error)),
        CreateOf("dol", "Data object list: PDOL, CDOL, DDOL.", (byte[] bytes, bool _, out DescribedNode? tree, out ParseError error) => Describe.TryDol(bytes, out tree, out error)),
        CreateOf("apdu", "Command or answer of ISO/IEC 7816-4.", (byte[] bytes, bool reveal, out DescribedNode? tree, out ParseError error) => Describe.TryApdu(bytes, reveal, out tree, out error)),
        CreateIso(),
    };

    private static Command CreateOf(string name, string description, Decoder decoder)
    {
        var hex = Hex();
        var reveal = Reveal();
        var language = Languages.Option();
        var command = new Command(name, description) { hex, reveal, language };
        command.SetAction(parse => Print(name, HexInput.Parse("HEX", parse.GetValue(hex)!), decoder, parse.GetValue(reveal), Languages.Of(parse.GetValue(language))));
        return command;
    }

    private static Command CreateIso()
    {
        var hex = Hex();
        var dialect = new Option<string?>("--dialect") { Description = "pos (BCD, the default) | switch (ASCII)", DefaultValueFactory = _ => "pos" };
        dialect.AcceptOnlyFromAmong("pos", "switch");
        var framed = new Option<bool>("--framed") { Description = "starts at the length prefix, not at the MTI" };
        var reveal = Reveal();
        var language = Languages.Option();
        var command = new Command("8583", "An ISO 8583 message of either line.") { hex, dialect, framed, reveal, language };
        command.SetAction(parse => Print(
            "8583",
            HexInput.Parse("HEX", parse.GetValue(hex)!),
            (byte[] bytes, bool show, out DescribedNode? tree, out ParseError error) =>
                IsoDescribe.TryDescribe(parse.GetValue(dialect) == "switch" ? Dialect.Switch : Dialect.Pos, bytes, parse.GetValue(framed), show, out tree, out error),
            parse.GetValue(reveal),
            Languages.Of(parse.GetValue(language))));
        return command;
    }

    private static int Print(string name, byte[] bytes, Decoder decoder, bool reveal, Language language)
    {
        if (!decoder(bytes, reveal, out var tree, out var error))
        {
            throw new UsageException($"decode {name}: {error}");
        }

        Console.Out.Write(Tree.Print(tree!, language));
        return ExitCode.Ok;
    }

    private static Argument<string> Hex() => new("HEX") { Description = "hex digits, any case, spaces allowed" };

    private static Option<bool> Reveal() => new("--reveal") { Description = "show numbers, names and keys in clear" };
}
