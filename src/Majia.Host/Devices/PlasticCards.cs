using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Host.Composition;
using Majia.Host.Keys;
using Majia.Host.Seed;
using Majia.Hsm;
using Majia.Issuer;
using Majia.Issuer.Plastic;
using Majia.Phone;
using Majia.SecureElement;

namespace Majia.Host.Devices;

/// <summary>The customers' plastic: each card is made by its bank when it is first taken out of the drawer, and lives in a memory file of its own like any chip.</summary>
/// <remarks>
/// The test authority (RSA index F1 of 1984 bits, SM2 index F2) is a key of the network's module, a bank's certification key is in the bank's. RSA keys take a moment to find,
/// so authority, banks and cards come into being when the first plastic or the first terminal asks, not with the data folder.
/// </remarks>
public sealed class PlasticCards : IDisposable
{
    private const string RsaAuthority = "ca.rsa", Sm2Authority = "ca.sm2";

    private const int AuthorityBits = 1984, IssuerBits = 1408;

    private static readonly DateOnly AuthorityExpires = new(2035, 12, 31);

    /// <summary>MMYY of a bank's certificate, as on the wire.</summary>
    private static readonly byte[] IssuerExpires = [0x12, 0x35];

    private readonly string chips, keyFolder;
    private readonly Func<string, KeyModule> keys;
    private readonly Entropy entropy;
    private readonly SemaphoreSlim gate = new(1, 1);
    private readonly SortedDictionary<string, ChipDevice> open = new(StringComparer.Ordinal);
    private IReadOnlyList<AuthorityKey>? authorities;

    /// <param name="keys">The key module of a party: <c>network</c>, <c>issuer-63990100</c>.</param>
    public PlasticCards(string chips, string keyFolder, Func<string, KeyModule> keys, Entropy entropy)
    {
        this.chips = chips;
        this.keyFolder = keyFolder;
        this.keys = keys;
        this.entropy = entropy;
    }

    internal static string MemoryOf(string chips, string id) => Path.Combine(chips, $"plastic-{id}.chip");

    internal static string KeyOf(string keys, string id) => Path.Combine(keys, $"chip-plastic-{id}.key");

    /// <summary>How a bank certifies its chips: in SM2, or in RSA with chip keys of so many bits.</summary>
    public static (bool Sm2, int RsaBits) Scheme(string institution) => institution switch
    {
        "63990200" => (true, 0),
        "63990300" => (false, 1024), // the tap's signature fits into the GPO answer
        _ => (false, 1152), // it stands in a record
    };

