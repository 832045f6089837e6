using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Authorisation;

namespace Majia.TokenService.Vault;

/// <summary>The verdict on one message, as it is given again when the message comes again.</summary>
/// <param name="Key">F7, F11, F32, F33 (decisions.md 19).</param>
internal sealed record VerdictRow(byte[] TokenIndex, string Key, byte[] Digest, TokenVerdict Verdict, DateTimeOffset At)
{
    private static readonly HotTable<VerdictRow> Table = new(
        "token_verdict", keys: 2, columns: "token_index, switch_key, digest, code, check_result, en, zh, at",
        map: static row => new VerdictRow(
            row.Bytes(0), row.GetString(1), row.Bytes(2), new(new(row.GetString(3)), (ArqcResult)row.GetString(4)[0], new(row.GetString(5), row.GetString(6)), false, AtcAlarm.None), row.Instant(7)),
        values: static row => [row.TokenIndex, row.Key, row.Digest, row.Verdict.Code.Value, ((char)row.Verdict.Arqc).ToString(), row.Verdict.Why.En, row.Verdict.Why.Zh, row.At]);

    public static VerdictRow? Find(Session session, byte[] tokenIndex, string key) => session.Find(Table, tokenIndex, key);

    /// <summary>Names what <see cref="Find"/> will look at.</summary>
    public static void Want(Wanted wanted, byte[] tokenIndex, string key) => wanted.Row(Table, tokenIndex, key);

    public void Add(Session session) => session.Add(Table, this);
}

/// <summary>A counter that was spent, with the unpredictable number it was spent with (decisions.md 8).</summary>
internal sealed record SpentCounter(byte[] TokenIndex, int Atc, byte[] Unpredictable, string Key, DateTimeOffset At)
{
    private static readonly HotTable<SpentCounter> Table = new(
        "token_atc", keys: 2, columns: "token_index, atc, un, switch_key, at",
        map: static row => new SpentCounter(row.Bytes(0), row.GetInt32(1), row.Bytes(2), row.GetString(3), row.Instant(4)),
        values: static row => [row.TokenIndex, (long)row.Atc, row.Unpredictable, row.Key, row.At]);

    public static SpentCounter? Find(Session session, byte[] tokenIndex, int atc) => session.Find(Table, tokenIndex, (long)atc);

    /// <summary>Names what <see cref="TryAdd"/> will look at.</summary>
    public static void Want(Wanted wanted, byte[] tokenIndex, int atc) => wanted.Row(Table, tokenIndex, (long)atc);

    /// <summary>False when it was spent before.</summary>
    public bool TryAdd(Session session) => session.TryAdd(Table, this);
}
