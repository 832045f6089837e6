using System.Globalization;
using System.Text;
using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Hsm;
using Majia.Issuer;
using Majia.Network;
using Majia.Storage;
using Majia.TokenService;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.Host.Load;

/// <summary>The parties of an authorisation, composed as in <see cref="MajiaSystem"/>, with as many device cards and terminals as a plan says: for measuring, and for crash tests under load.</summary>
/// <remarks>Cards are put into vault and bank as enrolment would leave them; everything that a payment goes through is the product's own code and the product's own store.</remarks>
public sealed class LoadWorld : IAsyncDisposable
{
    private static readonly PartySchema[] Schemas = [IssuerParty.Schema, TokenServiceParty.Schema, NetworkParty.Schema, AcquirerParty.Schema];

    private readonly IAsyncDisposable database;

    private LoadWorld(LoadPlan plan, Store store, IAsyncDisposable database, KeyModule acquirerKeys, AcquirerParty acquirer, NetworkParty network)
    {
        (Plan, Store, this.database, AcquirerKeys, Acquirer, Network) = (plan, store, database, acquirerKeys, acquirer, network);
    }

    public LoadPlan Plan { get; }

    public Store Store { get; }

    /// <summary>For the line's own answers when it is full.</summary>
    public KeyModule AcquirerKeys { get; }

    public AcquirerParty Acquirer { get; }

    public NetworkParty Network { get; }

    /// <summary>Opens the database, new or with what an earlier world of the same plan left in it.</summary>
    /// <param name="path">Of the database file.</param>
    public static Task<LoadWorld> OpenAsync(LoadPlan plan, string path, TimeProvider time, ITrace trace, GroupCommit? commit = null)
    {
        var store = SqliteStore.Open(path, Schemas, time, commit);
        return OpenAsync(plan, store, store, _ => store, time, trace);
    }

    /// <summary>On a PostgreSQL, each party with its own schema and role.</summary>
    public static Task<LoadWorld> OpenOnPostgresAsync(LoadPlan plan, string connectionString, TimeProvider time, ITrace trace, PostgresOptions? options = null)
    {
        var database = PostgresDatabase.Open(connectionString, Schemas, time, options);
        return OpenAsync(plan, database.Whole, database, schema => database[schema.Party], time, trace);
    }

