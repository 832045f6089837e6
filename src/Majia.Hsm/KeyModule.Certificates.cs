using Majia.Core.Cryptography;

namespace Majia.Hsm;

/// <summary>Card certificates and transit cards: private keys that sign for an authority or a bank, and the purse's master keys.</summary>
public sealed partial class KeyModule
{
    /// <summary>A fresh RSA certification key with exponent 3, its modulus of exactly <paramref name="bits"/> (a multiple of 16, at most 1984).</summary>
    public KeyInfo GenerateRsa(string name, int bits, bool test)
    {
        if (bits is < 512 or > 1984 || bits % 16 != 0)
        {
            throw new KeyModuleException($"key {name} of {party}: an RSA key for cards has 512 to 1984 bits, in steps of 16");
        }

        return Put(name, KeyUsage.CertificationRsa, CipherAlgorithm.Aes, CardRsaPrivate.Generate(bits, entropy).Primes(), test, replace: false);
    }

    /// <summary>The public half of an RSA certification key.</summary>
    public CardRsaPublic RsaPublic(string name) => Rsa(name).Public;

    /// <summary>Modulus length in bytes: what a block to be signed has.</summary>
    public int RsaLength(string name) => Rsa(name).Length;

    /// <summary>The private operation on a certificate's block (<see cref="Majia.Core.Emv.OfflineCertificates"/>).</summary>
    public byte[] CertifyRsa(string name, ReadOnlySpan<byte> block)
    {
        var key = Rsa(name);

        // Certificates and nothing else: header 6A, format 02 or 04, trailer BC. A dynamic signature is a chip's own.
        return block.Length == key.Length && block[0] == 0x6A && block[1] is 0x02 or 0x04 && block[^1] == 0xBC
            ? key.Sign(block)
            : throw new KeyModuleException($"key {name} of {party}: signs card certificates only");
    }

    /// <summary>X ‖ Y of an SM2 certification key.</summary>
    public byte[] Sm2Public(string name) => Sm2.PublicOf(Find(name, KeyUsage.CertificationSm2).Value);

    /// <summary>r ‖ s over a certificate's body: it begins with 12 or 14.</summary>
    public byte[] CertifySm2(string name, ReadOnlySpan<byte> body) => !body.IsEmpty && body[0] is 0x12 or 0x14
        ? Sm2.Sign(Find(name, KeyUsage.CertificationSm2).Value, body, entropy)
        : throw new KeyModuleException($"key {name} of {party}: signs card certificates only");

    // ---- transit ----

    /// <summary>Checks what a transit card says of itself before a top-up, and grants it; null when its MAC is wrong (<see cref="TransitPurse"/>).</summary>
    /// <param name="when">Date (4) and time (3), BCD.</param>
    public byte[]? GrantLoad(string loadMaster, ReadOnlySpan<byte> number, uint balance, uint amount, ushort count, ReadOnlySpan<byte> random, ReadOnlySpan<byte> terminal, ReadOnlySpan<byte> when, ReadOnlySpan<byte> request)
    {
        var key = TransitPurse.SessionKey(TransitKey(loadMaster, KeyUsage.TransitLoad, number), random, count, 0x8000);
        return System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(TransitPurse.Mac(key, TransitPurse.LoadRequest(balance, amount, terminal)), request)
            ? TransitPurse.Mac(key, TransitPurse.LoadGrant(amount, terminal, when))
            : null;
    }

    /// <summary>A gate's MAC1 for a debit with journey, and the MAC2 that the card must answer.</summary>
    public (byte[] Request, byte[] Answer) DebitMacs(string purchaseMaster, ReadOnlySpan<byte> number, uint amount, ushort count, ReadOnlySpan<byte> random, ReadOnlySpan<byte> terminal, uint terminalCount, ReadOnlySpan<byte> when, ReadOnlySpan<byte> journey)
    {
        var key = TransitPurse.SessionKey(TransitKey(purchaseMaster, KeyUsage.TransitPurchase, number), random, count, (ushort)(terminalCount & 0xFFFF));
        byte[] value = [(byte)(amount >> 24), (byte)((amount >> 16) & 0xFF), (byte)((amount >> 8) & 0xFF), (byte)(amount & 0xFF)];
        return (TransitPurse.Mac(key, TransitPurse.DebitRequest(amount, terminal, when, journey)), TransitPurse.Mac(key, value));
    }

    /// <summary>Whether a debit's TAC is the card's. Constant time.</summary>
    public bool VerifyDebitCode(string codeMaster, ReadOnlySpan<byte> number, ushort count, uint amount, ReadOnlySpan<byte> terminal, uint terminalCount, ReadOnlySpan<byte> when, ReadOnlySpan<byte> code) =>
        System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(TransitPurse.DebitCode(TransitKey(codeMaster, KeyUsage.TransitCode, number), count, amount, terminal, terminalCount, when), code);

    /// <summary>Whether a top-up's TAC is the card's. Constant time.</summary>
    public bool VerifyLoadCode(string codeMaster, ReadOnlySpan<byte> number, uint balance, ushort count, uint amount, ReadOnlySpan<byte> terminal, ReadOnlySpan<byte> when, ReadOnlySpan<byte> code) =>
        System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(TransitPurse.LoadCode(TransitKey(codeMaster, KeyUsage.TransitCode, number), balance, count, amount, terminal, when), code);

    /// <summary>Purchase, load and TAC key of one transit card (3 × 16 bytes) and the first 3 bytes of their check values. The caller wipes the keys.</summary>
    internal (byte[] Keys, byte[] CheckValues) DeriveTransitKeys(string purchaseMaster, string loadMaster, string codeMaster, ReadOnlySpan<byte> number)
    {
        byte[] keys = [.. TransitKey(purchaseMaster, KeyUsage.TransitPurchase, number), .. TransitKey(loadMaster, KeyUsage.TransitLoad, number), .. TransitKey(codeMaster, KeyUsage.TransitCode, number)];
        var checks = new byte[9];
        for (var i = 0; i < 3; i++)
        {
            Cipher.KeyCheckValue(CipherAlgorithm.Sm4, keys.AsSpan(16 * i, 16), 3).CopyTo(checks, 3 * i);
        }

        return (keys, checks);
    }

    private byte[] TransitKey(string master, KeyUsage usage, ReadOnlySpan<byte> number) => TransitPurse.CardKey(Find(master, usage).Value, number);

    private CardRsaPrivate Rsa(string name) => CardRsaPrivate.FromPrimes(Find(name, KeyUsage.CertificationRsa).Value)!;
}
