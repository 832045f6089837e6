using Majia.Core.Cryptography;
using Majia.Host.Composition;
using Majia.Host.Seed;
using Majia.Hsm;
using Majia.TokenService.Vault;
using Majia.Transit;
using Majia.Wallet;

namespace Majia.Host.Keys;

/// <summary>The key table of docs/protocols/keys.md as data: who shares what with whom, and who has what alone.</summary>
/// <remarks>In one process the ceremony fills it at the start. Parties apart have the keys already, by the ceremony of <c>majia keys</c> or by import, and are told which are missing.</remarks>
public static class KeyTable
{
    public const string AcquirerInstitution = "63990900";

    public const string Acquirer = "acquirer", Network = "network", TokenService = "token-service", SeIssuer = "se-issuer", Transit = "transit", Gate = "gate";

    /// <param name="One">Its module makes the key.</param>
    private sealed record SharedKey(string One, string NameInOne, string Other, string NameInOther, KeyUsage Usage, CipherAlgorithm Algorithm);

    private sealed record OwnKey(string Module, string Name, KeyUsage Usage, CipherAlgorithm Algorithm);

    public static string Issuer(string institution) => $"issuer-{institution}";

    public static string Terminal(string terminal) => $"terminal-{terminal}";

    /// <summary>The key modules of the parties that play <paramref name="roles"/>.</summary>
    /// <param name="institutions">The banks that are here, where the issuer's role is.</param>
    public static IReadOnlyList<string> Modules(IReadOnlySet<Role> roles, IReadOnlyList<string> institutions) =>
    [
        .. roles.Contains(Role.Acquirer) ? [Acquirer] : (string[])[],
        .. roles.Contains(Role.Network) ? [Network] : (string[])[],
        .. roles.Contains(Role.Token) ? [TokenService] : (string[])[],
        .. roles.Contains(Role.Wallet) ? [SeIssuer] : (string[])[],
        .. roles.Contains(Role.Transit) ? [Transit] : (string[])[],
        .. roles.Contains(Role.Issuer) ? institutions.Select(Issuer) : [],
        .. roles.Contains(Role.Terminal) ? [.. SeedData.Merchants.Select(merchant => Terminal(merchant.Terminal)), Gate] : (string[])[],
    ];

    /// <summary>Makes what is not there yet. All modules of the table must be given.</summary>
    public static void Fill(IReadOnlyDictionary<string, KeyModule> modules, KeyCeremony ceremony)
    {
        var sittings = modules.Values.Select(static module => module.Ceremony()).ToList(); // one write a module, not one a key
        try
        {
            FillEach(modules, ceremony);
        }
        finally
        {
            sittings.ForEach(static sitting => sitting.Dispose());
        }
    }

    private static void FillEach(IReadOnlyDictionary<string, KeyModule> modules, KeyCeremony ceremony)
    {
        foreach (var key in Shared())
        {
            ceremony.Share(modules[key.One], key.NameInOne, modules[key.Other], key.NameInOther, key.Usage, key.Algorithm);
        }

        foreach (var (one, nameInOne, other, nameInOther) in Transports)
        {
            ceremony.ShareTransportKey(modules[one], nameInOne, modules[other], nameInOther);
        }

        foreach (var key in Own())
        {
            KeyCeremony.Own(modules[key.Module], key.Name, key.Usage, key.Algorithm);
        }

        foreach (var merchant in SeedData.Merchants)
        {
            ceremony.LoadTerminal(modules[Acquirer], modules[Terminal(merchant.Terminal)], merchant.Terminal);
        }
    }