    private static async Task<LoadWorld> OpenAsync(LoadPlan plan, Store whole, IAsyncDisposable database, Func<PartySchema, Store> of, TimeProvider time, ITrace trace)
    {
        var entropy = new SystemEntropy();
        KeyModule acquirerKeys = KeyModule.InMemory("acquirer", entropy), networkKeys = KeyModule.InMemory("network", entropy), vaultKeys = KeyModule.InMemory("token-service", entropy);
        const string Self = MajiaSystem.AcquirerInstitution;
        Share(networkKeys, $"zak.{Self}", acquirerKeys, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        Share(networkKeys, $"zpk.{Self}", acquirerKeys, "zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes);
        Share(networkKeys, "zak.token-service", vaultKeys, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        plan.Keys.Form(networkKeys, "bind.token-service", "bind.token-service", KeyUsage.TokenBindingCheck, CipherAlgorithm.Aes);
        plan.Keys.Form(vaultKeys, "bind.network", "bind.token-service", KeyUsage.TokenBinding, CipherAlgorithm.Aes);
        Own(acquirerKeys, "acquirer/card.number", "card.number", KeyUsage.DataEncryption);
        Own(networkKeys, "network/card.number", "card.number", KeyUsage.DataEncryption);
        Own(vaultKeys, "vault.pan", "vault.pan", KeyUsage.DataEncryption);
        Own(vaultKeys, "vault.index", "vault.index", KeyUsage.KeyedHash);
        plan.Keys.Form(vaultKeys, LoadPlan.CryptogramMaster, LoadPlan.CryptogramMaster, KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes);
        var terminals = Enumerable.Range(0, plan.Terminals).Select(LoadPlan.Terminal).ToList();
        foreach (var terminal in terminals)
        {
            plan.Keys.Form(acquirerKeys, LoadPlan.MacKeyOf(terminal), LoadPlan.MacKeyOf(terminal), KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        }

        var issuers = new SortedDictionary<string, IssuerParty>(StringComparer.Ordinal);
        foreach (var bank in SeedData.Banks)
        {
            var keys = KeyModule.InMemory($"issuer-{bank.Institution}", entropy);
            Share(networkKeys, $"zak.{bank.Institution}", keys, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
            Share(networkKeys, $"zpk.{bank.Institution}", keys, "zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes);
            plan.Keys.Form(keys, "pvk", $"{bank.Institution}/pvk", KeyUsage.PinVerification, CipherAlgorithm.TripleDes);
            Own(keys, $"{bank.Institution}/card.pan", "card.pan", KeyUsage.DataEncryption);
            Own(keys, $"{bank.Institution}/card.index", "card.index", KeyUsage.KeyedHash);
            foreach (var part in Customers(plan, bank))
            {
                await IssuerSeed.ApplyAsync(part, of(IssuerParty.Schema), keys, time);
            }

            issuers.Add(bank.Institution, new IssuerParty(bank.Options, of(IssuerParty.Schema), keys, time, entropy, trace));
        }

        await EnrolAsync(plan, of(TokenServiceParty.Schema), vaultKeys, time);
        var inner = new LinkFaults();
        var vault = new TokenServiceParty(new TokenServiceOptions(), of(TokenServiceParty.Schema), vaultKeys, new Dictionary<string, IJsonLink>(), time, entropy, trace);
        var network = new NetworkParty(
            new NetworkOptions(), of(NetworkParty.Schema), networkKeys, new InMemoryIsoLink(vault, inner), issuers.ToDictionary(bank => bank.Key, bank => (IIsoLink)new InMemoryIsoLink(bank.Value, inner)), time, entropy, trace);
        var acquirer = new AcquirerParty(new AcquirerOptions(), of(AcquirerParty.Schema), acquirerKeys, new InMemoryIsoLink(network, inner), time, entropy, trace);
        await acquirer.SeedAsync(new AcquirerSeed([new Merchant(LoadPlan.Merchant, new("Morning Light Books", "晨光书店"), LoadPlan.CategoryCode, terminals)]));
        return new LoadWorld(plan, whole, database, acquirerKeys, acquirer, network);

        void Own(KeyModule module, string shared, string name, KeyUsage usage) => plan.Keys.Form(module, name, shared, usage, CipherAlgorithm.Aes);

        void Share(KeyModule one, string nameInOne, KeyModule other, string nameInOther, KeyUsage usage, CipherAlgorithm algorithm)
        {
            plan.Keys.Form(one, nameInOne, nameInOne, usage, algorithm);
            plan.Keys.Form(other, nameInOther, nameInOne, usage, algorithm);
        }
    }

    /// <summary>Sums of the books over all banks: 0 when nothing was lost or made (one currency).</summary>
    public long BooksSum() => Store.Read(session => session.Number("SELECT SUM(amount) FROM issuer_ledger") ?? 0);

    /// <summary>Approved sales in the books.</summary>
    public long Sales() => Store.Read(session => session.Number("SELECT COUNT(*) FROM issuer_ledger WHERE kind = 'Sale' AND amount < 0") ?? 0);

    public ValueTask DisposeAsync() => database.DisposeAsync();

    /// <summary>One customer of each bank, who has all its cards; the hot cards share one account. In parts, so that a million cards are neither one unit nor in memory at once.</summary>
    private static IEnumerable<SeedBank> Customers(LoadPlan plan, SeedBank bank)
    {
        const string Customer = "load", Hot = "hot";
        const long Balance = 1_000_000_000_00;
        const int Part = 50_000;
        var version = 0;
        foreach (var cards in Enumerable.Range(0, plan.AllCards).Where(card => plan.Bank(card) == bank.Institution).Chunk(Part))
        {
            var accounts = cards.Where(card => !plan.IsHot(card)).Select(card => new SeedAccount(Account(card), Customer, CardKind.Debit, Balance)).ToList();
            if (Array.Exists(cards, plan.IsHot))
            {
                accounts.Add(new SeedAccount(Hot, Customer, CardKind.Debit, Balance));
            }

            yield return new SeedBank(
                bank.Institution, bank.Name, ++version, [new SeedCustomer(Customer, "负载", "LOAD", "990101190001010000", null, "2099-12-31")], accounts,
                [.. cards.Select(card => new SeedCard(
                    Account(card), plan.IsHot(card) ? Hot : Account(card), Customer, plan.Pan(card).Bin, card, 16, CardKind.Debit, new("load", "负载"), LoadPlan.PanExpiry, PinPolicy: PinPolicy.Never))]);
        }

        static string Account(int card) => card.ToString("D9", CultureInfo.InvariantCulture);
    }

    /// <summary>Rows of the vault as enrolment leaves them.</summary>
    private static async Task EnrolAsync(LoadPlan plan, Store store, KeyModule keys, TimeProvider time)
    {
        const int Batch = 1_000;
        var now = time.GetUtcNow();
        for (var from = 0; from < plan.AllCards; from += Batch)
        {
            var rows = Enumerable.Range(from, Math.Min(Batch, plan.AllCards - from)).Select(card => Enrolled(plan, keys, card, now)).ToList();
            await store.CommitAsync(session =>
            {
                foreach (var (token, account) in rows)
                {
                    if (TokenRow.Find(session, token.Index) is null)
                    {
                        account.Upsert(session);
                        token.TryInsert(session);
                    }
                }
            });
        }
    }

    private static (TokenRow Token, AccountRow Account) Enrolled(LoadPlan plan, KeyModule keys, int card, DateTimeOffset now)
    {
        var (token, pan) = (plan.Token(card), plan.Pan(card));
        var serial = card.ToString("D9", CultureInfo.InvariantCulture);
        var panIndex = keys.Index("vault.index", pan);
        var account = new AccountRow(panIndex, keys.Seal("vault.pan", Encoding.ASCII.GetBytes(pan.Reveal()), "pan:" + Convert.ToHexString(panIndex)), $"UP00MJ00000000000000{serial}", LoadPlan.PanExpiry, LoadPlan.Sequence);
        return (
            new TokenRow(
                keys.Index("vault.index", token), token, $"LOAD{serial}", panIndex, card.ToString("X20", CultureInfo.InvariantCulture), LoadPlan.Requestor, plan.Bank(card), "load", Majia.TokenService.Directory.CardKind.Debit, "0001",
                "A0000003330101010001", LoadPlan.TokenExpiry, LoadPlan.Sequence, PinPolicy.Never, false, "load", TokenStatus.Active, PersonalisationStage.Selectable, 0, now, now, AtcWindow.Empty),
            account);
    }
}
