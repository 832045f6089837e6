using System.Collections.Immutable;
using Majia.Core.Apdu;
using Majia.Core.Primitives;

namespace Majia.SecureElement;

/// <summary>The secure element as a function: one command in, one answer and the next state out. The dispatcher knows AIDs and nothing of what stands behind them.</summary>
public static class Chip
{
    /// <summary>Proximity payment system environment, <c>2PAY.SYS.DDF01</c>.</summary>
    public static readonly Aid Ppse = Aid.Parse("325041592E5359532E4444463031");

    /// <summary>Payment system environment of the contacts, <c>1PAY.SYS.DDF01</c>.</summary>
    public static readonly Aid Pse = Aid.Parse("315041592E5359532E4444463031");

    /// <summary>Issuer security domain as GlobalPlatform names it. A chip may be manufactured with another name for its own.</summary>
    public static readonly Aid IssuerDomain = Aid.Parse("A000000151000000");

    /// <summary>Contactless registry service (GP Amendment C §3.10).</summary>
    public static readonly Aid Registry = Aid.Parse("A00000015143525300");

    /// <summary>The trusted side's applet, <c>MJBIND</c> (proprietary).</summary>
    public static readonly Aid Binding = Aid.Parse("F04D4A42494E44");

    /// <summary>Bytes that a chain of commands may carry together (ISO/IEC 7816-4 §5.3.3).</summary>
    public const int MaxChain = 2048;

    /// <summary>Runs one command that came in at <paramref name="port"/>. Never throws on any bytes.</summary>
    /// <param name="entropy">For challenges, binding values and signatures.</param>
    public static ChipStep Step(ChipState state, ChipSession session, ChipPort port, ReadOnlyMemory<byte> command, Entropy entropy)
    {
        if (!CommandApdu.TryParse(command.Span, out var apdu, out _))
        {
            return Answer(state, Fresh(session, port), Sw.WrongLength);
        }

        if (!IsLedOut(state, port))
        {
            return Answer(state, session, Sw.NotSatisfied);
        }

        if ((apdu.Cla & 0x60) != 0 || (apdu.Cla & 0x03) != 0 || (apdu.Cla & 0x08) != 0)
        {
            return Answer(state, Fresh(session, port), Sw.UnknownCla); // one logical channel; GlobalPlatform's and EMV's secure messaging alone
        }

        if (apdu is { Cla: 0x00 or 0x80, Ins: 0xC0 })
        {
            return GetResponse(state, session, port, apdu);
        }

        var line = session.Line(port);
        if ((apdu.Cla & 0x10) != 0)
        {
            return Collect(state, session, port, apdu);
        }

        if (line.Chain is { } chain)
        {
            session = Fresh(session, port);
            if (!IsNext(chain, apdu) || chain.Data.Length + apdu.Data.Length > MaxChain)
            {
                return Answer(state, session, Sw.NotSatisfied);
            }

            apdu = apdu with { Data = (byte[])[.. chain.Data.Span, .. apdu.Data.Span] };
        }
        else if (!line.Rest.IsEmpty)
        {
            session = Fresh(session, port);
        }

        return Shape(Dispatch(state, session, port, apdu, entropy), port, apdu.Le);
    }

    /// <summary>The reader's field went and came back: its conversation is forgotten, the armed flag is not (decisions.md 4).</summary>
    public static ChipSession FieldReset(ChipSession session) => session.Select(ChipPort.Contactless, null) with { Contactless = ChipLine.Fresh };

    /// <summary>The one payment instance that the contactless side shows: the armed one, else the registry's first, else the last used, else the oldest that can be selected; null when there is none.</summary>
    /// <remarks>GP Amendment C §3: an instance that is not activated on the contactless interface can be selected there no more than one that does not exist.</remarks>
    public static PaymentInstance? Activated(ChipState state, ChipSession session)
    {
        return Usable(session.Armed) ?? Usable(session.Preferred) ?? Usable(state.Preferred) ?? Usable(state.LastUsed) ?? state.Payments.FirstOrDefault(payment => IsShown(state, payment));

        PaymentInstance? Usable(Aid? aid) => aid is not null && state.Payment(aid) is { } payment && IsShown(state, payment) ? payment : null;
    }

