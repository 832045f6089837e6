using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;
using Majia.TokenService;
using Majia.Wallet;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.TokenService;

/// <summary>A JSON line that ends in a party of the same process; it can be cut.</summary>
public sealed class EndpointLink(JsonEndpoint endpoint) : IJsonLink
{
    public bool IsCut { get; set; }

    /// <summary>What went over it.</summary>
    public System.Collections.Concurrent.ConcurrentBag<string> Bodies { get; } = [];

    /// <summary>What happens elsewhere just before the named operation arrives, once.</summary>
    public (string Operation, Func<Task> Meanwhile)? Before { get; set; }

    public async Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
        where TRequest : notnull
        where TResponse : notnull
    {
        if (IsCut)
        {
            throw new PartyUnreachableException(endpoint.Party);
        }

        if (Before is { } before && before.Operation == operation)
        {
            Before = null;
            await before.Meanwhile();
        }

        var body = JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json);
        Bodies.Add($"{operation} {System.Text.Encoding.UTF8.GetString(body)}");
        var reply = await endpoint.HandleAsync(operation, body, cancellation);
        return JsonSerializer.Deserialize<ApiReply<TResponse>>(reply, JsonEndpoint.Json)!;
    }
}

/// <summary>A handset's line to the wallet cloud: every call signed with its key.</summary>
public sealed class HandsetLink(IJsonLink line, HandsetKey key, Entropy entropy, TimeProvider clock) : IJsonLink
{
    public HandsetKey Key { get; } = key;

    /// <summary>Empty before the first sign-in.</summary>
    public string DeviceId { get; set; } = "";

    public HandsetCall Call<TRequest>(string operation, TRequest request) => Call(operation, JsonSerializer.Serialize(request, JsonEndpoint.Json));

    public HandsetCall Call(string operation, string body) =>
        new HandsetCall(operation == PhoneWallet.Operations.SignIn ? "" : DeviceId, body, clock.GetUtcNow().ToUnixTimeMilliseconds(), entropy.NewId(), "").SignedBy(Key, operation);

    public Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
        where TRequest : notnull
        where TResponse : notnull => line.CallAsync<HandsetCall, TResponse>(operation, Call(operation, request), cancellation);

    /// <summary>And goes by the name that the cloud gives.</summary>
    public async Task<ApiReply<PhoneWallet.SignInReply>> SignInAsync(string account, string password, PhoneWallet.Handset handset, long epoch = 0)
    {
        var reply = await CallAsync<PhoneWallet.SignInRequest, PhoneWallet.SignInReply>(
            PhoneWallet.Operations.SignIn, new(account, password, handset, Convert.ToBase64String(Key.PublicKey()), epoch), TestContext.Current.CancellationToken);
        DeviceId = reply.Value?.DeviceId ?? DeviceId;
        return reply;
    }
}

/// <summary>A bank that decides as the test says and remembers what it was told.</summary>
public sealed class FakeBank
{
    private readonly KeyModule module;

