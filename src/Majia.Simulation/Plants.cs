using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;

namespace Majia.Simulation;

/// <summary>A bug put in on purpose, to see that the simulator finds it. All of them sit on wires and stores: product code has no hook for them.</summary>
public enum Plant
{
    None,

    /// <summary>Somebody between acquirer and network acknowledges each 0420 and throws it away.</summary>
    DropReversal,

    /// <summary>The vault forgets which counters it has seen.</summary>
    SkipAtc,

    /// <summary>The acquirer forgets what it answered before.</summary>
    LoseDedupe,

    /// <summary>The POS line lets answers go before their commit.</summary>
    AnswerBeforeCommit,

    /// <summary>The switch sends a sale to the bank a second time as a new one.</summary>
    DoublePost,

    /// <summary>The line between fingerprint sensor and chip acknowledges each purge and does not pass it on.</summary>
    SkipPurge,

    /// <summary>The vault forgets who has a place on a chip or of a plastic.</summary>
    ForgetSlot,

    /// <summary>The vault judges by a copy of its rows in which nothing is suspended.</summary>
    StaleVerdict,

    /// <summary>Somebody between bank and token service acknowledges what became of a plastic and throws it away.</summary>
    ForgetReplacement,
}

public sealed class Plants(World world, Plant plant)
{
    private int doubled;

    public static IReadOnlyList<(string Name, Plant Plant)> Names { get; } =
    [
        ("drop-reversal", Plant.DropReversal),
        ("skip-atc", Plant.SkipAtc),
        ("lose-dedupe", Plant.LoseDedupe),
        ("answer-before-commit", Plant.AnswerBeforeCommit),
        ("double-post", Plant.DoublePost),
        ("skip-purge", Plant.SkipPurge),
        ("forget-slot", Plant.ForgetSlot),
        ("stale-verdict", Plant.StaleVerdict),
        ("forget-replacement", Plant.ForgetReplacement),
    ];

    /// <summary>An answer that comes from nobody.</summary>
    internal byte[]? Instead(Wire wire, byte[] request)
    {
        if (plant != Plant.DropReversal || wire.Name != "acquirer-network" || !TryRead(request, out var destination, out var source, out var message) || message.Mti.Class != 4)
        {
            return null;
        }

        var answer = message.Copy(message.Mti.Response).Remove(128).Set(39, "00");
        return SwitchFrame.Write(source, destination, Seal(answer, $"zak.{SmallWorld.Acquirer}"));
    }

    /// <summary>The same on a JSON line.</summary>
    internal byte[]? Instead(Wire wire, string operation) => plant == Plant.ForgetReplacement && wire.Name == "issuer-token" && operation is IssuerToken.Operations.AccountUpdate or IssuerToken.Operations.AccountClosed
        ? JsonSerializer.SerializeToUtf8Bytes(new ApiReply<IssuerToken.TokensReply>(new IssuerToken.TokensReply([])), JsonEndpoint.Json)
        : null;

    /// <summary>A request that nobody sent.</summary>
    internal byte[]? Also(Wire wire, byte[] request)
    {
        const string Line = "network-issuer-";
        if (plant != Plant.DoublePost || !wire.Name.StartsWith(Line, StringComparison.Ordinal) || !TryRead(request, out var destination, out var source, out var message)
            || message.Mti != Mti.FinancialRequest || message.Text(3) != "000000" || ++doubled % 8 != 0)
        {
            return null;
        }

        var again = message.Copy(message.Mti).Remove(128).Set(11, "9" + message.Text(11)![1..]);
        return SwitchFrame.Write(destination, source, Seal(again, $"zak.{wire.Name[Line.Length..]}"));
    }

    /// <summary>What happens to a store just before its party looks.</summary>
    internal async Task BeforeAsync(Wire wire, Node node, byte[] request)
    {
        switch (plant)
        {
            case Plant.SkipAtc when wire.Name == "network-token":
                await node.Store.WriteAsync(static session =>
                    session.Execute("UPDATE token_token SET atc_high = -1, atc_bits = 0"));
                break;

            case Plant.LoseDedupe when wire.Name == "pos-line" && PosFrame.TryRead(request, out _, out _, out var body, out _) && IsoCodec.TryRead(Dialect.Pos, body.Span, out var message, out _) && message.Mti == Mti.FinancialRequest:
                var (terminal, stan) = (message.Text(41), message.Text(11));
                await node.Store.WriteAsync(session => session.Execute("DELETE FROM acquirer_transaction WHERE terminal = $1 AND stan = $2", terminal, stan));
                break;

            case Plant.ForgetSlot when wire.Name == "wallet-token":
                await node.Store.WriteAsync(static session =>
                {
                    session.Execute("DELETE FROM token_device_slot");
                    session.Execute("DELETE FROM token_card_slot");
                });
                break;

            case Plant.StaleVerdict when wire.Name == "network-token":
                await node.Store.WriteAsync(static session => session.Execute("UPDATE token_token SET state = 'Active' WHERE state = 'Suspended'"));
                break;
        }
    }

    /// <summary>And just after it has answered.</summary>
    internal async Task AfterAsync(Wire wire, Node node)
    {
        if (plant == Plant.StaleVerdict && wire.Name == "network-token")
        {
            await node.Store.WriteAsync(static session => session.Execute("UPDATE token_token SET state = 'Suspended' WHERE state = 'Active' AND suspended_by <> ''"));
        }
    }

    internal ICardChannel OnTrustedLine(ICardChannel line) => plant == Plant.SkipPurge ? new Deaf(line) : line;

    /// <summary>Says 9000 to PURGE, and nothing happens.</summary>
    private sealed class Deaf(ICardChannel line) : ICardChannel
    {
        private const byte Purge = 0x2E;

        public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) =>
            command.Span is [0x80, Purge, ..] ? ValueTask.FromResult<ReadOnlyMemory<byte>>(new byte[] { 0x90, 0x00 }) : line.TransmitAsync(command, cancellation);
    }

    internal bool AnswersBeforeCommit(Wire wire) => plant == Plant.AnswerBeforeCommit && wire.Name == "pos-line";

    private static bool TryRead(byte[] frame, out string destination, out string source, out IsoMessage message)
    {
        message = null!;
        return SwitchFrame.TryRead(frame, out destination, out source, out var body, out _) && IsoCodec.TryRead(Dialect.Switch, body.Span, out message!, out _);
    }

    private byte[] Seal(IsoMessage message, string key) => IsoSealing.Seal(Dialect.Switch, message, block => world.Keys["network"].Mac(key, MacAlgorithm.UnionPayEcb, block));
}
