using System.Data.Common;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>One handset, by its chip. Its credential survives sign-out (decisions.md 3), so that it can still say what its chip purged.</summary>
public sealed record DeviceRow(string DeviceId, string Seid, string Account, bool SignedIn, bool FindDevice, bool LostMode, byte[] CredentialHash, PhoneWallet.Handset Handset, long PurgeEpoch)
{
    private const string Columns = "device_id, seid, account, signed_in, find_device, lost_mode, credential_hash, model, track, version, purge_epoch";

    public static DeviceRow? Find(Session session, string deviceId) =>
        session.One($"SELECT {Columns} FROM wallet_device WHERE device_id = $1", Map, deviceId);

    public static DeviceRow? OfChip(Session session, string seid) =>
        session.One($"SELECT {Columns} FROM wallet_device WHERE seid = $1", Map, seid);

    public static List<DeviceRow> OfAccount(Session session, string account) =>
        session.Query($"SELECT {Columns} FROM wallet_device WHERE account = $1 ORDER BY device_id", Map, account);

    public void Write(Session session, DateTimeOffset now) => session.Execute(
        $"""
        INSERT INTO wallet_device ({Columns}, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (device_id) DO UPDATE SET account = excluded.account, signed_in = excluded.signed_in, find_device = excluded.find_device, lost_mode = excluded.lost_mode,
            credential_hash = excluded.credential_hash, model = excluded.model, track = excluded.track, version = excluded.version, purge_epoch = excluded.purge_epoch, updated_at = excluded.updated_at
        """,
        DeviceId, Seid, Account, SignedIn, FindDevice, LostMode, CredentialHash, Handset.Model, Handset.Track, Handset.Version, PurgeEpoch, now);

    private static DeviceRow Map(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64(3) != 0, row.GetInt64(4) != 0, row.GetInt64(5) != 0, row.Bytes(6),
        new(row.GetString(7), row.GetString(8), row.GetString(9), row.GetString(1)), row.GetInt64(10));
}

/// <summary>One card of one handset, by a reference of the wallet's own. Null <paramref name="Tur"/>: the token service has not answered yet.</summary>
public sealed record CardRow(string CardReference, string DeviceId, string RequestId, string? Tur, EnrolmentState State, CardFace? Face, IReadOnlyList<ActivationMethod> Methods, long PurgeEpoch)
{
    private const string Columns = "card_reference, device_id, request_id, tur, state, face, methods, purge_epoch";

    public static CardRow? Find(Session session, string deviceId, string cardReference) =>
        session.One($"SELECT {Columns} FROM wallet_card WHERE card_reference = $1 AND device_id = $2", Map, cardReference, deviceId);

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

    public void Update(Session session) => session.Execute(
        "UPDATE wallet_card SET tur = $2, state = $3, face = $4, methods = $5 WHERE card_reference = $1",
        CardReference, Tur, State.ToString(), Face is null ? null : JsonSerializer.SerializeToUtf8Bytes(Face, JsonEndpoint.Json), JsonSerializer.SerializeToUtf8Bytes(Methods, JsonEndpoint.Json));

    public static void Remove(Session session, string cardReference) => session.Execute("DELETE FROM wallet_card WHERE card_reference = $1", cardReference);

    private static CardRow Map(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.TextOrNull(3), Enum.Parse<EnrolmentState>(row.GetString(4)),
        row.BytesOrNull(5) is { } face ? JsonSerializer.Deserialize<CardFace>(face, JsonEndpoint.Json) : null,
        row.BytesOrNull(6) is { } methods ? JsonSerializer.Deserialize<List<ActivationMethod>>(methods, JsonEndpoint.Json)! : [],
        row.GetInt64(7));
}
