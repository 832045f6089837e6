using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.TokenService.Vault;

/// <summary>One change of one device card: who, what, why, when. Row n of a card says n and carries the hash of row n − 1.</summary>
/// <param name="Actor">The institution or token requestor whose line it came by, or the token service itself.</param>
/// <param name="Before">State with its holds; empty before the first one.</param>
/// <param name="Previous">Hash of the row before; 32 zero bytes at the first one.</param>
public sealed record AuditRow(
    string Tur, long Sequence, DateTimeOffset At, string Actor, string Action, string Before, string After, string Reason, byte[] Previous, byte[] Hash)
{
    internal const string Columns = "tur, sequence, at, actor, action, state_before, state_after, reason, previous, hash";

    internal static AuditRow Map(DbDataReader row) => new(
        row.GetString(0), row.GetInt64(1), row.Instant(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6), row.GetString(7), row.Bytes(8), row.Bytes(9));

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Tur} row {Sequence}: {Action} by {Actor}");
}

public enum AuditDamage
{
    /// <summary>The row says something else than what was written.</summary>
    Altered,

    /// <summary>A row between others is gone.</summary>
    Deleted,

    /// <summary>A row that was never written.</summary>
    Inserted,

    /// <summary>A row stands at another's place.</summary>
    Reordered,

    /// <summary>The last rows are gone, or all of them.</summary>
    Truncated,

    /// <summary>The device card is not what its last row says: it was changed past the trail.</summary>
    StateWithoutRow,
}

/// <param name="Sequence">Place of the row in the card's trail; 0 for the trail as a whole.</param>
public sealed record AuditFault(AuditDamage Damage, string Tur, long Sequence, string Says);

/// <summary>
/// The trail of every change of a device card, tamper-evident: each row is hashed under a key of the module together with the hash of the row before it, and
/// the trail's end is kept apart. One chain a card, so that no two cards wait for each other.
/// </summary>
public sealed class AuditTrail(KeyModule module)
{
    public const string Key = "vault.audit";

    private static readonly byte[] Start = new byte[32];

    public const string Migration = """
        -- Every change of a device card, in a chain of keyed hashes; token_audit_end says how long it is and how it ends.
        CREATE TABLE token_audit (
            tur TEXT NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
            state_before TEXT NOT NULL, state_after TEXT NOT NULL, reason TEXT NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL,
            PRIMARY KEY (tur, sequence));
        CREATE TABLE token_audit_end (tur TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL, hash BLOB NOT NULL);
        """;

