using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Hsm;
using Majia.Issuer;
using Majia.Issuer.Plastic;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

/// <summary>A bank that makes plastic cards below a test authority, and one card of it in a reader. RSA keys are found once for all tests.</summary>
internal sealed class PlasticBench
{
    private static readonly Lazy<KeyModule> Authority = new(() =>
    {
        var module = KeyModule.InMemory("authority", new SeededEntropy(11, "authority"));
        module.GenerateRsa("ca.rsa", 1984, test: true);
        module.Generate("ca.sm2", KeyUsage.CertificationSm2, CipherAlgorithm.Aes, test: true);
        return module;
    });

    private static readonly Lazy<(KeyModule Module, IssuerCertificate Certificate)> RsaBank = new(() => Bank(sm2: false)), Sm2Bank = new(() => Bank(sm2: true));

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<(bool, int, long, bool, PinPolicy, string, CardKind), Lazy<byte[]>> Made = new();

    /// <summary>What a terminal trusts.</summary>
    public static IReadOnlyList<AuthorityKey> Authorities
    {
        get
        {
            var rsa = Authority.Value.RsaPublic("ca.rsa");
            return
            [
                new(AuthorityKey.UnionPay, AuthorityKey.TestRsaIndex, rsa.Modulus, rsa.Exponent, new DateOnly(2035, 12, 31)),
                new(AuthorityKey.UnionPay, AuthorityKey.TestSm2Index, Authority.Value.Sm2Public("ca.sm2"), [], new DateOnly(2035, 12, 31)),
            ];
        }
    }

    public static readonly Pan Number = Pan.Parse(Numbered("629901000000000009"));

    public PlasticBench(bool sm2 = false, int rsaBits = 1152, long electronicCash = 0, bool contactless = true, PinPolicy policy = PinPolicy.OverLimit, string brands = "UNIONPAY", CardKind kind = CardKind.Debit)
    {
        (Module, Certificate) = (sm2 ? Sm2Bank : RsaBank).Value;
        IsSm2 = sm2;
        Entropy = new SeededEntropy(13, "plastic");
        Memory.Save(Made.GetOrAdd((sm2, rsaBits, electronicCash, contactless, policy, brands, kind), _ => new Lazy<byte[]>(() => Make(rsaBits, electronicCash, contactless, policy, brands, kind))).Value);
        Device = new ChipDevice(Memory, Entropy);
    }

    private byte[] Make(int rsaBits, long electronicCash, bool contactless, PinPolicy policy, string brands, CardKind kind)
    {
        byte[] seid = [0x50, 0x4C, 0, 0, 0, 0, 0, 0, 0, 1];
        var memory = new RamMemory();
        memory.Save(ChipImage.Write(ChipFactory.ManufacturePlastic(seid, Module.ClearKeysForChipFactory(PlasticIssuing.KeySet, seid), contactless, Entropy)));
        using var device = new ChipDevice(memory, Entropy);
        var order = new PlasticOrder(Number, "3012", "01", kind, "LIN XIAOYUN", policy, brands, contactless, electronicCash);
        var issued = new PlasticIssuing(Module, Certificate, Entropy).IssueAsync(device.Contact, seid, order, rsaBits, TestContext.Current.CancellationToken);
        issued.GetAwaiter().GetResult(); // in memory: done when it returns
        return memory.Load()!;
    }

    public RamMemory Memory { get; } = new();

    public SeededEntropy Entropy { get; }

    public ChipDevice Device { get; private set; }

    public KeyModule Module { get; }

    public IssuerCertificate Certificate { get; }

    public bool IsSm2 { get; }

    public ChipState State => ChipImage.TryRead(Memory.Load(), out var state, out var error) ? state : throw new InvalidOperationException(error);

    public static readonly Aid Debit = Aid.Parse("A000000333010101");

    public void Restart()
    {
        Device.PowerOff();
        Device = new ChipDevice(Memory, Entropy);
    }

    public ResponseApdu Send(ChipPort port, string hex) => Parse(Device.Transmit(port, Convert.FromHexString(hex)));

    public ResponseApdu Send(ChipPort port, CommandApdu command) => Parse(Device.Transmit(port, command.ToBytes()));