    public FakeBank(string institution, Entropy entropy)
    {
        module = KeyModule.InMemory($"issuer-{institution}", entropy);
        module.Generate("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes, test: true);
        Endpoint = new JsonEndpoint("issuer")
            .Map<TokenIssuer.GetPublicKeyRequest, TokenIssuer.GetPublicKeyReply>(TokenIssuer.Operations.GetPublicKey, (_, _) => Reply(new TokenIssuer.GetPublicKeyReply(module.PublicJwk("jwe"))))
            .Map<TokenIssuer.AuthorizeServiceRequest, TokenIssuer.AuthorizeServiceReply>(TokenIssuer.Operations.AuthorizeService, async (request, _) =>
            {
                await Thinking;
                Assert.True(module.TryDecryptJwe("jwe", request.EncryptedCard, out var plain));
                Cards.Add(JsonSerializer.Deserialize<CardToEnrol>(plain, JsonEndpoint.Json)!);
                Authorised.Add(request);
                return new TokenIssuer.AuthorizeServiceReply(
                    Decision, Decision == IssuerDecision.Declined ? new Refusal("CVN2", new("The CVN2 is wrong.", "CVN2 有误。")) : null,
                    Decision == IssuerDecision.RequireAdditionalAuthentication ? [new ActivationMethod("sms", "SMS", "138****0001")] : [], PinPolicy, "3012", "01");
            })
            .Map<TokenIssuer.DeliverActivationCodeRequest, TokenIssuer.DeliverActivationCodeReply>(TokenIssuer.Operations.DeliverActivationCode, (_, _) => Reply(new TokenIssuer.DeliverActivationCodeReply("138****0001", DateTimeOffset.UnixEpoch)))
            .Map<TokenIssuer.ValidateActivationCodeRequest, TokenIssuer.ValidateActivationCodeReply>(TokenIssuer.Operations.ValidateActivationCode, (request, _) =>
            {
                Assert.True(module.TryDecryptJwe("jwe", request.EncryptedCode, out var plain));
                return Reply(new TokenIssuer.ValidateActivationCodeReply(JsonSerializer.Deserialize<TypedCode>(plain, JsonEndpoint.Json)!.Code == "123456" ? CodeVerdict.Right : CodeVerdict.Wrong, 2));
            })
            .Map<TokenIssuer.NotifyServiceActivatedRequest, TokenIssuer.Done>(TokenIssuer.Operations.NotifyServiceActivated, (request, _) => { Activated.Add(request); return Reply(new TokenIssuer.Done()); })
            .Map<TokenIssuer.NotifyTokenUpdatedRequest, TokenIssuer.Done>(TokenIssuer.Operations.NotifyTokenUpdated, (request, _) => { Updated.Add(request); return Reply(new TokenIssuer.Done()); });
        Link = new EndpointLink(Endpoint);
    }

    public JsonEndpoint Endpoint { get; }

    public EndpointLink Link { get; }

    /// <summary>The bank decides when this is done.</summary>
    public Task Thinking { get; set; } = Task.CompletedTask;

    public IssuerDecision Decision { get; set; } = IssuerDecision.Approved;

    public PinPolicy PinPolicy { get; set; } = PinPolicy.OverLimit;

    public List<CardToEnrol> Cards { get; } = [];

    public List<TokenIssuer.AuthorizeServiceRequest> Authorised { get; } = [];

    public List<TokenIssuer.NotifyServiceActivatedRequest> Activated { get; } = [];

    public List<TokenIssuer.NotifyTokenUpdatedRequest> Updated { get; } = [];

    private static Task<ApiReply<T>> Reply<T>(T value)
        where T : notnull => Task.FromResult<ApiReply<T>>(value);
}

/// <summary>Token service, wallet cloud, SE issuer and three banks in memory, on one clock and one seed.</summary>
public sealed class Bench : IAsyncDisposable
{
    public const string Trid = "99900000001", OtherTrid = "99900000002", Account = "lin@example.com", Password = "correct horse";

    public Bench(Store? store = null)
    {
        Entropy = new SeededEntropy(7);
        Clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 23, 2, 0, 0, TimeSpan.Zero));
        Store = store ?? new InlineStore(TokenServiceParty.Schema, WalletParty.Schema);
        Banks = new SortedDictionary<string, FakeBank>(StringComparer.Ordinal);
        foreach (var institution in (string[])["63990100", "63990200", "63990300"])
        {
            Banks[institution] = new FakeBank(institution, Entropy);
        }