    /// <summary>The authority's public keys, as data for terminals; none where the network that has them runs in another process.</summary>
    public async Task<IReadOnlyList<AuthorityKey>> AuthoritiesAsync()
    {
        await gate.WaitAsync();
        try
        {
            return Authorities();
        }
        catch (PartyElsewhereException)
        {
            return []; // such a terminal takes no card's own approval
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>The card in a contactless field, activated: at a phone's back or over a terminal. Null when nothing answers: it has no antenna, or no chip at all.</summary>
    /// <param name="id">As in <see cref="SeedData"/>.</param>
    public async Task<ICardChannel?> InFieldAsync(string id)
    {
        if (!SeedData.Card(id).Contactless)
        {
            return null;
        }

        var chip = await OpenAsync(id);
        chip.FieldReset();
        return chip.Contactless;
    }

    /// <summary>Lays the card on the phone's back, and the phone reads it (R5).</summary>
    public async Task<PlasticReading> ReadAtBackAsync(PhoneDevice phone, string id)
    {
        try
        {
            return await phone.ReadPlasticAsync(await InFieldAsync(id));
        }
        catch (PartyElsewhereException)
        {
            return new PlasticReading(null, new Refusal("NO_PLASTIC_HERE", new Text("This card has not been made yet, and its bank runs in another process: type its number.", "这张卡尚未制作，其发卡行在另一进程中运行，请手动输入卡号。")));
        }
    }

    /// <summary>The card's contacts in a reader's slot, reset. Null: only a stripe.</summary>
    public async Task<ICardChannel?> InSlotAsync(string id)
    {
        if (!SeedData.Card(id).HasChip)
        {
            return null;
        }

        var chip = await OpenAsync(id);
        chip.PowerOff();
        chip.PowerOn();
        return chip.Contact;
    }

    /// <summary>The chip of a seeded plastic card, powered; made by its bank the first time.</summary>
    /// <param name="id">As in <see cref="SeedData"/>.</param>
    /// <exception cref="InvalidOperationException">It has a magnetic stripe and no chip.</exception>
    public async Task<ChipDevice> OpenAsync(string id)
    {
        if (!SeedData.Card(id).HasChip)
        {
            throw new InvalidOperationException($"card {id} has a magnetic stripe and no chip");
        }

        await gate.WaitAsync();
        try
        {
            if (open.TryGetValue(id, out var known))
            {
                known.PowerOn();
                return known;
            }

            var card = SeedData.Card(id);
            var bank = SeedData.Banks.FirstOrDefault(bank => bank.Cards.Any(other => other.Id == id));

            // A card of no bank here (VISA alone) is made with the first bank's tools: only its brand matters.
            var institution = (bank ?? SeedData.Banks[0]).Institution;
            var memory = new ChipMemoryFile(MemoryOf(chips, id), KeyOf(keyFolder, id), entropy);
            try
            {
                if (memory.Load() is null)
                {
                    await MakeAsync(memory, institution, WithPin(Order(card, bank is null ? "CARDHOLDER TEST" : SeedData.CustomerOf(card).Pinyin), card, keys($"issuer-{institution}")));
                }

                var device = new ChipDevice(memory, entropy);
                open.Add(id, device);
                return device;
            }
            catch
            {
                memory.Dispose();
                throw;
            }
        }
        finally
        {
            gate.Release();
        }
    }

    public void Dispose()
    {
        foreach (var device in open.Values)
        {
            device.Dispose();
        }

        gate.Dispose();
    }

    private static PlasticOrder Order(SeedCard card, string holder) => new(card.Pan, card.Expiry, card.SequenceNumber, card.Kind, holder, card.PinPolicy, card.Brands, card.Contactless, card.ElectronicCash);

    /// <summary>A bank's plastic gets the PIN that the bank's books have.</summary>
    private static PlasticOrder WithPin(PlasticOrder order, SeedCard card, KeyModule bank) =>
        card.OfflinePin ? order with { OfflinePin = bank.PinOffset(PlasticIssuing.PinVerification, card.Pan, card.Pin) } : order;

    /// <summary>Made in memory and written when it is whole: a crash in between leaves no card.</summary>
    private async Task MakeAsync(ChipMemoryFile memory, string institution, PlasticOrder order)
    {
        var module = keys($"issuer-{institution}");
        var (isSm2, rsaBits) = Scheme(institution);
        Prepare(module, isSm2);
        var seid = entropy.Bytes(ChipState.SeidLength);
        var blank = new MemoryOnly(ChipImage.Write(ChipFactory.ManufacturePlastic(seid, module.ClearKeysForChipFactory(PlasticIssuing.KeySet, seid), order.Contactless, entropy)));
        var device = new ChipDevice(blank, entropy);
        await new PlasticIssuing(module, Certify(module, institution, isSm2), entropy).IssueAsync(device.Contact, seid, order, rsaBits);
        device.PowerOff();
        memory.Save(blank.Load());
    }

    private IReadOnlyList<AuthorityKey> Authorities()
    {
        if (authorities is not null)
        {
            return authorities;
        }

        var network = keys("network");
        if (!network.TryInfo(RsaAuthority, out _))
        {
            network.GenerateRsa(RsaAuthority, AuthorityBits, test: true);
        }

        KeyCeremony.Own(network, Sm2Authority, KeyUsage.CertificationSm2, CipherAlgorithm.Aes);
        var rsa = network.RsaPublic(RsaAuthority);
        return authorities =
        [
            new(AuthorityKey.UnionPay, AuthorityKey.TestRsaIndex, rsa.Modulus, rsa.Exponent, AuthorityExpires),
            new(AuthorityKey.UnionPay, AuthorityKey.TestSm2Index, network.Sm2Public(Sm2Authority), [], AuthorityExpires),
        ];
    }

    /// <summary>What a bank needs to make plastic, in its own module.</summary>
    private static void Prepare(KeyModule module, bool isSm2)
    {
        foreach (var (name, usage) in new[] { (PlasticIssuing.CryptogramMaster, KeyUsage.EmvCryptogram), (PlasticIssuing.IntegrityMaster, KeyUsage.EmvIntegrity), (PlasticIssuing.ConfidentialityMaster, KeyUsage.EmvConfidentiality) })
        {
            KeyCeremony.Own(module, name, usage, CipherAlgorithm.TripleDes);
        }

        foreach (var part in (string[])["enc", "mac", "dek"])
        {
            KeyCeremony.Own(module, $"{PlasticIssuing.KeySet}.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes);
        }

        if (isSm2)
        {
            KeyCeremony.Own(module, PlasticIssuing.Certification, KeyUsage.CertificationSm2, CipherAlgorithm.Aes);
        }
        else if (!module.TryInfo(PlasticIssuing.Certification, out _))
        {
            module.GenerateRsa(PlasticIssuing.Certification, IssuerBits, test: true);
        }
    }

    /// <summary>The authority vouches for the bank's key.</summary>
    private IssuerCertificate Certify(KeyModule module, string institution, bool isSm2)
    {
        Authorities();
        var network = keys("network");
        var identifier = Convert.FromHexString(SeedData.Bank(institution).Cards[0].Bin.PadRight(8, 'F'));
        byte[] serial = [0x00, .. Convert.FromHexString(institution[4..])];
        if (isSm2)
        {
            var body = OfflineCertificates.IssuerSm2(identifier, IssuerExpires, serial, module.Sm2Public(PlasticIssuing.Certification));
            return new IssuerCertificate(AuthorityKey.TestSm2Index, [.. body, .. network.CertifySm2(Sm2Authority, body)], []);
        }

        var bank = module.RsaPublic(PlasticIssuing.Certification);
        var (block, remainder) = OfflineCertificates.Issuer(network.RsaLength(RsaAuthority), identifier, IssuerExpires, serial, bank.Modulus, bank.Exponent);
        return new IssuerCertificate(AuthorityKey.TestRsaIndex, network.CertifyRsa(RsaAuthority, block), remainder);
    }

    private sealed class MemoryOnly(byte[] image) : IChipMemory
    {
        private byte[] image = image;

        public byte[] Load() => image;

        public void Save(ReadOnlySpan<byte> next) => image = next.ToArray();
    }
}
