using Majia.Core.Contracts;
using Majia.Storage;
using Majia.Wallet.Handsets;

namespace Majia.Wallet;

/// <summary>What a handset has still to be told: one queue a handset, in order, kept until the handset says that it has done it (at least once; doing it twice is doing it once).</summary>
public sealed partial class WalletParty
{
    /// <summary>A handset that listens holds a request open for as long as this, then asks again.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private const int CommandsAtOnce = 50;

    private readonly Lock waitingGate = new();
    private readonly SortedDictionary<string, TaskCompletionSource> waiting = new(StringComparer.Ordinal);

    internal const string CommandsMigration = """
        -- What a handset has still to be told; command_sequence is the last number given out, seen_at when it last spoke.
        CREATE TABLE wallet_command (
            device_id TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL, card_reference TEXT, reason TEXT NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (device_id, sequence));
        ALTER TABLE wallet_device ADD COLUMN command_sequence INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE wallet_device ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE wallet_device ADD COLUMN lost_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE wallet_card ADD COLUMN nickname TEXT NOT NULL DEFAULT '';
        """;

    /// <summary>In the unit that makes it necessary.</summary>
    private void Command(Session session, string deviceId, string kind, string? cardReference, string reason)
    {
        session.Execute("UPDATE wallet_device SET command_sequence = command_sequence + 1 WHERE device_id = $1", deviceId);
        if (session.Number("SELECT command_sequence FROM wallet_device WHERE device_id = $1", deviceId) is { } sequence)
        {
            session.Execute(
                "INSERT INTO wallet_command (device_id, sequence, kind, card_reference, reason, at) VALUES ($1, $2, $3, $4, $5, $6)",
                deviceId, sequence, kind, cardReference, reason, clock.GetUtcNow());
            Wake(deviceId);
        }
    }

    /// <summary>Waiting is this node's memory, the queue is the database's: whoever is not woken asks again when its patience ends.</summary>
    private void Wake(string deviceId)
    {
        lock (waitingGate)
        {
            if (waiting.Remove(deviceId, out var waits))
            {
                waits.TrySetResult();
            }
        }
    }

    private async Task<ApiReply<PhoneWallet.FetchCommandsReply>> FetchCommandsAsync(DeviceRow device, PhoneWallet.FetchCommandsRequest request, CancellationToken cancellation)
    {
        Task woken;
        lock (waitingGate)
        {
            if (!waiting.TryGetValue(device.DeviceId, out var waits))
            {
                waiting[device.DeviceId] = waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            woken = waits.Task;
        }

        var commands = await store.WriteAsync(session => Take(session, device.DeviceId, request.Done));
        if (commands.Count == 0 && request.WaitSeconds > 0)
        {
            var patience = TimeSpan.FromSeconds(Math.Min(request.WaitSeconds, LongestWait.TotalSeconds));
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            await Task.WhenAny(woken, Task.Delay(patience, clock, over.Token));
            await over.CancelAsync();
            cancellation.ThrowIfCancellationRequested();
            await store.DurableAsync(); // what is told has happened (decisions.md 22)
            commands = await store.WriteAsync(session => Take(session, device.DeviceId, request.Done));
        }

        return new PhoneWallet.FetchCommandsReply(commands);
    }

    /// <summary>What the handset has done goes; what is left is told again, in order.</summary>
    private List<PhoneWallet.HandsetCommand> Take(Session session, string deviceId, long done)
    {
        session.Execute("DELETE FROM wallet_command WHERE device_id = $1 AND sequence <= $2", deviceId, done);
        session.Execute("UPDATE wallet_device SET seen_at = $2 WHERE device_id = $1", deviceId, clock.GetUtcNow());
        return session.Query(
            "SELECT sequence, kind, card_reference, reason FROM wallet_command WHERE device_id = $1 ORDER BY sequence LIMIT $2",
            static row => new PhoneWallet.HandsetCommand(row.GetInt64(0), row.GetString(1), row.TextOrNull(2), row.GetString(3)), deviceId, CommandsAtOnce);
    }

    /// <summary>What the token service calls: a device card changed, by whomever. The cloud's row follows, and the handset hears of it.</summary>
    public JsonEndpoint NoticeEndpoint => new JsonEndpoint("wallet-notices")
        .Map<TokenWallet.NotifyTokenUpdatedRequest, TokenWallet.Done>(TokenWallet.Operations.NotifyTokenUpdated, (request, _) => TokenUpdatedAsync(request));

    private async Task<ApiReply<TokenWallet.Done>> TokenUpdatedAsync(TokenWallet.NotifyTokenUpdatedRequest request)
    {
        await store.WriteAsync(session =>
        {
            if (CardRow.OfToken(session, request.TokenUniqueReference) is { } card)
            {
                Follow(session, card, request.State, request.ReasonCode, request.Version);
            }
        });
        return new TokenWallet.Done();
    }

    /// <summary>Brings a card's row to what its token is, and has the handset told; false when it was so already, is not yet that far, or was told later news before.</summary>
    /// <param name="version">Of the token when it was so; null: as it comes. A token that is gone is gone in any order.</param>
    private bool Follow(Session session, CardRow card, TokenState token, string reason, long? version)
    {
        if (version is { } told && !card.TryHear(session, told) && token != TokenState.Deactivated)
        {
            return false;
        }

        var (next, kind) = (token, card.State) switch
        {
            (TokenState.Deactivated, not EnrolmentState.Deleted) => (EnrolmentState.Deleted, PhoneWallet.CommandKinds.Delete),
            (TokenState.Suspended, EnrolmentState.Active) => (EnrolmentState.Suspended, PhoneWallet.CommandKinds.Suspend),
            (TokenState.Active, EnrolmentState.Suspended) => (EnrolmentState.Active, PhoneWallet.CommandKinds.Resume),
            (TokenState.Active, EnrolmentState.VerificationRequired) => (EnrolmentState.Activating, PhoneWallet.CommandKinds.Refresh), // the bank verified by a way of its own
            _ => (card.State, null),
        };
        if (reason == TokenWallet.RenewalDue && card.State is EnrolmentState.Active or EnrolmentState.Suspended)
        {
            // Told each day until it is done: one order in the queue is enough.
            if (session.Number("SELECT COUNT(*) FROM wallet_command WHERE device_id = $1 AND card_reference = $2 AND kind = $3", card.DeviceId, card.CardReference, PhoneWallet.CommandKinds.Refresh) == 0)
            {
                Command(session, card.DeviceId, PhoneWallet.CommandKinds.Refresh, card.CardReference, reason);
            }

            return false;
        }

        if (kind is null || !card.TryMove(session, next, clock.GetUtcNow(), reason))
        {
            return false;
        }

        Command(session, card.DeviceId, kind, card.CardReference, reason);
        Record(card.CardReference, "token-service", "token-wallet", TraceKind.Decision, TraceDirection.Inside, $"card {next.Words().En} ({reason})", $"卡片状态：{next.Words().Zh}（{reason}）");
        return true;
    }
}
