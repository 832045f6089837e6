using System.Globalization;
using System.Text.RegularExpressions;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Phone;
using Majia.Terminal;

namespace Majia.Simulation.Scenarios;

/// <summary>What a step came to.</summary>
/// <param name="Outcome">A word of its verb.</param>
/// <param name="Codes">F39, or the codes of the refusals.</param>
/// <param name="Slip">What a printer printed, or null.</param>
/// <param name="Asked">Whether the holder was asked for the PIN.</param>
public sealed record StepResult(string Outcome, Text Why, IReadOnlyList<string> Codes, string? Slip = null, bool Asked = false)
{
    public static StepResult Done { get; } = new("done", new("done", "完成"), []);

    public static StepResult Of(string outcome, IReadOnlyList<Refusal> reasons) => new(
        outcome, new(string.Join(" ", reasons.Select(reason => reason.Why.En)), string.Concat(reasons.Select(reason => reason.Why.Zh))), [.. reasons.Select(reason => reason.Code)]);

    public static StepResult Of(ApiError? error) => error is null ? Done : new("refused", error.Why ?? new(error.ErrorDescription, error.ErrorDescription), [error.ErrorCode]);

    public static StepResult When(bool done) => done ? Done : new("refused", new("There was nothing to do.", "无可执行的操作。"), []);
}

/// <summary>A payment that a later step may speak of.</summary>
public sealed record Remembered(Till Till, SaleResult Result, string Phone, string CardReference);

/// <summary>The people of a scenario and what they do in the world: the whole composed system on a virtual clock.</summary>
public sealed partial class Stage
{
    /// <summary>Who speaks of no phone means this one.</summary>
    public const string FirstPhone = "mi5";

    private readonly World world;
    private readonly SortedDictionary<string, string> references = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, Remembered> payments = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, (string Card, Embossing Embossing)> replaced = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, (long Balance, long Points)> before;

    public Stage(World world)
    {
        this.world = world;
        before = Accounts();
    }

    private Cast Cast => world.Cast;

    private Node Server => world.NodeOf("wallet");

    /// <summary>What the clock of the running system does every second: outboxes are sent, what stalled is swept.</summary>
    public void Round()
    {
        foreach (var handset in world.Handsets)
        {
            world.Do(handset.Process, () => handset.Device.PumpAsync());
        }

        if (!Server.IsUp)
        {
            return;
        }

        world.Do(Server.Process, async () =>
        {
            foreach (var bank in Server.Issuers.Values)
            {
                await bank.PumpAsync();
            }

            await Server.Acquirer!.PumpAsync(CancellationToken.None);
            await Server.Store.DurableAsync();
            await Server.Network!.PumpAsync(CancellationToken.None);
            await Server.TokenService!.SweepAsync();
            await Server.TokenService.RenewDailyAsync();
            await Server.TokenService.PumpAsync();
            await Server.Wallet!.SweepAsync();
            await Server.Store.DurableAsync();
        });
    }

    /// <summary>Time passes, and the system's own rounds with it.</summary>
    public void Pass(TimeSpan span)
    {
        const int Rounds = 10;
        for (var i = 0; i < Rounds; i++)
        {
            world.Scheduler.Advance(span / Rounds);
            Round();
        }
    }

    /// <summary>Everybody may tell what they have left to tell, faults end; then every invariant is looked at.</summary>
    /// <returns>The first that is broken, or null.</returns>
    public string? Settle()
    {
        new Actors(world).Settle();
        var evidence = new Evidence(world);

        // In a simulation no two sales have the same amount, and so it can be looked for; people do buy the same thing twice.
        return Invariants.Table.Where(invariant => invariant.Name != "debited-at-most-once")
            .Select(invariant => invariant.Broken(evidence) is { } broken ? $"{invariant.Name}: {broken}" : null)
            .FirstOrDefault(broken => broken is not null);
    }

