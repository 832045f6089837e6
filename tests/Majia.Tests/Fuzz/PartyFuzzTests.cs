using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Hsm;
using Majia.Network;
using Majia.Tests.Issuer;
using Majia.Tests.Network;

namespace Majia.Tests.Fuzz;

/// <summary>The four servers of the payment lines. The first byte of an input: 0 a frame as it comes, else a body that gets a right MAC and a right frame.</summary>
/// <remarks>Peers behind are fakes that have the keys and answer as badly as the question's own bytes make them.</remarks>
public sealed class PartyFuzzTests
{
    private const long Renew = 400;

    [Fact]
    public void The_acquirer_answers_anything_or_drops_it() => Fuzzer.Run("acquirer", dice => Input(dice, Dialect.Pos), Acquirer, Whole(Dialect.Pos), Renew);

    [Fact]
    public void The_network_answers_anything_or_drops_it_and_never_names_the_plastic() => Fuzzer.Run("network", dice => Input(dice, Dialect.Switch), Switch, Whole(Dialect.Switch), Renew);

    [Fact]
    public void The_issuer_answers_anything_or_drops_it() => Fuzzer.Run("issuer", dice => Input(dice, Dialect.Switch), Issuer, Whole(Dialect.Switch), Renew);

    [Fact]
    public void The_token_service_answers_anything_or_drops_it() => Fuzzer.Run("token service", dice => Input(dice, Dialect.Switch), TokenService, Whole(Dialect.Switch), Renew);

    private static IReadOnlyList<byte[]> Whole(Dialect dialect) => [.. Corpus.Of(dialect).Select(static body => (byte[])[1, .. body])];

    private static byte[] Input(Dice dice, Dialect dialect) => dice.Once(8) ? [0, .. Mutator.Bytes(dice, Frames(dialect), 12_000)] : [1, .. IsoMutator.Body(dice, dialect)];

    private static IReadOnlyList<byte[]> Frames(Dialect dialect) => dialect == Dialect.Pos ? PosFrames : SwitchFrames;

    private static readonly byte[][] PosFrames = [.. Corpus.Pos.Select(static body => PosFrame.Write(PaymentBench.Tpdu, PaymentBench.Header, body))];

    private static readonly byte[][] SwitchFrames = [.. Corpus.Switch.Select(static body => SwitchFrame.Write("00010000", "63990900", body))];

    // ---- targets ----

    internal static Action<byte[]> Acquirer()
    {
        var bench = new PaymentBench();
        var network = new BadPeer(bench.NetworkKeys, $"zak.{PaymentBench.Acquirer}", PaymentBench.Approve);
        var party = Done(bench.AcquirerAsync(bench.NewStore(), network));
        return input =>
        {
            bench.Trace.Rows.Clear();
            var frame = Framed(input, Dialect.Pos, body => bench.TerminalKeys.Mac("mak", MacAlgorithm.UnionPayEcb, body), static body => PosFrame.Write(PaymentBench.Tpdu, PaymentBench.Header, body));
            var answer = Done(party.HandleAsync(frame, CancellationToken.None));
            if (!answer.IsEmpty)
            {
                Assert.True(PosFrame.TryRead(answer, out _, out _, out var body, out var error), error.ToString());
                Assert.True(IsoCodec.TryRead(Dialect.Pos, body, out var message, out error), error.ToString());
                Assert.True(message.Mti.IsResponse && (message.Has(39) || (message.Mti == Mti.SettlementResponse && message.Has(48))));
            }

            Done(party.PumpAsync(CancellationToken.None));
        };
    }

