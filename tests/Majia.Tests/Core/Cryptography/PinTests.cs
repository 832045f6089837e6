using CsCheck;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Tests.Core.Cryptography;

/// <summary>PIN blocks and IBM 3624 against tests/Vectors/crypto-pins.txt, and what must hold of any PIN.</summary>
public sealed class PinTests
{
    private const string File = "crypto-pins.txt";

    public static TheoryData<string> Blocks => VectorLine.Of(File, "block");

    public static TheoryData<string> Ibm3624Pins => VectorLine.Of(File, "ibm3624");

    [Theory, MemberData(nameof(Blocks))]
    public void A_PIN_block_is_the_printed_one(string line)
    {
        var vector = VectorLine.Parse(line);
        var format = Enum.Parse<PinBlockFormat>(vector["format"]);
        var fill = vector.Has("fill") ? vector["fill"].Select(digit => Convert.ToByte(digit.ToString(), 16)).ToArray() : [];
        var clear = PinBlock.Build(format, vector["pin"], vector["number"], fill);
        if (vector.Has("clear"))
        {
            Assert.Equal(vector["clear"], Convert.ToHexString(clear));
        }

        if (vector.Has("number-field"))
        {
            Assert.Equal(vector["number-field"], Convert.ToHexString(PinBlock.NumberField(vector["number"])));
        }

        if (vector.Has("encrypted"))
        {
            var key = new CipherKey(vector.Algorithm, vector.Hex("key"));
            Assert.Equal(vector["encrypted"], Convert.ToHexString(PinBlock.Encrypt(format, key, clear, vector["number"])));
            Assert.Equal(clear, PinBlock.Decrypt(format, key, vector.Hex("encrypted"), vector["number"]));
        }
    }

    [Theory, MemberData(nameof(Ibm3624Pins))]
    public void An_offset_leads_from_the_natural_PIN_to_the_chosen_one(string line)
    {
        var vector = VectorLine.Parse(line);
        var key = new CipherKey(CipherAlgorithm.TripleDes, vector.Hex("key"));

        Assert.Equal(vector["offset"], Ibm3624.Offset(key, vector.Hex("validation"), vector["table"], vector["pin"]));
        Assert.True(Ibm3624.Verify(key, vector.Hex("validation"), vector["table"], vector["pin"], vector["offset"]));
    }

    [Theory]
    [InlineData("1234", "241234FFFFFFFFFF")] // protocols.md 7.1
    [InlineData("12345", "2512345FFFFFFFFF")]
    [InlineData("123456789012", "2C123456789012FF")]
    public void What_a_chip_compares_is_format_2(string pin, string block)
    {
        Assert.Equal(block, Convert.ToHexString(PinBlock.Format2(pin)));
        Assert.Throws<ArgumentException>(() => PinBlock.Format2("12a4"));
        Assert.Throws<ArgumentException>(() => PinBlock.Format2("123"));
    }

    [Fact]
    public void Every_PIN_comes_out_of_its_block_again() =>
        Gen.Select(Formats, Pins, Numbers, Gen.Long).Sample((format, pin, number, seed) =>
        {
            var block = PinBlock.Build(format, pin, number, new SeededEntropy(seed));
            Assert.Equal(PinBlock.Length(format), block.Length);
            Span<char> read = stackalloc char[PinBlock.MaxDigits];
            Assert.True(PinBlock.TryRead(format, block, number, read, out var length));
            Assert.Equal(pin, read[..length].ToString());
        }, iter: 500, threads: 1);

    [Fact]
    public void With_another_number_a_block_gives_another_PIN_or_none() =>
        Gen.Select(Formats.Where(format => format != PinBlockFormat.Iso1), Pins, Numbers, Numbers, Gen.Long).Sample((format, pin, number, other, seed) =>
        {
            if (number[^13..^1] == other[^13..^1])
            {
                return; // formats 0 and 3 do not look at more of it
            }

            var key = new CipherKey(Algorithm(format), new SeededEntropy(seed, "key").Bytes(16));
            var encrypted = PinBlock.Encrypt(format, key, PinBlock.Build(format, pin, number, new SeededEntropy(seed)), number);
            Span<char> read = stackalloc char[PinBlock.MaxDigits];
            Assert.False(PinBlock.TryRead(format, PinBlock.Decrypt(format, key, encrypted, other), other, read, out var length) && read[..length].SequenceEqual(pin));
        }, iter: 500, threads: 1);

