using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace Majia.Storage;

/// <summary>Advisory keys by which the nodes of one database agree on who writes a party's rows (docs/decisions/0048).</summary>
/// <remarks>
/// Every transaction that may write holds its party's <em>writers'</em> key together with all others; a session that holds it alone shuts them out, and what it reads stays as it is until it says otherwise.
/// The server lets go of a key when its session ends, however it ends, and a commit of that session is over by then: so nobody can write who only believes that he is alone.
/// A node holds its parties' <em>nodes'</em> keys while it lives; that is a hint, and nothing but speed rests on it.
/// </remarks>
internal static class PostgresKeys
{
    /// <summary>$1: writers' keys, in ascending order.</summary>
    public const string Share = "SELECT count(pg_advisory_xact_lock_shared(k)) FROM unnest($1) AS k";

    /// <summary>$1: writers' keys. One row: whether all of them are held, and nobody else holds any.</summary>
    public const string TakeAlone = "SELECT bool_and(pg_try_advisory_lock(k)) FROM unnest($1) AS k";

    public const string LetGo = "SELECT pg_advisory_unlock_all()";

    /// <summary>$1: nodes' keys.</summary>
    public const string BePresent = "SELECT count(pg_advisory_lock_shared(k)) FROM unnest($1) AS k";

    /// <summary>$1: writers' keys, $2: nodes' keys. One row: how many others are there or wait to write; and which process holds a writers' key alone.</summary>
    public const string Look =
        """
        SELECT count(*) FILTER (WHERE k.nodes AND l.pid <> pg_backend_pid() OR NOT l.granted), coalesce(max(l.pid) FILTER (WHERE NOT k.nodes AND l.granted AND l.mode = 'ExclusiveLock'), 0)
        FROM (SELECT k, false AS nodes FROM unnest($1) AS k UNION ALL SELECT k, true FROM unnest($2) AS k) AS k
        JOIN pg_locks AS l ON l.locktype = 'advisory' AND l.objsubid = 1 AND l.classid::bigint = (k.k >> 32 & 4294967295) AND l.objid::bigint = (k.k & 4294967295)
        WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """;

    public static long[] Writers(IEnumerable<string> parties) => Keys("majia/rows", parties);

    public static long[] Nodes(IEnumerable<string> parties) => Keys("majia/nodes", parties);

    public static NpgsqlParameter Parameter(long[] keys) => new() { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint, Value = keys };

    private static long[] Keys(string kind, IEnumerable<string> parties) =>
        [.. parties.Select(party => BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{kind}/{party}")))).Order()];
}