    /// <summary>In the unit that makes the change.</summary>
    public void Append(Session session, DateTimeOffset at, string tur, string actor, string action, string before, string after, string reason)
    {
        var end = session.One("SELECT sequence, hash FROM token_audit_end WHERE tur = $1 FOR UPDATE", static row => Tuple.Create(row.GetInt64(0), row.Bytes(1)), tur);
        var instant = DateTimeOffset.FromUnixTimeMilliseconds(at.ToUnixTimeMilliseconds()); // as it is read back
        var row = new AuditRow(tur, (end?.Item1 ?? 0) + 1, instant, actor, action, before, after, reason, end?.Item2 ?? Start, []);
        row = row with { Hash = HashOf(row, row.Sequence) };
        session.Execute(
            $"INSERT INTO token_audit ({AuditRow.Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            row.Tur, row.Sequence, row.At, row.Actor, row.Action, row.Before, row.After, row.Reason, row.Previous, row.Hash);
        session.Execute(
            "INSERT INTO token_audit_end (tur, sequence, hash) VALUES ($1, $2, $3) ON CONFLICT (tur) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash",
            tur, row.Sequence, row.Hash);
    }

    public static List<AuditRow> Of(Session session, string tur) =>
        session.Query($"SELECT {AuditRow.Columns} FROM token_audit WHERE tur = $1 ORDER BY sequence", AuditRow.Map, tur);

    /// <summary>Every damage of every trail, by card; empty is good.</summary>
    public IReadOnlyList<AuditFault> Verify(Session session)
    {
        const int Page = 500;
        var faults = new List<AuditFault>();
        for (var after = string.Empty; ;)
        {
            var turs = session.Query(
                "SELECT tur FROM (SELECT tur FROM token_audit UNION SELECT tur FROM token_audit_end UNION SELECT tur FROM token_reference) AS known WHERE tur > $1 ORDER BY tur LIMIT $2",
                static row => row.GetString(0), after, Page);
            foreach (var tur in turs)
            {
                Verify(session, tur, faults);
            }

            if (turs.Count < Page)
            {
                return faults;
            }

            after = turs[^1];
        }
    }

    private void Verify(Session session, string tur, List<AuditFault> faults)
    {
        var rows = Of(session, tur);
        var end = session.One("SELECT sequence, hash FROM token_audit_end WHERE tur = $1 FOR UPDATE", static row => Tuple.Create(row.GetInt64(0), row.Bytes(1)), tur);
        var before = faults.Count;

        // Where each row was written; null: it is not a row that was written at all.
        var places = Math.Max(end?.Item1 ?? 0, rows.Count == 0 ? 0 : rows[^1].Sequence);
        var written = rows.ConvertAll(row => Written(row, places));
        var genuine = new SortedDictionary<long, AuditRow>();
        var copies = new SortedSet<long>();
        for (var i = 0; i < rows.Count; i++)
        {
            if (written[i] is { } place && !genuine.TryAdd(place, rows[i]))
            {
                copies.Add(rows[i].Sequence);
                faults.Add(new(AuditDamage.Inserted, tur, rows[i].Sequence, $"a copy of row {place}"));
            }
        }

        var altered = new SortedSet<long>();
        for (var i = 0; i < rows.Count; i++)
        {
            var row = rows[i];
            if (written[i] is null)
            {
                var inserted = genuine.ContainsKey(row.Sequence) || row.Sequence > (end?.Item1 ?? 0);
                faults.Add(inserted ? new(AuditDamage.Inserted, tur, row.Sequence, "a row that was never written") : new(AuditDamage.Altered, tur, row.Sequence, "the row is not what was written"));
                if (!inserted)
                {
                    altered.Add(row.Sequence);
                }
            }
            else if (written[i] != row.Sequence && !copies.Contains(row.Sequence) && written.Take(i).Any(earlier => earlier > written[i]))
            {
                faults.Add(new(AuditDamage.Reordered, tur, row.Sequence, $"it was written as row {written[i]}"));
            }
        }

        var last = Math.Max(genuine.Count == 0 ? 0 : genuine.Keys.Max(), altered.Count == 0 ? 0 : altered.Max);
        for (var place = 1L; place <= (end?.Item1 ?? 0); place++)
        {
            if (!genuine.ContainsKey(place) && !altered.Contains(place))
            {
                faults.Add(place > last ? new(AuditDamage.Truncated, tur, place, "the trail ends before this row") : new(AuditDamage.Deleted, tur, place, "the row is gone"));
            }
        }

        if (end is null || (faults.Count == before && genuine.Count > 0 && !CryptographicOperations.FixedTimeEquals(end.Item2, genuine[genuine.Keys.Max()].Hash)))
        {
            faults.Add(new(AuditDamage.Truncated, tur, 0, end is null ? "the trail has no end, or none of it is left" : "the trail does not end as it was written"));
        }

        if (faults.Count == before && TokenRow.Find(session, tur) is { } token && rows.Count > 0 && rows[^1].After != token.Status.ToString())
        {
            faults.Add(new(AuditDamage.StateWithoutRow, tur, rows[^1].Sequence, $"its last row says {rows[^1].After}, the device card says {token.Status}"));
        }
    }

    /// <summary>The place at which this very row was written, or null.</summary>
    private long? Written(AuditRow row, long places)
    {
        if (Is(row, row.Sequence))
        {
            return row.Sequence;
        }

        for (var place = 1L; place <= places + 1; place++)
        {
            if (place != row.Sequence && Is(row, place))
            {
                return place;
            }
        }

        return null;
    }

    private bool Is(AuditRow row, long place) => CryptographicOperations.FixedTimeEquals(HashOf(row, place), row.Hash);

    private byte[] HashOf(AuditRow row, long place) => module.Fingerprint(Key, JsonSerializer.SerializeToUtf8Bytes(
        new[]
        {
            row.Tur, place.ToString(CultureInfo.InvariantCulture), row.At.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture), row.Actor, row.Action, row.Before, row.After, row.Reason,
            Convert.ToHexString(row.Previous),
        },
        JsonEndpoint.Json));
}
