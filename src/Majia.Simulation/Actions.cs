using System.Collections.Immutable;
using System.Globalization;

namespace Majia.Simulation;

/// <summary>One thing that somebody does, or that goes wrong, and how long nobody does anything else after it.</summary>
/// <param name="Verb">One of <see cref="SimActions.Table"/>.</param>
/// <param name="Arguments">Small numbers; what they mean stands in the table. Out of range is taken modulo.</param>
public sealed record SimAction(string Verb, ImmutableArray<int> Arguments, int WaitMilliseconds)
{
    public int this[int index] => index < Arguments.Length ? Arguments[index] : 0;

    /// <summary><c>sale 0 1 0 12345 0 0 +250</c></summary>
    public override string ToString() => string.Join(' ', [Verb, .. Arguments.Select(number => number.ToString(CultureInfo.InvariantCulture)), string.Create(CultureInfo.InvariantCulture, $"+{WaitMilliseconds}")]);

    public static bool TryParse(string text, out SimAction action)
    {
        action = null!;
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0 || !SimActions.Table.Any(row => row.Verb == words[0]))
        {
            return false;
        }

        var (numbers, wait) = (ImmutableArray.CreateBuilder<int>(), 0);
        foreach (var word in words.Skip(1))
        {
            if (!int.TryParse(word.TrimStart('+'), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            if (word[0] == '+')
            {
                wait = number;
            }
            else
            {
                numbers.Add(number);
            }
        }

        action = new SimAction(words[0], numbers.ToImmutable(), wait);
        return true;
    }
}

/// <summary>A row of what can happen.</summary>
/// <param name="Fault">The name under which <c>--faults</c> lets it in; empty: always.</param>
/// <param name="Weight">How often, beside the others.</param>
/// <param name="Draw">Its arguments.</param>
public sealed record SimActionRow(string Verb, string Fault, int Weight, string Says, Func<Luck, int, int[]> Draw);

public static class SimActions
{
    private const int Tills = 3, Phones = 3, Cards = 2;

