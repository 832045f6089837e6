using System.Buffers;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Host.Ui;
using Majia.Terminal;

namespace Majia.Host.Web;

/// <summary>What merchant and holder do at a terminal: amount, phone, PIN, cancel, void, slip again.</summary>
internal static class CounterRoutes
{
    private const int LongestPin = 12;

    private static readonly ApiError
        Busy = new("TERMINAL_BUSY", "A transaction is under way.", null, new("A payment is under way at this terminal.", "该终端正在处理一笔交易。")),
        FieldOff = new("FIELD_OFF", "The terminal does not wait for a card.", null, new("The terminal is not waiting for a phone. Enter an amount first.", "终端未在等待刷卡，请先输入金额收款。")),
        NotAsked = new("PIN_NOT_ASKED", "No PIN is asked for under that number.", null, new("The terminal no longer waits for this PIN.", "终端已不再等待输入密码。")),
        NotSettled = new("TERMINAL_FAILED", "The settlement did not end.", null, new("The terminal failed while it settled; see the log. The batch is still open.", "终端结算时出错，详见日志，批次未结算。")),
        BadPin = new("INVALID_JSON", "Expected {\"request\": number, \"pin\": digits or null}."),
        NoSlip = new("NO_SLIP", "No slip under that number.", null, new("This terminal has printed no such slip.", "本终端没有这张签购单。"));

    private static readonly Text OutOfRange = new("The amount must be above 0.00 and at most 9,999,999,999.99.", "金额应大于 0.00，且不超过 9,999,999,999.99。");

    private sealed record Sell(string Amount);

    private sealed record Void(string Number);

    /// <param name="Amount">Null: all that is left of the sale.</param>
    private sealed record Refund(string Rrn, string? Amount = null);

    private sealed record Tap(string Phone);

    private sealed record TapCard(string Card);

    private sealed record Insert(string Amount, string Card);

    /// <summary>For the API's description alone: the digits themselves never become a string (<see cref="ReadPinAsync"/>).</summary>
    private sealed record PinTyped(int Request, string? Pin)
    {
        public override string ToString() => nameof(PinTyped);
    }

    public static void Map(RouteGroupBuilder api, MajiaSystem system, IReadOnlyDictionary<string, Counter> counters, Changes changes)
    {
        var routes = api.MapGroup("/terminals/{id}");

        routes.MapPost("/sell", (string id, Sell body) =>
            !counters.TryGetValue(id, out var counter) ? Results.NotFound()
            : Price(body.Amount, out var amount) is { } wrong ? Refused(wrong)
            : counter.TrySell(amount) ? Results.Accepted() : Conflict(Busy)).WithSummary("The merchant enters an amount: the terminal waits for a phone or card. / 商户输入金额，终端等待挥卡。");
        routes.MapPost("/insert", async (string id, Insert body) =>
            !counters.TryGetValue(id, out var counter) || SeedData.Find(body.Card) is null ? Results.NotFound()
            : Price(body.Amount, out var amount) is { } wrong ? Refused(wrong)
            : counter.Now.Busy ? Conflict(Busy) // a card is not taken out of a transaction that it is in
            : counter.TrySellInserted(amount, await system.Plastics.InSlotAsync(body.Card)) ? Results.Accepted() : Conflict(Busy)).WithSummary("A sale with a test card's plastic in the slot. / 插入测试卡实体卡消费。");
        routes.MapPost("/tap-card", async (string id, TapCard body) =>
            !counters.TryGetValue(id, out var counter) || SeedData.Find(body.Card) is null ? Results.NotFound()
            : !counter.Now.Busy ? Conflict(FieldOff)
            : counter.HoldCard(await system.Plastics.InFieldAsync(body.Card)) ? Results.Accepted() : Conflict(FieldOff)).WithSummary("Holds a test card's plastic to the waiting terminal. / 用测试卡实体卡挥卡。");
        routes.MapPost("/void", (string id, Void body) =>
            !counters.TryGetValue(id, out var counter) ? Results.NotFound() : counter.TryVoid(body.Number.Trim()) ? Results.Accepted() : Conflict(Busy)).WithSummary("Undoes a sale of the open batch, by its voucher or reference number. / 按凭证号或参考号撤销当前批次的消费。");
        routes.MapPost("/refund", (string id, Refund body) =>
        {
            Amount? part = null;
            if (body.Amount is { } text)
            {
                if (Price(text, out var amount) is { } wrong)
                {
                    return Refused(wrong);
                }

                part = amount;
            }

            return !counters.TryGetValue(id, out var counter) ? Results.NotFound() : counter.TryRefund(body.Rrn.Trim(), part) ? Results.Accepted() : Conflict(Busy);
        }).WithSummary("Gives back a settled sale by its reference number, or a part of it. / 按参考号退货，可部分退货。");
        routes.MapPost("/settle", async (string id) =>
        {
            if (!counters.TryGetValue(id, out var counter))
            {
                return Results.NotFound();
            }

            if (counter.Now.Busy)
            {
                return Conflict(Busy);
            }

            return await counter.SettleAsync() is { } settled
                ? Results.Json(new
                {
                    settled.Outcome, settled.Why, settled.Closed, settled.Batch,
                    sales = settled.Totals.DebitCount, sold = Amount.Cny(settled.Totals.Debit).ToString(), credits = settled.Totals.CreditCount, givenBack = Amount.Cny(settled.Totals.Credit).ToString(), net = settled.Totals.Net.ToString(),
                    slip = settled.Slip?.Print(),
                }, PageJson.Written)
                : counter.Now.Failed ? Results.Json(NotSettled, PageJson.Written, statusCode: StatusCodes.Status500InternalServerError) : Conflict(Busy);
        }).WithSummary("Closes the batch: the terminal's totals against the acquirer's. The answer is the outcome. / 结算批次：与收单行对账，应答即结果。");
        routes.MapPost("/tap", async (string id, Tap body) =>
            !counters.TryGetValue(id, out var counter) || !system.Phones.TryGetValue(body.Phone, out var phone) ? Results.NotFound()
            : await counter.HoldAsync(phone) ? Results.Accepted() : Conflict(FieldOff)).WithSummary("Holds a phone to the waiting terminal. / 将手机靠近等待中的终端。");
        routes.MapPost("/cancel", (string id) =>
        {
            if (!counters.TryGetValue(id, out var counter))
            {
                return Results.NotFound();
            }

            counter.Cancel();
            return Results.Accepted();
        }).WithSummary("The merchant's cancel key. / 商户按取消键。");
        routes.MapPost("/pin", async (string id, HttpRequest request) =>
        {
            if (!counters.TryGetValue(id, out var counter))
            {
                return Results.NotFound();
            }

            if (!request.HasJsonContentType())
            {
                return Results.StatusCode(StatusCodes.Status415UnsupportedMediaType);
            }

            var typed = await ReadPinAsync(request);
            return typed is not { } pin ? Refused(BadPin) : counter.TypePin(pin.Request, pin.Digits) ? Results.Accepted() : Conflict(NotAsked);
        }).Accepts<PinTyped>("application/json").WithSummary("The PIN typed on the terminal's pad, for the request that /api/state names; null: its cancel key. / 在终端密码键盘输入密码。");
        routes.MapGet("/slips/{number}", async (string id, string number) =>
            !counters.TryGetValue(id, out var counter) ? Results.NotFound()
            : await counter.Terminal.ReprintAsync(number) is { } slip ? Results.Json(new { slip = slip.Print(SlipCopy.Merchant, duplicate: true) }, PageJson.Written)
            : Results.Json(NoSlip, PageJson.Written, statusCode: StatusCodes.Status404NotFound)).WithSummary("A slip printed again, marked as a duplicate. / 重打签购单。");
        routes.MapGet("/slips/{number}/picture.svg", async (string id, string number, string? copy) =>
            !counters.TryGetValue(id, out var counter) ? Results.NotFound()
            : await counter.Terminal.ReprintAsync(number) is { } slip ? Results.Text(SlipPicture.Draw(slip, copy == "merchant" ? SlipCopy.Merchant : SlipCopy.Cardholder, background: true), "image/svg+xml")
            : Results.Json(NoSlip, PageJson.Written, statusCode: StatusCodes.Status404NotFound)).WithSummary("A slip as a picture; copy=merchant for the shop's. / 签购单图片，copy=merchant 为商户联。");
    }

