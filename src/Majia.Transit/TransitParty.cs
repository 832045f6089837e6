using System.Buffers.Binary;
using System.Globalization;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Transit;

/// <param name="Issuer">8 digits in front of every card number.</param>
/// <param name="Terminal">6 bytes: the operator's own terminal number for top-ups.</param>
public sealed record TransitOptions(string Issuer, byte[] Terminal)
{
    public static TransitOptions Default { get; } = new("00010099", [0x00, 0x00, 0x99, 0x00, 0x00, 0x01]);

    /// <summary>The operator's clock.</summary>
    public TimeSpan UtcOffset { get; init; } = TimeSpan.FromHours(8);

    /// <summary>A script that the phone does not go on with is dropped after this, with its session keys.</summary>
    public TimeSpan ChannelLife { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>The transit operator: issues cards into phones' chips through a security domain of its own, tops them up, and settles what gates took.</summary>
/// <remarks>It knows chips and its own cards; no account, no bank card, no person.</remarks>
public sealed partial class TransitParty
{
    /// <summary>Names of the operator's keys.</summary>
    public const string PurchaseMaster = "transit.purchase", LoadMaster = "transit.load", CodeMaster = "transit.tac", OwnKeySet = "sd", TransportKey = "zmk.se-issuer";

    private static readonly Aid Instance = Aid.Parse(TransitOperator.InstanceAid);

    private readonly TransitOptions options;
    private readonly Store store;
    private readonly KeyModule module;
    private readonly TimeProvider clock;
    private readonly Entropy entropy;
    private readonly ITrace trace;

    public TransitParty(TransitOptions options, Store store, KeyModule module, TimeProvider clock, Entropy entropy, ITrace trace)
    {
        this.options = options;
        this.store = store;
        this.module = module;
        this.clock = clock;
        this.entropy = entropy;
        this.trace = trace;
        Endpoint = new JsonEndpoint("transit")
            .Map<TransitOperator.IssueRequest, TransitOperator.IssueReply>(TransitOperator.Operations.Issue, (request, _) => IssueAsync(request))
            .Map<TransitOperator.TopUpRequest, TransitOperator.TopUpReply>(TransitOperator.Operations.TopUp, (request, _) => TopUpAsync(request));
        GateEndpoint = new JsonEndpoint("gates").Map<TransitOperator.SettleRequest, TransitOperator.SettleReply>(TransitOperator.Operations.Settle, async (request, _) =>
            Fault(request.Rides) is { } fault ? new ApiError("INVALID_FIELD_VALUE", $"{fault.Field}: expected {fault.Expected}, got {fault.Got}.", [fault]) : await SettleAsync(request.Rides));
        GateEndpoint.Failed += Failed;
        Endpoint.Failed += Failed;

        void Failed(string operation, Exception failure) => Record(string.Empty, new($"{operation} failed: {failure.GetType().Name}", $"{operation} 处理异常：{failure.GetType().Name}"));
    }

    public static PartySchema Schema => TransitTables.Operator;

    /// <summary>What phones call.</summary>
    public JsonEndpoint Endpoint { get; }

    /// <summary>What gates call.</summary>
    public JsonEndpoint GateEndpoint { get; }

    /// <summary>A card's balance in the books: what was credited, less what gates took and settled.</summary>
    public long Balance(string number) => store.Read(session => Balance(session, number));

    /// <summary>Takes a gate's rides. Each has the card's own authentication code; a repeated one counts once. A ride with a wrong code is not booked, and is told in the trace.</summary>
    public async Task<TransitOperator.SettleReply> SettleAsync(IReadOnlyList<TransitOperator.Ride> rides)
    {
        IReadOnlyList<int> good = [.. Enumerable.Range(0, rides.Count).Where(place => IsTheCards(rides[place]))];
        await store.CommitAsync(session =>
        {
            foreach (var ride in good.Select(place => rides[place]))
            {
                session.Execute(
                    "INSERT INTO transit_ride (number, purchase_number, amount, gate, gate_number, whenever, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (number, purchase_number) DO NOTHING",
                    ride.CardNumber, (long)ride.PurchaseNumber, ride.Amount, ride.Gate, ride.GateNumber, ride.When, clock.GetUtcNow());
            }

            return 0;
        });
        foreach (var place in Enumerable.Range(0, rides.Count).Except(good))
        {
            Record(rides[place].CardNumber, new("A gate handed in a ride whose code is not the card's: not booked.", "闸机提交的交易验证码与卡片不符，未入账。"));
        }

        return new TransitOperator.SettleReply(good);
    }

    private bool IsTheCards(TransitOperator.Ride ride) => module.VerifyDebitCode(
        CodeMaster, Convert.FromHexString(ride.CardNumber), (ushort)ride.PurchaseNumber, (uint)ride.Amount, Convert.FromHexString(ride.Gate), (uint)ride.GateNumber, Convert.FromHexString(ride.When), Convert.FromHexString(ride.Code));

    /// <summary>What is wrong with the form of a ride; null when nothing is.</summary>
    private static FieldError? Fault(IReadOnlyList<TransitOperator.Ride> rides)
    {
        for (var place = 0; place < rides.Count; place++)
        {
            var ride = rides[place];
            (string Field, string Expected, string Got, bool Right)[] fields =
            [
                ("cardNumber", "16 digits", ride.CardNumber, ride.CardNumber.Length == 16 && ride.CardNumber.All(char.IsAsciiDigit)),
                ("purchaseNumber", "0 to 65535", Words(ride.PurchaseNumber), ride.PurchaseNumber is >= 0 and <= ushort.MaxValue),
                ("amount", "minor units, up to what a card may hold", Words(ride.Amount), ride.Amount is > 0 and <= TransitPurse.MaxBalance),
                ("gate", "12 upper-case hex digits", ride.Gate, ride.Gate.Length == 12 && ride.Gate.All(char.IsAsciiHexDigitUpper)),
                ("gateNumber", "0 to 4294967295", Words(ride.GateNumber), ride.GateNumber is >= 0 and <= uint.MaxValue),
                ("when", "14 digits, yyyyMMddHHmmss", ride.When, ride.When.Length == 14 && ride.When.All(char.IsAsciiDigit)),
                ("code", "8 upper-case hex digits", ride.Code, ride.Code.Length == 8 && ride.Code.All(char.IsAsciiHexDigitUpper)),
            ];
            if (Array.Find(fields, static field => !field.Right) is { Field: not null } wrong)
            {
                return new FieldError($"rides[{Words(place)}].{wrong.Field}", wrong.Expected, wrong.Got.Length > 20 ? $"{Words(wrong.Got.Length)} characters" : wrong.Got);
            }
        }

        return null;

        static string Words(long number) => number.ToString(CultureInfo.InvariantCulture);
    }

    // ---- top-up ----

    private async Task<ApiReply<TransitOperator.TopUpReply>> TopUpAsync(TransitOperator.TopUpRequest request)
    {
        if (request.Amount is <= 0 or > TransitPurse.MaxBalance)
        {
            return Refused("INVALID_AMOUNT", new("A top-up is between 0.01 and 1000.00.", "充值金额须在 0.01 至 1000.00 元之间。"));
        }

        if (await CardOfAsync(request.Seid) is not { } number)
        {
            return Refused("NO_CARD", new("This phone has no transit card of ours.", "这部手机没有本公司的公交卡。"));
        }

        var load = store.Read(session => Load.Find(session, number, request.RequestId));
        if (load is { State: "DONE" })
        {
            return new TransitOperator.TopUpReply([], true, Balance(number));
        }

        if (load is not null && load.Amount != request.Amount)
        {
            return Refused("CONFLICT", new("The same top-up was asked for with another amount.", "同一笔充值的金额前后不一致。"));
        }

        if (request.Responses.Count == 0)
        {
            return new TransitOperator.TopUpReply(Begin(request.Amount), false, Balance(number));
        }

        if (!TryResponses(request.Responses, out var answers))
        {
            return new ApiError("INVALID_FIELD_VALUE", "responses: expected response APDUs as hex.", [new FieldError("responses", "response APDUs as hex", "something else")]);
        }

        return answers.Count == 2 ? await GrantAsync(request, number, load, answers[1]) : await CreditedAsync(request, number, load, answers[0]);
    }

    /// <summary>SELECT, INITIALIZE FOR LOAD.</summary>
    private List<string> Begin(long amount) =>
    [
        Hex(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Instance.Bytes)),
        Hex(CommandApdu.Of(0x80, 0x50, 0x00, 0x02, [0x01, .. Number(amount), .. options.Terminal])),
    ];

    /// <summary>The chip has said where it stands, under its MAC. Its count tells whether an older grant took effect that nobody heard of.</summary>
    private async Task<ApiReply<TransitOperator.TopUpReply>> GrantAsync(TransitOperator.TopUpRequest request, string number, Load? load, ResponseApdu begun)
    {
        if (!begun.Status.IsOk || begun.Data.Length != 16)
        {
            return Refused("CARD_REFUSED", new($"The card does not take this top-up ({begun.Status}).", $"卡片不接受本次充值（{begun.Status}）。"));
        }

        var data = begun.Data;
        var (balance, count) = (BinaryPrimitives.ReadUInt32BigEndian(data.Span), BinaryPrimitives.ReadUInt16BigEndian(data.Span[4..]));
        var when = clock.GetUtcNow().ToOffset(options.UtcOffset).ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        var grant = module.GrantLoad(LoadMaster, Convert.FromHexString(number), balance, (uint)request.Amount, count, data.Span[8..12], options.Terminal, Convert.FromHexString(when), data.Span[12..]);
        if (grant is null)
        {
            Record(number, new("Top-up: the card's MAC is wrong; nothing is granted.", "充值：卡片 MAC 错误，未放行。"));
            return Refused("CARD_REFUSED", new("The card could not be verified.", "卡片验证失败。"));
        }

        var decided = await store.CommitAsync(session =>
        {
            // Grants below the chip's count were used; one at its count was not, and the chip's random number has changed since.
            session.Execute("UPDATE transit_load SET state = 'DONE' WHERE number = $1 AND state = 'GRANTED' AND load_number < $2", number, (long)count);
            if (load is not null && Load.Find(session, number, request.RequestId) is { State: "DONE" })
            {
                return true;
            }

            session.Execute("DELETE FROM transit_load WHERE number = $1 AND state = 'GRANTED'", number);
            session.Execute("INSERT INTO transit_load (number, request, amount, load_number, state, at) VALUES ($1, $2, $3, $4, 'GRANTED', $5)", number, request.RequestId, request.Amount, (long)count, clock.GetUtcNow());
            return false;
        });
        if (decided)
        {
            return new TransitOperator.TopUpReply([], true, Balance(number));
        }

        Record(number, new($"Top-up of {request.Amount / 100m:0.00} granted to the chip.", $"充值 {request.Amount / 100m:0.00} 元，已向芯片放行。"));
        return new TransitOperator.TopUpReply([Hex(CommandApdu.Of(0x80, 0x52, 0x00, 0x00, [.. Convert.FromHexString(when), .. grant]))], false, Balance(number));
    }

    private async Task<ApiReply<TransitOperator.TopUpReply>> CreditedAsync(TransitOperator.TopUpRequest request, string number, Load? load, ResponseApdu credited)
    {
        if (load is null || !credited.Status.IsOk || credited.Data.Length != TransitPurse.MacLength)
        {
            // The grant stays open: the chip's count decides with the next top-up.
            return Refused("CARD_REFUSED", new($"The card did not take the money ({credited.Status}).", $"卡片未能入账（{credited.Status}）。"));
        }

        await store.CommitAsync(session => session.Execute("UPDATE transit_load SET state = 'DONE' WHERE number = $1 AND request = $2", number, request.RequestId));
        return new TransitOperator.TopUpReply([], true, Balance(number));
    }

    private sealed record Load(long Amount, string State)
    {
        public static Load? Find(Session session, string number, string request) =>
            session.One("SELECT amount, state FROM transit_load WHERE number = $1 AND request = $2", static row => new Load(row.GetInt64(0), row.GetString(1)), number, request);
    }

    private Task<string?> CardOfAsync(string seid) => store.WriteAsync(session => session.Text("SELECT number FROM transit_card WHERE seid = $1 AND live = 1", seid));

    private static long Balance(Session session, string number) =>
        (session.Number("SELECT SUM(amount) FROM transit_load WHERE number = $1 AND state = 'DONE'", number) ?? 0) - (session.Number("SELECT SUM(amount) FROM transit_ride WHERE number = $1", number) ?? 0);

    private void Record(string reference, Text why) =>
        trace.Record(new TraceEvent(reference, clock.GetUtcNow(), "transit", "chip", "transit", TraceKind.Decision, TraceDirection.Inside, string.Empty, why));

    private static ApiError Refused(string code, Text why) => new(code, why.En, null, why);

    private static bool TryResponses(IReadOnlyList<string> hex, out List<ResponseApdu> responses)
    {
        responses = [];
        foreach (var text in hex)
        {
            var bytes = new byte[text.Length / 2];
            if (Convert.FromHexString(text, bytes, out var consumed, out _) != System.Buffers.OperationStatus.Done || consumed != text.Length || !ResponseApdu.TryParse(bytes, out var response, out _))
            {
                return false;
            }

            responses.Add(response);
        }

        return true;
    }

    private static byte[] Number(long value) => [(byte)((value >> 24) & 0xFF), (byte)((value >> 16) & 0xFF), (byte)((value >> 8) & 0xFF), (byte)(value & 0xFF)];

    private static string Hex(CommandApdu command) => Convert.ToHexString(command.ToBytes());
}
