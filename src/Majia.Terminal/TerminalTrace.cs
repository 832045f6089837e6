using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Terminal;

/// <summary>What this terminal tells of a payment: every APDU, every decision with its why, every message, without what must not be kept (decisions.md 21).</summary>
internal sealed class TerminalTrace(ITrace trace, TimeProvider clock)
{
    private const string Terminal = "terminal", Card = "phone", Acquirer = "acquirer", Air = "apdu", Line = "pos-line";

    public void Decision(string reference, Text why) => Record(reference, Terminal, string.Empty, TraceKind.Decision, TraceDirection.Inside, string.Empty, why);

    public void Key(string reference, Text why) => Record(reference, Terminal, string.Empty, TraceKind.Key, TraceDirection.Inside, string.Empty, why);
}
