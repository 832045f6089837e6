using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Phone;

/// <summary>What the cloud wants done on this handset: fetched in order, done, and said to be done with the next request. Doing one twice is doing it once.</summary>
public sealed partial class PhoneDevice
{
    /// <summary>A handset that nobody wakes asks this often.</summary>
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(30);

    private const int ListenSeconds = 25;

    /// <summary>How often phone and chip are compared with the cloud.</summary>
    private static readonly TimeSpan ReportEvery = TimeSpan.FromDays(1);

    private DateTimeOffset askedAt = DateTimeOffset.MinValue;

    /// <summary>Null: not since the start.</summary>
    private DateTimeOffset? reportedAt;

    /// <summary>Asks for commands now, and does them.</summary>
    /// <returns>How many there were.</returns>
    public Task<int> FetchCommandsAsync(CancellationToken cancellation = default) => AloneAsync(() => ObeyAsync(0, cancellation));

    /// <summary>The push channel: one request held open at the cloud, and another when it has ended, for as long as this runs. A broken line is waited out.</summary>
    public async Task ListenAsync(CancellationToken cancellation)
    {
        var wait = TimeSpan.FromSeconds(1);
        while (!cancellation.IsCancellationRequested)
        {
            var heard = await HearAsync(cancellation);
            wait = heard ? TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(Math.Min(wait.TotalSeconds * 2, ListenSeconds));
            if (!heard)
            {
                await Task.Delay(wait, time, cancellation);
            }
        }
    }

    /// <summary>One held request. It waits outside the gate, so that the phone can be used meanwhile; what it brings is done inside.</summary>
    private async Task<bool> HearAsync(CancellationToken cancellation)
    {
        if (wallet.IsCut || !IsOn || state.DeviceId is not { } device)
        {
            return false;
        }

        try
        {
            var done = store.Read(session => PhoneTables.CommandsDone(session, device));
            var reply = await AskAsync<PhoneWallet.FetchCommandsRequest, PhoneWallet.FetchCommandsReply>(PhoneWallet.Operations.FetchCommands, new(done, ListenSeconds), cancellation);
            if (reply.Value is not { } said)
            {
                return false;
            }

            return said.Commands.Count == 0 || await AloneAsync(async () =>
            {
                await DoAsync(device, said.Commands, cancellation);
                await ObeyAsync(0, cancellation);
                return true;
            });
        }
        catch (PartyUnreachableException)
        {
            return false;
        }
    }

    private async Task<int> ObeyAsync(int waitSeconds, CancellationToken cancellation)
    {
        if (wallet.IsCut || !IsOn || state.DeviceId is not { } device)
        {
            return 0;
        }

        askedAt = time.GetUtcNow();
        var count = 0;
        try
        {
            while (true)
            {
                var done = store.Read(session => PhoneTables.CommandsDone(session, device));
                var reply = await AskAsync<PhoneWallet.FetchCommandsRequest, PhoneWallet.FetchCommandsReply>(PhoneWallet.Operations.FetchCommands, new(done, waitSeconds), cancellation);
                if (reply.Value is not { Commands: { Count: > 0 } commands } || !await DoAsync(device, commands, cancellation))
                {
                    return count;
                }

                count += commands.Count;
            }
        }
        catch (PartyUnreachableException)
        {
            return count;
        }
    }

    /// <returns>False when one could not be done now: it and those behind it come again.</returns>
    private async Task<bool> DoAsync(string device, IReadOnlyList<PhoneWallet.HandsetCommand> commands, CancellationToken cancellation)
    {
        foreach (var command in commands)
        {
            if (command.Sequence <= store.Read(session => PhoneTables.CommandsDone(session, device)))
            {
                continue;
            }

            try
            {
                if (!await DoAsync(command, cancellation))
                {
                    return false;
                }
            }
            catch (CardRemovedException)
            {
                return false; // the chip has no power
            }

            await store.CommitAsync(session => PhoneTables.CommandDone(session, device, command.Sequence));
        }

        return true;
    }

    private async Task<bool> DoAsync(PhoneWallet.HandsetCommand command, CancellationToken cancellation)
    {
        Note(command.CardReference ?? string.Empty, TraceKind.Decision, TraceDirection.Inside, "wallet", "phone-wallet", new Text($"The cloud says: {command.Kind} ({command.ReasonCode}).", $"云端指令：{command.Kind}（{command.ReasonCode}）。"));
        switch (command.Kind)
        {
            case PhoneWallet.CommandKinds.Suspend:
                return await HoldAsync(command, EnrolmentState.Active, EnrolmentState.Suspended, "CARD_SUSPENDED", new("This card was suspended: it cannot pay now.", "该卡已暂停，暂时无法付款。"));
            case PhoneWallet.CommandKinds.Resume:
                return await HoldAsync(command, EnrolmentState.Suspended, EnrolmentState.Active, "CARD_RESUMED", new("This card can pay again.", "该卡已恢复，可以付款。"));
            case PhoneWallet.CommandKinds.Delete:
                return await DropAsync(command, cancellation);
            case PhoneWallet.CommandKinds.Refresh when command.CardReference is { } reference:
                await LearnCardsAsync(cancellation);
                if (state.Card(reference) is not null)
                {
                    await ExchangeAsync(reference, cancellation);
                }

                return true;
            case PhoneWallet.CommandKinds.SignOut:
                return await PurgeAsync(SignOutReason, state.Account is not null, "SIGNED_OUT", new("This phone was signed out from afar; its cards are gone.", "该手机已被远程退出登录，银行卡已删除。"), cancellation);
            case PhoneWallet.CommandKinds.FindDeviceOff:
                return await PurgeAsync(FindDeviceOffReason, state.FindDeviceOn, "FIND_DEVICE_OFF", new("Find Device was turned off from afar; the cards are gone.", "“查找手机”已被远程关闭，银行卡已删除。"), cancellation);
            case PhoneWallet.CommandKinds.Lost:
                await StandDownAsync(ScreenKind.Dark);
                await SayAsync(null, "LOST", new("This phone is in lost mode. Its cards are suspended.", "该手机处于丢失模式，银行卡已暂停。"));
                return true;
            case PhoneWallet.CommandKinds.Found:
                await SayAsync(null, "FOUND", new("Lost mode has ended.", "丢失模式已结束。"));
                return true;
            default:
                return true; // of a newer cloud
        }
    }

