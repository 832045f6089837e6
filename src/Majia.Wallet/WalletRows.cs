using System.Data.Common;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>One handset, by its chip. Its key survives sign-out (decisions.md 3), so that it can still say what its chip purged.</summary>
/// <param name="PublicKey">Of the handset's own key pair: SubjectPublicKeyInfo. Empty: not registered since handsets have keys.</param>
public sealed record DeviceRow(string DeviceId, string Seid, string Account, bool SignedIn, bool FindDevice, bool LostMode, byte[] PublicKey, PhoneWallet.Handset Handset, long PurgeEpoch)
{
    private const string Columns = "device_id, seid, account, signed_in, find_device, lost_mode, public_key, model, track, version, purge_epoch";

    public static DeviceRow? Find(Session session, string deviceId) =>
        session.One($"SELECT {Columns} FROM wallet_device WHERE device_id = $1", Map, deviceId);

    /// <summary>For a unit that writes what it decides on the handset: one at a time.</summary>
    public static DeviceRow? Hold(Session session, string deviceId) =>
        session.One($"SELECT {Columns} FROM wallet_device WHERE device_id = $1 FOR UPDATE", Map, deviceId);

    public static DeviceRow? HoldOfChip(Session session, string seid) =>
        session.One($"SELECT {Columns} FROM wallet_device WHERE seid = $1 FOR UPDATE", Map, seid);

    public static DeviceRow? OfChip(Session session, string seid) =>
        session.One($"SELECT {Columns} FROM wallet_device WHERE seid = $1", Map, seid);

    public static List<DeviceRow> All(Session session) => session.Query($"SELECT {Columns} FROM wallet_device ORDER BY device_id", Map);

    public static List<DeviceRow> OfAccount(Session session, string account) =>
        session.Query($"SELECT {Columns} FROM wallet_device WHERE account = $1 ORDER BY device_id", Map, account);

    public void Write(Session session, DateTimeOffset now) => session.Execute(
        $"""
        INSERT INTO wallet_device ({Columns}, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (device_id) DO UPDATE SET account = excluded.account, signed_in = excluded.signed_in, find_device = excluded.find_device, lost_mode = excluded.lost_mode,
            public_key = excluded.public_key, model = excluded.model, track = excluded.track, version = excluded.version, purge_epoch = excluded.purge_epoch, updated_at = excluded.updated_at
        """,
        DeviceId, Seid, Account, SignedIn, FindDevice, LostMode, PublicKey, Handset.Model, Handset.Track, Handset.Version, PurgeEpoch, now);

    /// <summary>A sign-in by <see cref="Account"/>, and who had it before.</summary>
    public void SignIn(Session session, DateTimeOffset now)
    {
        session.Execute("UPDATE wallet_device SET other_owner_at = signed_in_at WHERE device_id = $1 AND account <> $2", DeviceId, Account);
        Write(session, now);
        session.Execute("UPDATE wallet_device SET signed_in_at = $2 WHERE device_id = $1", DeviceId, now);
    }

    /// <summary>The number of the next order over this handset's device cards, rising.</summary>
    public static long NextOrder(Session session, string deviceId) =>
        session.Number("UPDATE wallet_device SET orders = orders + 1 WHERE device_id = $1 RETURNING orders", deviceId) ?? throw new InvalidOperationException("no such device");

    private static DeviceRow Map(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64(3) != 0, row.GetInt64(4) != 0, row.GetInt64(5) != 0, row.BytesOrNull(6) ?? [],
        new(row.GetString(7), row.GetString(8), row.GetString(9), row.GetString(1)), row.GetInt64(10));
}

/// <summary>The nonces of a handset's calls, for as long as a call with one of them could be taken: the same call comes once.</summary>
public static class HandsetNonce
{
    internal const string Migration = """
        -- Handsets have keys of their own: the cloud holds the public half. Those of before register theirs with their next sign-in.
        -- signed_in_at: the last sign-in; other_owner_at: the last one by another account than the present.
        ALTER TABLE wallet_device ADD COLUMN signed_in_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE wallet_device ADD COLUMN other_owner_at INTEGER NOT NULL DEFAULT 0;
        UPDATE wallet_device SET
            signed_in_at = coalesce((SELECT MAX(s.at) FROM wallet_sign_in s WHERE s.device_id = wallet_device.device_id AND s.account = wallet_device.account), 0),
            other_owner_at = coalesce((SELECT MAX(s.at) FROM wallet_sign_in s WHERE s.device_id = wallet_device.device_id AND s.account <> wallet_device.account), 0);
        DROP TABLE wallet_sign_in;
        ALTER TABLE wallet_device DROP COLUMN credential_hash;
        ALTER TABLE wallet_device ADD COLUMN public_key BLOB;
        -- The latest version of its device card that the cloud was told of: what is told late changes nothing.
        ALTER TABLE wallet_card ADD COLUMN token_version INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE wallet_handset_nonce (handset TEXT NOT NULL, nonce TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (handset, nonce));
        """;

    /// <param name="handset">Device id, or the chip's where there is none yet.</param>
    /// <returns>False when this nonce was there.</returns>
    public static bool TryTake(Session session, string handset, HandsetCall call, DateTimeOffset now)
    {
        session.Execute("DELETE FROM wallet_handset_nonce WHERE handset = $1 AND at < $2", handset, (now - HandsetCall.ClockTolerance).ToUnixTimeMilliseconds());
        return session.Execute("INSERT INTO wallet_handset_nonce (handset, nonce, at) VALUES ($1, $2, $3) ON CONFLICT (handset, nonce) DO NOTHING", handset, call.Nonce, call.At) == 1;
    }
}

