using System.Text;
using CsCheck;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Tests.Core.Cryptography;

namespace Majia.Tests.Hsm;

/// <summary>Cards, chips and data through the module.</summary>
public sealed class KeyModuleCardTests
{
    private static readonly PaymentToken Token = PaymentToken.Parse(Repository.VectorNumber); // the vectors' number
    private static readonly byte[] Chip = Convert.FromHexString("4D4A0000000000000001");

    [Theory]
    [InlineData(CipherAlgorithm.TripleDes, CryptogramVersion.Full, "C66055EE8F9D7864", "0D5BC7DBD83BAF7B")]
    [InlineData(CipherAlgorithm.TripleDes, CryptogramVersion.Reduced, "4241FD8535050AC2", "A453C7D38E2457E4")]
    [InlineData(CipherAlgorithm.Sm4, CryptogramVersion.Full, "CE6896A538847A28", "4E7CA5984D5BB98D")]
    [InlineData(CipherAlgorithm.Sm4, CryptogramVersion.Reduced, "CE96C47F3C7EA9D1", null)]
    public void The_printed_cryptogram_verifies_and_is_answered(CipherAlgorithm algorithm, CryptogramVersion version, string cryptogram, string? answer)
    {
        var module = Master(algorithm);
        var bytes = Convert.FromHexString(cryptogram);

        for (var time = 0; time < 2; time++) // the second time the card key is known already
        {
            Assert.True(module.VerifyCryptogram("imk", Token, "01", version, Purchase, bytes));
            if (answer is not null)
            {
                Assert.Equal(answer, Convert.ToHexString(module.ResponseCryptogram("imk", Token, "01", 1, bytes, "00"u8)));
            }
        }
    }

    [Fact]
    public void One_flipped_bit_of_any_signed_field_or_of_the_cryptogram_is_noticed()
    {
        var module = Master(CipherAlgorithm.TripleDes);
        var good = Convert.FromHexString("C66055EE8F9D7864");
        for (var bit = 0; bit < 64; bit++)
        {
            var flipped = (byte[])good.Clone();
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(module.VerifyCryptogram("imk", Token, "01", CryptogramVersion.Full, Purchase, flipped));
        }

        for (var bit = 0; bit < 8 * CryptogramInput.MaxLength; bit++)
        {
            var bytes = Purchase.Bytes(CryptogramVersion.Full);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            var at = 0;
            byte[] Take(int count) => bytes[at..(at += count)];
            var input = new CryptogramInput(
                Take(6), Take(6), Take(2), Take(5), Take(2), Take(3), Take(1)[0], Take(4), Take(2), (ushort)((bytes[at++] << 8) | bytes[at++]), Take(4));
            Assert.False(module.VerifyCryptogram("imk", Token, "01", CryptogramVersion.Full, input, good), $"bit {bit}");
        }
    }

    [Fact]
    public void Another_card_another_sequence_and_a_field_too_short_do_not_verify()
    {
        var module = Master(CipherAlgorithm.TripleDes);
        var good = Convert.FromHexString("C66055EE8F9D7864");

        Assert.False(module.VerifyCryptogram("imk", PaymentToken.Parse("8199010000000000" + Luhn.CheckDigit("8199010000000000")), "01", CryptogramVersion.Full, Purchase, good));
        Assert.False(module.VerifyCryptogram("imk", Token, "02", CryptogramVersion.Full, Purchase, good));
        Assert.False(module.VerifyCryptogram("imk", Token, "01", CryptogramVersion.Full, Purchase with { UnpredictableNumber = new byte[3] }, good));
        Assert.False(module.VerifyCryptogram("imk", Token, "01", (CryptogramVersion)0x99, Purchase, good));
        Assert.False(module.VerifyCryptogram("imk", Token, "01", CryptogramVersion.Full, Purchase, good[..4]));
    }