    public ResponseApdu Select(ChipPort port, Aid aid) => Send(port, CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, aid.Bytes));

    /// <summary>One tap at a qPBOC reader.</summary>
    public ResponseApdu Tap(string ttq = "26000080", string amount = "000000001234", string currency = "0156")
    {
        Device.FieldReset();
        Assert.True(Select(ChipPort.Contactless, Chip.Ppse).Status.IsOk);
        Assert.True(Select(ChipPort.Contactless, Debit).Status.Value is 0x9000 or 0x6283);
        return Send(ChipPort.Contactless, $"80A80000238321{ttq}{amount}0000000000000156{"0000000000"}{currency}26112500A1B2C3D400");
    }

    /// <summary>SELECT and GPO over the contacts.</summary>
    public ResponseApdu Begin()
    {
        var selected = Select(ChipPort.Contact, Debit);
        Assert.True(selected.Status.Value is 0x9000 or 0x6283, selected.Status.ToString());
        return Send(ChipPort.Contact, "80A8000002830000");
    }

    public const string FirstData = "000000001234000000000000015600000000000156261125120000" + "00A1B2C3D4", SecondData = "3030" + FirstData;

    public ResponseApdu Generate(byte kind, string data) => Send(ChipPort.Contact, CommandApdu.Of(0x80, 0xAE, kind, 0x00, Convert.FromHexString(data)));

    /// <summary>Session key of one of the three card keys, as the bank derives it.</summary>
    public static byte[] SessionKey(PaymentProfile profile, char which, ushort atc) =>
        Cryptogram.DeriveSessionKey(profile.Algorithm, (which switch { 'a' => profile.CryptogramKey, 'm' => profile.IntegrityKey, _ => profile.ConfidentialityKey }).Span, atc);

    /// <summary>A script command with the bank's MAC.</summary>
    public CommandApdu Script(byte cla, byte ins, byte p1, byte p2, ReadOnlySpan<byte> data, ushort atc, ReadOnlySpan<byte> cryptogram)
    {
        var key = SessionKey(State.Payments[0].Profile!, 'm', atc);
        return CommandApdu.Of(cla, ins, p1, p2, [.. data, .. IssuerScript.Mac(CipherAlgorithm.TripleDes, key, [cla, ins, p1, p2], atc, cryptogram, data)]);
    }

    /// <summary>Reads what an AFL names and walks the chain: authority, bank, chip. The chip's public key, or a failed assertion.</summary>
    public byte[] ChipKey(ChipPort port, ReadOnlySpan<byte> afl, ReadOnlySpan<byte> aip)
    {
        var all = new List<byte>();
        var covered = new List<byte>();
        for (var at = 0; at < afl.Length; at += 4)
        {
            for (int record = afl[at + 1]; record <= afl[at + 2]; record++)
            {
                var answer = Send(port, CommandApdu.Of(0x00, 0xB2, (byte)record, (byte)(afl[at] | 0x04), []));
                Assert.True(answer.Status.IsOk, $"record {afl[at] >> 3}.{record}: {answer.Status}");
                Assert.True(BerTlv.TryRead(answer.Data.Span, out var template, out var body, out _, out _) && template == 0x70);
                all.AddRange(body);
                if (record < afl[at + 1] + afl[at + 3])
                {
                    covered.AddRange(body);
                }
            }
        }

        byte[] data = [.. all];
        var authority = Authority.Value;
        if (IsSm2)
        {
            Assert.Equal(new byte[] { AuthorityKey.TestSm2Index }, Find(data, 0x8F));
            var issuer = Find(data, 0x90);
            Assert.True(Sm2.Verify(authority.Sm2Public("ca.sm2"), issuer.AsSpan(0, 78), issuer.AsSpan(78)));
            var chip = Find(data, 0x9F46);
            Assert.Equal(148, chip.Length);
            Assert.True(Sm2.Verify(issuer.AsSpan(14, 64), [.. chip.AsSpan(0, 84), .. covered, .. aip], chip.AsSpan(84)));
            return chip[20..84];
        }

        var recovered = authority.RsaPublic("ca.rsa").Recover(Find(data, 0x90))!;
        Assert.True(recovered is [0x6A, 0x02, .., 0xBC]);
        byte[] exponent = Find(data, 0x9F32);
        var bank = new CardRsaPublic([.. recovered.AsSpan(15, recovered[13]).ToArray()], exponent);
        AssertHash(recovered, exponent);
        var inner = bank.Recover(Find(data, 0x9F46))!;
        Assert.True(inner is [0x6A, 0x04, .., 0xBC]);
        var remainder = Find(data, 0x9F48);
        AssertHash(inner, [.. remainder, .. Find(data, 0x9F47), .. covered, .. aip]);
        var room = inner.Length - 42;
        return inner[19] > room ? [.. inner[21..(21 + room)], .. remainder] : inner[21..(21 + inner[19])];
    }

    /// <summary>Whether a dynamic signature holds under the chip's key.</summary>
    public bool Verifies(byte[] chipKey, byte[] signature, byte[] terminalData)
    {
        if (IsSm2)
        {
            var head = signature[..^64];
            return Sm2.Verify(chipKey, [.. head, .. terminalData], signature.AsSpan(head.Length));
        }

        var block = new CardRsaPublic(chipKey, [0x03]).Recover(signature);
#pragma warning disable CA5350
        return block is [0x6A, 0x05, .., 0xBC] && System.Security.Cryptography.SHA1.HashData([.. block[1..^21], .. terminalData]).AsSpan().SequenceEqual(block.AsSpan(block.Length - 21, 20));
#pragma warning restore CA5350
    }

    public static byte[] Find(ReadOnlySpan<byte> data, Tag tag) => BerTlv.TryFind(data, tag, out var value) ? value.ToArray() : [];

    public static byte[] Find(ResponseApdu answer, Tag tag) => Find(answer.Data.Span, tag);

    private static void AssertHash(byte[] block, byte[] outside)
    {
#pragma warning disable CA5350
        Assert.Equal(System.Security.Cryptography.SHA1.HashData([.. block[1..^21], .. outside]), block[^21..^1]);
#pragma warning restore CA5350
    }

    private static (KeyModule, IssuerCertificate) Bank(bool sm2)
    {
        var module = KeyModule.InMemory("bank", new SeededEntropy(12, sm2 ? "bank sm2" : "bank rsa"));
        foreach (var (name, usage) in new[] { (PlasticIssuing.CryptogramMaster, KeyUsage.EmvCryptogram), (PlasticIssuing.IntegrityMaster, KeyUsage.EmvIntegrity), (PlasticIssuing.ConfidentialityMaster, KeyUsage.EmvConfidentiality) })
        {
            module.Generate(name, usage, CipherAlgorithm.TripleDes, test: true);
        }

        foreach (var part in (string[])["enc", "mac", "dek"])
        {
            module.Generate($"{PlasticIssuing.KeySet}.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes, test: true);
        }

        byte[] identifier = [0x62, 0x99, 0x01, 0xFF], expiry = [0x12, 0x35], serial = [0x00, 0x01, 0x00];
        if (sm2)
        {
            module.Generate(PlasticIssuing.Certification, KeyUsage.CertificationSm2, CipherAlgorithm.Aes, test: true);
            var body = OfflineCertificates.IssuerSm2(identifier, expiry, serial, module.Sm2Public(PlasticIssuing.Certification));
            return (module, new IssuerCertificate(AuthorityKey.TestSm2Index, [.. body, .. Authority.Value.CertifySm2("ca.sm2", body)], []));
        }

        module.GenerateRsa(PlasticIssuing.Certification, 1408, test: true);
        var key = module.RsaPublic(PlasticIssuing.Certification);
        var (block, remainder) = OfflineCertificates.Issuer(Authority.Value.RsaLength("ca.rsa"), identifier, expiry, serial, key.Modulus, key.Exponent);
        return (module, new IssuerCertificate(AuthorityKey.TestRsaIndex, Authority.Value.CertifyRsa("ca.rsa", block), remainder));
    }

    private static string Numbered(string payload) => payload + Luhn.CheckDigit(payload);

    private static ResponseApdu Parse(byte[] bytes) => ResponseApdu.TryParse(bytes, out var response, out var error) ? response : throw new InvalidOperationException(error.ToString());
}