    internal static ChipStep Answer(ChipState state, ChipSession session, ushort status) => new(state, session, ResponseApdu.Of(status));

    internal static ChipStep Answer(ChipState state, ChipSession session, byte[] data, ushort status = Sw.Ok) =>
        new(state, session, new ResponseApdu(data, new StatusWord(status)));

    internal static bool IsShown(ChipState state, PaymentInstance payment) => !payment.Deactivated && state.CanBeSelected(payment);

    private static ChipStep Dispatch(ChipState state, ChipSession session, ChipPort port, CommandApdu apdu, Entropy entropy)
    {
        if (apdu is { Cla: 0x00, Ins: 0xA4 })
        {
            return Select(state, session, port, apdu);
        }

        // Only what can be selected on this side now stays selected: a purge or a DELETE takes the ground away under an open session.
        if (session.Selected(port) is not { } selected || !CanReach(state, session, port, selected))
        {
            return Answer(state, session.Select(port, null), Sw.NotSatisfied);
        }

        // Inside an open channel the MAC is looked at first, whatever the command.
        var applet = AppletOf(state, selected);
        if (!(applet == Applet.Domain && session.Channel is { Open: true }) && !CommandTable.Knows(applet, apdu.Cla, apdu.Ins, out var otherClass))
        {
            return Answer(state, applet == Applet.Domain ? SecureChannels.Close(session) : session, otherClass ? Sw.UnknownCla : Sw.UnknownIns);
        }

        return applet switch
        {
            Applet.Pse => PaymentApplet.PseRecord(state, session, apdu),
            Applet.Registry => ContactlessRegistry.Step(state, session, apdu),
            Applet.Binding => BindingApplet.Step(state, session, apdu, entropy),
            Applet.Payment => PaymentApplet.Step(state, session, port, state.Payment(selected)!, apdu, entropy),
            Applet.Transit => TransitApplet.Step(state, session, port, state.Transit(selected)!, apdu, entropy),
            _ => SecureChannels.Step(state, session, state.Domain(selected)!, apdu, entropy),
        };
    }

    // ---- the line: chaining, and answers longer than asked for ----

    private static ChipSession Fresh(ChipSession session, ChipPort port) =>
        session.Line(port) is { Chain: null, Rest.IsEmpty: true } ? session : session.With(port, session.Line(port) with { Chain = null, Rest = default, RestStatus = 0 });

    private static bool IsNext(CommandApdu chain, CommandApdu next) => (chain.Cla, chain.Ins, chain.P1, chain.P2) == (next.Cla & ~0x10, next.Ins, next.P1, next.P2);

    /// <summary>A piece of a chain (class bit 5): kept until the last one comes.</summary>
    private static ChipStep Collect(ChipState state, ChipSession session, ChipPort port, CommandApdu apdu)
    {
        var begun = session.Line(port).Chain;
        session = Fresh(session, port);
        if ((begun is not null && !IsNext(begun, apdu)) || (begun?.Data.Length ?? 0) + apdu.Data.Length > MaxChain)
        {
            return Answer(state, session, Sw.NotSatisfied);
        }

        var chain = apdu with { Cla = (byte)(apdu.Cla & ~0x10), Data = begun is null ? apdu.Data : (byte[])[.. begun.Data.Span, .. apdu.Data.Span] };
        return Answer(state, session.With(port, session.Line(port) with { Chain = chain }), Sw.Ok);
    }

    /// <summary>ISO/IEC 7816-4 §5.3.4: what does not fit into Le, or came without one, is fetched by GET RESPONSE.</summary>
    private static ChipStep Shape(ChipStep step, ChipPort port, int? le)
    {
        var data = step.Response.Data;
        if (data.Length <= (le ?? 0))
        {
            return step;
        }

        var now = data[..(le ?? 0)];
        var rest = data[now.Length..];
        var line = step.Session.Line(port) with { Rest = rest, RestStatus = step.Response.Status.Value };
        return step with { Session = step.Session.With(port, line), Response = new ResponseApdu(now, MoreBytes(rest.Length)) };
    }

