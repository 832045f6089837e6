using System.Buffers.Binary;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Phone;

/// <summary>The transit card of a phone. It lives in the chip alone: the phone keeps nothing of it, so neither sign-out nor purge has anything to take (R24).</summary>
/// <remarks>Adding wants a registered handset and the network; showing and riding want neither account nor network nor fingerprint.</remarks>
public sealed partial class PhoneDevice
{
    private const int MaxExchanges = 40;

    private static readonly byte[] TransitInstance = Convert.FromHexString(TransitOperator.InstanceAid);

    private readonly CutLink? transit;

    /// <summary>A top-up that was not answered: the same request again.</summary>
    private (long Amount, string RequestId)? toppingUp;

    private static readonly Refusal NoOperator = new("NO_TRANSIT_OPERATOR", new("There is no transit operator here.", "此处没有可用的公交运营方。"));

    private static readonly Refusal TransitIncomplete = new("TRANSIT_NOT_COMPLETED", new("It was not completed. Please try again.", "操作未完成，请重试。"));

    /// <summary>Adds the operator's card; when it is there already nothing happens. Empty when it worked, else the reasons.</summary>
    public Task<IReadOnlyList<Refusal>> AddTransitCardAsync(CancellationToken cancellation = default) => AloneAsync<IReadOnlyList<Refusal>>(async () =>
    {
        if (transit is null)
        {
            return [NoOperator];
        }

        try
        {
            WalletToken.SecurityDomainKeys? keys = null;
            IReadOnlyList<string> responses = [];
            for (var left = MaxExchanges; left > 0; left--)
            {
                var reply = await transit.CallAsync<TransitOperator.IssueRequest, TransitOperator.IssueReply>(TransitOperator.Operations.Issue, new(chip.Seid, keys, responses), cancellation);
                keys = null;
                if (reply.Value is not { } next)
                {
                    return [Said(reply.Error)];
                }

                if (next.CardNumber is not null)
                {
                    return [];
                }

                if (next.NeedsDomain)
                {
                    (keys, var why) = await PrepareTransitAsync(cancellation);
                    if (why is not null)
                    {
                        return [why];
                    }

                    responses = [];
                    continue;
                }

                responses = await RunTransitAsync(next.Commands, cancellation);
            }

            return [TransitIncomplete];
        }
        catch (PartyUnreachableException)
        {
            return [PhoneRules.Offline];
        }
        catch (CardRemovedException)
        {
            return [PhoneRules.ChipFailed];
        }
    });

    /// <summary>Tops the transit card up. Empty when the chip has the money, else the reasons; tried again with the same amount it is the same top-up.</summary>
    /// <param name="amount">Minor units.</param>
    public Task<IReadOnlyList<Refusal>> TopUpTransitAsync(long amount, CancellationToken cancellation = default) => AloneAsync<IReadOnlyList<Refusal>>(async () =>
    {
        if (transit is null)
        {
            return [NoOperator];
        }

        var request = toppingUp is { } open && open.Amount == amount ? open.RequestId : entropy.NewId();
        toppingUp = (amount, request);
        try
        {
            IReadOnlyList<string> responses = [];
            for (var left = MaxExchanges; left > 0; left--)
            {
                var reply = await transit.CallAsync<TransitOperator.TopUpRequest, TransitOperator.TopUpReply>(TransitOperator.Operations.TopUp, new(request, chip.Seid, amount, responses), cancellation);
                if (reply.Value is not { } next)
                {
                    return [Said(reply.Error)];
                }

                if (next.Done)
                {
                    toppingUp = null;
                    return [];
                }

                responses = await RunTransitAsync(next.Commands, cancellation);
            }

            return [TransitIncomplete];
        }
        catch (PartyUnreachableException)
        {
            return [PhoneRules.Offline];
        }
        catch (CardRemovedException)
        {
            return [PhoneRules.ChipFailed];
        }
    });

    /// <summary>The transit card as the chip has it; null when there is none, or the phone is off.</summary>
    public Task<TransitCardView?> TransitAsync(CancellationToken cancellation = default) => AloneAsync(async () =>
    {
        try
        {
            var selected = await AskAsync(0x00, 0xA4, 0x04, 0x00, TransitInstance);
            if (!selected.Status.IsOk)
            {
                return null;
            }

            var card = await AskAsync(0x00, 0xB0, 0x95, 0x00, []);
            var journey = await AskAsync(0x00, 0xB0, 0x97, 0x00, []);
            var balance = await AskAsync(0x80, 0x5C, 0x00, 0x02, []);
            if (card.Data.Length < 8 || journey.Data.Length < 3 || balance.Data.Length != 4)
            {
                return null;
            }

            var log = new List<TransitLogEntry>();
            for (byte record = 1; await AskAsync(0x00, 0xB2, record, 0xC4, []) is { Status.IsOk: true, Data.Length: 23 } entry; record++)
            {
                var data = entry.Data.Span;
                log.Add(new TransitLogEntry(data[9] == 0x02 ? "TOP_UP" : "RIDE", Amount.Cny(BinaryPrimitives.ReadUInt32BigEndian(data[5..])), Convert.ToHexString(data[16..])));
            }

            return (TransitCardView?)new TransitCardView(
                Convert.ToHexString(card.Data.Span[..8]), Amount.Cny(BinaryPrimitives.ReadUInt32BigEndian(balance.Data.Span)),
                journey.Data.Span[0] == 0x01, BinaryPrimitives.ReadUInt16BigEndian(journey.Data.Span[1..]), log);
        }
        catch (CardRemovedException)
        {
            return null;
        }

        async Task<ResponseApdu> AskAsync(byte cla, byte ins, byte p1, byte p2, byte[] data)
        {
            var bytes = await chip.Wired.TransmitAsync(CommandApdu.Of(cla, ins, p1, p2, data).ToBytes(), cancellation);
            return ResponseApdu.TryParse(bytes, out var answer, out _) ? answer : ResponseApdu.Of(0x6F00);
        }
    });

    /// <summary>The wallet cloud's SE issuer makes the operator's domain; its keys pass through this phone sealed.</summary>
    private async Task<(WalletToken.SecurityDomainKeys? Keys, Refusal? Why)> PrepareTransitAsync(CancellationToken cancellation)
    {
        if (state.DeviceId is not { } device)
        {
            return (null, PhoneRules.NotSignedIn);
        }

        IReadOnlyList<string> responses = [];
        for (var left = MaxExchanges; left > 0; left--)
        {
            var reply = await AskAsync<PhoneWallet.PrepareTransitRequest, PhoneWallet.PrepareTransitReply>(PhoneWallet.Operations.PrepareTransit, new(responses), cancellation);
            if (reply.Value is not { } next)
            {
                return (null, Said(reply.Error));
            }

            if (next.Keys is { } keys)
            {
                return (keys, null);
            }

            responses = await RunTransitAsync(next.Commands, cancellation);
        }

        return (null, TransitIncomplete);
    }

    private async Task<IReadOnlyList<string>> RunTransitAsync(IReadOnlyList<string> texts, CancellationToken cancellation) =>
        TryReadScript(texts, out var commands) ? await RunScriptAsync("transit", commands, cancellation) : throw new PartyUnreachableException("transit");
}