    [Fact]
    public void Random_blocks_never_throw_and_give_4_to_12_digits_or_nothing() =>
        Gen.Select(Formats, Gen.Byte.Array[0, 20], Numbers).Sample((format, block, number) =>
        {
            Span<char> read = stackalloc char[PinBlock.MaxDigits];
            if (PinBlock.TryRead(format, block, number, read, out var length))
            {
                Assert.InRange(length, PinBlock.MinDigits, PinBlock.MaxDigits);
                Assert.False(read[..length].ContainsAnyExceptInRange('0', '9'));
            }
            else
            {
                Assert.Equal(0, length);
                Assert.False(read.ContainsAnyExcept('\0'));
            }
        }, iter: 2000, threads: 1);

    [Theory]
    [InlineData("123")]
    [InlineData("1234567890123")]
    [InlineData("12a4")]
    public void A_PIN_of_another_shape_is_refused_and_not_repeated(string pin)
    {
        var refused = Assert.Throws<ArgumentException>(() => PinBlock.Build(PinBlockFormat.Iso0, pin, Repository.VectorNumber, []));

        Assert.DoesNotContain(pin, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Format_and_cipher_belong_together()
    {
        Assert.Throws<ArgumentException>(() => PinBlock.Encrypt(PinBlockFormat.Iso0, new CipherKey(CipherAlgorithm.Aes, new byte[16]), new byte[8], Repository.VectorNumber));
        Assert.Throws<ArgumentException>(() => PinBlock.Decrypt(PinBlockFormat.Iso4, new CipherKey(CipherAlgorithm.Sm4, new byte[16]), new byte[16], Repository.VectorNumber));
        Assert.Throws<ArgumentException>(() => PinBlock.Build(PinBlockFormat.Iso3, "1234", Repository.VectorNumber, new byte[10])); // fill below A
    }

    [Fact]
    public void Our_validation_data_is_the_twelve_digits_left_of_the_check_digit() =>
        Assert.Equal("000000000001FFFF", Convert.ToHexString(Ibm3624.ValidationData(Pan.Parse(Repository.VectorNumber))));

    [Fact]
    public void Only_the_PIN_of_its_offset_verifies() =>
        Gen.Select(Pins, Pins, Gen.Byte.Array[16], Gen.Byte.Array[8]).Sample((pin, other, key, data) =>
        {
            var schedule = new CipherKey(CipherAlgorithm.TripleDes, key);
            var offset = Ibm3624.Offset(schedule, data, Ibm3624.DecimalisationTable, pin);
            Assert.True(Ibm3624.Verify(schedule, data, Ibm3624.DecimalisationTable, pin, offset));
            Assert.Equal(pin == other, Ibm3624.Verify(schedule, data, Ibm3624.DecimalisationTable, other, offset));
        }, iter: 300, threads: 1);

    private static readonly Gen<PinBlockFormat> Formats = Gen.Int[0, 4].Select(index => (PinBlockFormat)index);

    private static readonly Gen<string> Pins = Gen.Char['0', '9'].Array[4, 12].Select(digits => new string(digits));

    private static readonly Gen<string> Numbers = Gen.Char['0', '9'].Array[13, 19].Select(digits => new string(digits));

    private static CipherAlgorithm Algorithm(PinBlockFormat format) => format switch
    {
        PinBlockFormat.Iso4 => CipherAlgorithm.Aes,
        PinBlockFormat.Sm4 => CipherAlgorithm.Sm4,
        _ => CipherAlgorithm.TripleDes,
    };
}