    private static ChipStep GetResponse(ChipState state, ChipSession session, ChipPort port, CommandApdu apdu)
    {
        var line = session.Line(port);
        if (line.Rest.IsEmpty)
        {
            return Answer(state, session, Sw.NotSatisfied);
        }

        if (apdu.P1 != 0 || apdu.P2 != 0 || apdu.Data.Length > 0 || apdu.Le is not { } le)
        {
            return Answer(state, Fresh(session, port), Sw.WrongP1P2);
        }

        var now = line.Rest[..Math.Min(le, line.Rest.Length)];
        var rest = line.Rest[now.Length..];
        return new ChipStep(
            state,
            session.With(port, line with { Rest = rest, RestStatus = rest.IsEmpty ? (ushort)0 : line.RestStatus }),
            new ResponseApdu(now, rest.IsEmpty ? new StatusWord(line.RestStatus) : MoreBytes(rest.Length)));
    }

    private static StatusWord MoreBytes(int count) => new((ushort)(Sw.MoreBytes | (count > 255 ? 0 : count)));

    // ---- SELECT ----

    /// <summary>SELECT by name (ISO/IEC 7816-4 §11.1.1): P1 04, P2 00 first or only, 02 next of a partial name.</summary>
    private static ChipStep Select(ChipState state, ChipSession session, ChipPort port, CommandApdu apdu)
    {
        if (apdu.P1 != 0x04 || apdu.P2 is not (0x00 or 0x02))
        {
            return Answer(state, session, Sw.WrongP1P2);
        }

        if (apdu.Data.Length > 16)
        {
            return Answer(state, session, Sw.WrongLength);
        }

        if (state.Life == CardLife.Terminated)
        {
            return Answer(state, session, Sw.NotSupported); // EMV Book 1 §12.2.1: the card is blocked
        }

        var name = apdu.Data.Span;
        Aid? chosen = null;
        if (name.IsEmpty)
        {
            chosen = port is ChipPort.Wired or ChipPort.Contact ? state.IssuerDomain.Aid : null; // the default application
        }
        else
        {
            var matches = Matches(Reachable(state, session, port), name);
            var present = session.Selected(port);
            var next = apdu.P2 == 0x00 ? 0 : present is null ? -1 : matches.IndexOf(present) is var at and >= 0 ? at + 1 : -1;
            chosen = next >= 0 && next < matches.Length ? matches[next] : null;
        }

        if (chosen is null)
        {
            return Answer(state, session, Sw.NotFound);
        }

        // A secure channel ends with the selection of any application on its side (GP §10.2.3).
        var selected = (IsManaged(port) ? SecureChannels.Close(session) : session).Select(port, chosen);
        switch (AppletOf(state, chosen))
        {
            case Applet.Ppse:
                return Listed(state, selected) is { IsEmpty: false } listed ? Answer(state, selected, PaymentApplet.PpseFci(listed)) : Answer(state, session, Sw.NotFound);
            case Applet.Pse:
                return Answer(state, selected, PaymentApplet.PseFci());
            case Applet.Registry:
                return Answer(state, selected, ContactlessRegistry.Fci());
            case Applet.Binding:
                return Answer(state, selected, BindingApplet.Fci());
            case Applet.Payment:
                var payment = state.Payment(chosen)!;
                return Answer(state, selected, PaymentApplet.Fci(payment, port), payment.Blocked ? Sw.Blocked : Sw.Ok);
            case Applet.Transit:
                return Answer(state, selected, TransitApplet.Fci(state.Transit(chosen)!));
            default:
                return Answer(state, selected, CardRegistry.Fci(state, chosen));
        }
    }

