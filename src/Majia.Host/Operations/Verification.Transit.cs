using Majia.Core.Primitives;
using Majia.Host.Devices;
using Majia.Storage;

namespace Majia.Host.Operations;

/// <content>Transit: what the operator credited, less what gates took, is what the chip holds.</content>
public static partial class Verification
{
    private sealed record TransitCard(string Number, long Credited, long Booked, bool Open);

    private sealed record Difference(string Number, string Handset, long Held, long Expected);

    private static void Transit(PartyRows transit, IReadOnlyList<string> folders, Entropy entropy, List<Finding> findings, List<Text> looked)
    {
        var (cards, compared, differences) = Compare(transit, folders, entropy);
        if (differences.Count > 0)
        {
            // Books, gates and chips are read one after the other, and somebody may be passing a gate: what differs stands still.
            differences = [.. differences.Intersect(Compare(transit, folders, entropy).Differences)];
        }

        findings.AddRange(differences.Select(found => new Finding("transit", transit.Where, new(
            $"transit card {found.Number} in {found.Handset}: the chip holds {found.Held} fen, top-ups less rides make {found.Expected}", $"{found.Handset} 中的公交卡 {found.Number}：芯片余额 {found.Held} 分，充值减乘车应为 {found.Expected} 分"))));
        looked.Add(new($"transit cards: {cards}, {compared} compared with their chips", $"公交卡：{cards} 张，与芯片比对 {compared} 张"));
    }

    private static (int Cards, int Compared, IReadOnlyList<Difference> Differences) Compare(PartyRows transit, IReadOnlyList<string> folders, Entropy entropy)
    {
        var cards = transit.Look(session => session.Query(
            """
            SELECT c.number,
              COALESCE((SELECT SUM(l.amount) FROM transit_load l WHERE l.number = c.number AND l.state = 'DONE'), 0),
              COALESCE((SELECT SUM(r.amount) FROM transit_ride r WHERE r.number = c.number), 0),
              (SELECT count(*) FROM transit_load l WHERE l.number = c.number AND l.state = 'GRANTED')
            FROM transit_card c WHERE c.live = 1 ORDER BY c.number
            """,
            static row => new TransitCard(row.GetString(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3) > 0)));
        var waiting = folders.SelectMany(AtGates).ToLookup(static ride => ride.Number, static ride => ride, StringComparer.Ordinal);
        var purses = folders.SelectMany(folder => ChipCounters.Read(folder, entropy).Purses).ToDictionary(static purse => purse.Number, StringComparer.Ordinal);
        var (compared, differences) = (0, new List<Difference>());
        foreach (var card in cards)
        {
            // A grant or a passage whose answer nobody heard: the chip alone knows, until its next tap or top-up.
            if (!purses.TryGetValue(card.Number, out var purse) || card.Open || waiting[card.Number].Any(static ride => ride.State == "OPEN"))
            {
                continue;
            }

            compared++;
            var expected = card.Credited - card.Booked - waiting[card.Number].Sum(static ride => ride.Amount);
            if (purse.Balance != expected)
            {
                differences.Add(new Difference(card.Number, purse.Handset, purse.Balance, expected));
            }
        }

        return (cards.Count, compared, differences);
    }

    /// <summary>What the gates of a folder have and the operator has not booked; what it refused is money that the card paid all the same.</summary>
    private static IEnumerable<(string Number, long Amount, string State)> AtGates(string folder) =>
        GateLine.Gates.Keys.Select(id => GateLine.StoreOf(Path.Combine(folder, "terminals"), id)).Where(File.Exists).SelectMany(static path => SqliteStore.Peek(path, static session =>
            session.Query("SELECT number, amount, state FROM gate_ride WHERE state IN ('OPEN', 'DONE', 'REFUSED')", static row => (row.GetString(0), row.GetInt64(1), row.GetString(2)))));
}
