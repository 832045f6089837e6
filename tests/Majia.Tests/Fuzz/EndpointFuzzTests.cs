using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Tests.Issuer;
using Majia.Tests.TokenService;

namespace Majia.Tests.Fuzz;

/// <summary>The JSON lines of wallet, token service and issuer. One input: number of the operation, then the body.</summary>
public sealed class EndpointFuzzTests
{
    [Fact]
    public void The_issuer_refuses_any_json_with_a_reason() => Run("issuer JSON", IssuerCorpus, Issuer, 300);

    [Fact]
    public void The_token_service_refuses_any_json_with_a_reason() => Run("token service JSON", TokenCorpus, TokenService, 60);

    [Fact]
    public void The_wallet_refuses_any_json_with_a_reason() => Run("wallet JSON", WalletCorpus, Wallet, 60);

    [Fact]
    public void Encrypted_cards_survive_anything() => Fuzzer.Run("TryDecryptJwe", Jwes(), Jwe, 9000);

    private static void Run(string name, IReadOnlyList<(string Operation, object Request)> calls, Func<Action<byte[]>> open, long renew)
    {
        byte[][] corpus = [.. calls.Select((call, index) => (byte[])[(byte)index, .. JsonSerializer.SerializeToUtf8Bytes(call.Request, call.Request.GetType(), JsonEndpoint.Json)])];
        Fuzzer.Run(name, dice =>
        {
            var one = dice.Of(corpus);
            return [dice.Once(20) ? (byte)dice.Below(corpus.Length) : one[0], .. JsonMutator.Once(dice, one[1..])];
        }, open, corpus, renew, 4 << 20); // a JSON call runs JWE and key derivation of two parties
    }

    private static void Ask(JsonEndpoint endpoint, IReadOnlyList<(string Operation, object Request)> calls, byte[] input, params string[] secrets)
    {
        if (input.Length == 0)
        {
            return;
        }

        var body = input.AsMemory(1);
        var answer = PartyFuzzTests.Done(endpoint.HandleAsync(calls[input[0] % calls.Count].Operation, body, CancellationToken.None));
        using var reply = JsonDocument.Parse(answer);
        var isError = reply.RootElement.TryGetProperty("error", out var error);
        Assert.True(isError != reply.RootElement.TryGetProperty("value", out _), "neither a value nor an error, or both");
        Assert.True(!isError || error.GetProperty("errorCode").GetString() is { Length: > 0 } and not JsonEndpoint.InternalError, "the operation threw");
        var text = Encoding.UTF8.GetString(answer);
        foreach (var secret in secrets)
        {
            Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
        }
    }

    // ---- issuer ----

    private static readonly IReadOnlyList<(string, object)> IssuerCorpus =
    [
        (TokenIssuer.Operations.GetPublicKey, new TokenIssuer.GetPublicKeyRequest()),
        (TokenIssuer.Operations.AuthorizeService, new TokenIssuer.AuthorizeServiceRequest("r1", "tur-9", "99900000001", "@JWE@", "Mi 5", "MANUAL")),
        (TokenIssuer.Operations.AuthorizeService, new TokenIssuer.AuthorizeServiceRequest("r1", "tur-9", "99900000001", "a.b.c.d.e", "Mi 5", "MANUAL")),
        (TokenIssuer.Operations.DeliverActivationCode, new TokenIssuer.DeliverActivationCodeRequest("r2", "tur-1", "SMS")),
        (TokenIssuer.Operations.ValidateActivationCode, new TokenIssuer.ValidateActivationCodeRequest("r3", "tur-1", "@CODE@")),
        (TokenIssuer.Operations.NotifyServiceActivated, new TokenIssuer.NotifyServiceActivatedRequest("r4", "tur-1", "7771", "Mi 5")),
        (TokenIssuer.Operations.NotifyTokenUpdated, new TokenIssuer.NotifyTokenUpdatedRequest("r5", "tur-1", TokenState.Suspended, "LOST")),
    ];

