using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Issuer;

namespace Majia.Host.Desk;

/// <param name="Customer">The bank's own id of its customer.</param>
public sealed record CustomerRequest(string Customer);

/// <param name="Id">Ascending within a customer's messages.</param>
/// <param name="Mobile">Masked.</param>
public sealed record DeskMessage(string Id, string Mobile, Text Body, DateTimeOffset At);

public sealed record DeskMessages(IReadOnlyList<DeskMessage> Messages);

/// <summary>What the bank wrote to anybody, newest first: a demonstration's people all read one phone.</summary>
public sealed record RecentRequest(int Limit);

public sealed record AccountRequest(string Account);

/// <param name="Minor">Balance in minor units.</param>
public sealed record DeskAccount(string Account, long Minor, long Points);

public sealed record SlipRequest(string LastFour, string? Rrn = null);

/// <param name="Plastic">Masked.</param>
public sealed record DeskSale(string Rrn, string DeviceLastFour, string Plastic, string State, Text HowToUndo);

public sealed record DeskSales(IReadOnlyList<DeskSale> Sales);

/// <param name="Card">The bank's own id of the plastic.</param>
/// <param name="SameNumber">Only a new expiry and CVN2, for a card that has expired.</param>
/// <param name="MoveTokens">Null: the policy of the card's range (R22).</param>
public sealed record ReplaceRequest(string Card, bool SameNumber = false, bool? MoveTokens = null);

/// <param name="Old">Masked, as are the rest.</param>
/// <param name="Card">The bank's id of the new plastic.</param>
/// <param name="Expiry">YYMM.</param>
/// <param name="Moves">Its device cards go with the account; false: they are deleted.</param>
public sealed record DeskReplacement(string Old, string Card, string New, string Expiry, bool Moves, int DeviceCards);

public sealed record BooksRequest;

/// <param name="Broken">Sentences of what does not hold; empty is good.</param>
public sealed record DeskBooks(IReadOnlyList<string> Broken);

/// <summary>The window of a bank's counter: what its staff ask, whether the bank is in this process or elsewhere. Numbers come masked.</summary>
public sealed class BankWindow(string institution, Text bank, IJsonLink line)
{
    public string Institution => institution;

    public Text Bank => bank;

    /// <summary>What the bank answers there.</summary>
    public static JsonEndpoint Of(IssuerDesk desk, string party) => new JsonEndpoint(party)
        .Map<CustomerRequest, DeskMessages>("messages", (request, _) => Now(new DeskMessages([.. desk.Messages(request.Customer).Select(message => new DeskMessage(message.Id, message.Mobile, message.Body, message.At))])))
        .Map<RecentRequest, DeskMessages>("recent", (request, _) => Now(new DeskMessages([.. SeedData.Bank(desk.Institution).Customers.SelectMany(customer => desk.Messages(customer.Id))
            .OrderByDescending(message => message.At).ThenByDescending(message => message.Id, StringComparer.Ordinal).Take(Math.Clamp(request.Limit, 1, 100))
            .Select(message => new DeskMessage(message.Id, message.Mobile, message.Body, message.At))])))
        .Map<AccountRequest, DeskAccount>("account", (request, _) => desk.Accounts().FirstOrDefault(account => account.Account == request.Account) is { } found
            ? Now(new DeskAccount(found.Account, found.Balance.Minor, found.Points))
            : Task.FromResult<ApiReply<DeskAccount>>(new ApiError("NO_SUCH_ACCOUNT", "The bank has no such account.")))
        .Map<SlipRequest, DeskSales>("resolve", (request, _) => Now(new DeskSales([.. desk.Resolve(request.LastFour, request.Rrn).Sales
            .Select(sale => new DeskSale(sale.Rrn, sale.DeviceLastFour, sale.Plastic.Masked, sale.State.ToString(), sale.HowToUndo))])))
        .Map<ReplaceRequest, DeskReplacement>("replace-plastic", (request, _) => ReplaceAsync(desk, request))
        .Map<BooksRequest, DeskBooks>("books", (_, _) => Now(new DeskBooks(desk.BrokenInvariants())));

    /// <summary>The bank's outbox to one customer, oldest first.</summary>
    public async Task<IReadOnlyList<DeskMessage>> MessagesAsync(string customer) => (await AskAsync<CustomerRequest, DeskMessages>("messages", new(customer))).Messages;

    /// <summary>What the bank wrote last to anybody, newest first.</summary>
    public async Task<IReadOnlyList<DeskMessage>> RecentAsync(int limit) => (await AskAsync<RecentRequest, DeskMessages>("recent", new(limit))).Messages;

    public Task<DeskAccount> AccountAsync(string account) => AskAsync<AccountRequest, DeskAccount>("account", new(account));

    /// <summary>The last-four resolver, newest first.</summary>
    public async Task<IReadOnlyList<DeskSale>> ResolveAsync(string lastFour, string? rrn) => (await AskAsync<SlipRequest, DeskSales>("resolve", new(lastFour, rrn))).Sales;

    /// <summary>A new plastic in place of an old one (R22); what it comes to, or why not.</summary>
    /// <exception cref="PartyUnreachableException">The bank does not answer.</exception>
    public Task<ApiReply<DeskReplacement>> ReplacePlasticAsync(string card, bool sameNumber = false, bool? moveTokens = null) =>
        line.CallAsync<ReplaceRequest, DeskReplacement>("replace-plastic", new(card, sameNumber, moveTokens), CancellationToken.None);

    private static async Task<ApiReply<DeskReplacement>> ReplaceAsync(IssuerDesk desk, ReplaceRequest request)
    {
        var (done, why) = request.SameNumber ? await desk.RenewAsync(request.Card)
            : await desk.ReplaceAsync(request.Card, request.MoveTokens is { } moves ? (moves ? ReplacementPolicy.MoveTokens : ReplacementPolicy.DeleteAndAddAgain) : null);
        return done is null
            ? new ApiError(why!.Code, why.Why.En, [new FieldError("card", "a card that can be replaced", request.Card)], why.Why)
            : new DeskReplacement(done.Old.Masked, done.New.Card, done.New.Masked, done.New.Expiry, done.Policy == ReplacementPolicy.MoveTokens, done.DeviceCards);
    }

    public async Task<IReadOnlyList<string>> BrokenInvariantsAsync() => (await AskAsync<BooksRequest, DeskBooks>("books", new())).Broken;

    private static Task<ApiReply<T>> Now<T>(T value)
        where T : notnull => Task.FromResult<ApiReply<T>>(value);

    /// <exception cref="PartyUnreachableException">The bank does not answer.</exception>
    private async Task<TResponse> AskAsync<TRequest, TResponse>(string operation, TRequest request)
        where TRequest : notnull
        where TResponse : notnull =>
        await line.CallAsync<TRequest, TResponse>(operation, request, CancellationToken.None) is { Value: { } value } ? value : throw new PartyUnreachableException(bank.En);
}
