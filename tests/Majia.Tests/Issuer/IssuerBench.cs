using System.Globalization;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Issuer;
using Majia.Storage;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Issuer;

/// <summary>One bank with a network and a token service that say what the test wants. The clock stands at noon of 23 November 2026, China time.</summary>
internal sealed class IssuerBench : IAsyncDisposable
{
    public const string Institution = "63990100", Network = "00010000", Acquirer = "63990900";

    public static readonly PaymentToken Token = PaymentToken.Parse(WithCheckDigit("819901000000007771")), OtherToken = PaymentToken.Parse(WithCheckDigit("819901000000008882"));

    public static readonly SeedCustomer Lin = new("lin", "林晓云", "LIN XIAOYUN", "990104199203120021", "12900000001", "2035-03-12");

    public static readonly SeedCard
        Debit = new("debit", "lin-debit", "lin", "629901", 1, 19, CardKind.Debit, new("", ""), SequenceNumber: "02"),
        Credit = new("credit", "lin-credit", "lin", "629901", 2, 16, CardKind.Credit, new("", "")),
        Green = new("green", "lin-debit", "lin", "629901", 3, 19, CardKind.Debit, new("", ""), Risk: EnrolmentRisk.Green),
        Red = new("red", "lin-debit", "lin", "629901", 4, 19, CardKind.Debit, new("", ""), Risk: EnrolmentRisk.Red),
        NoPhone = new("no-phone", "shen-debit", "shen", "629901", 5, 19, CardKind.Debit, new("", "")),
        OldDocument = new("old-document", "qin-debit", "qin", "629901", 6, 19, CardKind.Debit, new("", "")),
        Lost = new("lost", "lin-debit", "lin", "629901", 7, 19, CardKind.Debit, new("", ""), State: CardState.Lost),
        Locked = new("locked", "lin-debit", "lin", "629901", 8, 19, CardKind.Debit, new("", ""), PinLocked: true),
        Limited = new("limited", "lin-debit", "lin", "629901", 9, 19, CardKind.Debit, new("", ""), AmountLimit: 50_000),
        Expired = new("expired", "lin-debit", "lin", "629901", 10, 19, CardKind.Debit, new("", ""), Expiry: "2406"),
        PinAlways = new("pin-always", "lin-debit", "lin", "629901", 11, 19, CardKind.Debit, new("", ""), PinPolicy: PinPolicy.Always);

    public static readonly SeedBank Bank = new(
        Institution, new("Mingyue Bank", "明月银行"), 1,
        [Lin, new("shen", "沈若溪", "SHEN RUOXI", "990104199511080045", null, "2033-11-08"), new("qin", "秦慕白", "QIN MUBAI", "990104197902280052", "12900000004", "2024-02-28")],
        [
            new("lin-debit", "lin", CardKind.Debit, 500_000), new("lin-credit", "lin", CardKind.Credit, -100_000, 1_000_000),
            new("shen-debit", "shen", CardKind.Debit, 100_000), new("qin-debit", "qin", CardKind.Debit, 100_000),
        ],
        [Debit, Credit, Green, Red, NoPhone, OldDocument, Lost, Locked, Limited, Expired, PinAlways]) { Agents = [new("li-na", "secret-1"), new("he-ming", "secret-2")] };

    private int trace;

