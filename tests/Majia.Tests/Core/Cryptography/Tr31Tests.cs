using CsCheck;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Tests.Core.Cryptography;

public sealed class Tr31Tests
{
    [Fact]
    public void The_published_block_opens()
    {
        var vector = VectorLine.Parse(Assert.Single(VectorLine.Of("crypto-keyblocks.txt", "unwrap")));

        Assert.True(Tr31.TryUnwrap(vector.Hex("protection"), vector["block"], out var header, out var key, out _));
        Assert.Equal(vector["key"], Convert.ToHexString(key));
        Assert.Equal(
            (vector["usage"], vector["algorithm"][0], vector["mode"][0], vector["version"], vector["exportability"][0]),
            (header.Usage, header.Algorithm, header.Mode, header.KeyVersion, header.Exportability));
        Assert.Empty(header.Options);
    }

    [Fact]
    public void What_was_wrapped_is_what_is_unwrapped() =>
        Gen.Select(ProtectionKeys, Gen.Byte.Array[1, 80], Options, Gen.Int[0, 64], Gen.Long).Sample((protection, key, options, padded, seed) =>
        {
            var header = new Tr31Header("P0", 'A', 'B', "07", 'E', options);
            var block = Tr31.Wrap(protection, header, key, new SeededEntropy(seed), padded);

            Assert.Equal(0, block.Length % 16);
            Assert.True(Tr31.TryUnwrap(protection, block, out var read, out var value, out var error), error.ToString());
            Assert.Equal(key, value);
            Assert.Equal(header with { Options = [] }, read with { Options = [] }, (left, right) => left.Usage == right.Usage && left.Algorithm == right.Algorithm && left.Mode == right.Mode && left.KeyVersion == right.KeyVersion && left.Exportability == right.Exportability);
            Assert.Equal(options, read.Options);
        }, iter: 300, threads: 1);

    [Fact]
    public void One_flipped_bit_anywhere_is_refused()
    {
        var protection = new SeededEntropy(1).Bytes(32);
        var block = Tr31.Wrap(protection, new Tr31Header("E0", '1', 'X', "00", 'E', [new Tr31Option("LB", "imk.ac"), new Tr31Option("10", "T")]), new byte[16], new SeededEntropy(2));
        for (var bit = 0; bit < 8 * block.Length; bit++)
        {
            var characters = block.ToCharArray();
            characters[bit / 8] ^= (char)(1 << (bit % 8));
            Assert.False(Tr31.TryUnwrap(protection, characters, out var header, out var key, out var error), $"bit {bit}");
            Assert.Null(header);
            Assert.Null(key);
            Assert.False(string.IsNullOrEmpty(error.Expected));
        }
    }

    [Fact]
    public void Another_protection_key_opens_nothing()
    {
        var block = Tr31.Wrap(new SeededEntropy(1).Bytes(32), new Tr31Header("K0", 'A', 'B', 'E'), new byte[32], new SeededEntropy(2));

        Assert.False(Tr31.TryUnwrap(new SeededEntropy(3).Bytes(32), block, out _, out _, out var error));
        Assert.Equal("TR-31 block", error.Field);
    }

    [Fact]
    public void Equal_keys_make_different_blocks_of_equal_length_when_padded()
    {
        var protection = new SeededEntropy(1).Bytes(32);
        var header = new Tr31Header("P0", 'T', 'B', 'E');
        var entropy = new SeededEntropy(2);
        var one = Tr31.Wrap(protection, header, new byte[16], entropy, paddedLength: 24);

        Assert.NotEqual(one, Tr31.Wrap(protection, header, new byte[16], entropy, paddedLength: 24));
        Assert.Equal(one.Length, Tr31.Wrap(protection, header, new byte[24], entropy, paddedLength: 24).Length);
    }

    [Theory]
    [InlineData("", "TR-31 block")]
    [InlineData("B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E", "TR-31 version")] // protocols.md 7.4
    [InlineData("D0016P0AE00E0001", "TR-31 header")]
    [InlineData("D0016P0AE00E0100", "TR-31 optional block")]
    [InlineData("D0016P0AE00E0000", "TR-31 key")]
    [InlineData("D0017P0AE00E0000", "TR-31 length")]
    public void A_malformed_block_says_where(string block, string field)
    {
        Assert.False(Tr31.TryUnwrap(new byte[16], block, out _, out _, out var error));
        Assert.Equal(field, error.Field);
    }

    [Fact]
    public void Random_text_never_throws() =>
        Gen.Select(Gen.Char[' ', '~'].Array[0, 140], Gen.Bool, Gen.Int[0, 99]).Sample((characters, plausible, options) =>
        {
            var text = new string(characters);
            if (plausible)
            {
                text = $"D{text.Length + 16:D4}P0AE00E{options:D2}00{text}";
            }

            Assert.False(Tr31.TryUnwrap(new byte[16], text, out _, out _, out _));
            _ = Tr31.TryReadHeader(text, out _, out _);
        }, iter: 2000, threads: 1);

    private static readonly Gen<byte[]> ProtectionKeys = Gen.Int[2, 4].SelectMany(words => Gen.Byte.Array[8 * words]);

    private static readonly Gen<Tr31Option[]> Options =
        Gen.Select(Gen.Int[10, 99], Gen.Char[' ', '~'].Array[0, 40], (id, data) => new Tr31Option(id.ToString(System.Globalization.CultureInfo.InvariantCulture), new string(data))).Array[0, 4];
}
