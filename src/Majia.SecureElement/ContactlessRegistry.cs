using System.Collections.Immutable;
using Majia.Core.Apdu;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>The contactless registry service (GP Amendment C §3.10–3.11): which instances a reader can meet, and which first. The handset sets it on its own side; it can neither make nor spare a card.</summary>
internal static class ContactlessRegistry
{
    private const byte Activated = 0x01, Deactivated = 0x00, NotActivatable = 0x80;

    internal static byte[] Fci() => BerTlv.Encode(0x6F, BerTlv.Encode(0x84, Chip.Registry.Bytes), BerTlv.Encode(0xA5, BerTlv.Encode(0x9F08, [0x01, 0x03])));

    internal static ChipStep Step(ChipState state, ChipSession session, CommandApdu apdu) => apdu switch
    {
        { Cla: not 0x80 } => Chip.Answer(state, session, Sw.UnknownCla),
        { Ins: 0xF2 } => GetStatus(state, session, apdu),
        { Ins: 0xF0 } => SetStatus(state, session, apdu),
        { P1: 0x00, P2: 0xA5 } => Chip.Answer(state, session, BerTlv.Encode(0xA5, BerTlv.Encode(0x9F08, [0x01, 0x03]))),
        _ => Chip.Answer(state, session, Sw.Unreferenced),
    };

    /// <summary>The state with an instance activated on the contactless side, or not; the same instance when nothing changes.</summary>
    internal static ChipState With(ChipState state, Aid aid, bool activated) =>
        state.Payment(aid) is { } payment ? (payment.Deactivated != activated ? state : state.With(payment with { Deactivated = !activated }))
        : state.Transit(aid) is { } transit ? (transit.Deactivated != activated ? state : state.With(transit with { Deactivated = !activated }))
        : state;

    private readonly record struct Entry(Aid Aid, byte LifeCycle, byte Activation);

    /// <summary>61 { 4F, 9F70 life cycle ‖ activation state, 81 priority } for each instance, the one with the highest priority first.</summary>
    private static ChipStep GetStatus(ChipState state, ChipSession session, CommandApdu apdu)
    {
        if (apdu.P1 != 0x40 || apdu.P2 is not (0x00 or 0x01))
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!BerTlv.TryRead(apdu.Data.Span, out var tag, out var name, out _, out _) || tag != 0x4F || name.Length > 16)
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        var prefix = name.ToArray();
        var entries = Entries(state, session).Where(entry => entry.Aid.StartsWith(prefix)).ToImmutableArray();
        var skip = apdu.P2 == 0x01 ? PerAnswer : 0;
        if (entries.Length <= skip)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        var answer = new List<byte>();
        foreach (var (entry, at) in entries.Select(static (entry, at) => (entry, at)).Skip(skip).Take(skip == 0 ? PerAnswer : ChipState.MaxPayments + ChipState.MaxTransits))
        {
            answer.AddRange(BerTlv.Encode(0x61, BerTlv.Encode(0x4F, entry.Aid.Bytes), BerTlv.Encode(0x9F70, [entry.LifeCycle, entry.Activation]), BerTlv.Encode(0x81, [(byte)(at + 1)])));
        }

        return Chip.Answer(state, session, [.. answer], skip == 0 && entries.Length > PerAnswer ? Sw.MoreData : Sw.Ok);
    }

    /// <summary>Entries in the first answer; MaxPayments and MaxTransits together fit into two.</summary>
    private const int PerAnswer = 8;

    private static IEnumerable<Entry> Entries(ChipState state, ChipSession session)
    {
        var first = (session.Preferred is { } now && state.Payment(now) is not null ? now : null) ?? state.Preferred;
        var all = state.Payments.Select(payment => new Entry(
                payment.Aid, CardRegistry.LifeCycle(state, payment), !state.CanBeSelected(payment) ? NotActivatable : payment.Deactivated ? Deactivated : Activated))
            .Concat(state.Transits.Select(transit => new Entry(
                transit.Aid, (byte)(transit.Selectable ? 0x0F : 0x03), !ChipState.CanBeSelected(transit) ? NotActivatable : transit.Deactivated ? Deactivated : Activated)));
        return all.OrderBy(entry => !entry.Aid.Equals(first));
    }

    /// <summary>P1 01: activation, 02: priority.</summary>
    private static ChipStep SetStatus(ChipState state, ChipSession session, CommandApdu apdu)
    {
        if ((apdu.P1, apdu.P2) is not ((0x01, 0x00 or 0x01) or (0x02, 0x01 or 0x81)))
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!CardRegistry.TryReadName(apdu.Data.Span, out var name) || name.IsEmpty)
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        var aid = Aid.From(name);
        var payment = state.Payment(aid);
        var transit = state.Transit(aid);
        if (payment is null && transit is null)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (payment is not null ? !state.CanBeSelected(payment) : !ChipState.CanBeSelected(transit!))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied); // not activatable
        }

        if (apdu.P1 == 0x02)
        {
            return apdu.P2 == 0x81
                ? Chip.Answer(state, session with { Preferred = aid }, Sw.Ok)
                : Chip.Answer(aid.Equals(state.Preferred) ? state : state with { Preferred = aid }, session with { Preferred = null }, Sw.Ok);
        }

        var activated = apdu.P2 == 0x01;
        return Chip.Answer(With(state, aid, activated), !activated && aid.Equals(session.Armed) ? session with { Armed = null } : session, Sw.Ok);
    }
}