    /// <summary>
    /// The state of whatever <paramref name="who"/> names: a plastic card (<c>mingyue-01</c>: normal, lost …), a device card at the token service
    /// (<c>mingyue-01@mi5</c>: active, suspended, deactivated, none), an account (open, closed), a handset's screen (<c>mi5</c>: dark, ready …),
    /// what has taken a plastic's place (<c>plastic@mingyue-01</c>), or a count (<c>cards@mi5</c> that can pay, <c>places@mi5</c> and <c>devices@mingyue-01</c> at the token service, <c>messages@mingyue-01</c> to the holder, <c>moved@mingyue-01</c>: device cards of its newest plastic, <c>untold@mingyue-01</c>: what the token service has not been told yet, <c>electronic-cash@mingyue-16</c> in its bank's books,
    /// <c>reader@mi5</c>: what a bare reader finds, <c>reversals@books</c> and <c>refunds@books</c> or <c>advices@books</c> that a terminal keeps). Null: nobody knows what that is.
    /// </summary>
    public string? StateOf(string who)
    {
        if (who.Split('@') is [var what, var where])
        {
            return what switch
            {
                "cards" when Find(where) is { } phone => Count(phone.Device.State.Cards.Count(card => card.State == EnrolmentState.Active)),
                "places" when Find(where) is { } phone => Count(world.Read("token-service", session => session.Number("SELECT COUNT(*) FROM token_device_slot WHERE seid = $1", phone.Chip.Seid)) ?? 0),
                "reader" when Find(where) is { } phone => FindsCard(phone) ? "card" : "nothing",
                "devices" when Cast.Card(where) is { } card => Count(DeskOf(card).DeviceCards(card.Id).Count(device => device.State != TokenState.Deactivated)),
                "plastic" when Cast.Card(where) is { } card => DeskOf(card).Cards().Single(one => one.Card == Latest(where)).State.Name().En,
                "moved" when Cast.Card(where) is { } card => Count(DeskOf(card).DeviceCards(Latest(where)).Count(device => device.State != TokenState.Deactivated)),
                "untold" when Cast.Card(where) is { } card => Count(DeskOf(card).ErrandsOf(where).Count(errand => errand.DoneAt is null)),
                "messages" when Cast.Card(where) is { } card => Count(DeskOf(card).Messages(card.Customer).Count),
                "reversals" when Cast.Tills.Any(till => till.Id == where) => Count(At(where).Device.Pending.Count),
                "refunds" or "advices" when Cast.Tills.Any(till => till.Id == where) => Count(At(where).Device.PendingAdvices.Count),
                "electronic-cash" when Cast.Card(where) is { } card => ElectronicCashOf(card),
                _ when Cast.Card(what) is not null && Find(where) is not null => Token(what, where),
                _ => null,
            };
        }

        if (Cast.Card(who) is { } plastic && Cast.BankOf(plastic) is not null)
        {
            return DeskOf(plastic).Cards().Single(card => card.Card == who).State.Name().En;
        }

        return Find(who) is { } handset ? handset.Device.Screen.Kind.ToString().ToLowerInvariant()
            : Accounts(who) is { } account ? (account.Closed ? "closed" : "open")
            : null;
    }

    /// <summary>Money and points that have moved on an account since the scenario began; <c>suspense@card</c> and <c>settlement@card</c> are the bank's own. Null: there is no such account.</summary>
    public (Amount Money, long Points)? MovedOn(string account)
    {
        if (!before.TryGetValue(account, out var was))
        {
            return null;
        }

        var now = Accounts()[account];
        return (Amount.Cny(now.Balance - was.Balance), now.Points - was.Points);
    }

    private SortedDictionary<string, (long Balance, long Points)> Accounts()
    {
        var all = new SortedDictionary<string, (long, long)>(StringComparer.Ordinal);
        foreach (var bank in Cast.Banks)
        {
            foreach (var account in Desk(bank).Accounts())
            {
                all.Add(account.Account, (account.Balance.Minor, account.Points));
            }

            foreach (var (name, own) in (ReadOnlySpan<(string, string)>)[("suspense", Ledger.Suspense), ("settlement", Ledger.Settlement)])
            {
                var sum = world.Read($"issuer-{bank.Institution}", session => session.Number("SELECT COALESCE(SUM(amount), 0) FROM issuer_ledger WHERE institution = $1 AND account = $2", bank.Institution, own)) ?? 0;
                foreach (var card in bank.Cards)
                {
                    all.Add($"{name}@{card.Id}", (sum, 0));
                }
            }
        }

        return all;
    }

    private AccountView? Accounts(string account) => Cast.Banks.SelectMany(bank => Desk(bank).Accounts()).FirstOrDefault(one => one.Account == account);

    private string Token(string card, string phone) =>
        references.TryGetValue($"{card}@{phone}", out var reference)
        && world.Read("wallet", session => session.Text("SELECT tur FROM wallet_card WHERE card_reference = $1", reference)) is { } tur
            ? world.Read("token-service", session => session.Text("SELECT state FROM token_token WHERE tur = $1", tur))?.ToLowerInvariant() ?? "none"
            : "none";

    private string? Reference(string card, string phone) =>
        references.TryGetValue($"{card}@{phone}", out var reference) ? reference : null;

    private string Tur(string card, string phone) => Reference(card, phone) is { } reference
        && world.Read("wallet", session => session.Text("SELECT tur FROM wallet_card WHERE card_reference = $1", reference)) is { } tur ? tur : "none";

    private Handset? Find(string phone) => world.Handsets.FirstOrDefault(handset => handset.Seed.Id == phone);

    private Handset Phone(Arguments said) => Find(said["phone"] ?? FirstPhone)!;

    private static string PhoneName(Arguments said) => said["phone"] ?? FirstPhone;

    private Counter At(string shop) => world.Counters.Single(counter => counter.Till.Id == shop);

    private IssuerDesk Desk(SeedBank bank) => world.NodeOf($"issuer-{bank.Institution}").Issuers[bank.Institution].Desk;

    private IssuerDesk DeskOf(SeedCard card) => Desk(Cast.BankOf(card)!);

    private static string Count(long number) => number.ToString(CultureInfo.InvariantCulture);

    private StepResult AtTheServer(Func<Task<StepResult>> work) => Server.IsUp
        ? world.Do(Server.Process, async () =>
        {
            var result = await work();
            await Server.Store.DurableAsync();
            return result;
        })
        : new StepResult("unreachable", new("The server is down.", "服务器已停机。"), []);

    [GeneratedRegex(@"\] (\d{6}) is your code")]
    private static partial Regex CodeInIt();
}