    [Fact]
    public void Many_cards_at_once_verify_as_one_does()
    {
        var module = Master(CipherAlgorithm.TripleDes);
        var good = Convert.FromHexString("C66055EE8F9D7864");
        var wrong = 0;
        Parallel.For(0, 4000, new ParallelOptions { MaxDegreeOfParallelism = 4 }, index =>
        {
            var payload = 819901000000000 + (index % 50);
            var other = PaymentToken.Parse($"{payload}{Luhn.CheckDigit($"{payload}")}");
            if (!module.VerifyCryptogram("imk", Token, "01", CryptogramVersion.Full, Purchase, good) || module.VerifyCryptogram("imk", other, "01", CryptogramVersion.Full, Purchase, good))
            {
                Interlocked.Increment(ref wrong);
            }
        });

        Assert.Equal(0, wrong);
    }

    [Fact]
    public void The_channel_opens_to_the_chip_that_the_factory_wrote_keys_into()
    {
        var module = KeySets();
        var factory = module.ClearKeysForChipFactory("isd", Chip);
        var channel = module.OpenSecureChannel("isd", Chip);
        var (answer, card) = Answer(factory, channel.InitializeUpdate(1), 1);

        Assert.True(channel.TryAuthenticate(answer, 0x33, out var authenticate));
        Assert.True(card.TryAccept(authenticate));
        Assert.True(card.TryUnwrap(channel.Wrap(CommandApdu.Of(0x80, 0xE4, 0, 0, [1, 2, 3])), out var command));
        Assert.Equal([1, 2, 3], command.Data.ToArray());
        Assert.True(channel.TryUnwrap(card.WrapResponse(ResponseApdu.Ok([4, 5])), out var plain));
        Assert.Equal([4, 5], plain.Data.ToArray());

        channel.Close();
        Assert.Throws<InvalidOperationException>(() => channel.Wrap(command));
        Assert.Throws<InvalidOperationException>(() => channel.PutKeyData(2, "sd", Chip));
        Assert.Throws<ObjectDisposedException>(() => channel.InitializeUpdate(1));
    }

    [Fact]
    public void A_chip_that_is_not_who_it_should_be_gets_no_host_cryptogram()
    {
        var module = KeySets();
        var factory = module.ClearKeysForChipFactory("isd", Chip);
        for (var bit = 0; bit < 8 * 29; bit++)
        {
            var channel = module.OpenSecureChannel("isd", Chip);
            var (answer, _) = Answer(factory, channel.InitializeUpdate(1), 1);
            var bytes = answer.Data.ToArray();
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(channel.TryAuthenticate(ResponseApdu.Ok(bytes), 0x33, out var none), $"bit {bit}");
            Assert.Null(none);
        }

        var late = module.OpenSecureChannel("isd", Chip);
        var (old, _) = Answer(factory, late.InitializeUpdate(1), 1);
        _ = late.InitializeUpdate(1);
        Assert.False(late.TryAuthenticate(old, 0x33, out _)); // an answer to another challenge
        Assert.Throws<InvalidOperationException>(() => late.TryAuthenticate(old, 0x33, out _));
    }

    [Fact]
    public void PUT_KEY_carries_the_new_set_and_its_check_values()
    {
        var module = KeySets();
        var channel = module.OpenSecureChannel("isd", Chip);
        var (answer, card) = Answer(module.ClearKeysForChipFactory("isd", Chip), channel.InitializeUpdate(1), 1);
        Assert.True(channel.TryAuthenticate(answer, 0x33, out _));

        var data = channel.PutKeyData(2, "sd", Chip);
        var expected = module.ClearKeysForChipFactory("sd", Chip);
        Assert.Equal(1 + (3 * 22), data.Length);
        Assert.Equal(2, data[0]);
        byte[][] keys = [expected.Encryption, expected.Mac, expected.DataEncryption];
        for (var i = 0; i < 3; i++)
        {
            var field = data.AsSpan(1 + (22 * i), 22);
            Assert.Equal([0x88, 0x10], field[..2].ToArray());
            Assert.Equal(keys[i], card.DecryptSensitive(field.Slice(2, 16)));
            Assert.Equal([3, .. Cipher.EncryptEcb(CipherAlgorithm.Aes, keys[i], Enumerable.Repeat((byte)1, 16).ToArray()).AsSpan(0, 3)], field[18..].ToArray());
        }

        Assert.Throws<KeyModuleException>(() => channel.PutKeyData(2, "sd")); // a master set is in no chip
        Assert.Throws<KeyModuleException>(() => module.OpenSecureChannel("sd"));
    }

