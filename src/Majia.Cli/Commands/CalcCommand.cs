using System.CommandLine;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;

namespace Majia.Cli.Commands;

/// <summary><c>majia calc</c>: the arithmetic of cards and lines, one <c>name=value</c> a line, upper-case hex (decisions.md 35).</summary>
public static class CalcCommand
{
    public static Command Create() => new("calc", "Cryptograms, MACs, PIN blocks, check values, check digits.")
    {
        CreateCryptogram(),
        CreateMac(),
        CreatePinBlock(),
        CreateCheckValue(),
        CreateLuhn(),
    };

    private static Command CreateCryptogram()
    {
        var algorithm = Choice("--algorithm", "3des", "sm4");
        var version = Choice("--cvn", "01", "17");
        var masterKey = Required("--imk", "issuer master key, 16 bytes of hex");
        var number = Required("--pan", "card or token number, 12 to 19 digits");
        var sequence = new Option<string?>("--psn") { Description = "sequence number, two digits", DefaultValueFactory = _ => "00" };
        var atc = Required("--atc", "application transaction counter 9F36, 2 bytes");
        var amount = Required("--amount", "9F02, 12 digits");
        var other = Text("--other", "9F03, 12 digits", "000000000000");
        var country = Text("--country", "9F1A, 4 digits", "0156");
        var tvr = Text("--tvr", "95, 5 bytes", "0000000000");
        var currency = Text("--currency", "5F2A, 4 digits", "0156");
        var date = Optional("--date", "9A, YYMMDD (CVN 01)");
        var type = Text("--type", "9C, 2 digits", "00");
        var unpredictable = Required("--un", "9F37, 4 bytes");
        var aip = Optional("--aip", "82, 2 bytes (CVN 01)");
        var cvr = Required("--cvr", "card verification results, 4 bytes with the length byte 03");
        var arc = Optional("--arc", "authorisation response code, 2 bytes; prints arpc=");
        var command = new Command("cryptogram", "UnionPay/PBOC application cryptogram: udk, session key, AC, and with --arc the ARPC.")
        {
            algorithm, version, masterKey, number, sequence, atc, amount, other, country, tvr, currency, date, type, unpredictable, aip, cvr, arc,
        };
        command.SetAction(parse =>
        {
            var cipher = parse.GetValue(algorithm) == "sm4" ? CipherAlgorithm.Sm4 : CipherAlgorithm.TripleDes;
            var full = parse.GetValue(version) == "01";
            var counter = Bytes(parse, atc, 2);
            var input = new CryptogramInput(
                Bytes(parse, amount, 6),
                full ? Bytes(parse, other, 6) : new byte[6],
                full ? Bytes(parse, country, 2) : new byte[2],
                full ? Bytes(parse, tvr, 5) : new byte[5],
                full ? Bytes(parse, currency, 2) : new byte[2],
                full ? Bytes(parse, date, 3) : new byte[3],
                full ? Bytes(parse, type, 1)[0] : (byte)0,
                Bytes(parse, unpredictable, 4),
                full ? Bytes(parse, aip, 2) : new byte[2],
                (ushort)((counter[0] << 8) | counter[1]),
                Bytes(parse, cvr, 4));
            var cardKey = Cryptogram.DeriveCardKey(cipher, Bytes(parse, masterKey, 16), Digits(parse, number, 12, 19), Digits(parse, sequence, 2, 2));
            var sessionKey = Cryptogram.DeriveSessionKey(cipher, cardKey, input.ApplicationTransactionCounter);
            var cryptogram = Cryptogram.Compute(cipher, sessionKey, input.Bytes(full ? CryptogramVersion.Full : CryptogramVersion.Reduced));
            Print("udk", cipher == CipherAlgorithm.TripleDes ? Cryptogram.SetOddParity(cardKey) : cardKey);
            Print("session", sessionKey);
            Print("ac", cryptogram);
            if (parse.GetValue(arc) is not null)
            {
                Print("arpc", Cryptogram.ResponseCryptogram(cipher, sessionKey, cryptogram, Bytes(parse, arc, 2)));
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateMac()
    {
        var algorithm = Choice("--algorithm", "ecb-des", "ecb-3des", "ecb-sm4", "x919", "x99");
        var key = Required("--key", "8 bytes (ecb-des, x99) or 16 bytes of hex");
        var data = Required("--data", "what the MAC covers, hex");
        var command = new Command("mac", "Message authentication code as it stands in field 64 or 128.") { algorithm, key, data };
        command.SetAction(parse =>
        {
            var (mac, length) = parse.GetValue(algorithm) switch
            {
                "ecb-des" => (MacAlgorithm.UnionPayEcb, 8),
                "ecb-3des" => (MacAlgorithm.UnionPayEcb, 16),
                "ecb-sm4" => (MacAlgorithm.UnionPayEcbSm4, 16),
                "x919" => (MacAlgorithm.X919, 16),
                _ => (MacAlgorithm.X99, 8),
            };
            var result = MessageMac.Compute(mac, Bytes(parse, key, length), Bytes(parse, data, null));
            // The ECB MACs are eight characters already; the others are eight bytes.
            Console.Out.WriteLine($"mac={(mac is MacAlgorithm.UnionPayEcb or MacAlgorithm.UnionPayEcbSm4 ? System.Text.Encoding.ASCII.GetString(result) : Convert.ToHexString(result))}");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreatePinBlock()
    {
        var format = Choice("--format", "0", "1", "3", "4", "sm4");
        var pin = Required("--pin", "4 to 12 digits of a test PIN");
        var number = Required("--pan", "card or token number, 12 to 19 digits with its check digit");
        var key = Optional("--key", "PIN key; prints encrypted= (3DES 16 or 24 bytes, formats 0 1 3; AES 16/24/32, format 4; SM4 16)");
        var random = Optional("--random", "fill of formats 1, 3 and 4, hex; random when absent");
        var command = new Command("pinblock", "PIN block of ISO 9564-1 (formats 0 1 3 4) or in SM4 length.") { format, pin, number, key, random };
        command.SetAction(parse =>
        {
            var layout = parse.GetValue(format) switch { "0" => PinBlockFormat.Iso0, "1" => PinBlockFormat.Iso1, "3" => PinBlockFormat.Iso3, "4" => PinBlockFormat.Iso4, _ => PinBlockFormat.Sm4 };
            var digits = Digits(parse, pin, PinBlock.MinDigits, PinBlock.MaxDigits);
            // No check digit is asked for: test vectors have numbers without one.
            var account = Digits(parse, number, AccountNumber.MinLength, AccountNumber.MaxLength);

            var fillDigits = PinBlock.FillDigits(layout, digits.Length);
            byte[] clear;
            if (parse.GetValue(random) is { } fill && fillDigits > 0)
            {
                clear = PinBlock.Build(layout, digits, account, FillNibbles(layout, fill, fillDigits));
            }
            else
            {
                clear = PinBlock.Build(layout, digits, account, new SystemEntropy());
            }

            Print("clear", clear);
            if (parse.GetValue(key) is { } hex)
            {
                var (algorithm, lengths) = layout switch
                {
                    PinBlockFormat.Iso4 => (CipherAlgorithm.Aes, new[] { 16, 24, 32 }),
                    PinBlockFormat.Sm4 => (CipherAlgorithm.Sm4, [16]),
                    _ => (CipherAlgorithm.TripleDes, [16, 24]),
                };
                var value = HexInput.Parse("--key", hex);
                if (!lengths.Contains(value.Length))
                {
                    throw new UsageException($"--key at offset 0: expected {string.Join(" or ", lengths)} bytes, got {value.Length}");
                }

                Print("encrypted", PinBlock.Encrypt(layout, new CipherKey(algorithm, value), clear, account));
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateCheckValue()
    {
        var algorithm = Choice("--algorithm", "des", "3des", "sm4", "aes");
        var key = Required("--key", "hex");
        var command = new Command("kcv", "Key check value.") { algorithm, key };
        command.SetAction(parse =>
        {
            var name = parse.GetValue(algorithm);
            var cipher = name switch { "sm4" => CipherAlgorithm.Sm4, "aes" => CipherAlgorithm.Aes, _ => CipherAlgorithm.TripleDes };
            var value = Bytes(parse, key, name switch { "des" => 8, "sm4" => 16, _ => null });
            if (name == "des")
            {
                value = [.. value, .. value];
            }
            else if (!(cipher == CipherAlgorithm.Aes ? [16, 24, 32] : (int[])[16, 24]).Contains(value.Length) && cipher != CipherAlgorithm.Sm4)
            {
                throw new UsageException($"--key at offset 0: expected 16, 24{(cipher == CipherAlgorithm.Aes ? " or 32" : "")} bytes, got {value.Length}");
            }

            Print("kcv", Cipher.KeyCheckValue(cipher, value));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateLuhn()
    {
        var number = Required("--number", "digits, the check digit last");
        var command = new Command("luhn", "Check digit of ISO/IEC 7812.") { number };
        command.SetAction(parse =>
        {
            var digits = Digits(parse, number, 2, 32);
            Console.Out.WriteLine($"valid={(Luhn.IsValid(digits) ? "true" : "false")}");
            Console.Out.WriteLine($"check={Luhn.CheckDigit(digits.AsSpan()[..^1])}");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Option<string?> Required(string name, string description) => new(name) { Description = description, Required = true };

    private static Option<string?> Optional(string name, string description) => new(name) { Description = description };

    private static Option<string?> Text(string name, string description, string standard) => new(name) { Description = description, DefaultValueFactory = _ => standard };

    private static Option<string?> Choice(string name, params string[] values)
    {
        var option = new Option<string?>(name) { Description = string.Join(" | ", values), Required = true };
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    private static byte[] Bytes(ParseResult parse, Option<string?> option, int? length) => Bytes(option.Name, parse.GetValue(option), length);

    private static byte[] Bytes(string name, string? text, int? length) => text is null
        ? throw new UsageException($"{name} is missing")
        : HexInput.Parse(name, text, length);

    private static string Digits(ParseResult parse, Option<string?> option, int min, int max)
    {
        var text = parse.GetValue(option) ?? string.Empty;
        var bad = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        if (bad >= 0)
        {
            throw new UsageException($"{option.Name} at offset {bad}: expected a digit, got '{text[bad]}'");
        }

        return text.Length >= min && text.Length <= max
            ? text
            : throw new UsageException($"{option.Name} at offset 0: expected {(min == max ? $"{min}" : $"{min} to {max}")} digits, got {text.Length}");
    }

    /// <summary>The random digits of a PIN block, one a byte, from the left of what was given.</summary>
    private static byte[] FillNibbles(PinBlockFormat format, string hex, int wanted)
    {
        var digits = Convert.ToHexString(HexInput.Parse("--random", hex));
        if (digits.Length < wanted)
        {
            throw new UsageException($"--random at offset {digits.Length}: expected {wanted} hex digits, got {digits.Length}");
        }

        var fill = new byte[wanted];
        for (var i = 0; i < wanted; i++)
        {
            fill[i] = Convert.ToByte(digits[i].ToString(), 16);
            if (format == PinBlockFormat.Iso3 && fill[i] < 10)
            {
                throw new UsageException($"--random at offset {i}: expected a hex digit A to F (ISO 9564-1 format 3), got '{digits[i]}'");
            }
        }

        return fill;
    }

    private static void Print(string name, ReadOnlySpan<byte> value) => Console.Out.WriteLine($"{name}={Convert.ToHexString(value)}");
}
