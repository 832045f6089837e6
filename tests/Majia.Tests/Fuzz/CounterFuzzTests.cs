using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Terminal;
using Majia.Tests.Terminal;

namespace Majia.Tests.Fuzz;

/// <summary>The terminal between a card that lies and an acquirer that lies.</summary>
public sealed class CounterFuzzTests
{
    [Fact]
    public void Whatever_a_card_answers_a_sale_ends_with_an_outcome() => Fuzzer.Run(
        "kernel, lying card",
        static dice =>
        {
            var bytes = new List<byte>();
            for (var left = 1 + dice.Below(6); left > 0; left--)
            {
                var answer = dice.Once(3) ? dice.Of(Corpus.CardAnswers) : Mutator.Bytes(dice, Corpus.CardAnswers, 600);
                bytes.AddRange([(byte)dice.Below(4), (byte)(answer.Length >> 8), (byte)(answer.Length & 0xFF), .. answer]);
            }

            return [.. bytes];
        },
        Card,
        [.. Corpus.CardAnswers.Select(static answer => (byte[])[0, 0, (byte)answer.Length, .. answer])],
        100);

    [Fact]
    public void Whatever_the_acquirer_answers_a_sale_ends_with_an_outcome_and_an_unread_answer_is_reversed() => Fuzzer.Run("terminal, lying acquirer", static dice => dice.Bytes(8), Acquirer, [], 100);

    /// <summary>(which command, length, answer)*: what the card says in place of the truth.</summary>
    internal static Action<byte[]> Card()
    {
        var counter = new Counter();
        return input =>
        {
            var lies = new Queue<(int Command, byte[] Answer)>();
            for (var at = 0; at + 3 <= input.Length;)
            {
                var length = Math.Min((input[at + 1] << 8) | input[at + 2], input.Length - at - 3);
                lies.Enqueue((input[at] % 4, input.AsSpan(at + 3, length).ToArray()));
                at += 3 + length;
            }

            var honest = new byte[][] { FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid)), FakeCard.Fci(FakeCard.DebitAid), FakeCard.Template77(FakeCard.Answer()), FakeCard.Status(0x6A83) };
            var card = new FakeCard(command =>
            {
                var now = command.Ins == 0xA4 ? command.Data.Span.SequenceEqual("2PAY.SYS.DDF01"u8) ? 0 : 1 : command.Ins == 0xA8 ? 2 : 3;
                return lies.TryPeek(out var lie) && lie.Command == now ? lies.Dequeue().Answer : honest[now];
            });
            Sell(counter, card);
        };
    }

    /// <summary>Dice for the answers.</summary>
    internal static Action<byte[]> Acquirer()
    {
        var counter = new Counter();
        return input =>
        {
            var dice = Dice.Of(input);
            var atc = dice.Below(65536);
            counter.Acquirer.Script.Clear();
            for (var left = dice.Below(3); left >= 0; left--)
            {
                counter.Acquirer.Script.Enqueue(request => IsoMutator.Nonsense(dice, Dialect.Pos, counter.Acquirer.Answer(request, dice.Of((string[])["00", "55", "51", "A0", "98", "25"]))));
            }

            counter.Acquirer.Spoil = dice.Once(3) ? frame => Mutator.Bytes(dice, [frame], 3000) : null;
            Sell(counter, FakeCard.Phone(FakeCard.Template77(FakeCard.Answer(atc: atc, ctq: dice.Once(2) ? "0080" : "8080"))));
            counter.Acquirer.Received.Clear();
        };
    }

    private static void Sell(Counter counter, ICardChannel card)
    {
        using var stop = new CancellationTokenSource();
        var task = counter.Device.SellAsync(Amount.Cny(8800), new ShortField(card, stop), new AnyKeypad(), stop.Token);
        for (var turns = 0; turns < 400 && !task.IsCompleted; turns++)
        {
            counter.Clock.Advance(TimeSpan.FromSeconds(5));
        }

        var result = PartyFuzzTests.Done(task);
        Assert.True(Enum.IsDefined(result.Outcome));
        Assert.False(string.IsNullOrEmpty(result.Why.En) || string.IsNullOrEmpty(result.Why.Zh), $"no reason is given for {result.Outcome}");
        if (result.Slip is { } slip)
        {
            Slip.FromJson(slip.ToJson());
        }

        counter.Acquirer.Received.Clear();
        counter.Shown.Clear();
    }

    /// <summary>The card is held there three times, then the merchant gives up.</summary>
    private sealed class ShortField(ICardChannel card, CancellationTokenSource stop) : ICardField
    {
        private int polls;

        public ValueTask<ICardChannel> PollAsync(CancellationToken cancellation)
        {
            if (++polls <= 3)
            {
                return ValueTask.FromResult(card);
            }

            stop.Cancel();
            throw new OperationCanceledException(stop.Token);
        }
    }

    private sealed class AnyKeypad : IKeypad
    {
        public ValueTask<char[]?> EnterPinAsync(PinPrompt prompt, CancellationToken cancellation) => ValueTask.FromResult<char[]?>("246810".ToCharArray());
    }
}
