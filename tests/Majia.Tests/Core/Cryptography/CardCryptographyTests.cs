using Majia.Core.Cryptography;

namespace Majia.Tests.Core.Cryptography;

/// <summary>Card keys, cryptograms and scripts against tests/Vectors/crypto-cards.txt.</summary>
public sealed class CardCryptographyTests
{
    private const string File = "crypto-cards.txt";

    public static TheoryData<string> CardKeys => VectorLine.Of(File, "card-key");

    public static TheoryData<string> SessionKeys => VectorLine.Of(File, "session-key");

    public static TheoryData<string> Cryptograms => VectorLine.Of(File, "cryptogram");

    public static TheoryData<string> Responses => VectorLine.Of(File, "response");

    public static TheoryData<string> Scripts => VectorLine.Of(File, "script");

    [Theory, MemberData(nameof(CardKeys))]
    public void A_card_key_follows_from_master_key_number_and_sequence(string line)
    {
        var vector = VectorLine.Parse(line);
        var key = Cryptogram.DeriveCardKey(vector.Algorithm, vector.Hex("master"), vector["number"], vector["sequence"]);

        Check(vector, "key", key);
        Check(vector, "odd", Cryptogram.SetOddParity(key));
        CheckValue(vector, "kcv", key);
        CheckValue(vector, "master-kcv", vector.Hex("master"));
    }

    [Theory, MemberData(nameof(SessionKeys))]
    public void A_session_key_follows_from_card_key_and_transaction_counter(string line)
    {
        var vector = VectorLine.Parse(line);
        var key = Cryptogram.DeriveSessionKey(vector.Algorithm, vector.Hex("card-key"), Convert.ToUInt16(vector["atc"], 16));

        Check(vector, "key", key);
        Check(vector, "odd", Cryptogram.SetOddParity(key));
        CheckValue(vector, "kcv", key);
    }

    [Theory, MemberData(nameof(Cryptograms))]
    public void A_cryptogram_covers_what_its_version_says(string line)
    {
        var vector = VectorLine.Parse(line);
        var version = (CryptogramVersion)Convert.ToByte(vector["cvn"], 16);
        var input = Purchase(vector.Hex("cvr"));

        Assert.True(input.IsWellFormed(version));
        Check(vector, "input", input.Bytes(version));
        Check(vector, "cryptogram", Cryptogram.Compute(vector.Algorithm, Session(vector.Algorithm, "0123456789ABCDEFFEDCBA9876543210"), input.Bytes(version)));
    }

    [Theory, MemberData(nameof(Responses))]
    public void An_issuer_answers_a_cryptogram_with_its_own(string line)
    {
        var vector = VectorLine.Parse(line);

        Check(vector, "arpc", Cryptogram.ResponseCryptogram(vector.Algorithm, Session(vector.Algorithm, "0123456789ABCDEFFEDCBA9876543210"), vector.Hex("cryptogram"), vector.Hex("code")));
    }

    [Theory, MemberData(nameof(Scripts))]
    public void A_script_command_carries_a_code_over_header_counter_cryptogram_and_data(string line)
    {
        var vector = VectorLine.Parse(line);

        Check(vector, "mac", IssuerScript.Mac(vector.Algorithm, Session(vector.Algorithm, "FEDCBA98765432100123456789ABCDEF"), vector.Hex("header"), 1, vector.Hex("cryptogram"), vector.Hex("data")));
    }

    [Fact]
    public void Script_data_is_encrypted_after_its_length()
    {
        var vector = VectorLine.Parse(Assert.Single(VectorLine.Of(File, "script-encrypt")));

        Check(vector, "encrypted", IssuerScript.Encrypt(vector.Algorithm, Session(vector.Algorithm, "89ABCDEF0123456776543210FEDCBA98"), vector.Hex("data")));
    }

    [Fact]
    public void Discretionary_data_carries_a_code_over_counter_and_data()
    {
        var vector = VectorLine.Parse(Assert.Single(VectorLine.Of(File, "discretionary")));

        Check(vector, "mac", IssuerScript.DiscretionaryDataMac(vector.Algorithm, Session(vector.Algorithm, "FEDCBA98765432100123456789ABCDEF"), Convert.ToUInt16(vector["atc"], 16), vector.Hex("data")));
    }

