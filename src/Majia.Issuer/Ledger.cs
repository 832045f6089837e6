using System.Globalization;
using System.Text;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

public enum EntryKind
{
    Opening,
    Sale,
    Void,
    Reversal,
    Refund,

    /// <summary>Approved by the plastic itself, cleared afterwards.</summary>
    Offline,
}

/// <summary>One line of the double-entry ledger: never changed, never deleted. Positive is to the account's good.</summary>
/// <param name="Points">What the account earned with it (<see cref="Rewards"/>).</param>
public sealed record LedgerEntry(string Id, string Transaction, string Account, Amount Amount, EntryKind Kind, DateTimeOffset At, long Points = 0);

/// <summary>The bank's books. Entries of one transaction and currency sum to zero; a customer's balance is the sum of its entries.</summary>
public static class Ledger
{
    /// <summary>What the bank owes to, or has from, the network's settlement.</summary>
    public const string Settlement = "settlement-network";

    /// <summary>Money of customers whose account was closed before it came back (decisions.md 9).</summary>
    public const string Suspense = "suspense";

    /// <summary>What stands on chips as electronic cash: the bank owes it to their holders, and to whoever brings a card's approval.</summary>
    public const string ElectronicCash = "electronic-cash";

    /// <summary>The other side of the balances that the bank started with.</summary>
    public const string Opening = "opening";

    /// <summary>An entry in the books of one bank.</summary>
    private sealed record Line(string Institution, LedgerEntry Entry);

    private static readonly HotTable<Line> Table = new(
        "issuer_ledger", keys: 3, columns: "institution, account, entry, transaction_key, amount, currency, kind, at, points",
        map: static row => new Line(row.GetString(0), new(
            row.GetString(2), row.GetString(3), row.GetString(1), new Amount(row.GetInt64(4), new Currency((int)row.GetInt64(5))), Enum.Parse<EntryKind>(row.GetString(6)), row.Instant(7), row.GetInt64(8))),
        values: static line => [line.Institution, line.Entry.Account, line.Entry.Id, line.Entry.Transaction, line.Entry.Amount.Minor, (long)line.Entry.Amount.Currency.Numeric, line.Entry.Kind.ToString(), line.Entry.At, line.Entry.Points]);

    /// <summary>Two lines: <paramref name="amount"/> to <paramref name="account"/>, its opposite to <paramref name="counter"/>.</summary>
    /// <param name="points">Of the first line.</param>
    internal static LedgerEntry[] Pair(string transaction, EntryKind kind, string account, Amount amount, string counter, DateTimeOffset at, long points = 0) =>
    [
        new(Id(transaction, kind, 1), transaction, account, amount, kind, at, points),
        new(Id(transaction, kind, 2), transaction, counter, -amount, kind, at),
    ];

    private static string Id(string transaction, EntryKind kind, int line) => $"{transaction}/{Word(kind)}/{(char)('0' + line)}";

    internal static string Word(EntryKind kind) => kind switch
    {
        EntryKind.Sale => "sale",
        EntryKind.Void => "void",
        EntryKind.Reversal => "reversal",
        EntryKind.Refund => "refund",
        _ => kind.ToString().ToLowerInvariant(),
    };

    /// <summary>Writes the lines and moves the customers' balances. The primary key makes a second posting of the same kind impossible.</summary>
    /// <param name="guarded">True: a debit beyond what is available changes nothing and returns false.</param>
    internal static bool TryPost(Session session, string institution, LedgerEntry[] entries, bool guarded)
    {
        foreach (var entry in entries)
        {
            if (entry.Account is Settlement or Suspense or Opening or ElectronicCash)
            {
                continue;
            }

            if (Account.ById(session, institution, entry.Account) is not { } account)
            {
                return guarded ? false : throw new InvalidOperationException("a ledger entry names an account that is not there");
            }

            var moved = account with { Balance = account.Balance + entry.Amount };
            if (guarded && moved.Available.Minor < 0)
            {
                return false;
            }

            moved.Put(session, institution);
        }

        foreach (var entry in entries)
        {
            session.Add(Table, new(institution, entry));
        }

        return true;
    }

