using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Tests.Core.Cryptography;

namespace Majia.Tests.Hsm;

/// <summary>Keys: how they come, what each may do, how they rest.</summary>
public sealed class KeyModuleTests
{
    public static TheoryData<string> WrappedKeys => VectorLine.Of("crypto-macs.txt", "wrapped");

    [Theory, MemberData(nameof(WrappedKeys))]
    public void A_working_key_travels_as_sign_on_sends_it(string line)
    {
        var vector = VectorLine.Parse(line);
        var module = Keys.Module();
        Keys.Form(module, "tmk", KeyUsage.KeyEncryption, CipherAlgorithm.TripleDes, vector.Hex("master"));

        var usage = Enum.Parse<KeyUsage>(vector["usage"]);
        var info = module.ImportWorkingKey("working", usage, vector.Hex("wrapped"), vector.Hex("kcv"), "tmk");
        Assert.Equal(vector["kcv"], info.CheckValue);
        Assert.Throws<KeyModuleException>(() => module.ExportWorkingKey("working", "tmk")); // it came, it does not go on

        var value = Cipher.DecryptEcb(CipherAlgorithm.TripleDes, vector.Hex("master"), vector.Hex("wrapped"));
        Keys.Form(module, "acquirers", usage, CipherAlgorithm.TripleDes, value);
        var (wrapped, checkValue) = module.ExportWorkingKey("acquirers", "tmk");
        Assert.Equal(Cipher.EncryptEcb(CipherAlgorithm.TripleDes, vector.Hex("master"), Cryptogram.SetOddParity(value)), wrapped); // a formed key has odd parity
        Assert.True(vector["key"] != Convert.ToHexString(Cryptogram.SetOddParity(value)) || vector["wrapped"] == Convert.ToHexString(wrapped));
        Assert.Equal(vector["kcv"], Convert.ToHexString(checkValue));
    }

    [Fact]
    public void A_working_key_with_another_check_value_is_not_kept()
    {
        var module = Keys.Module();
        module.Generate("tmk", KeyUsage.KeyEncryption, CipherAlgorithm.TripleDes, test: true);

        Assert.Throws<KeyModuleException>(() => module.ImportWorkingKey("pik", KeyUsage.PinEncryption, new byte[16], new byte[4], "tmk"));
        Assert.Throws<KeyModuleException>(() => module.ImportWorkingKey("pik", KeyUsage.PinEncryption, new byte[5], new byte[4], "tmk"));
        Assert.False(module.TryInfo("pik", out _));
    }

    [Fact]
    public void A_zone_key_goes_from_one_module_to_another_and_computes_alike()
    {
        var one = Keys.Module("acquirer", 1);
        var other = Keys.Module("network", 2);
        foreach (var module in new[] { one, other })
        {
            module.Form("zmk", KeyUsage.KeyEncryption, CipherAlgorithm.Aes, [new SeededEntropy(5).Bytes(32), new SeededEntropy(6).Bytes(32)], test: true);
        }

        foreach (var (usage, algorithm) in Keys.Kinds)
        {
            var name = $"{usage}-{algorithm}";
            var info = one.Generate(name, usage, algorithm, test: false);
            Assert.Equal(usage is KeyUsage.PinEncryption or KeyUsage.MessageAuthentication or KeyUsage.SecureChannel or KeyUsage.TokenBinding or KeyUsage.TransitPurchase, info.Exportable);
            if (!info.Exportable)
            {
                Assert.Contains("does not leave", Assert.Throws<KeyModuleException>(() => one.Export(name, "zmk")).Message, StringComparison.Ordinal);
                continue;
            }

            // What came under a test key is one; of a binding key the other side gets the verifying half; and nobody passes on what he was given.
            var arrived = other.Import(name, one.Export(name, "zmk"), "zmk");
            Assert.Equal(info with { IsTest = true, Exportable = false, Usage = usage == KeyUsage.TokenBinding ? KeyUsage.TokenBindingCheck : usage }, arrived);
            Assert.Throws<KeyModuleException>(() => other.Export(name, "zmk"));
        }

        Assert.Equal(one.Mac("MessageAuthentication-Sm4", MacAlgorithm.UnionPayEcbSm4, "0200"u8), other.Mac("MessageAuthentication-Sm4", MacAlgorithm.UnionPayEcbSm4, "0200"u8));
    }