    /// <summary>What the modules of this process lack, as <c>module: key</c>; empty is good.</summary>
    public static IReadOnlyList<string> Missing(IReadOnlyDictionary<string, KeyModule> modules)
    {
        IEnumerable<(string Module, string Key)> wanted =
        [
            .. Shared().SelectMany(key => ((string, string)[])[(key.One, key.NameInOne), (key.Other, key.NameInOther)]),
            .. Transports.SelectMany(key => ((string, string)[])[(key.One, key.NameInOne), (key.Other, key.NameInOther)]),
            .. Own().Select(key => (key.Module, key.Name)),
            .. SeedData.Merchants.SelectMany(merchant => ((string, string)[])
            [
                (Acquirer, $"tmk.{merchant.Terminal}"), (Acquirer, $"pik.{merchant.Terminal}"), (Acquirer, $"mak.{merchant.Terminal}"),
                (Terminal(merchant.Terminal), "tmk"), (Terminal(merchant.Terminal), "pik"), (Terminal(merchant.Terminal), "mak"), (Terminal(merchant.Terminal), "journal"),
            ]),
        ];
        return [.. wanted.Where(key => modules.TryGetValue(key.Module, out var module) && !module.TryInfo(key.Key, out _)).Select(key => $"{key.Module}: {key.Key}").Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Under which the SE issuer hands over the initial keys of a new security domain.</summary>
    private static readonly (string One, string NameInOne, string Other, string NameInOther)[] Transports =
    [
        (SeIssuer, SeProvider.TokenService.TransportKey, TokenService, "zmk.se-issuer"),
        (SeIssuer, SeProvider.Transit.TransportKey, Transit, TransitParty.TransportKey),
    ];

    private static IEnumerable<SharedKey> Shared() =>
    [
        new(Network, $"zpk.{AcquirerInstitution}", Acquirer, "zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes),
        new(Network, $"zak.{AcquirerInstitution}", Acquirer, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes),
        new(Network, "zak.token-service", TokenService, "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes),
        new(TokenService, "bind.network", Network, "bind.token-service", KeyUsage.TokenBinding, CipherAlgorithm.Aes),
        new(Transit, TransitParty.PurchaseMaster, Gate, GateReader.PurchaseMaster, KeyUsage.TransitPurchase, CipherAlgorithm.Sm4),
        .. SeedData.Banks.SelectMany(bank => (SharedKey[])
        [
            new(Network, $"zpk.{bank.Institution}", Issuer(bank.Institution), "zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes),
            new(Network, $"zak.{bank.Institution}", Issuer(bank.Institution), "zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes),
        ]),
    ];

    private static IEnumerable<OwnKey> Own() =>
    [
        .. SeedData.Banks.SelectMany(bank => (OwnKey[])
        [
            new(Issuer(bank.Institution), "pvk", KeyUsage.PinVerification, CipherAlgorithm.TripleDes),
            .. Vault(Issuer(bank.Institution), "card"),
        ]),
        new(TokenService, "imk.ac", KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes),
        new(TokenService, "imk.mac", KeyUsage.EmvIntegrity, CipherAlgorithm.TripleDes),
        new(TokenService, "imk.enc", KeyUsage.EmvConfidentiality, CipherAlgorithm.TripleDes),
        .. Vault(TokenService, "vault"),
        new(TokenService, AuditTrail.Key, KeyUsage.KeyedHash, CipherAlgorithm.Aes),
        // What is not a device number is kept sealed where it passes (decisions.md 21).
        new(Acquirer, "card.number", KeyUsage.DataEncryption, CipherAlgorithm.Aes),
        new(Network, "card.number", KeyUsage.DataEncryption, CipherAlgorithm.Aes),
        .. ((string[])["enc", "mac", "dek"]).SelectMany(part => (OwnKey[])
        [
            new(TokenService, $"sd.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes),
            new(SeIssuer, $"isd.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes),
            new(Transit, $"{TransitParty.OwnKeySet}.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes),
        ]),
        new(Transit, TransitParty.LoadMaster, KeyUsage.TransitLoad, CipherAlgorithm.Sm4),
        new(Transit, TransitParty.CodeMaster, KeyUsage.TransitCode, CipherAlgorithm.Sm4),
    ];

    /// <summary>What seals numbers, finds them, and opens what is addressed to the party.</summary>
    private static IEnumerable<OwnKey> Vault(string module, string name) =>
    [
        new(module, $"{name}.pan", KeyUsage.DataEncryption, CipherAlgorithm.Aes),
        new(module, $"{name}.index", KeyUsage.KeyedHash, CipherAlgorithm.Aes),
        new(module, "jwe", KeyUsage.Decryption, CipherAlgorithm.Aes),
    ];
}

/// <summary>A party that runs apart has not all the keys that it shares with others.</summary>
public sealed class KeysMissingException(string folder, IReadOnlyList<string> missing)
    : Exception($"{folder} lacks {missing.Count} keys, {string.Join("; ", missing.Take(3))}{(missing.Count > 3 ? "; …" : string.Empty)}: run 'majia keys ceremony' for a trial, or exchange them with 'majia keys form', 'export' and 'import'");