/// <summary>One card of one handset, by a reference of the wallet's own. Null <paramref name="Tur"/>: the token service has not answered yet.</summary>
/// <param name="TokenVersion">The latest version of its device card that the cloud was told of; 0: of none.</param>
public sealed record CardRow(string CardReference, string DeviceId, string RequestId, string? Tur, EnrolmentState State, CardFace? Face, IReadOnlyList<ActivationMethod> Methods, long PurgeEpoch, long TokenVersion = 0)
{
    public bool IsUnfinished => State is EnrolmentState.Provisioning or EnrolmentState.VerificationRequired or EnrolmentState.Activating;

    private const string Columns = "card_reference, device_id, request_id, tur, state, face, methods, purge_epoch, token_version";

    public static CardRow? Find(Session session, string deviceId, string cardReference) =>
        session.One($"SELECT {Columns} FROM wallet_card WHERE card_reference = $1 AND device_id = $2", Map, cardReference, deviceId);

    public static CardRow? OfToken(Session session, string tur) => session.One($"SELECT {Columns} FROM wallet_card WHERE tur = $1", Map, tur);

    public static CardRow? OfRequest(Session session, string deviceId, string requestId) =>
        session.One($"SELECT {Columns} FROM wallet_card WHERE device_id = $1 AND request_id = $2", Map, deviceId, requestId);

    public static List<CardRow> OfDevice(Session session, string deviceId) =>
        session.Query($"SELECT {Columns} FROM wallet_card WHERE device_id = $1 ORDER BY created_at, card_reference", Map, deviceId);

    /// <summary>Begun before <paramref name="before"/> and not live yet.</summary>
    public static List<CardRow> Unfinished(Session session, DateTimeOffset before) => session.Query(
        $"SELECT {Columns} FROM wallet_card WHERE state IN ('Provisioning', 'VerificationRequired', 'Activating') AND created_at < $1 ORDER BY created_at, card_reference", Map, before);

    public void Insert(Session session, DateTimeOffset now) => session.Execute(
        $"INSERT INTO wallet_card ({Columns}, created_at) VALUES ($1, $2, $3, $4, $5, NULL, NULL, $6, $7, $8)",
        CardReference, DeviceId, RequestId, Tur, State.ToString(), PurgeEpoch, TokenVersion, now);

    /// <summary>The token service's answer to the addition; false when the card went meanwhile. As every write here, it asks for the state that was read.</summary>
    public bool TryTake(Session session, string tur, CardFace face, IReadOnlyList<ActivationMethod> methods) => session.Execute(
        "UPDATE wallet_card SET tur = $2, face = $3, methods = $4 WHERE card_reference = $1 AND state = 'Provisioning' AND (tur IS NULL OR tur = $2)",
        CardReference, tur, JsonSerializer.SerializeToUtf8Bytes(face, JsonEndpoint.Json), JsonSerializer.SerializeToUtf8Bytes(methods, JsonEndpoint.Json)) == 1;

    /// <summary>From the state that was read to <paramref name="next"/>; false when another writer moved it first.</summary>
    /// <param name="reason">For the card's history; null: the chip follows what stands there already.</param>
    public bool TryMove(Session session, EnrolmentState next, DateTimeOffset now, string? reason, CardFace? face = null)
    {
        var moved = session.Execute(
            "UPDATE wallet_card SET state = $2, face = coalesce($3, face) WHERE card_reference = $1 AND state = $4",
            CardReference, next.ToString(), face is null ? null : JsonSerializer.SerializeToUtf8Bytes(face, JsonEndpoint.Json), State.ToString()) == 1;
        if (moved && next != State && reason is not null)
        {
            CardHistory.Write(session, CardReference, next, reason, now);
        }

        return moved;
    }

    /// <summary>Takes what is told of its device card at <paramref name="version"/>; false when a later version was told before. The unit has it to itself then.</summary>
    public bool TryHear(Session session, long version) =>
        session.Execute("UPDATE wallet_card SET token_version = $2 WHERE card_reference = $1 AND token_version <= $2", CardReference, version) == 1;

    /// <summary>Deleted, whatever it was: nothing leads back from there.</summary>
    public static void Delete(Session session, string cardReference, DateTimeOffset now, string reason)
    {
        if (session.Execute("UPDATE wallet_card SET state = 'Deleted' WHERE card_reference = $1 AND state <> 'Deleted'", cardReference) == 1)
        {
            CardHistory.Write(session, cardReference, EnrolmentState.Deleted, reason, now);
        }
    }

    /// <summary>An addition that came to nothing leaves no row.</summary>
    public static void Remove(Session session, string cardReference) =>
        session.Execute("DELETE FROM wallet_card WHERE card_reference = $1 AND tur IS NULL", cardReference);

    private static CardRow Map(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.TextOrNull(3), Enum.Parse<EnrolmentState>(row.GetString(4)),
        row.BytesOrNull(5) is { } face ? JsonSerializer.Deserialize<CardFace>(face, JsonEndpoint.Json) : null,
        row.BytesOrNull(6) is { } methods ? JsonSerializer.Deserialize<List<ActivationMethod>>(methods, JsonEndpoint.Json)! : [],
        row.GetInt64(7), row.GetInt64(8));
}
