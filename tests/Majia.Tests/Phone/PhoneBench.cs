using System.Security.Cryptography;
using System.Text.Json;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Phone;
using Majia.SecureElement;
using Majia.Storage;
using Majia.Tests.SecureElement;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Phone;

/// <summary>A handset with a real chip, and a cloud that really personalises it.</summary>
internal sealed class PhoneBench : IDisposable
{
    public const string Pan = "6299010000000000018", Finger = "right thumb";

    public static readonly CardToEnrol Card = new(Pan, null, null, "Li Lei", null, "13800000000");

    private byte[]? snapshot;

    private PhoneBench()
    {
        Chip = new ChipBench();
        Chip.CreateTokenDomain();
        Cloud = new TestCloud(Chip.Entropy);
        Store = new InlineStore(PhoneDevice.Schema);
        Phone = Build();
    }

    public ChipBench Chip { get; }

    public TestCloud Cloud { get; }

    public FakeTimeProvider Time { get; } = new(DateTimeOffset.Parse("2026-11-22T08:00:00Z", System.Globalization.CultureInfo.InvariantCulture));

    public RecordingTrace Trace { get; } = new();

    public InlineStore Store { get; private set; }

    public PhoneDevice Phone { get; private set; }

    /// <summary>Paired with its chip, nobody signed in.</summary>
    public static async Task<PhoneBench> FreshAsync()
    {
        var bench = new PhoneBench();
        await bench.Phone.Trusted.PairAsync(ChipBench.BindingKey);
        return bench;
    }

    /// <summary>Not paired: its chip believes nothing that it says.</summary>
    public static PhoneBench Unpaired() => new();

    /// <summary>Signed in, Find Device on, a finger enrolled.</summary>
    public static async Task<PhoneBench> PreparedAsync()
    {
        var bench = await FreshAsync();
        Assert.Empty(await bench.Phone.SignInAsync("lilei", "secret"));
        await bench.Phone.EnrolFingerprintAsync(Finger);
        return bench;
    }

    /// <summary>One live card.</summary>
    public static async Task<PhoneBench> WithCardAsync()
    {
        var bench = await PreparedAsync();
        await bench.AddAsync();
        return bench;
    }

    public async Task<string> AddAsync()
    {
        var outcome = await Phone.AddCardAsync(Card);
        Assert.Equal(EnrolmentStep.CodeNeeded, outcome.Step);
        outcome = await Phone.EnterCodeAsync(outcome.CardReference!, TestCloud.Code);
        Assert.Equal(EnrolmentStep.Added, outcome.Step);
        return outcome.CardReference!;
    }

    /// <summary>The battery is taken out and put back: only what was committed is there, and only what the chip has kept.</summary>
    public void Restart()
    {
        snapshot = Store.Snapshot();
        Phone.Dispose();
        Store = new InlineStore([PhoneDevice.Schema], snapshot);
        Chip.Restart();
        Phone = Build();
    }

    /// <summary>A reader's whole tap; the GPO's status word, or that of the SELECT that failed.</summary>
    public async Task<string> TapAsync(string amount = "000000008800")
    {
        ICardChannel tap = Phone.Tap();
        var ppse = await SendAsync(tap, "00A404000E325041592E5359532E444446303100");
        if (!ppse.Status.IsOk)
        {
            return ppse.Status.ToString();
        }

        BerTlv.TryFind(ppse.Data.Span, 0x4F, out var aid);
        var selected = await SendAsync(tap, $"00A40400{aid.Length:X2}{Convert.ToHexString(aid)}00");
        return selected.Status.IsOk ? (await SendAsync(tap, $"80A8000023832126004080{amount}0000000000000156000000000001562611220001020304" + "00")).Status.ToString() : selected.Status.ToString();
    }

    public static async Task<ResponseApdu> SendAsync(ICardChannel channel, string hex) =>
        ResponseApdu.TryParse(await channel.TransmitAsync(Convert.FromHexString(hex), CancellationToken.None), out var answer, out _) ? answer : throw new InvalidOperationException();

    public void Dispose() => Phone.Dispose();

    private PhoneDevice Build() => new(new PhoneOptions("Mi 5", "stable", "8.0.6.0", new byte[32]), Store, new WiredChip(Chip.Device), Cloud, Time, new SeededEntropy(11, "phone"), Trace);
}

internal sealed class RecordingTrace : ITrace
{
    public List<TraceEvent> Rows { get; } = [];

    public void Record(TraceEvent row) => Rows.Add(row);

    public void Same(string reference, string other)
    {
    }
}