    internal static Action<byte[]> Issuer()
    {
        var bench = PartyFuzzTests.Done(IssuerBench.OpenAsync());
        PartyFuzzTests.Done(bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit)));
        var jwk = bench.Keys.PublicJwk("jwe");
        var card = JsonSerializer.SerializeToUtf8Bytes(IssuerBench.Typed(IssuerBench.Credit), JsonEndpoint.Json);
        return input => Ask(bench.Party.Endpoint, IssuerCorpus, Sealed(input, jwk, card), IssuerBench.Credit.Pan.Reveal(), IssuerBench.Debit.Pan.Reveal());
    }

    /// <summary>In place of @JWE@ and @CODE@ a box for this party, with a card or a code in it that the input's own bytes have spoilt.</summary>
    private static byte[] Sealed(byte[] input, string jwk, byte[] card)
    {
        var text = Encoding.Latin1.GetString(input);
        var dice = Dice.Of(input);
        if (text.Contains("@CODE@", StringComparison.Ordinal))
        {
            var code = """{"code":"246810"}"""u8.ToArray();
            return Encoding.Latin1.GetBytes(text.Replace("@CODE@", Majia.Core.Cryptography.Jwe.Encrypt(jwk, dice.Once(4) ? code : JsonMutator.Once(dice, code)), StringComparison.Ordinal));
        }

        if (!text.Contains("@JWE@", StringComparison.Ordinal))
        {
            return input;
        }

        return Encoding.Latin1.GetBytes(text.Replace("@JWE@", Majia.Core.Cryptography.Jwe.Encrypt(jwk, dice.Once(4) ? card : JsonMutator.Once(dice, card)), StringComparison.Ordinal));
    }

    // ---- token service ----

    private const string Seid = "4D4A0000000000000001";

    private static readonly IReadOnlyList<(string, object)> TokenCorpus =
    [
        (WalletToken.Operations.GetPublicKey, new WalletToken.GetPublicKeyRequest()),
        (WalletToken.Operations.CheckEligibility, new WalletToken.CheckEligibilityRequest("r1", Bench.Trid, Seid, "@JWE@", "MANUAL")),
        (WalletToken.Operations.Digitize, new WalletToken.DigitizeRequest("r2", Bench.Trid, Seid, "receipt", "@JWE@", 0, "Mi 5", "MANUAL")),
        (WalletToken.Operations.Provision, new WalletToken.ProvisionRequest("r3", "@TUR@", [], null)),
        (WalletToken.Operations.Provision, new WalletToken.ProvisionRequest("r3", "@TUR@", ["6F009000", "4D4A0000000000000001020370AABBCCDDEEFF00119000"], null)),
        (WalletToken.Operations.Provision, new WalletToken.ProvisionRequest("r3", "@NEW@", [], new WalletToken.SecurityDomainKeys("D0112P0AE00E0000", "D0112P0AE00E0000", "D0112P0AE00E0000"))),
        (WalletToken.Operations.RequestActivationCode, new WalletToken.RequestActivationCodeRequest("r4", "@NEW@", "sms")),
        (WalletToken.Operations.Activate, new WalletToken.ActivateRequest("r5", "@NEW@", "@CODE@")),
        (WalletToken.Operations.Suspend, new WalletToken.ChangeStateRequest("r6", "@TUR@", "CARDHOLDER", "LOST")),
        (WalletToken.Operations.Unsuspend, new WalletToken.ChangeStateRequest("r7", "@TUR@", "TOKEN_REQUESTOR", "FOUND")),
        (WalletToken.Operations.Delete, new WalletToken.ChangeStateRequest("r8", "@NEW@", "CARDHOLDER", "SOLD")),
        (WalletToken.Operations.GetToken, new WalletToken.GetTokenRequest("@TUR@")),
        (WalletToken.Operations.SearchTokens, new WalletToken.SearchTokensRequest(Seid)),
        (WalletToken.Operations.DeleteDevice, new WalletToken.DeleteDeviceRequest("r9", Seid, 1, "SIGN_OUT")),
    ];

    internal static Action<byte[]> TokenService()
    {
        var bench = new Bench();
        var (tur, _, chip, _) = PartyFuzzTests.Done(bench.EnrolAsync(Bench.Debit()));
        bench.Bank.Decision = IssuerDecision.RequireAdditionalAuthentication;
        var other = PartyFuzzTests.Done(bench.DigitizeAsync(Bench.Debit(2), chip.Seid)).Value!.TokenUniqueReference;
        var jwk = bench.Module.PublicJwk("jwe");
        var card = JsonSerializer.SerializeToUtf8Bytes(Bench.Debit(3), JsonEndpoint.Json);
        var receipt = PartyFuzzTests.Done(bench.CheckAsync(Bench.Debit(3), chip.Seid)).Value!.EligibilityReceipt;
        return input => Ask(bench.Party.EndpointFor("99900000001"), TokenCorpus, Sealed(Named(input, ("@TUR@", tur), ("@NEW@", other), (Seid, chip.Seid), ("\"receipt\"", $"\"{receipt}\"")), jwk, card), Bench.Debit().Pan, Bench.Debit(2).Pan, Bench.Debit(3).Pan);
    }

    private static byte[] Named(byte[] input, params (string Mark, string Text)[] names)
    {
        var text = Encoding.Latin1.GetString(input);
        foreach (var (mark, name) in names)
        {
            text = text.Replace(mark, name, StringComparison.Ordinal);
        }

        return Encoding.Latin1.GetBytes(text);
    }

    // ---- wallet ----

    private static readonly PhoneWallet.Handset Handset = new("Mi 5", "stable", "8.0.6.0", Seid);

    private static readonly IReadOnlyList<(string, object)> WalletCorpus =
    [
        (PhoneWallet.Operations.SignIn, new PhoneWallet.SignInRequest(Bench.Account, Bench.Password, Handset, "@KEY@")),
        (PhoneWallet.Operations.SignIn, new PhoneWallet.SignInRequest(Bench.Account, "wrong", Handset, "@KEY@")),
        (PhoneWallet.Operations.SignOut, new PhoneWallet.SignOutRequest("w3", 1)),
        (PhoneWallet.Operations.SetFindDevice, new PhoneWallet.SetFindDeviceRequest("w4", true, 0)),
        (PhoneWallet.Operations.CheckHandset, new PhoneWallet.CheckHandsetRequest(Handset)),
        (PhoneWallet.Operations.GetEnrolmentKey, new PhoneWallet.GetEnrolmentKeyRequest()),
        (PhoneWallet.Operations.AddCard, new PhoneWallet.AddCardRequest("w5", "@JWE@", "MANUAL", 0, new(true, true, true, true))),
        (PhoneWallet.Operations.ExchangeScript, new PhoneWallet.ExchangeScriptRequest("@CARD@", [])),
        (PhoneWallet.Operations.ExchangeScript, new PhoneWallet.ExchangeScriptRequest("@CARD@", ["6F009000", "9000"])),
        (PhoneWallet.Operations.RequestActivationCode, new PhoneWallet.RequestActivationCodeRequest("w6", "@CARD@", "sms")),
        (PhoneWallet.Operations.Activate, new PhoneWallet.ActivateRequest("w7", "@CARD@", "@CODE@")),
        (PhoneWallet.Operations.ListCards, new PhoneWallet.ListCardsRequest()),
        (PhoneWallet.Operations.DeleteCard, new PhoneWallet.DeleteCardRequest("w8", "@CARD@")),
    ];

    internal static Action<byte[]> Wallet()
    {
        var bench = new Bench();
        PartyFuzzTests.Done(bench.Wallet.AddAccountAsync(Bench.Account, Bench.Password));
        var chip = bench.NewChip();
        var handset = bench.NewHandset();
        var publicKey = Convert.ToBase64String(handset.Key.PublicKey());
        handset.DeviceId = Call<PhoneWallet.SignInRequest, PhoneWallet.SignInReply>(PhoneWallet.Operations.SignIn, new(Bench.Account, Bench.Password, Handset with { Seid = chip.Seid }, publicKey)).DeviceId;
        Call<PhoneWallet.SetFindDeviceRequest, PhoneWallet.Done>(PhoneWallet.Operations.SetFindDevice, new("f", true, 0));
        var added = Call<PhoneWallet.AddCardRequest, PhoneWallet.AddCardReply>(PhoneWallet.Operations.AddCard, new("a", bench.Encrypt(Bench.Debit()), "MANUAL", 0, new(true, true, true, true)));
        var jwk = bench.Module.PublicJwk("jwe");
        var card = JsonSerializer.SerializeToUtf8Bytes(Bench.Debit(3), JsonEndpoint.Json);
        return input => Ask(bench.Wallet.Endpoint, WalletCorpus, Called(handset, Sealed(Named(input, ("@KEY@", publicKey), ("@CARD@", added.CardReference), (Seid, chip.Seid)), jwk, card)), Bench.Debit().Pan, Bench.Debit(3).Pan);

        TReply Call<TRequest, TReply>(string operation, TRequest request)
            where TRequest : notnull
            where TReply : notnull => PartyFuzzTests.Done(handset.CallAsync<TRequest, TReply>(operation, request, CancellationToken.None)).Value!;
    }

    /// <summary>The spoilt request in a handset's call: most with its signature, so that the operation reads them, some with a call that is spoilt itself.</summary>
    private static byte[] Called(HandsetLink handset, byte[] input)
    {
        var operation = input.Length == 0 ? PhoneWallet.Operations.CheckHandset : WalletCorpus[input[0] % WalletCorpus.Count].Item1;
        if (operation is PhoneWallet.Operations.CheckHandset or PhoneWallet.Operations.GetEnrolmentKey)
        {
            return input;
        }

        var dice = Dice.Of(input);
        var call = JsonSerializer.SerializeToUtf8Bytes(handset.Call(operation, Encoding.UTF8.GetString(input.AsSpan(1))), JsonEndpoint.Json);
        return [input[0], .. dice.Once(8) ? JsonMutator.Once(dice, call) : call];
    }

    // ---- JWE ----

    private static readonly KeyModule Module = NewModule();

    private static KeyModule NewModule()
    {
        var module = KeyModule.InMemory("token-service", new SeededEntropy(8));
        module.Generate("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes, test: true);
        return module;
    }

    private static IReadOnlyList<byte[]> Jwes() =>
    [
        Encoding.ASCII.GetBytes(Majia.Core.Cryptography.Jwe.Encrypt(Module.PublicJwk("jwe"), "a card"u8)), "...."u8.ToArray(),
        Encoding.ASCII.GetBytes(Header("""{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}}""")),
        Encoding.ASCII.GetBytes(Header("""{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647,"p2s":"AAAA"}""")), Encoding.ASCII.GetBytes(Header("""{"alg":"ECDH-ES+A256KW","enc":"A256GCM","zip":"DEF"}""")),
        Encoding.ASCII.GetBytes(Header("""[]""")), Encoding.ASCII.GetBytes(Header("""{"alg":[]}""")), Encoding.ASCII.GetBytes(Header("""null""")),
    ];

    private static string Header(string json) => Convert.ToBase64String(Encoding.UTF8.GetBytes(json)).TrimEnd('=').Replace('+', '-').Replace('/', '_') + ".AAAA.AAAA.AAAA.AAAA";

    internal static void Jwe(byte[] input)
    {
        if (Module.TryDecryptJwe("jwe", Encoding.Latin1.GetString(input), out var plain))
        {
            Assert.Equal("a card"u8.ToArray(), plain);
        }
    }
}