    [Fact]
    public void Card_keys_travel_under_the_session_with_their_check_values()
    {
        var module = KeySets();
        Keys.Form(module, "imk.ac", KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes, Convert.FromHexString("0123456789ABCDEFFEDCBA9876543210"));
        Keys.Form(module, "imk.mac", KeyUsage.EmvIntegrity, CipherAlgorithm.TripleDes, Convert.FromHexString("FEDCBA98765432100123456789ABCDEF"));
        Keys.Form(module, "imk.enc", KeyUsage.EmvConfidentiality, CipherAlgorithm.TripleDes, Convert.FromHexString("89ABCDEF0123456776543210FEDCBA98"));
        var channel = module.OpenSecureChannel("isd", Chip);
        var (answer, card) = Answer(module.ClearKeysForChipFactory("isd", Chip), channel.InitializeUpdate(1), 1);
        Assert.True(channel.TryAuthenticate(answer, 0x33, out _));

        var groups = channel.CardKeyGroups("imk.ac", "imk.mac", "imk.enc", Token, "01");
        Assert.Equal("800030", Convert.ToHexString(groups[..3]));
        Assert.Equal("EFEF388008A8A20225685E04D96B1079", Convert.ToHexString(Cryptogram.SetOddParity(card.DecryptSensitive(groups.AsSpan(3, 48))[..16])));
        Assert.Equal("900009" + "A7F9C2" + "6A5BB9" + "D2E385", Convert.ToHexString(groups[51..])); // protocols.md 3.6.2
        Assert.Throws<KeyModuleException>(() => channel.CardKeyGroups("imk.mac", "imk.ac", "imk.enc", Token, "01"));
    }