    [Fact]
    public void The_same_retail_mac_makes_EMV_cryptograms_that_a_hardware_module_confirmed()
    {
        var vector = VectorLine.Parse(Assert.Single(VectorLine.Of(File, "emv-session")));
        var card = Cryptogram.DeriveCardKey(CipherAlgorithm.TripleDes, vector.Hex("master"), vector["number"], vector["sequence"]);
        var left = vector.Hex("diversifier");
        var right = vector.Hex("diversifier");
        (left[2], right[2]) = (0xF0, 0x0F); // EMV Book 2 annex A1.3: common session key
        var session = Cipher.EncryptEcb(CipherAlgorithm.TripleDes, card, [.. left, .. right]);

        CheckValue(vector, "kcv", session);
        var ac = Cryptogram.Compute(CipherAlgorithm.TripleDes, session, vector.Hex("input"));
        Check(vector, "ac", ac);
        Check(vector, "arpc", Cryptogram.ResponseCryptogram(CipherAlgorithm.TripleDes, session, ac, vector.Hex("code")));
        Check(vector, "arpc-card-key", Cryptogram.ResponseCryptogram(CipherAlgorithm.TripleDes, card, ac, vector.Hex("code")));
    }

    [Fact]
    public void Visa_CVN_10_comes_out_with_zero_padding_and_the_card_key()
    {
        var vector = VectorLine.Parse(Assert.Single(VectorLine.Of(File, "cvn10")));
        var card = Cryptogram.DeriveCardKey(CipherAlgorithm.TripleDes, vector.Hex("master"), vector["number"], vector["sequence"]);
        var arqc = MessageMac.Compute(MacAlgorithm.X919, card, vector.Hex("input"));
        Check(vector, "arqc", arqc);
        Check(vector, "arpc", Cryptogram.ResponseCryptogram(CipherAlgorithm.TripleDes, card, arqc, vector.Hex("code")));

        // Visa's secure messaging key: card key ⊕ (counter, complement of the counter), each in its half.
        var atc = vector.Hex("atc");
        var integrity = Cryptogram.DeriveCardKey(CipherAlgorithm.TripleDes, vector.Hex("integrity"), vector["number"], vector["sequence"]);
        (integrity[6], integrity[7]) = ((byte)(integrity[6] ^ atc[0]), (byte)(integrity[7] ^ atc[1]));
        (integrity[14], integrity[15]) = ((byte)(integrity[14] ^ atc[0] ^ 0xFF), (byte)(integrity[15] ^ atc[1] ^ 0xFF));
        Check(vector, "mac", IssuerScript.Mac(CipherAlgorithm.TripleDes, integrity, vector.Hex("header"), 0x001C, arqc, [], length: 8));
    }

    [Fact]
    public void A_field_of_another_length_is_not_well_formed_and_writes_nothing()
    {
        var input = Purchase([3, 0xA0, 0, 0]) with { UnpredictableNumber = new byte[3] };

        Assert.False(input.IsWellFormed(CryptogramVersion.Full));
        Assert.False(input.IsWellFormed(CryptogramVersion.Reduced));
        Assert.False((Purchase([3, 0xA0, 0, 0]) with { CardVerificationResults = new byte[3] }).IsWellFormed(CryptogramVersion.Reduced));
        Assert.False(Purchase([3, 0xA0, 0, 0]).IsWellFormed((CryptogramVersion)0x10));
        Assert.Throws<ArgumentException>(() => input.Bytes(CryptogramVersion.Full));
    }

    internal static CryptogramInput Purchase(byte[] cvr) => new(
        Convert.FromHexString("000000001234"),
        new byte[6],
        new byte[] { 0x01, 0x56 },
        new byte[5],
        new byte[] { 0x01, 0x56 },
        new byte[] { 0x26, 0x11, 0x22 },
        0x00,
        Convert.FromHexString("A1B2C3D4"),
        new byte[] { 0x7C, 0x00 },
        1,
        cvr);

    private static byte[] Session(CipherAlgorithm algorithm, string master) =>
        Cryptogram.DeriveSessionKey(algorithm, Cryptogram.DeriveCardKey(algorithm, Convert.FromHexString(master), Repository.VectorNumber, "01"), 1);

    private static void Check(VectorLine vector, string name, byte[] actual)
    {
        if (vector.Has(name))
        {
            Assert.Equal(vector[name], Convert.ToHexString(actual));
        }
    }

    private static void CheckValue(VectorLine vector, string name, byte[] key)
    {
        if (vector.Has(name))
        {
            var algorithm = vector.Has("algorithm") ? vector.Algorithm : CipherAlgorithm.TripleDes;
            Assert.Equal(vector[name], Convert.ToHexString(Cipher.KeyCheckValue(algorithm, key, vector[name].Length / 2)));
        }
    }
}
