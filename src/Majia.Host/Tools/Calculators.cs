using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Host.Tools;

/// <summary>One calculator: what it asks, what it answers. The command <c>calc</c> and the tools page are the same engine (decisions.md 35).</summary>
/// <param name="Compute">Names and values in order, upper-case hex.</param>
public sealed record Calculator(string Name, Text Title, string Description, IReadOnlyList<CalculatorField> Fields, Func<CalculatorInput, IReadOnlyList<(string Name, string Value)>> Compute);

/// <summary>The arithmetic of cards and lines: cryptograms, MACs, PIN blocks, check values, check digits.</summary>
public static class Calculators
{
    public static IReadOnlyList<Calculator> All { get; } =
    [
        new("cryptogram", new("Cryptogram", "应用密文"), "UnionPay/PBOC application cryptogram: udk, session key, AC, and with --arc the ARPC.",
            [
                new("algorithm", new("3des | sm4", "3des | sm4"), Choices: ["3des", "sm4"]),
                new("cvn", new("01 | 17", "01 | 17"), Choices: ["01", "17"]),
                new("imk", new("issuer master key, 16 bytes of hex", "发卡行主密钥，16 字节十六进制")),
                new("pan", new("card or token number, 12 to 19 digits", "卡号或设备卡号，12 至 19 位")),
                new("psn", new("sequence number, two digits", "卡序列号，两位"), Required: false, Standard: "00"),
                new("atc", new("application transaction counter 9F36, 2 bytes", "应用交易计数器 9F36，2 字节")),
                new("amount", new("9F02, 12 digits", "9F02，12 位")),
                new("other", new("9F03, 12 digits", "9F03，12 位"), Required: false, Standard: "000000000000"),
                new("country", new("9F1A, 4 digits", "9F1A，4 位"), Required: false, Standard: "0156"),
                new("tvr", new("95, 5 bytes", "95，5 字节"), Required: false, Standard: "0000000000"),
                new("currency", new("5F2A, 4 digits", "5F2A，4 位"), Required: false, Standard: "0156"),
                new("date", new("9A, YYMMDD (CVN 01)", "9A，年月日（CVN 01）"), Required: false),
                new("type", new("9C, 2 digits", "9C，2 位"), Required: false, Standard: "00"),
                new("un", new("9F37, 4 bytes", "9F37，4 字节")),
                new("aip", new("82, 2 bytes (CVN 01)", "82，2 字节（CVN 01）"), Required: false),
                new("cvr", new("card verification results, 4 bytes with the length byte 03", "卡片验证结果，含长度字节 03 共 4 字节")),
                new("arc", new("authorisation response code, 2 bytes; prints arpc=", "授权应答码，2 字节；给出 arpc"), Required: false),
            ],
            ComputeCryptogram),
        new("mac", new("MAC", "报文鉴别码"), "Message authentication code as it stands in field 64 or 128.",
            [
                new("algorithm", new("ecb-des | ecb-3des | ecb-sm4 | x919 | x99", "ecb-des | ecb-3des | ecb-sm4 | x919 | x99"), Choices: ["ecb-des", "ecb-3des", "ecb-sm4", "x919", "x99"]),
                new("key", new("8 bytes (ecb-des, x99) or 16 bytes of hex", "8 字节（ecb-des、x99）或 16 字节十六进制")),
                new("data", new("what the MAC covers, hex", "参与计算的数据，十六进制")),
            ],
            ComputeMac),
        new("pinblock", new("PIN block", "PIN 块"), "PIN block of ISO 9564-1 (formats 0 1 3 4) or in SM4 length.",
            [
                new("format", new("0 | 1 | 3 | 4 | sm4", "0 | 1 | 3 | 4 | sm4"), Choices: ["0", "1", "3", "4", "sm4"]),
                new("pin", new("4 to 12 digits of a test PIN", "测试密码，4 至 12 位")),
                new("pan", new("card or token number, 12 to 19 digits with its check digit", "卡号或设备卡号，12 至 19 位，含校验位")),
                new("key", new("PIN key; prints encrypted= (3DES 16 or 24 bytes, formats 0 1 3; AES 16/24/32, format 4; SM4 16)", "PIN 密钥，给出 encrypted（格式 0、1、3：3DES 16 或 24 字节；格式 4：AES 16/24/32；SM4：16）"), Required: false),
                new("random", new("fill of formats 1, 3 and 4, hex; random when absent", "格式 1、3、4 的填充，十六进制；不填则随机"), Required: false),
            ],
            ComputePinBlock),
        new("kcv", new("Key check value", "密钥校验值"), "Key check value.",
            [
                new("algorithm", new("des | 3des | sm4 | aes", "des | 3des | sm4 | aes"), Choices: ["des", "3des", "sm4", "aes"]),
                new("key", new("hex", "十六进制")),
            ],
            ComputeCheckValue),
        new("luhn", new("Check digit", "校验位"), "Check digit of ISO/IEC 7812.",
            [new("number", new("digits, the check digit last", "数字，末位为校验位"))],
            input =>
            {
                var digits = input.Digits("number", 2, 32);
                return [("valid", Luhn.IsValid(digits) ? "true" : "false"), ("check", $"{Luhn.CheckDigit(digits.AsSpan()[..^1])}")];
            }),
    ];