/// <summary>The chip soldered into the phone.</summary>
internal sealed class WiredChip : IChip
{
    private readonly ChipDevice device;

    public WiredChip(ChipDevice device)
    {
        this.device = device;
        device.Paid += made => Paid?.Invoke(new ChipPayment(made.Instance.ToString(), made.Amount, made.Currency, made.Atc, made.Declined));
    }

    public string Seid => device.Seid;

    public ICardChannel Wired => device.Wired;

    public ICardChannel Trusted => device.Trusted;

    public ICardChannel Contactless => device.Contactless;

    public event Action<ChipPayment>? Paid;

    public void FieldReset() => device.FieldReset();

    public void PowerOn() => device.PowerOn();

    public void PowerOff() => device.PowerOff();
}

/// <summary>Wallet cloud and token service in one, with the bytes of the real ones.</summary>
internal sealed class TestCloud : IJsonLink
{
    public const string Code = "246810";

    private readonly Entropy entropy;
    private readonly JsonEndpoint endpoint = new("wallet");
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly Dictionary<string, string> byRequest = [];
    private readonly SortedDictionary<string, (EnrolmentState State, Aid Aid)> cards = new(StringComparer.Ordinal);
    private byte[] challenge = [];
    private int step;

    public TestCloud(Entropy entropy)
    {
        this.entropy = entropy;
        endpoint
            .Map<HandsetCall, PhoneWallet.SignInReply>(PhoneWallet.Operations.SignIn, (call, _) => SignIn(call))
            .Map<HandsetCall, PhoneWallet.Done>(PhoneWallet.Operations.SignOut, Signed<PhoneWallet.SignOutRequest, PhoneWallet.Done>(PhoneWallet.Operations.SignOut, (request, _) => Told(request)))
            .Map<HandsetCall, PhoneWallet.Done>(PhoneWallet.Operations.SetFindDevice, Signed<PhoneWallet.SetFindDeviceRequest, PhoneWallet.Done>(PhoneWallet.Operations.SetFindDevice, (request, _) => Told(request)))
            .Map<HandsetCall, PhoneWallet.Done>(PhoneWallet.Operations.DeleteCard, Signed<PhoneWallet.DeleteCardRequest, PhoneWallet.Done>(PhoneWallet.Operations.DeleteCard, (request, _) => Told(request)))
            .Map<PhoneWallet.CheckHandsetRequest, PhoneWallet.CheckHandsetReply>(PhoneWallet.Operations.CheckHandset, (request, _) => Reply<PhoneWallet.CheckHandsetReply>(new PhoneWallet.CheckHandsetReply(HandsetReasons.Count == 0, HandsetReasons, "DOUBLE_HOME")))
            .Map<PhoneWallet.GetEnrolmentKeyRequest, PhoneWallet.GetEnrolmentKeyReply>(PhoneWallet.Operations.GetEnrolmentKey, (_, _) => Reply<PhoneWallet.GetEnrolmentKeyReply>(new PhoneWallet.GetEnrolmentKeyReply(Jwk(false))))
            .Map<HandsetCall, PhoneWallet.AddCardReply>(PhoneWallet.Operations.AddCard, Signed<PhoneWallet.AddCardRequest, PhoneWallet.AddCardReply>(PhoneWallet.Operations.AddCard, (request, _) => Reply<PhoneWallet.AddCardReply>(Add(request))))
            .Map<HandsetCall, PhoneWallet.ExchangeScriptReply>(PhoneWallet.Operations.ExchangeScript, Signed<PhoneWallet.ExchangeScriptRequest, PhoneWallet.ExchangeScriptReply>(PhoneWallet.Operations.ExchangeScript, (request, _) => Reply<PhoneWallet.ExchangeScriptReply>(Exchange(request))))
            .Map<HandsetCall, PhoneWallet.Done>(PhoneWallet.Operations.RequestActivationCode, Signed<PhoneWallet.RequestActivationCodeRequest, PhoneWallet.Done>(PhoneWallet.Operations.RequestActivationCode, (request, _) => Told(request)))
            .Map<HandsetCall, PhoneWallet.ActivateReply>(PhoneWallet.Operations.Activate, Signed<PhoneWallet.ActivateRequest, PhoneWallet.ActivateReply>(PhoneWallet.Operations.Activate, (request, _) => Reply<PhoneWallet.ActivateReply>(Activate(request))))
            .Map<HandsetCall, PhoneWallet.ListCardsReply>(PhoneWallet.Operations.ListCards, Signed<PhoneWallet.ListCardsRequest, PhoneWallet.ListCardsReply>(PhoneWallet.Operations.ListCards, (_, _) => Reply<PhoneWallet.ListCardsReply>(new PhoneWallet.ListCardsReply([.. cards.Select(card => new PhoneWallet.ListedCard(card.Key, card.Value.State, Face(card.Value.Aid)))]))));
    }