    /// <summary>Tells the cloud what phone and chip hold. What it wants done about it comes with the commands.</summary>
    public Task<IReadOnlyList<Difference>> ReportInventoryAsync(CancellationToken cancellation = default) => AloneAsync(async () =>
    {
        if (wallet.IsCut || !IsOn || chosen is not null || state.DeviceId is not { } device)
        {
            return []; // a card in use is not disturbed
        }

        try
        {
            var (epoch, live) = await Trusted.StateAsync(cancellation);
            var held = new List<PhoneWallet.HeldCard>();
            foreach (var card in state.Cards)
            {
                held.Add(new(card.CardReference, card.State, card.Face.InstanceAid.Length == 0 || await IsInChipAsync(card.Face.InstanceAid, cancellation)));
            }

            var reply = await AskAsync<PhoneWallet.ReportInventoryRequest, PhoneWallet.ReportInventoryReply>(
                PhoneWallet.Operations.ReportInventory, new(epoch, live, held), cancellation);
            reportedAt = time.GetUtcNow();
            if (reply.Value is not { } said)
            {
                return [];
            }

            await ObeyAsync(0, cancellation);
            return said.Differences;
        }
        catch (Exception lost) when (lost is PartyUnreachableException or CardRemovedException)
        {
            return [];
        }
    });

    /// <summary>The instance answers to its name. A purged one does not.</summary>
    private async Task<bool> IsInChipAsync(string instanceAid, CancellationToken cancellation)
    {
        var aid = new byte[instanceAid.Length / 2];
        return aid.Length is >= 5 and <= 16 && Convert.FromHexString(instanceAid, aid, out _, out _) == System.Buffers.OperationStatus.Done
            && ResponseApdu.TryParse(await chip.Wired.TransmitAsync(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, aid).ToBytes(), cancellation), out var answer, out _) && answer.Status.IsOk;
    }

    private Task SayAsync(string? card, string kind, Text says) => store.CommitAsync(session => PhoneTables.Add(session, new PhoneMessage(time.GetUtcNow(), card, kind, null, says)));

    private async Task<bool> HoldAsync(PhoneWallet.HandsetCommand command, EnrolmentState from, EnrolmentState to, string kind, Text says)
    {
        if (command.CardReference is not { } reference || state.Card(reference) is not { } card || card.State != from)
        {
            return true;
        }

        if (chosen == reference && to == EnrolmentState.Suspended)
        {
            await StandDownAsync(ScreenKind.Dark);
        }

        await SaveAsync(state with { Cards = state.Cards.Replace(card, card with { State = to }) }, session => PhoneTables.Add(session, new PhoneMessage(time.GetUtcNow(), reference, kind, null, says)));
        return true;
    }

    /// <summary>The token is gone already; here the instance dies in the chip, then the card leaves the list and its remains are cleared by the token service's script.</summary>
    private async Task<bool> DropAsync(PhoneWallet.HandsetCommand command, CancellationToken cancellation)
    {
        if (command.CardReference is not { } reference)
        {
            return true;
        }

        if (state.Card(reference) is not { } card)
        {
            await RunScriptsAsync(reference, cancellation); // what is left of it in the chip
            return true;
        }

        if (chosen == reference)
        {
            await StandDownAsync(ScreenKind.Dark);
        }

        if (card.Face.InstanceAid.Length > 0 && !await Trusted.RetireAsync(card.Face.InstanceAid, cancellation))
        {
            return false;
        }

        await SaveAsync(
            state with { Cards = state.Cards.Remove(card), DefaultCard = state.DefaultCard == reference ? null : state.DefaultCard },
            session => PhoneTables.Add(session, new PhoneMessage(time.GetUtcNow(), reference, "CARD_REMOVED", null, new Text("This card was removed from afar.", "该卡已被远程移除。"))));
        await RunScriptsAsync(reference, cancellation);
        return true;
    }

    private async Task<bool> PurgeAsync(string reason, bool due, string kind, Text says, CancellationToken cancellation)
    {
        if (!due)
        {
            return true;
        }

        await SaveAsync(state with { Purging = reason });
        if (!await FinishPurgeAsync(cancellation))
        {
            return false;
        }

        await SayAsync(null, kind, says);
        await DeliverAsync(cancellation);
        return true;
    }
}
