using CsCheck;
using Majia.Core.Cryptography;

namespace Majia.Tests.Core.Cryptography;

public sealed class CipherTests
{
    public static TheoryData<string> Macs => VectorLine.Of("crypto-macs.txt", "mac");

    public static TheoryData<string> CheckValues => VectorLine.Of("crypto-macs.txt", "kcv");

    [Theory, MemberData(nameof(Macs))]
    public void A_line_s_message_code_is_the_printed_one(string line)
    {
        var vector = VectorLine.Parse(line);
        var mac = MessageMac.Compute(Enum.Parse<MacAlgorithm>(vector["algorithm"]), vector.Hex("key"), vector.Hex("data"));

        Assert.Equal(vector.Has("text") ? System.Text.Encoding.ASCII.GetBytes(vector["text"]) : vector.Hex("mac"), mac);
    }

    [Theory, MemberData(nameof(CheckValues))]
    public void A_key_check_value_is_the_printed_one(string line)
    {
        var vector = VectorLine.Parse(line);

        Assert.Equal(vector["kcv"], Convert.ToHexString(Cipher.KeyCheckValue(vector.Algorithm, vector.Hex("key"))));
    }

    [Fact]
    public void SM4_gives_the_example_of_its_standard() => Assert.Equal(
        "681EDF34D206965E86B3E94F536E4246", // GM/T 0002 annex A.1, protocols.md 3.6.2
        Convert.ToHexString(Cipher.EncryptEcb(CipherAlgorithm.Sm4, Key16, Key16)));

    [Theory]
    [InlineData("", "BB1D6929E95937287FA37D129B756746")] // RFC 4493 §4
    [InlineData("6BC1BEE22E409F96E93D7E117393172A", "070A16B46B4D4144F79BDD9DD04A287C")]
    [InlineData("6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411", "DFA66747DE9AE63030CA32611497C827")]
    public void A_CMAC_is_the_one_of_its_RFC(string data, string mac) => Assert.Equal(
        mac,
        Convert.ToHexString(Cipher.AesCmac(Convert.FromHexString("2B7E151628AED2A6ABF7158809CF4F3C"), Convert.FromHexString(data))));

    [Fact]
    public void Decryption_undoes_encryption_for_every_cipher_and_key_length() =>
        Gen.Select(Gen.OneOf(Shapes), Gen.Byte.Array[32], Gen.Byte.Array[16], Gen.Int[0, 6].SelectMany(blocks => Gen.Byte.Array[16 * blocks])).Sample((shape, key, iv, data) =>
        {
            var value = key.AsSpan(0, shape.Length);
            var start = iv.AsSpan(0, Cipher.BlockSize(shape.Algorithm));
            Assert.Equal(data, Cipher.DecryptEcb(shape.Algorithm, value, Cipher.EncryptEcb(shape.Algorithm, value, data)));
            Assert.Equal(data, Cipher.DecryptCbc(shape.Algorithm, value, start, Cipher.EncryptCbc(shape.Algorithm, value, start, data)));
        }, iter: 300, threads: 1);

    [Fact]
    public void A_key_of_two_equal_halves_still_computes_as_single_DES()
    {
        byte[] half = Convert.FromHexString("5CBE7E38A146FD5C");

        Assert.Equal(Cipher.EncryptEcb(CipherAlgorithm.TripleDes, half, new byte[8]), Cipher.EncryptEcb(CipherAlgorithm.TripleDes, [.. half, .. half], new byte[8]));
    }

    [Fact]
    public void A_CBC_chain_is_broken_by_neither_end()
    {
        var block = new byte[16];
        var first = Cipher.EncryptCbc(CipherAlgorithm.Sm4, Key16, block, Key16);

        // One block under IV 0 is ECB; the next takes the one before it.
        Assert.Equal(Cipher.EncryptEcb(CipherAlgorithm.Sm4, Key16, Key16), first);
        Assert.Equal(Cipher.EncryptCbc(CipherAlgorithm.Sm4, Key16, first, Key16), Cipher.EncryptCbc(CipherAlgorithm.Sm4, Key16, block, [.. Key16, .. Key16])[16..]);
    }

    [Fact]
    public void Padding_is_always_added_and_taken_away_again() =>
        Gen.Select(Gen.Byte.Array[0, 70], Gen.OneOf(8, 16)).Sample((data, size) =>
        {
            var padded = Cipher.Pad80(data, size);
            Assert.Equal(0, padded.Length % size);
            Assert.True(padded.Length > data.Length);
            Assert.True(Cipher.TryUnpad80(padded, size, out var length));
            Assert.Equal(data, padded[..length]);
        }, iter: 300, threads: 1);

    [Theory]
    [InlineData("")]
    [InlineData("00000000000000000000000000000000")]
    [InlineData("01020304050607080900000000000000")]
    [InlineData("8000000000000000000000000000000000000000000000000000000000000000")]
    public void What_was_never_padded_has_no_padding(string hex) => Assert.False(Cipher.TryUnpad80(Convert.FromHexString(hex), 16, out _));

    [Fact]
    public void Parts_of_blocks_and_keys_of_other_lengths_are_our_own_mistake()
    {
        Assert.Throws<ArgumentException>(() => Cipher.EncryptEcb(CipherAlgorithm.TripleDes, Key16, new byte[7]));
        Assert.Throws<ArgumentException>(() => Cipher.DecryptCbc(CipherAlgorithm.Sm4, Key16, new byte[8], new byte[16]));
        Assert.Throws<ArgumentException>(() => Cipher.EncryptEcb(CipherAlgorithm.TripleDes, new byte[15], new byte[8]));
        Assert.Throws<ArgumentException>(() => Cipher.EncryptEcb(CipherAlgorithm.Sm4, new byte[24], new byte[16]));
    }

    [Fact]
    public void Odd_parity_changes_no_bit_that_counts() =>
        Gen.Byte.Array[16].Sample(key =>
        {
            var odd = Cryptogram.SetOddParity(key);
            Assert.All(odd, value => Assert.Equal(1, System.Numerics.BitOperations.PopCount(value) % 2));
            Assert.Equal(Cipher.EncryptEcb(CipherAlgorithm.TripleDes, key, new byte[8]), Cipher.EncryptEcb(CipherAlgorithm.TripleDes, odd, new byte[8]));
        }, iter: 200, threads: 1);

    private static byte[] Key16 => Convert.FromHexString("0123456789ABCDEFFEDCBA9876543210");

    private static readonly (CipherAlgorithm Algorithm, int Length)[] Shapes =
    [
        (CipherAlgorithm.TripleDes, 8), (CipherAlgorithm.TripleDes, 16), (CipherAlgorithm.TripleDes, 24),
        (CipherAlgorithm.Sm4, 16),
        (CipherAlgorithm.Aes, 16), (CipherAlgorithm.Aes, 24), (CipherAlgorithm.Aes, 32),
    ];
}
