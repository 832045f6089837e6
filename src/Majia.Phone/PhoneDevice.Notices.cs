using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Phone;

/// <summary>What the cloud has still to be told, kept until it has answered, and the phone's round that tells it.</summary>
public sealed partial class PhoneDevice
{
    /// <summary>Delivers what the cloud has still to be told, does what it wants done, ends a purge that lost its power, and learns faces that are still missing.</summary>
    public async Task PumpAsync(CancellationToken cancellation = default)
    {
        await PumpOnceAsync(cancellation);
        if (reportedAt is not { } last || time.GetUtcNow() - last >= ReportEvery)
        {
            await ReportInventoryAsync(cancellation);
        }
    }

    private Task<int> PumpOnceAsync(CancellationToken cancellation) => AloneAsync(async () =>
    {
        await DeliverAsync(cancellation);
        if (time.GetUtcNow() - askedAt >= Heartbeat)
        {
            await ObeyAsync(0, cancellation);
        }

        if (!wallet.IsCut && state.SignedIn && state.Cards.Any(static card => card is { State: EnrolmentState.Active, Face.InstanceAid.Length: 0 }))
        {
            try
            {
                await LearnCardsAsync(cancellation);
            }
            catch (PartyUnreachableException)
            {
                // With the next round.
            }
        }

        return 0;
    });

    private void Notify<T>(Session session, string operation, T request, string reference) =>
        PhoneTables.Notices.Enqueue(session, "wallet", operation, JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json), reference, time.GetUtcNow());

    /// <summary>In order: what was said first arrives first; an unreachable cloud ends the round. What the cloud does not believe waits for the next sign-in.</summary>
    /// <returns>Everything that is due was said.</returns>
    private async Task<bool> DeliverAsync(CancellationToken cancellation, bool now = false)
    {
        if (wallet.IsCut)
        {
            return false; // nothing is sent, so nothing has failed
        }

        var due = now ? DateTimeOffset.MaxValue : time.GetUtcNow();
        foreach (var entry in store.Read(session => PhoneTables.Notices.Due(session, due, int.MaxValue)))
        {
            ApiError? error;
            try
            {
                error = entry.Kind switch
                {
                    PhoneWallet.Operations.SignOut => await TellAsync<PhoneWallet.SignOutRequest>(entry, cancellation),
                    PhoneWallet.Operations.SetFindDevice => await TellAsync<PhoneWallet.SetFindDeviceRequest>(entry, cancellation),
                    _ => await TellAsync<PhoneWallet.DeleteCardRequest>(entry, cancellation),
                };
            }
            catch (PartyUnreachableException)
            {
                await store.CommitAsync(session => PhoneTables.Notices.Failed(session, entry, time.GetUtcNow()));
                return false;
            }

            var isNotBelieved = error?.ErrorCode is Reasons.NotAuthenticated or HandsetCall.ClockWrong;
            if (error is not null && (isNotBelieved || Reasons.IsPassing(error)))
            {
                await store.CommitAsync(session => PhoneTables.Notices.Failed(session, entry, time.GetUtcNow()));
                if (isNotBelieved)
                {
                    continue;
                }

                return false;
            }

            await store.CommitAsync(session =>
            {
                if (error is null || error.ErrorCode == Ineligible.NotFound)
                {
                    PhoneTables.Notices.Delivered(session, entry.Id);
                }
                else
                {
                    PhoneTables.Notices.Bury(session, entry, error.ErrorCode, time.GetUtcNow());
                }
            });
            if (error is null && entry.Kind == PhoneWallet.Operations.DeleteCard)
            {
                await RunScriptsAsync(entry.Reference, cancellation); // what the token service wants done with the dead instance
            }
        }

        return true;
    }

    private Task<bool> HasToldAllAsync(CancellationToken cancellation) => DeliverAsync(cancellation, now: true);

    /// <summary>As it was written down; signed now.</summary>
    private async Task<ApiError?> TellAsync<T>(OutboxEntry entry, CancellationToken cancellation)
        where T : notnull =>
        (await AskAsync<T, PhoneWallet.Done>(entry.Kind, JsonSerializer.Deserialize<T>(entry.Payload, JsonEndpoint.Json)!, cancellation)).Error;
}
