using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.Wallet.Handsets;

namespace Majia.Wallet;

/// <summary>Accounts, handsets, Find Device: what must hold before a card can be there, and what takes every card away (R4, R23, R24).</summary>
public sealed partial class WalletParty
{
    /// <inheritdoc cref="OwnerAccounts.SetPasswordAsync"/>
    public Task AddAccountAsync(string account, string password) => Owners.SetPasswordAsync(account, password);

    public Task<bool> HasAccountAsync(string account) =>
        store.WriteAsync(session => session.Number("SELECT 1 FROM wallet_account WHERE account = $1", account) is not null);

    private async Task<ApiReply<PhoneWallet.SignInReply>> SignInAsync(HandsetCall call, CancellationToken cancellation)
    {
        if (!JsonEndpoint.TryRead<PhoneWallet.SignInRequest>(Encoding.UTF8.GetBytes(call.Body), out var request, out var wrong))
        {
            return wrong;
        }

        var seid = request.Handset.Seid;
        if (seid is not { Length: 20 } || seid.AsSpan().IndexOfAnyExcept("0123456789ABCDEF") >= 0)
        {
            return new ApiError("INVALID_FIELD_VALUE", "handset.seid: expected 20 upper-case hex digits.", [new FieldError("handset.seid", "20 upper-case hex digits", $"{seid?.Length ?? 0} characters")]);
        }

        if (!HandsetKey.TryReadPublic(request.PublicKey, out var key))
        {
            return new ApiError("INVALID_FIELD_VALUE", "publicKey: expected a key on P-256.", [new FieldError("publicKey", "SubjectPublicKeyInfo of a key on P-256, base64", $"{request.PublicKey.Length} characters")]);
        }

        if (!call.IsSignedBy(key, PhoneWallet.Operations.SignIn))
        {
            return NotAuthenticated;
        }

        if (await store.WriteAsync(session => WhyNotTaken(session, seid, call)) is { } stale)
        {
            return stale;
        }

        if (await Owners.CheckPasswordAsync(request.Account, request.Password) is { } refused)
        {
            return Refused(refused);
        }

        // An account's password says nothing about a handset: one that is another account's is given up with its own key only.
        var before = await store.WriteAsync(session => DeviceRow.OfChip(session, seid));
        if (before is not null && before.Account != request.Account && !before.PublicKey.AsSpan().SequenceEqual(key))
        {
            return HandsetOfAnotherAccount;
        }

        var (gone, why) = before switch
        {
            null => (false, ""),
            _ when before.Account != request.Account => (true, "ACCOUNT_CHANGED"),
            _ => (request.PurgeEpoch > before.PurgeEpoch, "SIGNED_OUT"),
        };
        if (gone && await DeleteAllAsync(before!, why == "ACCOUNT_CHANGED" ? long.MaxValue : request.PurgeEpoch, why, cancellation) is { } failed)
        {
            return failed;
        }

        var fresh = entropy.NewId();
        var device = await store.WriteAsync(session =>
        {
            var now = DeviceRow.HoldOfChip(session, seid);
            if (now?.Account != before?.Account || (now is not null && !now.PublicKey.AsSpan().SequenceEqual(before!.PublicKey)))
            {
                return null; // somebody else signed in on it meanwhile
            }

            // A purge that the cloud had not heard of may have been Find Device off: its owner turns it on again.
            var made = new DeviceRow(
                now?.DeviceId ?? fresh, seid, request.Account, true, now is { FindDevice: true } && !gone, now is { LostMode: true },
                key, request.Handset, Math.Max(now?.PurgeEpoch ?? 0, request.PurgeEpoch));
            made.SignIn(session, clock.GetUtcNow());

            // What was to sign this handset out is overtaken: its owner has just signed in on it.
            session.Execute("DELETE FROM wallet_command WHERE device_id = $1 AND kind IN ('SIGN_OUT', 'FIND_DEVICE_OFF')", made.DeviceId);
            return made;
        });
        return device is null ? HandsetOfAnotherAccount : new PhoneWallet.SignInReply(device.DeviceId, device.FindDevice);
    }

    /// <summary>The chip purged already, perhaps offline and long ago: token service and cloud follow (R24, decisions.md 3).</summary>
    private async Task<ApiReply<PhoneWallet.Done>> SignOutAsync(DeviceRow device, PhoneWallet.SignOutRequest request, CancellationToken cancellation)
    {
        if (await DeleteAllAsync(device, request.PurgeEpoch, "SIGNED_OUT", cancellation) is { } failed)
        {
            return failed;
        }

        // A notice older than the last purge that the cloud knows of speaks of a sign-out before the present sign-in.
        await ChangeAsync(device.DeviceId, now => request.PurgeEpoch < now.PurgeEpoch ? now : now with { SignedIn = false, PurgeEpoch = request.PurgeEpoch });
        return new PhoneWallet.Done();
    }