        Module = KeyModule.InMemory("token-service", Entropy);
        Module.Generate("vault.pan", KeyUsage.DataEncryption, CipherAlgorithm.Aes, test: true);
        Module.Generate("vault.index", KeyUsage.KeyedHash, CipherAlgorithm.Aes, test: true);
        Module.Generate("vault.audit", KeyUsage.KeyedHash, CipherAlgorithm.Aes, test: true);
        Module.Generate("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes, test: true);
        Module.Generate("imk.ac", KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes, test: true);
        Module.Generate("imk.mac", KeyUsage.EmvIntegrity, CipherAlgorithm.TripleDes, test: true);
        Module.Generate("imk.enc", KeyUsage.EmvConfidentiality, CipherAlgorithm.TripleDes, test: true);
        Network = KeyModule.InMemory("network", Entropy);
        SeModule = KeyModule.InMemory("se-issuer", Entropy);
        Form(KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, 16, (Module, "zak.network"), (Network, "zak.token-service"));
        Form(KeyUsage.KeyEncryption, CipherAlgorithm.Aes, 32, (Module, "zmk.se-issuer"), (SeModule, "zmk.token-service"));
        Form(KeyUsage.KeyEncryption, CipherAlgorithm.Aes, 32, (Module, "zmk.network"), (Network, "zmk.token-service"));
        Module.Generate("bind.network", KeyUsage.TokenBinding, CipherAlgorithm.Aes, test: true);
        Network.Import("bind.token-service", Module.Export("bind.network", "zmk.network"), "zmk.token-service");
        foreach (var part in (string[])["enc", "mac", "dek"])
        {
            Module.Generate($"sd.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes, test: true);
            SeModule.Generate($"isd.{part}", KeyUsage.SecureChannelMaster, CipherAlgorithm.Aes, test: true);
        }

        Party = NewParty();
        TokenLink = new EndpointLink(Party.EndpointFor(Trid));
        Wallet = NewWallet();
    }

    public Entropy Entropy { get; }

    public FakeTimeProvider Clock { get; }

    public Store Store { get; }

    public KeyModule Module { get; }

    public KeyModule Network { get; }

    public KeyModule SeModule { get; }

    public SortedDictionary<string, FakeBank> Banks { get; }

    public FakeBank Bank => Banks["63990100"];

    public TokenServiceParty Party { get; private set; }

    public EndpointLink TokenLink { get; private set; }

    public WalletParty Wallet { get; private set; }

    public JsonEndpoint TokenEndpoint => Party.EndpointFor(Trid);

    public EndpointLink WalletLink => new(Wallet.Endpoint);

    public HandsetLink NewHandset() => new(WalletLink, HandsetKey.New(Entropy), Entropy, Clock);

    /// <summary>The token service's process ends and starts: what was in memory only is gone.</summary>
    public void Restart()
    {
        Party = NewParty();
        TokenLink = new EndpointLink(Party.EndpointFor(Trid));
        Wallet = NewWallet();
    }

    /// <summary>The wallet cloud hears what becomes of its device cards.</summary>
    public void HearNotices() => Party.Requestors = new Dictionary<string, IJsonLink> { [Trid] = new EndpointLink(Wallet.NoticeEndpoint) };

    /// <summary>One notice reaches the wallet, whenever that is.</summary>
    public async Task NoticeAsync(TokenWallet.NotifyTokenUpdatedRequest notice) => Assert.NotNull(
        (await new EndpointLink(Wallet.NoticeEndpoint).CallAsync<TokenWallet.NotifyTokenUpdatedRequest, TokenWallet.Done>(TokenWallet.Operations.NotifyTokenUpdated, notice, TestContext.Current.CancellationToken)).Value);

    private TokenServiceParty NewParty() => new(new() { TokenRequestors = [Trid, OtherTrid] }, Store, Module, Banks.ToDictionary(bank => bank.Key, bank => (IJsonLink)bank.Value.Link), Clock, Entropy, NoTrace.Instance);

    private WalletParty NewWallet() => new(new() { PasswordIterations = 10 }, Store, new SeIssuer(SeModule, Store, Clock, NoTrace.Instance), TokenLink, Clock, Entropy, NoTrace.Instance);

    private void Form(KeyUsage usage, CipherAlgorithm algorithm, int length, params (KeyModule Module, string Name)[] at)
    {
        byte[] one = Entropy.Bytes(length), two = Entropy.Bytes(length);
        foreach (var (module, name) in at)
        {
            module.Form(name, usage, algorithm, [one, two], test: true);
        }
    }

    public FakeChip NewChip()
    {
        var seid = Entropy.Bytes(10);
        return new FakeChip(seid, SeModule.ClearKeysForChipFactory("isd", seid), Entropy);
    }

    /// <summary>A number with its check digit.</summary>
    public static string Number(string bin, int length, long account)
    {
        var payload = bin + account.ToString(System.Globalization.CultureInfo.InvariantCulture).PadLeft(length - bin.Length - 1, '0');
        return payload + Luhn.CheckDigit(payload);
    }

    public static CardToEnrol Debit(long account = 1) => new(Number("629901", 19, account), null, null, "林一", "110101199001011234", "13800000001");

    public static CardToEnrol Credit(long account = 1, string bin = "629901") => new(Number(bin, 16, account), "3012", "123", "林一", "110101199001011234", "13800000001");

    public string Encrypt(CardToEnrol card) => Jwe.Encrypt(Module.PublicJwk("jwe"), JsonSerializer.SerializeToUtf8Bytes(card, JsonEndpoint.Json));

    /// <summary>A code as the phone sends it.</summary>
    public string EncryptCode(string code) => Jwe.Encrypt(Module.PublicJwk("jwe"), JsonSerializer.SerializeToUtf8Bytes(new TypedCode(code), JsonEndpoint.Json));

    public Task<ApiReply<TReply>> CallAsync<TRequest, TReply>(string operation, TRequest request)
        where TRequest : notnull
        where TReply : notnull => TokenLink.CallAsync<TRequest, TReply>(operation, request, TestContext.Current.CancellationToken);

    /// <summary>A bank's own line to the token service.</summary>
    public Task<ApiReply<TReply>> IssuerAsync<TRequest, TReply>(string operation, TRequest request, string institution = "63990100")
        where TRequest : notnull
        where TReply : notnull => new EndpointLink(Party.IssuerEndpointFor(institution)).CallAsync<TRequest, TReply>(operation, request, TestContext.Current.CancellationToken);

    public string Encrypt(IssuerToken.Account account) => Jwe.Encrypt(Module.PublicJwk("jwe"), JsonSerializer.SerializeToUtf8Bytes(account, JsonEndpoint.Json));

    public Task<ApiReply<WalletToken.CheckEligibilityReply>> CheckAsync(CardToEnrol card, string seid) =>
        CallAsync<WalletToken.CheckEligibilityRequest, WalletToken.CheckEligibilityReply>(WalletToken.Operations.CheckEligibility, new(Entropy.NewId(), Trid, seid, Encrypt(card), "MANUAL"));

    public async Task<ApiReply<WalletToken.DigitizeReply>> DigitizeAsync(CardToEnrol card, string seid, string? requestId = null, long epoch = 0)
    {
        var receipt = await CheckAsync(card, seid);
        return receipt.Error is { } error
            ? error
            : await CallAsync<WalletToken.DigitizeRequest, WalletToken.DigitizeReply>(WalletToken.Operations.Digitize, new(requestId ?? Entropy.NewId(), Trid, seid, receipt.Value!.EligibilityReceipt, Encrypt(card), epoch, "Mi 5", "MANUAL"));
    }

    public SeIssuer NewSeIssuer() => new(SeModule, Store, Clock, NoTrace.Instance);

    /// <summary>Runs the scripts to their end, with the SE issuer where the chip has no domain yet.</summary>
    public async Task<WalletToken.ProvisionReply> ProvisionAsync(string tur, FakeChip chip)
    {
        var se = NewSeIssuer();
        var reply = await ProvideAsync(tur, [], null);
        while (true)
        {
            if (reply.NeedsDomain)
            {
                reply = await ProvideAsync(tur, [], await MakeDomainAsync(se, chip));
            }
            else if (reply.Commands.Count == 0)
            {
                return reply;
            }
            else
            {
                reply = await ProvideAsync(tur, chip.Run(reply.Commands), null);
            }
        }
    }

    /// <summary>The SE issuer's own script to its end.</summary>
    public async Task<WalletToken.SecurityDomainKeys> MakeDomainAsync(SeIssuer se, FakeChip chip)
    {
        var script = se.Start(chip.Seid, "test");
        while (script.Keys is null)
        {
            Assert.Null(script.Why);
            var answers = chip.Run([.. script.Commands.Select(command => Convert.ToHexString(command.ToBytes()))]);
            script = await se.ContinueAsync(chip.Seid, "test", [.. answers.Select(Response)]);
        }

        return script.Keys;
    }

    public async Task<WalletToken.ProvisionReply> ProvideAsync(string tur, IReadOnlyList<string> responses, WalletToken.SecurityDomainKeys? keys)
    {
        var reply = await CallAsync<WalletToken.ProvisionRequest, WalletToken.ProvisionReply>(WalletToken.Operations.Provision, new(Entropy.NewId(), tur, responses, keys));
        Assert.Null(reply.Error);
        return reply.Value!;
    }

    private static Majia.Core.Apdu.ResponseApdu Response(string hex)
    {
        Assert.True(Majia.Core.Apdu.ResponseApdu.TryParse(Convert.FromHexString(hex), out var response, out _));
        return response;
    }

    /// <summary>A live device card in a new chip.</summary>
    public async Task<(string Tur, PaymentToken Token, FakeChip Chip, FakeChip.Instance Instance)> EnrolAsync(CardToEnrol card, FakeChip? chip = null)
    {
        chip ??= NewChip();
        var digitised = await DigitizeAsync(card, chip.Seid);
        Assert.Null(digitised.Error);
        var tur = digitised.Value!.TokenUniqueReference;
        var reply = await ProvisionAsync(tur, chip);
        Assert.Equal(EnrolmentState.Active, reply.State);
        return (tur, TokenOf(tur), chip, chip.Instances[reply.Face.InstanceAid]);
    }

    public PaymentToken TokenOf(string tur) => PaymentToken.Parse(Store.WriteAsync(session => session.Text("SELECT token FROM token_token WHERE tur = $1", tur)!).Result);

    public long Count(string sql) => Store.WriteAsync(session => session.Number(sql) ?? 0).Result;

    // ---- switch line ----

    public IsoMessage Request(PaymentToken token, byte[] field55, int stan, string amount = "000000008800", string processing = "000000")
    {
        var message = new IsoMessage(Mti.AuthorisationRequest)
            .Set(2, token.Reveal()).Set(3, processing).Set(4, amount).Set(7, "1123100000").Set(11, stan.ToString("D6", System.Globalization.CultureInfo.InvariantCulture))
            .Set(18, "5942").Set(22, "072").Set(23, "000").Set(25, "00").Set(32, "63990900").Set(33, "63990900").Set(37, $"{stan:D12}").Set(41, "10000001").Set(42, "990031058120001").Set(49, "156");
        return field55.Length == 0 ? message : message.Set(55, field55);
    }

    public async Task<IsoMessage> AskAsync(IsoMessage request)
    {
        var body = IsoSealing.Seal(Dialect.Switch, request, block => Network.Mac("zak.token-service", MacAlgorithm.UnionPayEcb, block));
        var answer = await Party.HandleAsync(SwitchFrame.Write("00019900", "00010000", body), TestContext.Current.CancellationToken);
        Assert.True(SwitchFrame.TryRead(answer, out _, out _, out var answered, out _));
        Assert.True(IsoCodec.TryRead(Dialect.Switch, answered.Span, out var response, out var error), error.ToString());
        Assert.True(IsoSealing.Verify(Dialect.Switch, answered, response, (block, mac) => Network.VerifyMac("zak.token-service", MacAlgorithm.UnionPayEcb, block, mac)));
        return response;
    }

    public ValueTask DisposeAsync() => Store.DisposeAsync();
}
