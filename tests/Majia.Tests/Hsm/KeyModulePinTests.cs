using CsCheck;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;

namespace Majia.Tests.Hsm;

/// <summary>PINs through the module: pad to acquirer to network to bank, and no way round the vault's word.</summary>
public sealed class KeyModulePinTests
{
    private const string Transaction = "1122101500000123" + "63990900" + "63990900";

    private static readonly PaymentToken Token = PaymentToken.Parse(WithCheckDigit("819901000000000012"));
    private static readonly PaymentToken OtherToken = PaymentToken.Parse(WithCheckDigit("819901000000000034"));
    private static readonly Pan Plastic = Pan.Parse(WithCheckDigit("629901000000000056"));
    private static readonly Pan OtherPlastic = Pan.Parse(WithCheckDigit("629901000000000078"));

    [Fact, Rule("R15")]
    public void A_PIN_typed_at_the_pad_is_verified_at_the_bank_and_nowhere_in_between()
    {
        var module = Module(CipherAlgorithm.TripleDes);
        var offset = module.PinOffset("pvk", Plastic, "123456");
        var typed = module.EncryptPin("pik.pad", "123456", Token);

        Assert.True(module.TryTranslatePin("pik", "zpk", typed, Token, out var atNetwork));
        Assert.True(module.TryTranslatePin("zpk", "zpk.bank", atNetwork, Token, Plastic, Transaction, "bind.check", module.BindTokenToPan("bind", Token, Plastic, Transaction), out var atBank));
        Assert.Equal(PinVerdict.Right, module.VerifyPin("zpk.bank", "pvk", atBank, Plastic, offset));
        Assert.NotEqual(typed, atNetwork);
        Assert.NotEqual(atNetwork, atBank);
    }

    [Fact]
    public void Ciphers_may_change_on_the_way() =>
        Gen.Select(Gen.Int[0, 2], Gen.Int[0, 2], Gen.Char['0', '9'].Array[4, 12]).Sample((from, to, digits) =>
        {
            var module = Keys.Module();
            Keys.FormPin(module, "from", (CipherAlgorithm)from);
            module.Generate("to", KeyUsage.PinEncryption, (CipherAlgorithm)to, test: true);
            module.Generate("pvk", KeyUsage.PinVerification, CipherAlgorithm.TripleDes, test: true);
            var pin = new string(digits);
            var offset = module.PinOffset("pvk", Plastic, pin);

            Assert.True(module.TryTranslatePin("from", "to", module.EncryptPin("from.pad", pin, Plastic), Plastic, out var translated));
            Assert.Equal(PinVerdict.Right, module.VerifyPin("to", "pvk", translated, Plastic, offset));
        }, iter: 60, threads: 1);

    [Theory, InlineData(CipherAlgorithm.TripleDes), InlineData(CipherAlgorithm.Sm4), InlineData(CipherAlgorithm.Aes)]
    public void A_block_of_another_number_does_not_give_the_same_PIN(CipherAlgorithm algorithm)
    {
        var module = Module(algorithm);
        var offset = module.PinOffset("pvk", Plastic, "123456");
        var otherOffset = module.PinOffset("pvk", OtherPlastic, "123456");
        var block = module.EncryptPin("pik.pad", "123456", Plastic);

        Assert.Equal(PinVerdict.Right, module.VerifyPin("pik", "pvk", block, Plastic, offset));
        Assert.NotEqual(PinVerdict.Right, module.VerifyPin("pik", "pvk", block, OtherPlastic, otherOffset));
    }