    private static IReadOnlyList<(string Name, string Value)> ComputeCryptogram(CalculatorInput input)
    {
        var cipher = input.Text("algorithm") == "sm4" ? CipherAlgorithm.Sm4 : CipherAlgorithm.TripleDes;
        var full = input.Text("cvn") == "01";
        var counter = input.Bytes("atc", 2);
        var data = new CryptogramInput(
            input.Bytes("amount", 6),
            full ? input.Bytes("other", 6) : new byte[6],
            full ? input.Bytes("country", 2) : new byte[2],
            full ? input.Bytes("tvr", 5) : new byte[5],
            full ? input.Bytes("currency", 2) : new byte[2],
            full ? input.Bytes("date", 3) : new byte[3],
            full ? input.Bytes("type", 1)[0] : (byte)0,
            input.Bytes("un", 4),
            full ? input.Bytes("aip", 2) : new byte[2],
            (ushort)((counter[0] << 8) | counter[1]),
            input.Bytes("cvr", 4));
        var cardKey = Cryptogram.DeriveCardKey(cipher, input.Bytes("imk", 16), input.Digits("pan", 12, 19), input.Digits("psn", 2, 2));
        var sessionKey = Cryptogram.DeriveSessionKey(cipher, cardKey, data.ApplicationTransactionCounter);
        var cryptogram = Cryptogram.Compute(cipher, sessionKey, data.Bytes(full ? CryptogramVersion.Full : CryptogramVersion.Reduced));
        var answer = new List<(string, string)>
        {
            ("udk", Convert.ToHexString(cipher == CipherAlgorithm.TripleDes ? Cryptogram.SetOddParity(cardKey) : cardKey)),
            ("session", Convert.ToHexString(sessionKey)),
            ("ac", Convert.ToHexString(cryptogram)),
        };
        if (input.Text("arc") is not null)
        {
            answer.Add(("arpc", Convert.ToHexString(Cryptogram.ResponseCryptogram(cipher, sessionKey, cryptogram, input.Bytes("arc", 2)))));
        }

        return answer;
    }

    private static IReadOnlyList<(string Name, string Value)> ComputeMac(CalculatorInput input)
    {
        var (mac, length) = input.Text("algorithm") switch
        {
            "ecb-des" => (MacAlgorithm.UnionPayEcb, 8),
            "ecb-3des" => (MacAlgorithm.UnionPayEcb, 16),
            "ecb-sm4" => (MacAlgorithm.UnionPayEcbSm4, 16),
            "x919" => (MacAlgorithm.X919, 16),
            _ => (MacAlgorithm.X99, 8),
        };
        var result = MessageMac.Compute(mac, input.Bytes("key", length), input.Bytes("data", null));
        // The ECB MACs are eight characters already; the others are eight bytes.
        return [("mac", mac is MacAlgorithm.UnionPayEcb or MacAlgorithm.UnionPayEcbSm4 ? System.Text.Encoding.ASCII.GetString(result) : Convert.ToHexString(result))];
    }