    public bool FindDevice { get; set; } = true;

    /// <summary>The handset is not known any more, until it signs in again.</summary>
    public bool Forgotten { get; set; }

    /// <summary>The keys that handsets signed in with, in order.</summary>
    public List<byte[]> Keys { get; } = [];

    public List<Refusal> HandsetReasons { get; } = [];

    /// <summary>Requests that only tell, as they arrived.</summary>
    public List<object> Heard { get; } = [];

    /// <summary>Every operation, as it arrived.</summary>
    public List<string> Calls { get; } = [];

    public List<string> Bodies { get; } = [];

    public List<PhoneWallet.ActivateRequest> Activations { get; } = [];

    public CardToEnrol? Received { get; private set; }

    /// <summary>Number of the call that is lost, from 1; negative: its answer is lost.</summary>
    public int LoseCall { get; set; }

    /// <summary>Nothing is answered before this.</summary>
    public Task Slow { get; set; } = Task.CompletedTask;

    public async Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
        where TRequest : notnull
        where TResponse : notnull
    {
        Calls.Add(operation);
        await Slow;
        if (LoseCall == Calls.Count)
        {
            throw new PartyUnreachableException("wallet");
        }

        var body = JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json);
        Bodies.Add(System.Text.Encoding.UTF8.GetString(body));
        var answer = await endpoint.HandleAsync(operation, body, cancellation);
        return -LoseCall == Calls.Count ? throw new PartyUnreachableException("wallet") : JsonSerializer.Deserialize<ApiReply<TResponse>>(answer, JsonEndpoint.Json)!;
    }

    private Task<ApiReply<PhoneWallet.SignInReply>> SignIn(HandsetCall call)
    {
        var request = JsonSerializer.Deserialize<PhoneWallet.SignInRequest>(call.Body, JsonEndpoint.Json)!;
        if (request.Password != "secret" || !HandsetKey.TryReadPublic(request.PublicKey, out var publicKey) || !call.IsSignedBy(publicKey, PhoneWallet.Operations.SignIn))
        {
            return Reply<PhoneWallet.SignInReply>(new ApiError("SIGN_IN_FAILED", "wrong"));
        }

        Keys.Add(publicKey);
        Forgotten = false;
        return Reply<PhoneWallet.SignInReply>(new PhoneWallet.SignInReply("device-1", FindDevice));
    }

    /// <summary>Believed with the signature of the last sign-in's key alone.</summary>
    private Func<HandsetCall, CancellationToken, Task<ApiReply<TReply>>> Signed<TRequest, TReply>(string operation, Func<TRequest, CancellationToken, Task<ApiReply<TReply>>> handler)
        where TReply : notnull =>
        (call, cancellation) => !Forgotten && call.DeviceId == "device-1" && call.IsSignedBy(Keys[^1], operation)
            ? handler(JsonSerializer.Deserialize<TRequest>(call.Body, JsonEndpoint.Json)!, cancellation)
            : Reply<TReply>(new ApiError("NOT_AUTHENTICATED", "not known"));

    private static Task<ApiReply<T>> Reply<T>(ApiReply<T> reply)
        where T : notnull => Task.FromResult(reply);

    /// <summary>The cloud answers, but cannot reach the token service.</summary>
    public bool TokenServiceDown { get; set; }

    private Task<ApiReply<PhoneWallet.Done>> Told(object request)
    {
        if (TokenServiceDown)
        {
            return Reply<PhoneWallet.Done>(new ApiError("TOKEN_SERVICE_UNREACHABLE", "down"));
        }

        Heard.Add(request);
        return Reply<PhoneWallet.Done>(new PhoneWallet.Done());
    }

    private ApiReply<PhoneWallet.AddCardReply> Add(PhoneWallet.AddCardRequest request)
    {
        if (TokenServiceDown)
        {
            return new ApiError("TOKEN_SERVICE_UNREACHABLE", "down");
        }

        if (!byRequest.TryGetValue(request.RequestId, out var reference))
        {
            Received = JsonSerializer.Deserialize<CardToEnrol>(Jose.JWE.Decrypt(request.EncryptedCard, Jose.Jwk.FromJson(Jwk(true), Jose.JWT.DefaultSettings.JsonMapper)).PlaintextBytes, JsonEndpoint.Json);
            reference = byRequest[request.RequestId] = $"card-{byRequest.Count + 1}";
            cards[reference] = (EnrolmentState.Provisioning, Aid.Parse($"A000000333010101{byRequest.Count:X4}"));
        }

        var card = cards[reference];
        return new PhoneWallet.AddCardReply(reference, card.State, Face(card.Aid), [new ActivationMethod("sms", "SMS", "138****0000")]);
    }

    private ApiReply<PhoneWallet.ActivateReply> Activate(PhoneWallet.ActivateRequest request)
    {
        Activations.Add(request);
        var typed = JsonSerializer.Deserialize<TypedCode>(Jose.JWE.Decrypt(request.EncryptedCode, Jose.Jwk.FromJson(Jwk(true), Jose.JWT.DefaultSettings.JsonMapper)).PlaintextBytes, JsonEndpoint.Json)!;
        if (typed.Code != Code)
        {
            return new PhoneWallet.ActivateReply(cards[request.CardReference].State, 2);
        }

        cards[request.CardReference] = (EnrolmentState.Activating, cards[request.CardReference].Aid);
        return new PhoneWallet.ActivateReply(EnrolmentState.Activating, null);
    }

    /// <summary>Two rounds a script: who are you; then everything under the channel. A repeated start deletes what may be there.</summary>
    private ApiReply<PhoneWallet.ExchangeScriptReply> Exchange(PhoneWallet.ExchangeScriptRequest request)
    {
        if (!cards.TryGetValue(request.CardReference, out var card))
        {
            return new ApiError(Ineligible.NotFound, "no such card");
        }

        if (card.State is not (EnrolmentState.Provisioning or EnrolmentState.Activating))
        {
            return new PhoneWallet.ExchangeScriptReply([], card.State);
        }

        if (request.Responses.Count == 0)
        {
            step = 0;
        }

        switch (step++)
        {
            case 0:
                challenge = entropy.Bytes(8);
                return Script(card.State, CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, ChipBench.TokenDomain.Bytes), CommandApdu.Of(0x80, 0x50, 0x02, 0x00, challenge));
            case 1:
                var session = Scp03Session.Derive(ChipBench.TokenKeys, challenge, Convert.FromHexString(request.Responses[1]).AsSpan(13, 8));
                var host = new TestHost(null!, session);
                var authenticate = session.ExternalAuthenticate(0x33);
                CommandApdu[] inside = card.State == EnrolmentState.Activating
                    ? [CommandApdu.Of(0x80, 0xE6, 0x08, 0x00, ChipBench.Install("", "", card.Aid, "", ""))]
                    : Known.Add(request.CardReference) ? [.. ChipBench.PersonalisationScript(host, card.Aid)]
                    : [CommandApdu.Of(0x80, 0xE4, 0x00, 0x00, BerTlv.Encode(0x4F, card.Aid.Bytes)), .. ChipBench.PersonalisationScript(host, card.Aid)];
                return Script(card.State, [authenticate, .. inside.Select(session.Wrap)]);
            default:
                if (!request.Responses.All(answer => answer.EndsWith("9000", StringComparison.Ordinal)))
                {
                    // DELETE of what was never there: once more without.
                    Known.Remove(request.CardReference);
                    step = 0;
                    return Exchange(request with { Responses = [] });
                }

                card.State = card.State == EnrolmentState.Activating ? EnrolmentState.Active : EnrolmentState.VerificationRequired;
                cards[request.CardReference] = card;
                return new PhoneWallet.ExchangeScriptReply([], card.State);
        }
    }

    private HashSet<string> Known { get; } = [];

    private static PhoneWallet.ExchangeScriptReply Script(EnrolmentState state, params CommandApdu[] commands) => new([.. commands.Select(command => Convert.ToHexString(command.ToBytes()))], state);

    private static CardFace Face(Aid aid) => new(new Text("Mingyue Bank", "明月银行"), new Text("Debit", "借记卡"), "4321", aid.ToString(), "#1c6dd0");

    private string Jwk(bool secret)
    {
        var all = key.ExportParameters(true);
        static string Url(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=').Replace('+', '-').Replace('/', '_');
        return secret
            ? $$"""{"kty":"EC","crv":"P-256","x":"{{Url(all.Q.X!)}}","y":"{{Url(all.Q.Y!)}}","d":"{{Url(all.D!)}}"}"""
            : $$"""{"kty":"EC","crv":"P-256","x":"{{Url(all.Q.X!)}}","y":"{{Url(all.Q.Y!)}}"}""";
    }
}
