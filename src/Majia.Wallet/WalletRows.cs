using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>One handset, by its chip. Its credential survives sign-out (decisions.md 3), so that it can still say what its chip purged.</summary>
public sealed record DeviceRow(string DeviceId, string Seid, string Account, bool SignedIn, bool FindDevice, bool LostMode, byte[] CredentialHash, PhoneWallet.Handset Handset, long PurgeEpoch)
{
    private const string Columns = "device_id, seid, account, signed_in, find_device, lost_mode, credential_hash, model, track, version, purge_epoch";

    public static byte[] HashOf(string credential) => SHA256.HashData(Encoding.UTF8.GetBytes(credential));

    /// <summary>Constant time.</summary>
    public bool Knows(string? credential) => credential is not null && CryptographicOperations.FixedTimeEquals(CredentialHash, HashOf(credential));

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
            credential_hash = excluded.credential_hash, model = excluded.model, track = excluded.track, version = excluded.version, purge_epoch = excluded.purge_epoch, updated_at = excluded.updated_at
        """,
        DeviceId, Seid, Account, SignedIn, FindDevice, LostMode, CredentialHash, Handset.Model, Handset.Track, Handset.Version, PurgeEpoch, now);

    /// <summary>The number of the next order over this handset's device cards, rising.</summary>
    public static long NextOrder(Session session, string deviceId) =>
        session.Number("UPDATE wallet_device SET orders = orders + 1 WHERE device_id = $1 RETURNING orders", deviceId) ?? throw new InvalidOperationException("no such device");

    private static DeviceRow Map(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64(3) != 0, row.GetInt64(4) != 0, row.GetInt64(5) != 0, row.Bytes(6),
        new(row.GetString(7), row.GetString(8), row.GetString(9), row.GetString(1)), row.GetInt64(10));
}

/// <summary>One sign-in by the phone's request id: its repeat gets the same credential until that has been used, and nothing after that.</summary>
/// <param name="Credential">In clear, so that a lost answer can be given again; null from its first use on, and from the handset's next sign-in.</param>
public sealed record SignInRow(string RequestId, string Account, string Seid, string DeviceId, string? Credential)
{
    public static SignInRow? Find(Session session, string requestId) => session.One(
        "SELECT request_id, account, seid, device_id, credential FROM wallet_sign_in WHERE request_id = $1",
        static row => new SignInRow(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.TextOrNull(4)), requestId);

    public void Insert(Session session, DateTimeOffset now)
    {
        Arrived(session, DeviceId);
        session.Execute("INSERT INTO wallet_sign_in (request_id, account, seid, device_id, credential, at) VALUES ($1, $2, $3, $4, $5, $6)", RequestId, Account, Seid, DeviceId, Credential, now);
    }

    public static void Arrived(Session session, string deviceId) =>
        session.Execute("UPDATE wallet_sign_in SET credential = NULL WHERE device_id = $1 AND credential IS NOT NULL", deviceId);

    public override string ToString() => $"sign-in {RequestId}";
}

/// <summary>One card of one handset, by a reference of the wallet's own. Null <paramref name="Tur"/>: the token service has not answered yet.</summary>
public sealed record CardRow(string CardReference, string DeviceId, string RequestId, string? Tur, EnrolmentState State, CardFace? Face, IReadOnlyList<ActivationMethod> Methods, long PurgeEpoch)
{
    public bool IsUnfinished => State is EnrolmentState.Provisioning or EnrolmentState.VerificationRequired or EnrolmentState.Activating;

    private const string Columns = "card_reference, device_id, request_id, tur, state, face, methods, purge_epoch";

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
        $"INSERT INTO wallet_card ({Columns}, created_at) VALUES ($1, $2, $3, $4, $5, NULL, NULL, $6, $7)",
        CardReference, DeviceId, RequestId, Tur, State.ToString(), PurgeEpoch, now);

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
        row.GetInt64(7));
}