    private IssuerBench(Store store, IssuerOptions? options)
    {
        Store = store;
        foreach (var (name, usage, algorithm) in new[]
        {
            ("zak.network", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes),
            ("pvk", KeyUsage.PinVerification, CipherAlgorithm.TripleDes), ("card.pan", KeyUsage.DataEncryption, CipherAlgorithm.Aes),
            ("card.index", KeyUsage.KeyedHash, CipherAlgorithm.Aes), ("jwe", KeyUsage.Decryption, CipherAlgorithm.Aes),
        })
        {
            Keys.Generate(name, usage, algorithm, test: true);
        }

        // The pad that makes the blocks has the same key for entry alone.
        byte[][] parts = [new SeededEntropy(2, "zpk").Bytes(16), new SeededEntropy(3, "zpk").Bytes(16)];
        Keys.Form("zpk.network", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, parts, test: true);
        Keys.Form("zpk.pad", KeyUsage.PinEntry, CipherAlgorithm.TripleDes, parts, test: true);
        Party = new IssuerParty((options ?? new IssuerOptions(Institution, Bank.Name)) with { PasswordIterations = 100 }, store, Keys, Time, new SeededEntropy(7, "issuer"), Trace);
    }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 11, 23, 4, 0, 0, TimeSpan.Zero));

    public KeyModule Keys { get; } = KeyModule.InMemory("issuer-" + Institution, new SeededEntropy(1, "keys"));

    public Store Store { get; }

    public IssuerParty Party { get; private set; }

    public IssuerDesk Desk => Party.Desk;

    public RecordedTrace Trace { get; } = new();

    /// <param name="appPassword">Lin's, who has the bank's app then.</param>
    public static async Task<IssuerBench> OpenAsync(Store? store = null, IssuerOptions? options = null, string? appPassword = null)
    {
        var bench = new IssuerBench(store ?? new InlineStore([IssuerParty.Schema]), options);
        await IssuerSeed.ApplyAsync(Bank with { Customers = [.. Bank.Customers.Select(one => one == Lin ? one with { AppPassword = appPassword } : one)] }, bench.Store, bench.Keys, bench.Time, passwordIterations: 100);
        return bench;
    }

    /// <summary>The same bank, started again with other settings.</summary>
    public void Restart(IssuerOptions options) => Party = new IssuerParty(options, Store, Keys, Time, new SeededEntropy(8, "issuer"), Trace);

    public ValueTask DisposeAsync() => Store.DisposeAsync();

    // ---- the switch line ----

    /// <summary>A sale as the network sends it, after the token service's good verdict.</summary>
    public IsoMessage Sale(SeedCard card, long minor, string? pin = null, PaymentToken? token = null)
    {
        var message = Message(Mti.FinancialRequest, card, "000000", minor)
            .Set(14, card.Expiry).Set(22, pin is null ? "072" : "071").Set(23, "001").Set(43, "Morning Light Books")
            .Set(61, new Field61Switch(ArqcResult.Good).Format())
            .Set(63, new Field63Token(true, token ?? Token, "3012", "12", "01", "99900000001").Format());
        return pin is null ? message : message.Set(26, "06").Set(52, Keys.EncryptPin("zpk.pad", pin, card.Pan));
    }

    public IsoMessage Void(SeedCard card, IsoMessage sale, long? minor = null) =>
        Message(Mti.FinancialRequest, card, "200000", minor ?? sale.Number(4)!.Value).Set(22, "072").Set(90, F90(sale))
            .Set(63, new Field63Token(true, Token, "3012", "12", "01", "99900000001").Format());

    public IsoMessage Refund(SeedCard card, IsoMessage sale, long minor) =>
        Message(Mti.FinancialAdvice, card, "200000", minor).Set(22, "000").Set(90, F90(sale));

    public IsoMessage Reversal(IsoMessage original, Mti? mti = null)
    {
        var message = new IsoMessage(mti ?? Mti.ReversalAdvice);
        foreach (var field in (int[])[2, 3, 4, 25, 32, 33, 37, 41, 42, 49])
        {
            message.Set(field, original.Text(field));
        }

        return Stamp(message).Set(90, F90(original));
    }

    public async Task<IsoMessage> SendAsync(IsoMessage message) => Read(await SendFrameAsync(Frame(message)));

    public async Task<string> CodeAsync(IsoMessage message) => (await SendAsync(message)).Text(39)!;

    public Task<ReadOnlyMemory<byte>> SendFrameAsync(ReadOnlyMemory<byte> frame) => Party.HandleAsync(frame, CancellationToken.None);

    public byte[] Frame(IsoMessage message) => SwitchFrame.Write(Institution, Network,
        IsoSealing.Seal(Dialect.Switch, message.Copy(), block => Keys.Mac("zak.network", MacAlgorithm.UnionPayEcb, block)));

    /// <summary>Reads an answer and checks its MAC.</summary>
    public IsoMessage Read(ReadOnlyMemory<byte> frame)
    {
        Assert.True(SwitchFrame.TryRead(frame, out var destination, out var source, out var body, out var error), error.ToString());
        Assert.Equal((Network, Institution), (destination.Trim(), source.Trim()));
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body.Span, out var message, out error), error.ToString());
        Assert.True(IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => Keys.VerifyMac("zak.network", MacAlgorithm.UnionPayEcb, block, mac)));
        return message;
    }

    public long Balance(string account = "lin-debit") => Desk.AccountOf(account).Balance.Minor;

    private IsoMessage Message(Mti mti, SeedCard card, string processing, long minor)
    {
        var message = Stamp(new IsoMessage(mti)).Set(2, card.Pan.Reveal()).Set(3, processing).Set(4, minor.ToString("D12", CultureInfo.InvariantCulture)).Set(12, "120000").Set(13, "1123")
            .Set(18, "5942").Set(25, "00").Set(32, Acquirer).Set(33, Acquirer).Set(41, "10000001").Set(42, "990031058120001").Set(49, "156");
        return message.Set(37, "0000" + "00" + message.Text(11));
    }

    private IsoMessage Stamp(IsoMessage message) => message.Set(7, "1123120000").Set(11, Interlocked.Increment(ref trace).ToString("D6", CultureInfo.InvariantCulture));

    private static string F90(IsoMessage original) =>
        original.Mti.Digits + original.Text(11) + original.Text(7) + original.Text(32)!.PadLeft(11, '0') + original.Text(33)!.PadLeft(11, '0');

    // ---- the desk's lines ----

    public Task<ApiReply<TReply>> HotlineAsync<TRequest, TReply>(string action, TRequest request)
        where TReply : notnull => AskAsync<TRequest, TReply>(Party.Hotline.Map("hotline"), action, request);

    public Task<ApiReply<TReply>> AppAsync<TRequest, TReply>(string action, TRequest request)
        where TReply : notnull => AskAsync<TRequest, TReply>(Party.App.Map("app"), action, request);

    private static async Task<ApiReply<TReply>> AskAsync<TRequest, TReply>(JsonEndpoint endpoint, string operation, TRequest request)
        where TReply : notnull =>
        JsonSerializer.Deserialize<ApiReply<TReply>>(await endpoint.HandleAsync(operation, JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json), CancellationToken.None), JsonEndpoint.Json)!;

    // ---- the token service's line ----

    public Task<ApiReply<TReply>> CallAsync<TRequest, TReply>(string operation, TRequest request)
        where TReply : notnull => AskAsync<TRequest, TReply>(Party.Endpoint, operation, request);

    public static CardToEnrol Typed(SeedCard card)
    {
        var customer = Bank.Customers.Single(c => c.Id == card.Customer);
        var credit = card.Kind == CardKind.Credit;
        return new CardToEnrol(card.Pan.Reveal(), credit ? card.Expiry : null, credit ? card.Cvn2 : null, customer.Name, customer.IdNumber, customer.Mobile);
    }

    public async Task<ApiReply<TokenIssuer.AuthorizeServiceReply>> AuthorizeAsync(CardToEnrol typed, string reference = "tur-1", string request = "r-authorize")
    {
        var key = (await CallAsync<TokenIssuer.GetPublicKeyRequest, TokenIssuer.GetPublicKeyReply>(TokenIssuer.Operations.GetPublicKey, new())).Value!.Jwk;
        return await CallAsync<TokenIssuer.AuthorizeServiceRequest, TokenIssuer.AuthorizeServiceReply>(
            TokenIssuer.Operations.AuthorizeService,
            new(request, reference, "99900000001", Jwe.Encrypt(key, JsonSerializer.SerializeToUtf8Bytes(typed, JsonEndpoint.Json)), "Mi 5", "MANUAL"));
    }

    public Task<ApiReply<TokenIssuer.DeliverActivationCodeReply>> DeliverAsync(string request, string reference = "tur-1") =>
        CallAsync<TokenIssuer.DeliverActivationCodeRequest, TokenIssuer.DeliverActivationCodeReply>(TokenIssuer.Operations.DeliverActivationCode, new(request, reference, "SMS"));

    public async Task<TokenIssuer.ValidateActivationCodeReply> ValidateAsync(string request, string code, string reference = "tur-1") =>
        (await CallAsync<TokenIssuer.ValidateActivationCodeRequest, TokenIssuer.ValidateActivationCodeReply>(TokenIssuer.Operations.ValidateActivationCode, new(request, reference, EncryptCode(code)))).Value!;

    /// <summary>A code as the token service sends it.</summary>
    public string EncryptCode(string code) => Jwe.Encrypt(Keys.PublicJwk("jwe"), JsonSerializer.SerializeToUtf8Bytes(new TypedCode(code), JsonEndpoint.Json));

    public Task<ApiReply<TokenIssuer.Done>> ActivatedAsync(string request = "r-activated", string reference = "tur-1", string? lastFour = null) =>
        CallAsync<TokenIssuer.NotifyServiceActivatedRequest, TokenIssuer.Done>(TokenIssuer.Operations.NotifyServiceActivated, new(request, reference, lastFour ?? Token.LastFour, "Mi 5"));

    /// <summary>The code of the newest message, as the holder reads it.</summary>
    public async Task<string> CodeFromOutboxAsync(string customer = "lin")
    {
        await Store.DurableAsync();
        return System.Text.RegularExpressions.Regex.Match(Desk.Messages(customer)[^1].Body.En, @"\b\d{6}\b").Value;
    }

    private static string WithCheckDigit(string payload) => payload + Luhn.CheckDigit(payload);
}

/// <summary>Keeps every row.</summary>
internal sealed class RecordedTrace : ITrace
{
    private readonly Lock gate = new();
    private readonly List<TraceEvent> rows = [];

    public IReadOnlyList<TraceEvent> Rows
    {
        get
        {
            lock (gate)
            {
                return [.. rows];
            }
        }
    }

    public void Record(TraceEvent row)
    {
        lock (gate)
        {
            rows.Add(row);
        }
    }

    public void Same(string reference, string other)
    {
    }
}