    private static IReadOnlyList<(string Name, string Value)> ComputePinBlock(CalculatorInput input)
    {
        var layout = input.Text("format") switch { "0" => PinBlockFormat.Iso0, "1" => PinBlockFormat.Iso1, "3" => PinBlockFormat.Iso3, "4" => PinBlockFormat.Iso4, _ => PinBlockFormat.Sm4 };
        var digits = input.Digits("pin", PinBlock.MinDigits, PinBlock.MaxDigits);
        // No check digit is asked for: test vectors have numbers without one.
        var account = input.Digits("pan", AccountNumber.MinLength, AccountNumber.MaxLength);

        var fillDigits = PinBlock.FillDigits(layout, digits.Length);
        var clear = input.Text("random") is not null && fillDigits > 0
            ? PinBlock.Build(layout, digits, account, FillNibbles(layout, input, fillDigits))
            : PinBlock.Build(layout, digits, account, new SystemEntropy());
        var answer = new List<(string, string)> { ("clear", Convert.ToHexString(clear)) };
        if (input.Text("key") is not null)
        {
            var (algorithm, lengths) = layout switch
            {
                PinBlockFormat.Iso4 => (CipherAlgorithm.Aes, new[] { 16, 24, 32 }),
                PinBlockFormat.Sm4 => (CipherAlgorithm.Sm4, [16]),
                _ => (CipherAlgorithm.TripleDes, [16, 24]),
            };
            var value = input.Bytes("key", null);
            if (!lengths.Contains(value.Length))
            {
                throw new InputException($"{input.Named("key")} at offset 0: expected {string.Join(" or ", lengths)} bytes, got {value.Length}");
            }

            answer.Add(("encrypted", Convert.ToHexString(PinBlock.Encrypt(layout, new CipherKey(algorithm, value), clear, account))));
        }

        return answer;
    }

    private static IReadOnlyList<(string Name, string Value)> ComputeCheckValue(CalculatorInput input)
    {
        var name = input.Text("algorithm");
        var cipher = name switch { "sm4" => CipherAlgorithm.Sm4, "aes" => CipherAlgorithm.Aes, _ => CipherAlgorithm.TripleDes };
        var value = input.Bytes("key", name switch { "des" => 8, "sm4" => 16, _ => null });
        if (name == "des")
        {
            value = [.. value, .. value];
        }
        else if (!(cipher == CipherAlgorithm.Aes ? [16, 24, 32] : (int[])[16, 24]).Contains(value.Length) && cipher != CipherAlgorithm.Sm4)
        {
            throw new InputException($"{input.Named("key")} at offset 0: expected 16, 24{(cipher == CipherAlgorithm.Aes ? " or 32" : "")} bytes, got {value.Length}");
        }

        return [("kcv", Convert.ToHexString(Cipher.KeyCheckValue(cipher, value)))];
    }

    /// <summary>The random digits of a PIN block, one a byte, from the left of what was given.</summary>
    private static byte[] FillNibbles(PinBlockFormat format, CalculatorInput input, int wanted)
    {
        var name = input.Named("random");
        var digits = Convert.ToHexString(input.Bytes("random", null));
        if (digits.Length < wanted)
        {
            throw new InputException($"{name} at offset {digits.Length}: expected {wanted} hex digits, got {digits.Length}");
        }

        var fill = new byte[wanted];
        for (var i = 0; i < wanted; i++)
        {
            fill[i] = Convert.ToByte(digits[i].ToString(), 16);
            if (format == PinBlockFormat.Iso3 && fill[i] < 10)
            {
                throw new InputException($"{name} at offset {i}: expected a hex digit A to F (ISO 9564-1 format 3), got '{digits[i]}'");
            }
        }

        return fill;
    }
}