    [Fact]
    public void Without_exactly_this_binding_no_PIN_moves_from_token_to_plastic()
    {
        var module = Module(CipherAlgorithm.TripleDes);
        var block = module.EncryptPin("zpk.pad", "123456", Token);
        var good = module.BindTokenToPan("bind", Token, Plastic, Transaction);

        (PaymentToken Token, Pan Pan, string Transaction, byte[] Binding)[] refused =
        [
            (Token, Plastic, Transaction, module.BindTokenToPan("bind", Token, Plastic, Transaction + "0")),
            (Token, Plastic, Transaction, module.BindTokenToPan("bind", Token, OtherPlastic, Transaction)),
            (Token, Plastic, Transaction, module.BindTokenToPan("bind", OtherToken, Plastic, Transaction)),
            (Token, Plastic, Transaction, module.BindTokenToPan("bind.other", Token, Plastic, Transaction)),
            (Token, OtherPlastic, Transaction, good),
            (OtherToken, Plastic, Transaction, good),
            (Token, Plastic, Transaction[1..], good),
            (Token, Plastic, Transaction, good[..7]),
            (Token, Plastic, Transaction, []),
            .. Enumerable.Range(0, 64).Select(bit =>
            {
                var flipped = (byte[])good.Clone();
                flipped[bit / 8] ^= (byte)(1 << (bit % 8));
                return (Token, Plastic, Transaction, flipped);
            }),
        ];
        foreach (var (token, pan, transaction, binding) in refused)
        {
            Assert.False(module.TryTranslatePin("zpk", "zpk.bank", block, token, pan, transaction, "bind.check", binding, out var translated));
            Assert.Null(translated);
        }
    }

    [Fact]
    public void A_wrong_PIN_is_wrong_and_a_damaged_block_is_malformed()
    {
        var module = Module(CipherAlgorithm.TripleDes);
        var offset = module.PinOffset("pvk", Plastic, "123456");

        Assert.Equal(6, offset.Length);
        Assert.Equal(PinVerdict.Wrong, module.VerifyPin("pik", "pvk", module.EncryptPin("pik.pad", "123457", Plastic), Plastic, offset));
        Assert.Equal(PinVerdict.Wrong, module.VerifyPin("pik", "pvk", module.EncryptPin("pik.pad", "1234", Plastic), Plastic, offset));
        Assert.Equal(PinVerdict.Wrong, module.VerifyPin("pik", "pvk", module.EncryptPin("pik.pad", "123456", Plastic), Plastic, "12x456"));
        Assert.Equal(PinVerdict.Malformed, module.VerifyPin("pik", "pvk", new byte[8], Plastic, offset));
        Assert.Equal(PinVerdict.Malformed, module.VerifyPin("pik", "pvk", new byte[16], Plastic, offset));
        Assert.False(module.TryTranslatePin("pik", "zpk", new byte[7], Token, out _));
    }

    [Fact]
    public void Random_blocks_are_malformed_or_wrong_and_never_throw() =>
        Gen.Byte.Array[0, 17].Sample(block =>
        {
            var module = Shared;
            _ = module.TryTranslatePin("pik", "zpk", block, Token, out _);
            Assert.NotEqual(PinVerdict.Right, module.VerifyPin("pik", "pvk", block, Plastic, "012345678"));
        }, iter: 1000, threads: 1);

    private static readonly KeyModule Shared = Module(CipherAlgorithm.TripleDes);

    private static KeyModule Module(CipherAlgorithm algorithm)
    {
        var module = Keys.Module();
        foreach (var name in new[] { "pik", "zpk", "zpk.bank" })
        {
            Keys.FormPin(module, name, algorithm);
        }

        module.Generate("pvk", KeyUsage.PinVerification, CipherAlgorithm.TripleDes, test: true);
        byte[] binding = new SeededEntropy(11).Bytes(32);
        Keys.Form(module, "bind", KeyUsage.TokenBinding, CipherAlgorithm.Aes, binding);
        Keys.Form(module, "bind.check", KeyUsage.TokenBindingCheck, CipherAlgorithm.Aes, binding);
        module.Generate("bind.other", KeyUsage.TokenBinding, CipherAlgorithm.Aes, test: true);
        return module;
    }

    private static string WithCheckDigit(string payload) => payload + Luhn.CheckDigit(payload);
}
