using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;

namespace Majia.Host.Tracing;

/// <summary>A trace row with its bytes decoded.</summary>
/// <param name="Tree">Null where the row has no bytes, or bytes that are not a whole message any more.</param>
public sealed record TraceViewRow(long Sequence, TraceEvent Event, DescribedNode? Tree);

/// <summary>Rows of one payment, decoded as the commands and pages show them (decisions.md 34).</summary>
public static class TraceView
{
    /// <summary>Decodes in order: the answer to a command is read with the command beside it.</summary>
    public static IReadOnlyList<TraceViewRow> Of(IReadOnlyList<TraceRow> rows)
    {
        var view = new List<TraceViewRow>(rows.Count);
        CommandApdu? command = null;
        foreach (var row in rows)
        {
            view.Add(new TraceViewRow(row.Sequence, row.Event, Decode(row.Event, ref command)));
        }

        return view;
    }

    /// <summary>Word of a kind or direction as it stands in JSON: <c>apdu</c>, <c>iso8583</c>, <c>sent</c> …</summary>
    public static string Word(Enum value) => value.ToString().ToLowerInvariant();

    private static DescribedNode? Decode(TraceEvent row, ref CommandApdu? command)
    {
        if (row.Hex.Length == 0)
        {
            return null;
        }

        var bytes = Convert.FromHexString(row.Hex);
        DescribedNode? tree = null;
        switch (row.Kind)
        {
            case TraceKind.Apdu when row.Direction == TraceDirection.Sent:
                CommandApdu.TryParse(bytes, out command, out _);
                Describe.TryCommand(bytes, reveal: false, out tree, out _);
                break;
            case TraceKind.Apdu:
                Describe.TryResponse(bytes, reveal: false, command, out tree, out _);
                break;
            case TraceKind.Iso8583:
                IsoDescribe.TryDescribe(row.Link == "pos-line" ? Dialect.Pos : Dialect.Switch, bytes, framed: false, reveal: false, out tree, out _);
                break;
        }

        return tree;
    }
}