    /// <summary>What is wrong with an amount; null when nothing is.</summary>
    private static ApiError? Price(string text, out Amount amount) =>
        !Amount.TryParse(text.Trim(), Currency.Cny, out amount, out var error)
            ? new ApiError("INVALID_AMOUNT", error.ToString(), [new FieldError("amount", error.Expected, error.Got)], new("Write the amount as 88.00.", "金额格式如 88.00。"))
            : amount.Minor is <= 0 or > Amount.MaxMinor ? new ApiError("INVALID_AMOUNT", OutOfRange.En, null, OutOfRange)
            : null;

    private static IResult Refused(ApiError error) => Results.Json(error, PageJson.Written, statusCode: StatusCodes.Status400BadRequest);

    private static IResult Conflict(ApiError error) => Results.Json(error, PageJson.Written, statusCode: StatusCodes.Status409Conflict);

    /// <summary>The digits never become a string: bytes to characters, and the bytes are overwritten. The PIN pad overwrites the characters.</summary>
    private static async Task<(int Request, char[]? Digits)?> ReadPinAsync(HttpRequest request)
    {
        var body = ArrayPool<byte>.Shared.Rent(256);
        try
        {
            var length = 0;
            for (int read; length < body.Length && (read = await request.Body.ReadAsync(body.AsMemory(length), request.HttpContext.RequestAborted)) > 0;)
            {
                length += read;
            }

            return ParsePin(body.AsSpan(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(body, clearArray: true);
        }
    }

    private static (int Request, char[]? Digits)? ParsePin(ReadOnlySpan<byte> body)
    {
        int? number = null;
        char[]? digits = null;
        var reader = new Utf8JsonReader(body);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return null;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isPin = reader.ValueTextEquals("pin"u8);
                if (!isPin && !reader.ValueTextEquals("request"u8))
                {
                    return null;
                }

                reader.Read();
                if (isPin && reader.TokenType == JsonTokenType.String && reader.ValueSpan.Length <= LongestPin)
                {
                    digits = new char[reader.ValueSpan.Length];
                    var copied = reader.CopyString(digits);
                    digits = copied == digits.Length ? digits : null;
                }
                else if (!isPin && reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var value))
                {
                    number = value;
                }
                else if (reader.TokenType != JsonTokenType.Null)
                {
                    return null;
                }
            }
        }
        catch (JsonException)
        {
            return null;
        }

        return number is { } asked ? (asked, digits) : null;
    }
}