    internal static Action<byte[]> Switch()
    {
        var bench = new PaymentBench();
        var vault = bench.Vault();
        var bank = bench.ApprovingBank();
        var badVault = new BadPeer(bench.VaultKeys, "zak.network", vault.Answer);
        var badBank = new BadPeer(bench.BankKeys, "zak.network", bank.Answer);
        var party = bench.Network(bench.NewStore(), badVault, badBank);
        return input =>
        {
            bench.Trace.Rows.Clear();
            var frame = Framed(input, Dialect.Switch, body => bench.AcquirerKeys.Mac("zak.network", MacAlgorithm.UnionPayEcb, body), static body => SwitchFrame.Write(PaymentBench.Switch, PaymentBench.Acquirer, body));
            var answer = Done(party.HandleAsync(frame, CancellationToken.None));
            if (!answer.IsEmpty)
            {
                // A frame of raw bytes may name a bank as its sender: the answer is that bank's, under its key.
                Assert.True(SwitchFrame.TryRead(answer, out var to, out _, out _, out var unreadable), unreadable.ToString());
                AssertAnswer(answer, to == PaymentBench.Acquirer ? bench.AcquirerKeys : bench.BankKeys, "zak.network");
                var pan = bench.Pan.Reveal();
                if (frame.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(pan)) < 0)
                {
                    Assert.True(answer.Span.IndexOf(System.Text.Encoding.ASCII.GetBytes(pan)) < 0, "the plastic's number stands in the answer to the acquirer");
                }
            }

            bench.Clock.Advance(TimeSpan.FromSeconds(1));
            Done(party.PumpAsync(CancellationToken.None));
        };
    }

    internal static Action<byte[]> Issuer()
    {
        var bench = Done(IssuerBench.OpenAsync());
        var card = IssuerBench.Debit;
        var sum = bench.Balance();
        return input =>
        {
            // Half of the nonsense is about a card that the bank has.
            var body = (byte[])[.. input];
            if (body.Length > 1 && body[0] != 0 && IsoCodec.TryRead(Dialect.Switch, body.AsSpan(1), out var message, out _) && message.Has(2) && Dice.Of(input).Once(2))
            {
                body = [1, .. IsoCodec.Write(Dialect.Switch, message.Set(2, card.Pan.Reveal()))];
            }

            var frame = Framed(body, Dialect.Switch, block => bench.Keys.Mac("zak.network", MacAlgorithm.UnionPayEcb, block), static one => SwitchFrame.Write(IssuerBench.Institution, IssuerBench.Network, one));
            var answer = Done(bench.Party.HandleAsync(frame, CancellationToken.None));
            if (!answer.IsEmpty)
            {
                var said = AssertAnswer(answer, bench.Keys, "zak.network");
                var now = bench.Balance();
                Assert.True(now == sum || said.Text(39) == "00", $"money moved under {said.Text(39)}");
                sum = now;
            }
        };
    }

    internal static Action<byte[]> TokenService()
    {
        var bench = new TokenService.Bench();
        var (_, token, _, _) = Done(bench.EnrolAsync(Majia.Tests.TokenService.Bench.Debit()));
        return input =>
        {
            var body = (byte[])[.. input];
            if (body.Length > 1 && body[0] != 0 && IsoCodec.TryRead(Dialect.Switch, body.AsSpan(1), out var message, out _) && message.Has(2) && Dice.Of(input).Once(2))
            {
                body = [1, .. IsoCodec.Write(Dialect.Switch, message.Copy(Mti.AuthorisationRequest).Set(2, token.Reveal()))];
            }

            var frame = Framed(body, Dialect.Switch, block => bench.Network.Mac("zak.token-service", MacAlgorithm.UnionPayEcb, block), static one => SwitchFrame.Write("00019900", "00010000", one));
            var answer = Done(bench.Party.HandleAsync(frame, CancellationToken.None));
            if (!answer.IsEmpty)
            {
                var said = AssertAnswer(answer, bench.Network, "zak.token-service");
                Assert.True(!said.Has(48) || said.Text(39) == "00", "a number was named in a refusal");
            }
        };
    }

    // ---- ----

    internal static byte[] Framed(byte[] input, Dialect dialect, Func<ReadOnlySpan<byte>, byte[]> mac, Func<byte[], byte[]> frame)
    {
        if (input.Length == 0 || input[0] == 0)
        {
            return input.Length == 0 ? input : input[1..];
        }

        var body = input.AsSpan(1);
        if (body.Length > 9000)
        {
            return body.ToArray();
        }

        return frame(IsoCodec.TryRead(dialect, body, out var message, out _) ? IsoSealing.Seal(dialect, message.Copy(), block => mac(block)) : body.ToArray());
    }

    private static IsoMessage AssertAnswer(ReadOnlyMemory<byte> frame, KeyModule keys, string key)
    {
        Assert.True(SwitchFrame.TryRead(frame, out _, out _, out var body, out var error), error.ToString());
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body, out var message, out error), error.ToString());
        Assert.True(IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => keys.VerifyMac(key, MacAlgorithm.UnionPayEcb, block, mac)), "the answer's MAC is wrong");
        Assert.True(message.Mti.IsResponse && message.Has(39), "an answer without F39");
        return message;
    }

    internal static T Done<T>(Task<T> task)
    {
        Assert.True(task.IsCompleted, "it waits for a clock that nobody turns");
        return task.GetAwaiter().GetResult();
    }

    internal static void Done(Task task)
    {
        Assert.True(task.IsCompleted, "it waits for a clock that nobody turns");
        task.GetAwaiter().GetResult();
    }
}

/// <summary>The far end of a line with the right key: what it gets must be right, what it says is right, nonsense, or garbage.</summary>
internal sealed class BadPeer(KeyModule keys, string macKey, Func<IsoMessage, IsoMessage?> answer) : IIsoLink
{
    public Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        Assert.True(SwitchFrame.TryRead(frame, out var destination, out var source, out var body, out var error), error.ToString());
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body, out var message, out error), error.ToString());
        Assert.True(IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => keys.VerifyMac(macKey, MacAlgorithm.UnionPayEcb, block, mac)), "a wrong MAC leaves a party");
        var dice = Dice.Of(body.Span);
        var manner = dice.Below(5);
        if (manner == 0)
        {
            return Task.FromResult<ReadOnlyMemory<byte>>(dice.Bytes(dice.Size(300)));
        }

        var reply = answer(message) ?? new IsoMessage(message.Mti.Response).Set(39, "96").Set(11, message.Text(11)).Set(41, message);
        if (manner < 3)
        {
            reply = IsoMutator.Nonsense(dice, Dialect.Switch, reply);
        }

        var sealedBody = IsoSealing.Seal(Dialect.Switch, reply, block => keys.Mac(macKey, MacAlgorithm.UnionPayEcb, block));
        return Task.FromResult<ReadOnlyMemory<byte>>(SwitchFrame.Write(source, destination, sealedBody));
    }
}