    /// <summary>The lines of one transaction. They are named after it, so no index leads to them: only the bank's own accounts and <paramref name="customers"/> are looked at.</summary>
    internal static List<LedgerEntry> Of(Session session, string institution, string transaction, IEnumerable<string> customers)
    {
        string[] accounts = [Settlement, Suspense, ElectronicCash, Opening, .. customers];
        string[] names = [.. Enum.GetValues<EntryKind>().SelectMany(kind => (string[])[Id(transaction, kind, 1), Id(transaction, kind, 2)])];
        return session.Query(
            $"""
            SELECT entry, transaction_key, account, amount, currency, kind, at FROM issuer_ledger WHERE institution = $1
              AND account IN ({Places(2, accounts.Length)}) AND entry IN ({Places(2 + accounts.Length, names.Length)}) ORDER BY at, entry
            """,
            row => new LedgerEntry(
                row.GetString(0), row.GetString(1), row.GetString(2), new Amount(row.GetInt64(3), new Currency((int)row.GetInt64(4))),
                Enum.Parse<EntryKind>(row.GetString(5)), row.Instant(6)),
            [institution, .. accounts, .. names]);

        static string Places(int from, int count) => string.Join(", ", Enumerable.Range(from, count).Select(place => $"${place}"));
    }

    /// <summary>The last entries of one account, newest first.</summary>
    internal static List<LedgerEntry> Last(Session session, string institution, string account, int limit) => session.Query(
        "SELECT entry, transaction_key, account, amount, currency, kind, at FROM issuer_ledger WHERE institution = $1 AND account = $2 ORDER BY at DESC, entry DESC LIMIT $3",
        row => new LedgerEntry(
            row.GetString(0), row.GetString(1), row.GetString(2), new Amount(row.GetInt64(3), new Currency((int)row.GetInt64(4))),
            Enum.Parse<EntryKind>(row.GetString(5)), row.Instant(6)),
        institution, account, limit);

    /// <summary>Aligned text, a line an entry: kind, account, amount, currency.</summary>
    public static string Print(IReadOnlyList<LedgerEntry> entries)
    {
        var text = new StringBuilder();
        var wide = entries.Count == 0 ? 0 : entries.Max(e => e.Account.Length);
        foreach (var entry in entries)
        {
            text.Append(CultureInfo.InvariantCulture, $"{entry.Kind.ToString().ToLowerInvariant(),-8}  {entry.Account.PadRight(wide)}  {entry.Amount.ToString(),14} {entry.Amount.Currency}").Append('\n');
        }

        return text.ToString();
    }
}

/// <summary>Points by the bank's rules (<see cref="RewardRules"/>), on the plastic's account, whichever face of the card paid (R18). A sale's points stand on its ledger line; others, which may be booked elsewhere than they were earned, in lines of their own.</summary>
public static class Rewards
{
    /// <summary>Of an account $2 of bank $1.</summary>
    internal const string Sum =
        "(SELECT COALESCE(SUM(points), 0) FROM issuer_rewards WHERE institution = $1 AND account = $2) + (SELECT COALESCE(SUM(points), 0) FROM issuer_ledger WHERE institution = $1 AND account = $2)";

    internal static void Post(Session session, string institution, string account, string transaction, EntryKind kind, long points, DateTimeOffset at)
    {
        if (points != 0)
        {
            session.Add(Table, new(institution, account, $"{transaction}/{Ledger.Word(kind)}", transaction, points, at));
        }
    }

    private sealed record Line(string Institution, string Account, string Entry, string Transaction, long Points, DateTimeOffset At);

    private static readonly HotTable<Line> Table = new(
        "issuer_rewards", keys: 3, columns: "institution, account, entry, transaction_key, points, at",
        map: static row => new Line(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt64(4), row.Instant(5)),
        values: static line => [line.Institution, line.Account, line.Entry, line.Transaction, line.Points, line.At]);
}
