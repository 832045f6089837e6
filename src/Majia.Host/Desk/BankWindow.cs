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
        .Map<BooksRequest, DeskBooks>("books", (_, _) => Now(new DeskBooks(desk.BrokenInvariants())));

    /// <summary>The bank's outbox to one customer, oldest first.</summary>
    public async Task<IReadOnlyList<DeskMessage>> MessagesAsync(string customer) => (await AskAsync<CustomerRequest, DeskMessages>("messages", new(customer))).Messages;

    /// <summary>What the bank wrote last to anybody, newest first.</summary>
    public async Task<IReadOnlyList<DeskMessage>> RecentAsync(int limit) => (await AskAsync<RecentRequest, DeskMessages>("recent", new(limit))).Messages;

    public Task<DeskAccount> AccountAsync(string account) => AskAsync<AccountRequest, DeskAccount>("account", new(account));

    /// <summary>The last-four resolver, newest first.</summary>
    public async Task<IReadOnlyList<DeskSale>> ResolveAsync(string lastFour, string? rrn) => (await AskAsync<SlipRequest, DeskSales>("resolve", new(lastFour, rrn))).Sales;

    public async Task<IReadOnlyList<string>> BrokenInvariantsAsync() => (await AskAsync<BooksRequest, DeskBooks>("books", new())).Broken;

    private static Task<ApiReply<T>> Now<T>(T value)
        where T : notnull => Task.FromResult<ApiReply<T>>(value);

    /// <exception cref="PartyUnreachableException">The bank does not answer.</exception>
    private async Task<TResponse> AskAsync<TRequest, TResponse>(string operation, TRequest request)
        where TRequest : notnull
        where TResponse : notnull =>
        await line.CallAsync<TRequest, TResponse>(operation, request, CancellationToken.None) is { Value: { } value } ? value : throw new PartyUnreachableException(bank.En);
}