    /// <summary>Payment instances that PPSE lists: a phone shows one (decisions.md 4), a plastic card all it has.</summary>
    private static ImmutableArray<PaymentInstance> Listed(ChipState state, ChipSession session) =>
        !state.HasTrustedSide ? [.. state.Payments.Where(payment => IsShown(state, payment))] : Activated(state, session) is { } one ? [one] : [];

    /// <summary>All names that a side can select, in order. A domain answers on the managed sides alone, the binding applet never to a reader.</summary>
    private static ImmutableArray<Aid> Reachable(ChipState state, ChipSession session, ChipPort port)
    {
        if (state.Life >= CardLife.Locked)
        {
            return state.Life == CardLife.Locked && IsManaged(port) ? [state.IssuerDomain.Aid] : []; // GP §5.1.1.4
        }

        switch (port)
        {
            case ChipPort.Contactless:
                var listed = Listed(state, session);
                return [.. listed.IsEmpty ? [] : new[] { Ppse }, .. listed.Select(static payment => payment.Aid), .. state.Transits.Where(static transit => !transit.Deactivated && ChipState.CanBeSelected(transit)).Select(static transit => transit.Aid)];
            case ChipPort.Wired:
                return
                [
                    .. state.Domains.Select(static domain => domain.Aid), Binding, Registry,
                    .. state.Payments.Where(state.CanBeSelected).Select(static payment => payment.Aid), .. state.Transits.Where(ChipState.CanBeSelected).Select(static transit => transit.Aid),
                ];
            case ChipPort.Contact:
                var onContact = state.Payments.Where(payment => IsOnContact(state, payment)).Select(static payment => payment.Aid).ToArray();
                return [.. onContact.Length == 0 ? [] : new[] { Pse }, .. onContact, .. state.Domains.Select(static domain => domain.Aid)];
            default:
                return [Binding];
        }
    }

    /// <summary>An instance once selected by a reader stays reachable until it dies, though another may be activated meanwhile.</summary>
    private static bool CanReach(ChipState state, ChipSession session, ChipPort port, Aid aid)
    {
        if (state.Life < CardLife.Locked && state.Payment(aid) is { } payment)
        {
            return port switch
            {
                ChipPort.Contactless => IsShown(state, payment),
                ChipPort.Contact => IsOnContact(state, payment),
                ChipPort.Wired => state.CanBeSelected(payment),
                _ => false,
            };
        }

        return port == ChipPort.Contactless && aid.Equals(Ppse) ? state.Life < CardLife.Locked : Reachable(state, session, port).Contains(aid);
    }

    private static bool IsOnContact(ChipState state, PaymentInstance payment) => state.CanBeSelected(payment) && !payment.Profile!.ContactFci.IsEmpty;

    private static bool IsManaged(ChipPort port) => port is ChipPort.Wired or ChipPort.Contact;

    private static bool IsLedOut(ChipState state, ChipPort port) => (state.Interfaces & port switch
    {
        ChipPort.Contactless => ChipInterfaces.Contactless,
        ChipPort.Wired => ChipInterfaces.Wired,
        ChipPort.Trusted => ChipInterfaces.Trusted,
        _ => ChipInterfaces.Contact,
    }) != 0;

    private static Applet AppletOf(ChipState state, Aid aid) =>
        aid.Equals(Ppse) ? Applet.Ppse
        : aid.Equals(Pse) ? Applet.Pse
        : aid.Equals(Registry) ? Applet.Registry
        : aid.Equals(Binding) ? Applet.Binding
        : state.Payment(aid) is not null ? Applet.Payment
        : state.Transit(aid) is not null ? Applet.Transit
        : Applet.Domain;

    private static ImmutableArray<Aid> Matches(ImmutableArray<Aid> names, ReadOnlySpan<byte> name)
    {
        var matches = ImmutableArray.CreateBuilder<Aid>();
        foreach (var candidate in names)
        {
            if (candidate.StartsWith(name))
            {
                matches.Add(candidate);
            }
        }

        return matches.ToImmutable();
    }
}