    private async Task<ApiReply<PhoneWallet.Done>> SetFindDeviceAsync(DeviceRow device, PhoneWallet.SetFindDeviceRequest request, CancellationToken cancellation)
    {
        if (!request.On && await DeleteAllAsync(device, request.PurgeEpoch, "FIND_DEVICE_OFF", cancellation) is { } failed)
        {
            return failed;
        }

        if (request.On)
        {
            await store.WriteAsync(session => session.Execute("DELETE FROM wallet_command WHERE device_id = $1 AND kind = 'FIND_DEVICE_OFF'", device.DeviceId));
        }

        await ChangeAsync(device.DeviceId, now => request.PurgeEpoch < now.PurgeEpoch ? now : now with { FindDevice = request.On, PurgeEpoch = request.PurgeEpoch });
        return new PhoneWallet.Done();
    }

    private Task<ApiReply<PhoneWallet.CheckHandsetReply>> CheckHandsetAsync(PhoneWallet.CheckHandsetRequest request, CancellationToken cancellation)
    {
        var reasons = HandsetDecider.Check(request.Handset, handsets);
        return Task.FromResult<ApiReply<PhoneWallet.CheckHandsetReply>>(new PhoneWallet.CheckHandsetReply(reasons.Count == 0, reasons, handsets.Find(request.Handset.Model)?.WakeGesture));
    }

    // ---- from the owner's web site: the token service first, the phone when it is reached (decisions.md 14) ----

    /// <summary>The account's handsets.</summary>
    public Task<List<DeviceRow>> DevicesAsync(string account) => store.WriteAsync(session => DeviceRow.OfAccount(session, account));

    /// <summary>Signs a handset out from afar: its device cards are dead at the token service when this returns null.</summary>
    public Task<ApiError?> RemoteSignOutAsync(string deviceId, CancellationToken cancellation = default) =>
        RemoteAsync(deviceId, "SIGNED_OUT_REMOTELY", PhoneWallet.CommandKinds.SignOut, now => now with { SignedIn = false }, cancellation);

    public Task<ApiError?> RemoteFindDeviceOffAsync(string deviceId, CancellationToken cancellation = default) =>
        RemoteAsync(deviceId, "FIND_DEVICE_OFF", PhoneWallet.CommandKinds.FindDeviceOff, now => now with { FindDevice = false }, cancellation);

    /// <summary>Payment off for one phone (R23): its device cards are deleted.</summary>
    public Task<ApiError?> PaymentOffAsync(string deviceId, CancellationToken cancellation = default) =>
        RemoteAsync(deviceId, "PAYMENT_OFF", null, now => now, cancellation);

    /// <summary>Lost mode suspends every device card of the phone, its end resumes them. Null when it is done; a part of it is not done, and the call can be repeated.</summary>
    public async Task<ApiError?> SetLostModeAsync(string deviceId, bool on, CancellationToken cancellation = default)
    {
        if (await store.WriteAsync(session => DeviceRow.Find(session, deviceId)) is not { } device)
        {
            return NotAuthenticated;
        }

        if (on)
        {
            // First, so that nothing which is under way finishes behind it.
            await ChangeAsync(deviceId, now => now with { LostMode = true });
            await store.WriteAsync(session => session.Execute("UPDATE wallet_device SET lost_at = $2 WHERE device_id = $1", deviceId, clock.GetUtcNow()));
        }

        // Taken before the look: whoever looks later orders later, and the token service heeds the latest.
        var order = await store.WriteAsync(session => DeviceRow.NextOrder(session, deviceId));
        var listed = await ReachAsync(() => tokenService.CallAsync<WalletToken.SearchTokensRequest, WalletToken.SearchTokensReply>(WalletToken.Operations.SearchTokens, new(device.Seid), cancellation));
        if (listed.Value is not { } live)
        {
            return listed.Error!;
        }

        ApiError? failed = null;
        foreach (var token in live.Tokens)
        {
            var now = await HoldAsync(token, on, order, cancellation);
            failed ??= now.Error;
            if (now.Value is { State: TokenState.Active or TokenState.Suspended } told)
            {
                await store.WriteAsync(session => CardRow.OfToken(session, token.TokenUniqueReference) is { } card && Follow(session, card, told.State, on ? "LOST" : "FOUND", told.Version));
            }
        }

        if (failed is null && !on)
        {
            await ChangeAsync(deviceId, now => now with { LostMode = false });
        }

        if (failed is null && device.LostMode != on)
        {
            await store.WriteAsync(session => Command(session, deviceId, on ? PhoneWallet.CommandKinds.Lost : PhoneWallet.CommandKinds.Found, null, on ? "LOST" : "FOUND"));
        }

        return failed;
    }