    /// <summary>One row a line.</summary>
    public static IReadOnlyList<SimActionRow> Table { get; } =
    [
        new("sale", "", 420, "till, phone, card, amount in fen, PIN (0 right 1 wrong 2 none 3 cancel), tap (10 × kind + APDU: 0 good 1 no finger 2 torn before 3 torn after 4 power lost)", (luck, i) => [luck.Below(Tills), luck.Below(Phones), luck.Below(Cards), Amount(luck, i), Pin(luck), 0]),
        new("torn-sale", "tear", 40, "as sale", (luck, i) => [luck.Below(Tills), luck.Below(Phones), luck.Below(Cards), Amount(luck, i), Pin(luck), (10 * luck.Between(1, 4)) + luck.Below(4)]),
        new("void", "", 60, "till, which of its approved sales from the last", (luck, _) => [luck.Below(Tills), luck.Below(3)]),
        new("resolve", "", 16, "till: sends what it has not had confirmed", (luck, _) => [luck.Below(Tills)]),
        new("pump", "", 80, "every outbox sends what is due", (_, _) => []),
        new("wait", "", 10, "nothing", (_, _) => []),
        new("drop-request", "drop", 28, "wire: its next request is lost", (luck, _) => [Wire(luck)]),
        new("drop-answer", "drop", 40, "wire: its next answer is lost", (luck, _) => [Wire(luck)]),
        new("delay-request", "delay", 22, "wire, seconds", (luck, _) => [Wire(luck), luck.Between(1, 90)]),
        new("delay-answer", "delay", 14, "wire, seconds", (luck, _) => [Wire(luck), luck.Between(1, 90)]),
        new("duplicate", "duplicate", 40, "wire, milliseconds until it comes again", (luck, _) => [Wire(luck), luck.OneIn(3) ? luck.Between(1_000, 80_000) : luck.Between(1, 400)]),
        new("cut", "cut", 5, "wire, seconds: no connection", (luck, _) => [Wire(luck), luck.Between(1, 60)]),
        new("silence", "cut", 5, "wire, seconds: whatever is sent is lost", (luck, _) => [Wire(luck), luck.Between(1, 60)]),
        new("crash", "crash", 16, "server, turns until power fails, milliseconds until it is back", (luck, _) => [luck.Below(SmallWorld.Cast.Roles.Count), luck.OneIn(2) ? luck.Below(6) : luck.Below(40), luck.OneIn(6) ? luck.Between(1_000, 60_000) : luck.Between(1, 800)]),
        new("crash-in-sale", "crash", 26, "server, milliseconds after now, milliseconds until it is back", (luck, _) => [luck.Below(SmallWorld.Cast.Roles.Count), luck.Between(1, 300), luck.Between(1, 3_000)]),
        new("restart", "restart", 16, "till, milliseconds from now", (luck, _) => [luck.Below(Tills), luck.Between(0, 300)]),
        new("battery", "power", 6, "phone: battery out and in", (luck, _) => [luck.Below(Phones)]),
        new("replay", "thief", 24, "which overheard sale from the last: its very bytes again", (luck, _) => [luck.Below(12)]),
        new("clone", "thief", 36, "which overheard sale from the last: its cryptogram in a new message", (luck, _) => [luck.Below(12)]),
        new("suspend", "life", 8, "phone, card", (luck, _) => [luck.Below(Phones), luck.Below(Cards)]),
        new("resume", "life", 16, "phone, card", (luck, _) => [luck.Below(Phones), luck.Below(Cards)]),
        new("delete", "life", 4, "phone, card", (luck, _) => [luck.Below(Phones), luck.Below(Cards)]),
        new("add", "life", 7, "phone, plastic", (luck, _) => [luck.Below(Phones), luck.Below(SmallWorld.Cast.Plastics.Count)]),
        new("sign-out", "life", 5, "phone: its payment cards die with it", (luck, _) => [luck.Below(Phones)]),
        new("sign-in", "life", 20, "phone: and Find Device on", (luck, _) => [luck.Below(Phones)]),
        new("payment-off", "life", 3, "phone: on the web site, its device cards go", (luck, _) => [luck.Below(Phones)]),
        new("remote-sign-out", "life", 3, "phone: on the web site", (luck, _) => [luck.Below(Phones)]),
        new("lost-mode", "life", 9, "phone, on the web site: 0 found 1 lost", (luck, _) => [luck.Below(Phones), luck.OneIn(3) ? 1 : 0]),
        new("settle", "", 16, "till: closes its batch", (luck, _) => [luck.Below(Tills)]),
        new("refund", "", 40, "till (or the next that has any), which of its settled sales from the last, percent of it (0: all that is left)", (luck, _) => [luck.Below(Tills), luck.Below(4), luck.OneIn(2) ? 0 : luck.Between(1, 110)]),
        new("aeroplane", "life", 3, "phone, seconds without network", (luck, _) => [luck.Below(Phones), luck.Between(1, 90)]),
        new("lost", "life", 4, "plastic: reported lost", (luck, _) => [luck.Below(SmallWorld.Cast.Plastics.Count)]),
        new("found", "life", 6, "plastic: the report lifted", (luck, _) => [luck.Below(SmallWorld.Cast.Plastics.Count)]),
        new("replace", "life", 5, "plastic, what becomes of its device cards (0 they go 1 they move to the new plastic)", (luck, _) => [luck.Below(SmallWorld.Cast.Plastics.Count), luck.Below(2)]),
    ];

    /// <summary>The names that <c>--faults</c> knows.</summary>
    public static IReadOnlyList<string> Faults { get; } = [.. Table.Select(row => row.Fault).Where(name => name.Length > 0).Distinct(StringComparer.Ordinal)];

    /// <summary>What happens in this seed: the same list for the same seed, count and faults, on any machine.</summary>
    public static IReadOnlyList<SimAction> Draw(long seed, int count, IReadOnlyCollection<string> faults)
    {
        var luck = new Luck(seed, "actions");
        var rows = Table.Where(row => row.Fault.Length == 0 || faults.Contains(row.Fault)).ToList();
        var total = rows.Sum(row => row.Weight);
        var actions = new List<SimAction>(count);
        for (var i = 0; i < count; i++)
        {
            var ticket = luck.Below(total);
            var row = rows[0];
            foreach (var one in rows)
            {
                row = one;
                if ((ticket -= one.Weight) < 0)
                {
                    break;
                }
            }

            actions.Add(new SimAction(row.Verb, [.. row.Draw(luck, i)], Wait(luck)));
        }

        return actions;
    }

    private static int Wait(Luck luck) => luck.Below(20) switch
    {
        < 8 => luck.Below(60),
        < 15 => luck.Between(60, 600),
        < 18 => luck.Between(600, 6_000),
        _ => luck.Between(6_000, 75_000),
    };

    /// <summary>No two sales of a run have the same amount: the books can be searched by it.</summary>
    private static int Amount(Luck luck, int i) => (luck.OneIn(5) ? 100_100 : 1_000) + (i * 100) + luck.Below(100);

    private static int Pin(Luck luck) => luck.Below(12) switch { 0 => 1, 1 => 2, 2 => 3, _ => 0 };

    private static int Wire(Luck luck) => luck.OneIn(3) ? 0 : luck.Below(SmallWorld.Cast.WireNames.Count);
}
