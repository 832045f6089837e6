using Majia.Core.Emv;
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

/// <summary>What was odd about a message's counter: GAP, REPLAY or CLONE. Written with its verdict, so once.</summary>
internal sealed record AlarmRow(byte[] TokenIndex, string Key, string Kind, DateTimeOffset At, int Atc)
{
    /// <summary>Without a statement of its own: an attacker who repeats counters must not make every payment wait for the disk (docs/decisions/0058).</summary>
    private static readonly HotTable<AlarmRow> Table = new(
        "token_alarm", keys: 3, columns: "token_index, switch_key, kind, at, atc",
        map: static row => new AlarmRow(row.Bytes(0), row.GetString(1), row.GetString(2), row.Instant(3), row.GetInt32(4)),
        values: static row => [row.TokenIndex, row.Key, row.Kind, row.At, row.Atc]);

    public void Add(Session session) => session.Add(Table, this);
}

/// <summary>The unpredictable numbers that the counters of an <see cref="AtcWindow"/> were spent with, four bytes each: counter n at place n mod 64. They tell a replay from a clone (decisions.md 8).</summary>
/// <param name="Bytes">As long as the highest place that was used; null when none was. Not changed once it is here.</param>
public readonly record struct SpentCounters(byte[]? Bytes)
{
    private const int Size = 4, Places = 64;

    public static readonly SpentCounters None = new(null);

    /// <summary>Of a counter in the window that was spent; empty when it is not known (zeroes stand for that).</summary>
    public ReadOnlySpan<byte> Of(AtcWindow window, ushort atc) =>
        window.Look(atc) == AtcVerdict.Reused && Bytes is { } bytes && Size * (atc % Places) is var at && at + Size <= bytes.Length && bytes.AsSpan(at, Size).ContainsAnyExcept((byte)0)
            ? bytes.AsSpan(at, Size)
            : [];

    public SpentCounters With(ushort atc, ReadOnlySpan<byte> unpredictable)
    {
        var at = Size * (atc % Places);
        var bytes = new byte[Math.Max(Bytes?.Length ?? 0, at + Size)];
        Bytes?.CopyTo(bytes, 0);
        unpredictable[..Math.Min(Size, unpredictable.Length)].CopyTo(bytes.AsSpan(at));
        return new(bytes);
    }
}
