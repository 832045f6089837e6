using System.Buffers.Binary;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Tlv;
using Majia.Storage;

namespace Majia.Network;

/// <summary>What makes a tap one of a kind: its counter and the terminal's number for it.</summary>
internal static class TapCounter
{
    /// <summary>9F36 ‖ 9F37, or null where a message has no chip data, or broken ones: the token service judges those.</summary>
    public static byte[]? Of(IsoMessage message)
    {
        var chip = message.Binary(55).Span;
        if (chip.IsEmpty || !BerTlv.TryCheck(chip, out _)
            || !BerTlv.TryFind(chip, 0x9F36, out var counter) || counter.Length != 2
            || !BerTlv.TryFind(chip, 0x9F37, out var unpredictable) || unpredictable.Length != 4)
        {
            return null;
        }

        return [.. counter, .. unpredictable];
    }
}

/// <summary>The switch's memory, as it answers a token service that was restored (decisions.md 24): which taps passed.</summary>
public sealed partial class NetworkParty
{
    private const int LargestPage = 1_000;

    /// <summary>For the line token-network.</summary>
    public JsonEndpoint Journal => new JsonEndpoint("network").Map<Journals.TapsRequest, Journals.TapsReply>(Journals.Operations.Taps, (request, _) => Task.FromResult<ApiReply<Journals.TapsReply>>(
        store.Read(session => new Journals.TapsReply(
            [.. SwitchedTransaction.Taps(session, request.Since, request.After, Math.Clamp(request.Limit, 1, LargestPage)).Select(tap => new Journals.Tap(
                tap.Key, tap.Token, BinaryPrimitives.ReadUInt16BigEndian(tap.Counter), Convert.ToHexString(tap.Counter.AsSpan(2)), tap.At))],
            Restoration.Latest(session, "network")?.BackupAt))));
}
