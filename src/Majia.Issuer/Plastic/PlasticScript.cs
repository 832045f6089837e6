using Majia.Core.Apdu;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Issuer.Plastic;

/// <summary>What a bank may want of a plastic card that is out of its hands.</summary>
public enum PlasticOrderKind
{
    Block,
    Unblock,

    /// <summary>A limit or setting in the chip: PUT DATA.</summary>
    PutData,
}

/// <summary>A command for a plastic's chip, waiting for the card's next payment over contacts. Its MAC is made when it goes (protocols.md 3.5).</summary>
/// <param name="Id">Also 9F18, four bytes.</param>
/// <param name="Command">CLA INS P1 P2 and data, without MAC.</param>
/// <param name="SwitchKey">The payment whose answer carried it; null: none yet.</param>
internal sealed record PlasticScript(string Institution, string Card, long Id, byte[] Command, string? SwitchKey)
{
    /// <summary>Commands in one answer: field 55 and the terminal's patience have an end.</summary>
    private const int MaxAtOnce = 4;

    private const long Done = 1, Refused = 2;

    private const string Columns = "institution, card, id, command, switch_key";

    internal const string Migration = """
        -- Which counters of its plastic a bank has seen, and what it has to tell a chip.
        CREATE TABLE issuer_plastic (institution TEXT NOT NULL, card TEXT NOT NULL, high BIGINT NOT NULL, bits BIGINT NOT NULL, PRIMARY KEY (institution, card));
        CREATE TABLE issuer_scripts (
          institution TEXT NOT NULL, card TEXT NOT NULL, id BIGINT NOT NULL, command BYTEA NOT NULL, switch_key TEXT, done BIGINT NOT NULL, at BIGINT NOT NULL,
          PRIMARY KEY (institution, card, id));
        """;

    /// <summary>CLA INS P1 P2 and data of an order; null when the card has no such element.</summary>
    internal static byte[]? CommandOf(PlasticOrderKind kind, Tag? tag, ReadOnlySpan<byte> value) => kind switch
    {
        PlasticOrderKind.Block => [0x84, 0x1E, 0x00, 0x00],
        PlasticOrderKind.Unblock => [0x84, 0x18, 0x00, 0x00],
        _ when tag is { Value: > 0xFF and <= 0xFFFF } two => [0x04, 0xDA, (byte)(two.Value >> 8), (byte)(two.Value & 0xFF), .. value],
        _ => null,
    };

    internal static void Add(Session session, string institution, string card, byte[] command, DateTimeOffset now)
    {
        var id = (session.Number("SELECT MAX(id) FROM issuer_scripts WHERE institution = $1 AND card = $2", institution, card) ?? 0) + 1;
        session.Execute("INSERT INTO issuer_scripts (institution, card, id, command, switch_key, done, at) VALUES ($1, $2, $3, $4, NULL, 0, $5)", institution, card, id, command, now);
    }

    /// <summary>What this payment's answer carries: what waits, in order, taken by it now; or what it took before.</summary>
    internal static IReadOnlyList<PlasticScript> Take(Session session, string institution, string card, string key)
    {
        var waiting = session.Query($"SELECT {Columns} FROM issuer_scripts WHERE institution = $1 AND card = $2 AND switch_key IS NULL AND done = 0 ORDER BY id LIMIT {MaxAtOnce}", Map, institution, card);
        foreach (var script in waiting)
        {
            session.Execute("UPDATE issuer_scripts SET switch_key = $4 WHERE institution = $1 AND card = $2 AND id = $3", institution, card, script.Id, key);
        }

        return waiting;
    }

    internal static IReadOnlyList<PlasticScript> TakenBy(Session session, string institution, string card, string key) =>
        session.Query($"SELECT {Columns} FROM issuer_scripts WHERE institution = $1 AND card = $2 AND switch_key = $3 ORDER BY id", Map, institution, card, key);

    /// <summary>The chip's own word, in the CVR of its next payment over contacts (protocols.md 1.3 byte 4): so many commands came, and whether the last one failed. What did not come goes again.</summary>
    internal static void Learn(Session session, string institution, string card, ReadOnlySpan<byte> results)
    {
        var (count, failed) = (results[3] >> 4, (results[3] & 0x08) != 0);
        var sent = session.Query("SELECT id FROM issuer_scripts WHERE institution = $1 AND card = $2 AND switch_key IS NOT NULL AND done = 0 ORDER BY id", static row => row.GetInt64(0), institution, card);
        for (var i = 0; i < sent.Count; i++)
        {
            if (i < count)
            {
                // A command that the chip itself refused is refused again; behind it the terminal stopped (EMV Book 3 §10.10).
                session.Execute("UPDATE issuer_scripts SET done = $4 WHERE institution = $1 AND card = $2 AND id = $3", institution, card, sent[i], failed && i == count - 1 ? Refused : Done);
            }
            else
            {
                session.Execute("UPDATE issuer_scripts SET switch_key = NULL WHERE institution = $1 AND card = $2 AND id = $3", institution, card, sent[i]);
            }
        }
    }

    /// <summary>72 { 9F18, 86 … }: after the card's final cryptogram (EMV Book 3 §10.10).</summary>
    internal static byte[] Template(KeyModule keys, Pan pan, PlasticEvidence evidence, ChipData chip, IReadOnlyList<PlasticScript> scripts)
    {
        var inside = new List<byte>(BerTlv.Encode(0x9F18, [(byte)(scripts[0].Id >> 24), (byte)(scripts[0].Id >> 16 & 0xFF), (byte)(scripts[0].Id >> 8 & 0xFF), (byte)(scripts[0].Id & 0xFF)]));
        foreach (var script in scripts)
        {
            var header = script.Command.AsSpan(0, 4);
            var data = script.Command.AsSpan(4);
            var mac = keys.ScriptMac(PlasticIssuing.IntegrityMaster, pan, evidence.SequenceNumber, chip.Atc, chip.Cryptogram, header, data);
            inside.AddRange(BerTlv.Encode(0x86, CommandApdu.Of(header[0], header[1], header[2], header[3], [.. data, .. mac]).ToBytes()));
        }

        return BerTlv.Encode(0x72, [.. inside]);
    }

    private static PlasticScript Map(System.Data.Common.DbDataReader row) => new(row.GetString(0), row.GetString(1), row.GetInt64(2), row.Bytes(3), row.TextOrNull(4));
}