    [Fact]
    public void The_network_checks_the_vaults_bindings_and_can_make_none()
    {
        var vault = Keys.Module("token-service", 1);
        var network = Keys.Module("network", 2);
        foreach (var module in new[] { vault, network })
        {
            module.Form("zmk", KeyUsage.KeyEncryption, CipherAlgorithm.Aes, [new SeededEntropy(5).Bytes(32), new SeededEntropy(6).Bytes(32)], test: true);
        }

        vault.Generate("bind", KeyUsage.TokenBinding, CipherAlgorithm.Aes, test: true);
        network.Import("bind", vault.Export("bind", "zmk"), "zmk");
        var (token, pan) = (PaymentToken.Parse(Repository.VectorNumber), Pan.Parse(Repository.VectorNumber));
        var binding = vault.BindTokenToPan("bind", token, pan, "t");

        Assert.True(network.VerifyBinding("bind", token, pan, "t", binding));
        Assert.False(network.VerifyBinding("bind", token, pan, "u", binding));
        Assert.Throws<KeyModuleException>(() => network.BindTokenToPan("bind", token, pan, "t"));
        Assert.Throws<KeyModuleException>(() => vault.VerifyBinding("bind", token, pan, "t", binding));
    }

    [Fact, Rule("R15")]
    public void A_terminals_key_makes_PIN_blocks_and_an_institutions_key_makes_none()
    {
        var (terminal, acquirer) = (Keys.Module("terminal", 1), Keys.Module("acquirer", 2));
        foreach (var module in new[] { terminal, acquirer })
        {
            module.Form("tmk", KeyUsage.KeyEncryption, CipherAlgorithm.TripleDes, [new SeededEntropy(5).Bytes(16), new SeededEntropy(6).Bytes(16)], test: true);
        }

        acquirer.Generate("pik", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, test: true);
        acquirer.Generate("zpk", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, test: true);
        var (wrapped, checkValue) = acquirer.ExportWorkingKey("pik", "tmk");
        Assert.Equal(KeyUsage.PinEntry, terminal.ImportWorkingKey("pik", KeyUsage.PinEncryption, wrapped, checkValue, "tmk").Usage);
        terminal.Generate("zpk", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, test: true);
        var pan = Pan.Parse(Repository.VectorNumber);
        var block = terminal.EncryptPin("pik", "123456", pan);

        Assert.True(acquirer.TryTranslatePin("pik", "zpk", block, pan, out _));
        Assert.Throws<KeyModuleException>(() => acquirer.EncryptPin("pik", "123456", pan));
        Assert.Throws<KeyModuleException>(() => terminal.TryTranslatePin("pik", "zpk", block, pan, out _));
        Assert.Throws<KeyModuleException>(() => terminal.Export("pik", "tmk"));
    }

    [Fact]
    public void One_custodian_alone_forms_no_key()
    {
        var module = Keys.Module();

        Assert.Throws<KeyModuleException>(() => module.Form("zmk", KeyUsage.KeyEncryption, CipherAlgorithm.Aes, [new SeededEntropy(1).Bytes(32)], test: true));
        Assert.Throws<KeyModuleException>(() => module.Form("zmk", KeyUsage.KeyEncryption, CipherAlgorithm.Aes, [new SeededEntropy(1).Bytes(32), new byte[32]], test: true));
        Assert.Throws<KeyModuleException>(() => module.Form("zmk", KeyUsage.KeyEncryption, CipherAlgorithm.Aes, [new SeededEntropy(1).Bytes(32), new SeededEntropy(1).Bytes(32)], test: true));
        Assert.Empty(module.Keys);
    }