    [Fact]
    public void Sealed_data_opens_in_its_own_place_only()
    {
        var module = Keys.Module();
        module.Generate("vault", KeyUsage.DataEncryption, CipherAlgorithm.Aes, test: true);
        module.Generate("other", KeyUsage.DataEncryption, CipherAlgorithm.Aes, test: true);
        var secret = System.Text.Encoding.ASCII.GetBytes(Repository.VectorNumber);
        var box = module.Seal("vault", secret, "token/1");

        Assert.Equal(12 + secret.Length + 16, box.Length);
        Assert.True(module.TryUnseal("vault", box, "token/1", out var plain));
        Assert.Equal(secret, plain);
        Assert.False(module.TryUnseal("vault", box, "token/2", out _));
        Assert.False(module.TryUnseal("other", box, "token/1", out _));
        Assert.False(module.TryUnseal("vault", box.AsSpan(0, 27), "token/1", out _));
        Assert.NotEqual(box, module.Seal("vault", secret, "token/1"));
        for (var bit = 0; bit < 8 * box.Length; bit++)
        {
            box[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(module.TryUnseal("vault", box, "token/1", out _));
            box[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void A_number_is_found_by_a_hash_that_only_its_key_makes()
    {
        var module = Keys.Module();
        module.Generate("index", KeyUsage.KeyedHash, CipherAlgorithm.Aes, test: true);
        module.Generate("other", KeyUsage.KeyedHash, CipherAlgorithm.Aes, test: true);
        var pan = Pan.Parse(Repository.VectorNumber);

        Assert.Equal(32, module.Index("index", pan).Length);
        Assert.Equal(module.Index("index", pan), module.Index("index", Pan.Parse(Repository.VectorNumber)));
        Assert.NotEqual(module.Index("index", pan), module.Index("other", pan));
        Assert.NotEqual(System.Security.Cryptography.SHA256.HashData(Encoding.ASCII.GetBytes(pan.Reveal())), module.Index("index", pan));
    }

    [Fact]
    public void What_is_encrypted_to_a_party_opens_in_its_module_alone()
    {
        var one = Keys.Module("one", 1);
        var other = Keys.Module("other", 2);
        one.Generate("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes, test: true);
        other.Generate("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes, test: true);
        var sent = Jwe.Encrypt(one.PublicJwk("jwe"), "{\"number\":\"…\"}"u8);

        Assert.True(one.TryDecryptJwe("jwe", sent, out var plain));
        Assert.Equal("{\"number\":\"…\"}", Encoding.UTF8.GetString(plain));
        Assert.False(other.TryDecryptJwe("jwe", sent, out _));
        Assert.DoesNotContain("\"d\"", one.PublicJwk("jwe"), StringComparison.Ordinal);

        var parts = sent.Split('.');
        using var header = System.Text.Json.JsonDocument.Parse(Jose.Base64Url.Decode(parts[0]));
        Assert.Equal("ECDH-ES+A256KW", header.RootElement.GetProperty("alg").GetString());
        Assert.Equal("A256GCM", header.RootElement.GetProperty("enc").GetString());
        for (var i = 0; i < parts.Length; i++)
        {
            var damaged = (string[])parts.Clone();
            damaged[i] = (damaged[i][0] == 'A' ? 'B' : 'A') + damaged[i][1..];
            Assert.False(one.TryDecryptJwe("jwe", string.Join('.', damaged), out _));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("....")]
    [InlineData("e30.e30.e30.e30.e30")]
    [InlineData("eyJhbGciOiJub25lIn0..")] // alg none
    [InlineData("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiemlwIjoiREVGIn0.a.b.c.d")] // compression
    public void What_is_no_JWE_of_ours_does_not_open(string text)
    {
        var module = Keys.Module();
        module.Generate("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes, test: true);

        Assert.False(module.TryDecryptJwe("jwe", text, out _));
    }

    [Fact]
    public void Random_text_never_opens_and_never_throws()
    {
        var module = Keys.Module();
        module.Generate("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes, test: true);

        Gen.Char['.', 'z'].Array[0, 60].Sample(text => Assert.False(module.TryDecryptJwe("jwe", new string(text), out _)), iter: 300, threads: 1);
    }

    private static CryptogramInput Purchase => CardCryptographyTests.Purchase([3, 0xA0, 0, 0]);

    private static KeyModule Master(CipherAlgorithm algorithm)
    {
        var module = Keys.Module();
        Keys.Form(module, "imk", KeyUsage.EmvCryptogram, algorithm, Convert.FromHexString("0123456789ABCDEFFEDCBA9876543210"));
        return module;
    }

    private static KeyModule KeySets()
    {
        var module = Keys.Module();
        foreach (var name in new[] { "isd.enc", "isd.mac", "isd.dek", "sd.enc", "sd.mac", "sd.dek" })
        {
            module.Generate(name, KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes, test: true);
        }

        return module;
    }

    /// <summary>What a chip with these keys answers to INITIALIZE UPDATE, and its end of the session.</summary>
    private static (ResponseApdu Answer, Scp03Session Card) Answer(Scp03Keys keys, CommandApdu initializeUpdate, byte keyVersion)
    {
        Assert.Equal((0x80, 0x50, keyVersion, 8), (initializeUpdate.Cla, initializeUpdate.Ins, initializeUpdate.P1, initializeUpdate.Data.Length));
        byte[] sequence = [0, 0, 1];
        var challenge = Scp03Session.CardChallenge(keys, sequence, Convert.FromHexString("A000000151000000"));
        var card = Scp03Session.Derive(keys, initializeUpdate.Data.Span, challenge);
        return (ResponseApdu.Ok([.. Chip, keyVersion, 0x03, 0x70, .. challenge, .. card.CardCryptogram, .. sequence]), card);
    }
}
