using System.Collections.Immutable;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.SecureElement;

/// <summary>The secure element as a function: one command in, one answer and the next state out. The dispatcher knows AIDs and nothing of what stands behind them.</summary>
public static class Chip
{
    /// <summary>Proximity payment system environment, <c>2PAY.SYS.DDF01</c>.</summary>
    public static readonly Aid Ppse = Aid.Parse("325041592E5359532E4444463031");

    /// <summary>Issuer security domain of the phone maker.</summary>
    public static readonly Aid IssuerDomain = Aid.Parse("A000000151000000");

    /// <summary>The trusted side's applet, <c>MJBIND</c> (proprietary).</summary>
    public static readonly Aid Binding = Aid.Parse("F04D4A42494E44");

    /// <summary>Runs one command that came in at <paramref name="port"/>. Never throws on any bytes.</summary>
    /// <param name="entropy">For challenges and binding values.</param>
    public static ChipStep Step(ChipState state, ChipSession session, ChipPort port, ReadOnlyMemory<byte> command, Entropy entropy)
    {
        if (!CommandApdu.TryParse(command.Span, out var apdu, out _))
        {
            return Answer(state, session, Sw.WrongLength);
        }

        if (apdu is { Cla: 0x00, Ins: 0xA4 })
        {
            return Select(state, session, port, apdu);
        }

        if ((apdu.Cla & 0x03) != 0 || apdu.Cla is not (0x00 or 0x80 or 0x84))
        {
            return Answer(state, session, Sw.UnknownCla); // one logical channel
        }

        // Only what can be selected on this side now stays selected: a purge or a DELETE takes the ground away under an open session.
        if (session.Selected(port) is not { } selected || !CanReach(state, session, port, selected))
        {
            return Answer(state, session.Select(port, null), Sw.NotSatisfied);
        }

        if (selected.Equals(Ppse))
        {
            return Answer(state, session, Sw.UnknownIns);
        }

        if (selected.Equals(Binding))
        {
            return BindingApplet.Step(state, session, apdu, entropy);
        }

        return state.Payment(selected) is { } payment
            ? PaymentApplet.Step(state, session, port, payment, apdu)
            : CardManagement.Step(state, session, state.Domain(selected)!, apdu);
    }

    /// <summary>The reader's field went and came back: its selection is forgotten, the armed flag is not (decisions.md 4).</summary>
    public static ChipSession FieldReset(ChipSession session) => session with { Contactless = null };

    /// <summary>The one payment instance that the contactless side shows: the armed one, else the last used, else the oldest that can be selected; null when there is none.</summary>
    /// <remarks>GP Amendment C §3: an instance that is not activated on the contactless interface can be selected there no more than one that does not exist.</remarks>
    public static PaymentInstance? Activated(ChipState state, ChipSession session)
    {
        if (Usable(session.Armed) is { } armed)
        {
            return armed;
        }

        return Usable(state.LastUsed) ?? state.Payments.FirstOrDefault(state.CanBeSelected);

        PaymentInstance? Usable(Aid? aid) => aid is not null && state.Payment(aid) is { } payment && state.CanBeSelected(payment) ? payment : null;
    }

    internal static ChipStep Answer(ChipState state, ChipSession session, ushort status) => new(state, session, ResponseApdu.Of(status));

    internal static ChipStep Answer(ChipState state, ChipSession session, byte[] data, ushort status = Sw.Ok) =>
        new(state, session, new ResponseApdu(data, new StatusWord(status)));

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

        var names = Reachable(state, session, port);
        var name = apdu.Data.Span;
        Aid? chosen = null;
        if (name.IsEmpty)
        {
            chosen = port == ChipPort.Wired ? IssuerDomain : null; // the default application
        }
        else
        {
            var matches = Matches(names, name);
            var present = session.Selected(port);
            var next = apdu.P2 == 0x00 ? 0 : present is null ? -1 : matches.IndexOf(present) is var at and >= 0 ? at + 1 : -1;
            chosen = next >= 0 && next < matches.Length ? matches[next] : null;
        }

        if (chosen is null)
        {
            return Answer(state, session, Sw.NotFound);
        }

        // A secure channel ends with the selection of any application on its side (GP §10.2.3).
        var selected = (port == ChipPort.Wired ? CardManagement.CloseChannel(session) : session).Select(port, chosen);
        if (chosen.Equals(Ppse))
        {
            return Activated(state, selected) is { } listed
                ? Answer(state, selected, PaymentApplet.Ppse(listed))
                : Answer(state, session, Sw.NotFound);
        }

        if (chosen.Equals(Binding))
        {
            return Answer(state, selected, BindingApplet.Fci());
        }

        return state.Payment(chosen) is { } payment
            ? Answer(state, selected, PaymentApplet.Fci(payment), payment.Blocked ? Sw.Blocked : Sw.Ok)
            : Answer(state, selected, CardManagement.Fci(chosen));
    }

    /// <summary>All names that a side can select, in order. A domain answers on the wired side alone, the binding applet never to a reader.</summary>
    private static ImmutableArray<Aid> Reachable(ChipState state, ChipSession session, ChipPort port) => port switch
    {
        ChipPort.Contactless => Activated(state, session) is { } listed ? [Ppse, listed.Aid] : [],
        ChipPort.Wired => [.. state.Domains.Select(domain => domain.Aid), Binding, .. state.Payments.Where(state.CanBeSelected).Select(payment => payment.Aid)],
        _ => [Binding],
    };

    /// <summary>An instance once selected by a reader stays reachable until it dies, though another may be activated meanwhile.</summary>
    private static bool CanReach(ChipState state, ChipSession session, ChipPort port, Aid aid) =>
        state.Payment(aid) is { } payment ? port != ChipPort.Trusted && state.CanBeSelected(payment) : port == ChipPort.Contactless ? aid.Equals(Ppse) : Reachable(state, session, port).Contains(aid);

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
