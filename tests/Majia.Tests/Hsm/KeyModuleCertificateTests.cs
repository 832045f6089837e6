using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Hsm;

namespace Majia.Tests.Hsm;

/// <summary>Keys that vouch for cards: at rest, in use, and in nothing else.</summary>
public sealed class KeyModuleCertificateTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("majia-ca-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void An_RSA_key_comes_back_from_disk_and_certifies_as_before()
    {
        var module = KeyModule.Open(folder, "network", new SeededEntropy(1));
        var info = module.GenerateRsa("ca", 1152, test: true);
        var block = OfflineCertificates.Issuer(module.RsaLength("ca"), [0x62, 0x99, 0x01, 0xFF], [0x12, 0x35], [0, 0, 1], new byte[64], [0x03]).Block;
        var again = KeyModule.Open(folder, "network", new SeededEntropy(2));
        Assert.True(again.TryInfo("ca", out var read));
        Assert.Equal(info, read);
        Assert.Equal(144, again.RsaPublic("ca").Length);
        Assert.Equal(module.CertifyRsa("ca", block), again.CertifyRsa("ca", block));
        Assert.Equal(block, again.RsaPublic("ca").Recover(again.CertifyRsa("ca", block)));
    }

    [Fact]
    public void It_signs_certificates_and_nothing_else()
    {
        var module = KeyModule.InMemory("network", new SeededEntropy(3));
        module.GenerateRsa("ca", 1024, test: true);
        module.Generate("sm2", KeyUsage.CertificationSm2, CipherAlgorithm.Aes, test: true);
        Assert.Throws<KeyModuleException>(() => module.CertifyRsa("ca", OfflineCertificates.Dynamic(128, [2, 0, 1], [])));
        Assert.Throws<KeyModuleException>(() => module.CertifyRsa("ca", new byte[127]));
        Assert.Throws<KeyModuleException>(() => module.CertifySm2("sm2", [0x15, 0x03]));
        Assert.Throws<KeyModuleException>(() => module.GenerateRsa("odd", 1025, test: true));
        Assert.Throws<KeyModuleException>(() => module.Generate("ca2", KeyUsage.CertificationRsa, CipherAlgorithm.Aes, test: true));
        byte[] body = [0x12, 1, 2, 3];
        Assert.True(Sm2.Verify(module.Sm2Public("sm2"), body, module.CertifySm2("sm2", body)));
    }

    /// <summary>GM/T 0003.2 example: the point of the private key, and its signature over "message digest".</summary>
    [Fact]
    public void SM2_is_the_standards()
    {
        var point = Convert.FromHexString("09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13");
        Assert.Equal(point, Sm2.PublicOf(Convert.FromHexString("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")));
        var signature = Convert.FromHexString("F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA");
        Assert.True(Sm2.Verify(point, "message digest"u8, signature));
        for (var bit = 0; bit < 512; bit += 7)
        {
            var bad = signature.ToArray();
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(Sm2.Verify(point, "message digest"u8, bad));
        }

        Assert.False(Sm2.Verify(new byte[64], "message digest"u8, signature)); // no point of the curve
        Assert.False(Sm2.IsPrivate(new byte[32]));
        Assert.Null(CardRsaPrivate.FromPrimes(new byte[64]));
    }
}
