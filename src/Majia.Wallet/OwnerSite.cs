using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>A handset as its owner sees it on the site.</summary>
/// <param name="SeenAt">When it last asked for its commands; null: never.</param>
/// <param name="Waiting">What it has still to be told.</param>
public sealed record OwnerHandset(
    string DeviceId, string Model, Text Name, string Track, string Version, bool SignedIn, bool FindDevice, bool LostMode, DateTimeOffset? SeenAt,
    IReadOnlyList<OwnerCard> Cards, IReadOnlyList<PhoneWallet.HandsetCommand> Waiting);

public sealed record OwnerCard(string CardReference, EnrolmentState State, CardFace Face, string Nickname, DateTimeOffset AddedAt, IReadOnlyList<CardEvent> History);

/// <summary>What the owner's site does for the account that is signed in. Another account's handset or card is as unknown as none.</summary>
public sealed partial class WalletParty
{
    private static ApiError NoSuchHandset => Refused(new Refusal(Ineligible.NotFound, new("There is no such phone on this account.", "该帐号下没有这部手机。")));

    public Task<List<OwnerHandset>> HandsetsOfAsync(string account) => store.WriteAsync(session => DeviceRow.OfAccount(session, account).ConvertAll(device => View(session, device)));

    private OwnerHandset View(Session session, DeviceRow device)
    {
        var seen = session.Number("SELECT seen_at FROM wallet_device WHERE device_id = $1", device.DeviceId) ?? 0;
        return new(
            device.DeviceId, device.Handset.Model, handsets.Find(device.Handset.Model)?.Name ?? new Text(device.Handset.Model, device.Handset.Model), device.Handset.Track, device.Handset.Version,
            device.SignedIn, device.FindDevice, device.LostMode, seen == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(seen),
            [.. CardRow.OfDevice(session, device.DeviceId).Where(card => card is { Face: not null, State: not (EnrolmentState.Deleted or EnrolmentState.Failed) }).Select(card => View(session, card))],
            session.Query(
                "SELECT sequence, kind, card_reference, reason FROM wallet_command WHERE device_id = $1 ORDER BY sequence",
                static row => new PhoneWallet.HandsetCommand(row.GetInt64(0), row.GetString(1), row.TextOrNull(2), row.GetString(3)), device.DeviceId));
    }

    private static OwnerCard View(Session session, CardRow card) => session.One(
        "SELECT nickname, created_at FROM wallet_card WHERE card_reference = $1",
        row => new OwnerCard(card.CardReference, card.State, card.Face!, row.GetString(0), row.Instant(1), CardHistory.Of(session, card.CardReference)), card.CardReference)!;

    private async Task<bool> OwnsAsync(string account, string deviceId) => await store.WriteAsync(session => DeviceRow.Find(session, deviceId)) is { } device && device.Account == account;

    /// <summary>R23: dead at the token service when this returns null, phone offline or not.</summary>
    public async Task<ApiError?> PaymentOffAsync(string account, string deviceId, CancellationToken cancellation) =>
        await OwnsAsync(account, deviceId) ? await PaymentOffAsync(deviceId, cancellation) : NoSuchHandset;

    public async Task<ApiError?> SetLostModeAsync(string account, string deviceId, bool on, CancellationToken cancellation) =>
        await OwnsAsync(account, deviceId) ? await SetLostModeAsync(deviceId, on, cancellation) : NoSuchHandset;

    public async Task<ApiError?> RemoteSignOutAsync(string account, string deviceId, CancellationToken cancellation) =>
        await OwnsAsync(account, deviceId) ? await RemoteSignOutAsync(deviceId, cancellation) : NoSuchHandset;

    public async Task<ApiError?> RemoteFindDeviceOffAsync(string account, string deviceId, CancellationToken cancellation) =>
        await OwnsAsync(account, deviceId) ? await RemoteFindDeviceOffAsync(deviceId, cancellation) : NoSuchHandset;

    /// <summary>The owner's own hold on one card, its end, or the card's end.</summary>
    /// <param name="operation">suspend, unsuspend or delete of <see cref="WalletToken.Operations"/>.</param>
    public async Task<ApiError?> ChangeCardAsync(string account, string deviceId, string cardReference, string operation, CancellationToken cancellation)
    {
        if (!await OwnsAsync(account, deviceId) || await store.WriteAsync(session => CardRow.Find(session, deviceId, cardReference)) is not { Tur: { } tur, State: not EnrolmentState.Deleted } card)
        {
            return await OwnsAsync(account, deviceId) ? NoSuchCard : NoSuchHandset;
        }

        var reason = operation == WalletToken.Operations.Delete ? "CONSUMER_DELETED" : "OTHER";
        var order = await store.WriteAsync(session => DeviceRow.NextOrder(session, deviceId));
        var reply = await ReachAsync(() => tokenService.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(operation, new(entropy.NewId(), tur, SuspendedBy.Cardholder, reason, order), cancellation));
        if (reply.Value is not { } token)
        {
            return reply.Error;
        }

        await store.WriteAsync(session => CardRow.Find(session, deviceId, card.CardReference) is { } now && Follow(session, now, token.State, reason, token.Version));
        return null;
    }

    public async Task<ApiError?> NameCardAsync(string account, string deviceId, string cardReference, string nickname)
    {
        if (nickname.Length > 24 || nickname.Any(char.IsControl))
        {
            return new ApiError("INVALID_FIELD_LENGTH", "nickname: at most 24 characters.", [new FieldError("nickname", "at most 24 characters", $"{nickname.Length}")], new("A name has at most 24 characters.", "昵称最多 24 个字符。"));
        }

        return !await OwnsAsync(account, deviceId) ? NoSuchHandset
            : await store.WriteAsync(session => session.Execute("UPDATE wallet_card SET nickname = $3 WHERE card_reference = $1 AND device_id = $2", cardReference, deviceId, nickname.Trim())) == 1 ? null
            : NoSuchCard;
    }
}