    [Fact]
    public void A_new_3DES_key_has_odd_parity_and_two_different_halves()
    {
        var module = Keys.Module();
        module.Generate("tmk", KeyUsage.KeyEncryption, CipherAlgorithm.TripleDes, test: true);

        var same = Convert.FromHexString("0123456789ABCDEF0123456789ABCDEF");
        var weak = Assert.Throws<KeyModuleException>(() => Keys.Form(module, "weak", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, same));
        Assert.Contains("weak", weak.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_is_taken_once()
    {
        var module = Keys.Module();
        module.Generate("mak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);

        Assert.Throws<KeyModuleException>(() => module.Generate("mak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true));
        module.Delete("mak");
        Assert.Throws<KeyModuleException>(() => module.Mac("mak", MacAlgorithm.UnionPayEcb, "0200"u8));
        Assert.Throws<KeyModuleException>(() => module.Delete("mak"));
        Assert.Throws<KeyModuleException>(() => module.Generate("../mak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true));
    }

    [Fact]
    public void A_usage_takes_its_own_ciphers_only()
    {
        var module = Keys.Module();

        foreach (var usage in Enum.GetValues<KeyUsage>())
        {
            foreach (var algorithm in Enum.GetValues<CipherAlgorithm>().Where(algorithm => !Keys.Kinds.Contains((usage, algorithm))))
            {
                Assert.Throws<KeyModuleException>(() => module.Generate("key", usage, algorithm, test: true));
            }
        }
    }

    [Fact]
    public void No_call_accepts_a_key_of_another_usage()
    {
        var module = Keys.Module();
        foreach (var (usage, algorithm) in Keys.Kinds)
        {
            module.Generate($"{usage}-{algorithm}", usage, algorithm, test: true);
        }

        var token = PaymentToken.Parse(Repository.VectorNumber);
        var pan = Pan.Parse(Repository.VectorNumber);
        var input = CardCryptographyTests.Purchase([3, 0xA0, 0, 0]);
        const string Pik = "PinEncryption-TripleDes", Bind = "TokenBinding-Aes", Zmk = "KeyEncryption-Aes", Tmk = "KeyEncryption-TripleDes";
        (KeyUsage Wanted, Action<string> Call)[] calls =
        [
            (KeyUsage.MessageAuthentication, name => module.Mac(name, MacAlgorithm.UnionPayEcb, "0200"u8)),
            (KeyUsage.MessageAuthentication, name => module.VerifyMac(name, MacAlgorithm.UnionPayEcb, "0200"u8, new byte[8])),
            (KeyUsage.PinEntry, name => module.EncryptPin(name, "123456", pan)),
            (KeyUsage.PinEncryption, name => module.TryTranslatePin(name, Pik, new byte[8], pan, out _)),
            (KeyUsage.PinEncryption, name => module.TryTranslatePin(Pik, name, new byte[8], pan, out _)),
            (KeyUsage.TokenBindingCheck, name => module.VerifyBinding(name, token, pan, "t", new byte[8])),
            (KeyUsage.TokenBindingCheck, name => module.TryTranslatePin(Pik, Pik, new byte[8], token, pan, "t", name, new byte[8], out _)),
            (KeyUsage.TokenBinding, name => module.BindTokenToPan(name, token, pan, "t")),
            (KeyUsage.PinEncryption, name => module.VerifyPin(name, "PinVerification-TripleDes", new byte[8], pan, "000000")),
            (KeyUsage.PinVerification, name => module.VerifyPin(Pik, name, new byte[8], pan, "000000")),
            (KeyUsage.PinVerification, name => module.PinOffset(name, pan, "123456")),
            (KeyUsage.EmvCryptogram, name => module.VerifyCryptogram(name, token, "01", CryptogramVersion.Full, input, new byte[8])),
            (KeyUsage.EmvCryptogram, name => module.ResponseCryptogram(name, token, "01", 1, new byte[8], "00"u8)),
            (KeyUsage.DataEncryption, name => module.Seal(name, "PAN"u8, "row")),
            (KeyUsage.DataEncryption, name => module.TryUnseal(name, new byte[40], "row", out _)),
            (KeyUsage.KeyedHash, name => module.Index(name, pan)),
            (KeyUsage.Decryption, name => module.PublicJwk(name)),
            (KeyUsage.Decryption, name => module.TryDecryptJwe(name, "a.b.c.d.e", out _)),
            (KeyUsage.CertificationRsa, name => module.CertifyRsa(name, [0x6A, 0x02, 0xBC])),
            (KeyUsage.CertificationSm2, name => module.CertifySm2(name, [0x12])),
            (KeyUsage.TransitLoad, name => module.GrantLoad(name, new byte[8], 0, 1, 0, new byte[4], new byte[6], new byte[7], new byte[4])),
            (KeyUsage.TransitPurchase, name => module.DebitMacs(name, new byte[8], 1, 0, new byte[4], new byte[6], 1, new byte[7], new byte[32])),
            (KeyUsage.TransitCode, name => module.VerifyDebitCode(name, new byte[8], 0, 1, new byte[6], 1, new byte[7], new byte[4])),
            (KeyUsage.KeyEncryption, name => module.Export(Bind, name)),
            (KeyUsage.KeyEncryption, name => module.Import("new", "D", name)),
            (KeyUsage.KeyEncryption, name => module.ExportWorkingKey(Pik, name)),
            (KeyUsage.KeyEncryption, name => module.ImportWorkingKey("new", KeyUsage.PinEncryption, new byte[16], new byte[4], name)),
        ];

        foreach (var (wanted, call) in calls)
        {
            foreach (var (usage, algorithm) in Keys.Kinds.Where(kind => kind.Usage != wanted))
            {
                Assert.Contains($"not for {wanted}", Assert.Throws<KeyModuleException>(() => call($"{usage}-{algorithm}")).Message, StringComparison.Ordinal);
            }
        }

        // Of the right usage, and yet not every way: an AES key wraps blocks, a 3DES key working keys.
        Assert.Throws<KeyModuleException>(() => module.Export(Bind, Tmk));
        Assert.Throws<KeyModuleException>(() => module.ExportWorkingKey(Pik, Zmk));
        Assert.Throws<KeyModuleException>(() => module.ExportWorkingKey("EmvCryptogram-TripleDes", Tmk));
        Assert.Throws<KeyModuleException>(() => module.ExportWorkingKey("PinEncryption-Sm4", Tmk));
        Assert.Throws<KeyModuleException>(() => module.Export(Zmk, Zmk));
        Assert.Throws<KeyModuleException>(() => module.Export("KeyedHash-Aes", Zmk));
        Assert.Throws<KeyModuleException>(() => module.Mac("MessageAuthentication-TripleDes", MacAlgorithm.UnionPayEcbSm4, "0200"u8));
        Assert.Throws<KeyModuleException>(() => module.OpenSecureChannel("isd"));
    }

    [Fact]
    public void A_message_with_one_flipped_bit_has_another_code()
    {
        var module = Keys.Module();
        module.Generate("mak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        var message = new SeededEntropy(7).Bytes(40);
        foreach (var algorithm in new[] { MacAlgorithm.UnionPayEcb, MacAlgorithm.X919, MacAlgorithm.X99 })
        {
            var mac = module.Mac("mak", algorithm, message);
            Assert.True(module.VerifyMac("mak", algorithm, message, mac));
            Assert.False(module.VerifyMac("mak", algorithm, message, mac[..7]));
            for (var bit = 0; bit < 320; bit++)
            {
                message[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.False(module.VerifyMac("mak", algorithm, message, mac));
                message[bit / 8] ^= (byte)(1 << (bit % 8));
            }
        }
    }
}

/// <summary>Modules and keys for these tests.</summary>
internal static class Keys
{
    /// <summary>Every usage with every cipher that it takes.</summary>
    internal static readonly (KeyUsage Usage, CipherAlgorithm Algorithm)[] Kinds =
    [
        (KeyUsage.KeyEncryption, CipherAlgorithm.Aes), (KeyUsage.KeyEncryption, CipherAlgorithm.TripleDes), (KeyUsage.KeyEncryption, CipherAlgorithm.Sm4),
        (KeyUsage.PinEncryption, CipherAlgorithm.TripleDes), (KeyUsage.PinEncryption, CipherAlgorithm.Sm4), (KeyUsage.PinEncryption, CipherAlgorithm.Aes),
        (KeyUsage.PinEntry, CipherAlgorithm.TripleDes), (KeyUsage.PinEntry, CipherAlgorithm.Sm4), (KeyUsage.PinEntry, CipherAlgorithm.Aes),
        (KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes), (KeyUsage.MessageAuthentication, CipherAlgorithm.Sm4),
        (KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes), (KeyUsage.EmvCryptogram, CipherAlgorithm.Sm4),
        (KeyUsage.EmvConfidentiality, CipherAlgorithm.TripleDes), (KeyUsage.EmvConfidentiality, CipherAlgorithm.Sm4),
        (KeyUsage.EmvIntegrity, CipherAlgorithm.TripleDes), (KeyUsage.EmvIntegrity, CipherAlgorithm.Sm4),
        (KeyUsage.PinVerification, CipherAlgorithm.TripleDes),
        (KeyUsage.DataEncryption, CipherAlgorithm.Aes),
        (KeyUsage.KeyedHash, CipherAlgorithm.Aes),
        (KeyUsage.SecureChannel, CipherAlgorithm.Aes),
        (KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes),
        (KeyUsage.TokenBinding, CipherAlgorithm.Aes),
        (KeyUsage.TokenBindingCheck, CipherAlgorithm.Aes),
        (KeyUsage.Decryption, CipherAlgorithm.Aes), (KeyUsage.CertificationSm2, CipherAlgorithm.Aes),
        (KeyUsage.TransitPurchase, CipherAlgorithm.Sm4), (KeyUsage.TransitLoad, CipherAlgorithm.Sm4), (KeyUsage.TransitCode, CipherAlgorithm.Sm4),
    ];

    internal static KeyModule Module(string party = "party", long seed = 1) => KeyModule.InMemory(party, new SeededEntropy(seed, party));

    /// <summary>A PIN key as an institution has it, and as <c>{name}.pad</c> the same for entry.</summary>
    internal static void FormPin(KeyModule module, string name, CipherAlgorithm algorithm)
    {
        var value = Cryptogram.SetOddParity(new SeededEntropy(12, name).Bytes(algorithm == CipherAlgorithm.Aes ? 32 : 16));
        Form(module, name, KeyUsage.PinEncryption, algorithm, value);
        Form(module, name + ".pad", KeyUsage.PinEntry, algorithm, value);
    }

    /// <summary>A known key, formed from two components as custodians would.</summary>
    internal static KeyInfo Form(KeyModule module, string name, KeyUsage usage, CipherAlgorithm algorithm, byte[] value)
    {
        var mask = new SeededEntropy(99, name).Bytes(value.Length);
        return module.Form(name, usage, algorithm, [mask, [.. value.Zip(mask, (left, right) => (byte)(left ^ right))]], test: true);
    }
}