    /// <summary>The wallet's own hold on one token, or its end; the token as it is when it is so already, or not active yet.</summary>
    private Task<ApiReply<WalletToken.TokenReply>> HoldAsync(WalletToken.TokenReply token, bool on, long order, CancellationToken cancellation)
    {
        var held = token.SuspendedBy.Contains("TOKEN_REQUESTOR", StringComparer.Ordinal);
        return held == on || token.State == TokenState.Inactive
            ? Task.FromResult<ApiReply<WalletToken.TokenReply>>(token)
            : ReachAsync(() => tokenService.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(
                on ? WalletToken.Operations.Suspend : WalletToken.Operations.Unsuspend, new(entropy.NewId(), token.TokenUniqueReference, "TOKEN_REQUESTOR", on ? "LOST" : "FOUND", order), cancellation));
    }

    private static async Task<ApiReply<T>> ReachAsync<T>(Func<Task<ApiReply<T>>> call)
        where T : notnull
    {
        try
        {
            return await call();
        }
        catch (PartyUnreachableException)
        {
            return TokenServiceUnreachable;
        }
    }

    /// <summary>What must hold of a handset whose cards are to live: signed in, Find Device on, not lost. Null when it does. Only a deletion does not ask.</summary>
    private static ApiError? WhyNotHeld(DeviceRow? device) => device is null
        ? NotAuthenticated
        : HandsetDecider.Check(new PhoneWallet.HandsetConditions(true, true, true, true), device.SignedIn, device.FindDevice, device.LostMode) is { Count: > 0 } reasons ? Refused(reasons) : null;

    /// <param name="command">What the handset is told beside the loss of its cards.</param>
    private async Task<ApiError?> RemoteAsync(string deviceId, string reason, string? command, Func<DeviceRow, DeviceRow> change, CancellationToken cancellation)
    {
        var device = await store.WriteAsync(session => DeviceRow.Find(session, deviceId));
        if (device is null)
        {
            return NotAuthenticated;
        }

        // The handset's state first: an addition under way finds it when it comes to store its token, and takes the token back.
        await ChangeAsync(deviceId, change);
        try
        {
            var failed = await DeleteAllAsync(device, long.MaxValue, reason, cancellation, tells: true);
            if (failed is null && command is not null)
            {
                await store.WriteAsync(session => Command(session, deviceId, command, null, reason));
            }

            return failed;
        }
        catch (PartyUnreachableException)
        {
            return TokenServiceUnreachable;
        }
    }

    /// <summary>Token service first, then the cloud's own rows. Null when it is done.</summary>
    /// <param name="tells">The handset has to hear of it: it was not the one that asked.</param>
    private async Task<ApiError?> DeleteAllAsync(DeviceRow device, long purgeEpoch, string reason, CancellationToken cancellation, bool tells = false)
    {
        var reply = await tokenService.CallAsync<WalletToken.DeleteDeviceRequest, WalletToken.SearchTokensReply>(
            WalletToken.Operations.DeleteDevice, new(entropy.NewId(), device.Seid, purgeEpoch, reason), cancellation);
        if (reply.Error is not null)
        {
            return reply.Error;
        }

        await store.WriteAsync(session =>
        {
            foreach (var card in CardRow.OfDevice(session, device.DeviceId).Where(card => card.State != EnrolmentState.Deleted && card.PurgeEpoch < purgeEpoch))
            {
                CardRow.Delete(session, card.CardReference, clock.GetUtcNow(), reason);
                if (tells)
                {
                    Command(session, device.DeviceId, PhoneWallet.CommandKinds.Delete, card.CardReference, reason);
                }
            }
        });
        return null;
    }

    private Task ChangeAsync(string deviceId, Func<DeviceRow, DeviceRow> change) => store.WriteAsync(session =>
    {
        if (DeviceRow.Hold(session, deviceId) is { } now)
        {
            change(now).Write(session, clock.GetUtcNow());
        }
    });
}
