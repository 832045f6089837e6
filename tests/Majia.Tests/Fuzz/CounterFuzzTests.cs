using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Terminal;
using Majia.Terminal.Kernel;
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
        100,
        thorough: true);

    [Fact]
    public void Whatever_stands_in_a_plastic_cards_records_a_tap_ends_with_an_outcome_and_only_the_true_ones_are_approved() => Fuzzer.Run(
        "kernel, lying plastic",
        static dice => Mutator.Bytes(dice, [.. Offline.Value.Answers], 1200),
        OfflineTap,
        [.. Offline.Value.Answers],
        100,
        memory: 8 << 20, thorough: true); // three public operations in big numbers

    [Fact]
    public void Whatever_an_inserted_card_answers_a_sale_ends_with_an_outcome() => Fuzzer.Run(
        "kernel, lying inserted card",
        static dice =>
        {
            var bytes = new List<byte>();
            for (var left = 1 + dice.Below(3); left > 0; left--)
            {
                var answer = Mutator.Bytes(dice, Slot.Value, 700);
                bytes.AddRange([(byte)dice.Below(14), (byte)(answer.Length >> 8), (byte)(answer.Length & 0xFF), .. answer]);
            }

            return [.. bytes];
        },
        Inserted,
        [.. Slot.Value.Select(static (answer, at) => (byte[])[(byte)at, (byte)(answer.Length >> 8), (byte)(answer.Length & 0xFF), .. answer])],
        200,
        memory: 8 << 20,
        thorough: true);

    /// <summary>What an honest card answered over its contacts, from SELECT PSE to the second cryptogram.</summary>
    private static readonly Lazy<IReadOnlyList<byte[]>> Slot = new(static () =>
    {
        var log = new List<(string, byte[])>();
        var bench = new SecureElement.PlasticBench(sm2: true);
        Insert(new Counter(), new LoggedCard(command => bench.Device.Transmit(Majia.SecureElement.ChipPort.Contact, command), log));
        return [.. log.Select(static row => row.Item2)];
    });

    /// <summary>(which command, length, answer)*: what the card says in place of the truth.</summary>
    internal static Action<byte[]> Inserted()
    {
        var counter = new Counter();
        var bench = new SecureElement.PlasticBench(sm2: true);
        return input =>
        {
            var lies = new Queue<(int Command, byte[] Answer)>();
            for (var at = 0; at + 3 <= input.Length;)
            {
                var length = Math.Min((input[at + 1] << 8) | input[at + 2], input.Length - at - 3);
                lies.Enqueue((input[at], input.AsSpan(at + 3, length).ToArray()));
                at += 3 + length;
            }

            bench.Restart();
            var count = 0;
            Insert(counter, new LoggedCard(
                command =>
                {
                    Assert.True(count < 400, "a card that keeps the terminal busy");
                    return lies.TryPeek(out var lie) && lie.Command == count++ ? lies.Dequeue().Answer : bench.Device.Transmit(Majia.SecureElement.ChipPort.Contact, command);
                },
                []));
        };
    }

    private static void Insert(Counter counter, ICardChannel card)
    {
        using var stop = new CancellationTokenSource();
        Conclude(counter, counter.Device.SellInsertedAsync(Amount.Cny(8800), card, new AnyKeypad(), stop.Token));
    }

    private static readonly Lazy<IReadOnlyList<Majia.Core.Contracts.AuthorityKey>> Authorities = new(static () => SecureElement.PlasticBench.Authorities);

    /// <summary>What an honest card answered in one tap that it approved offline, and the command that each was the answer to.</summary>
    private static readonly Lazy<(IReadOnlyList<string> Commands, IReadOnlyList<byte[]> Answers)> Offline = new(() =>
    {
        var log = new List<(string, byte[])>();
        var bench = new SecureElement.PlasticBench(rsaBits: 1024, electronicCash: 10_000);
        var result = Tap(new LoggedCard(command => bench.Device.Transmit(SecureElementPort, command), log));
        Assert.IsType<Majia.Terminal.EntryPoint.PresentationResult.Approved>(result);
        return ([.. log.Select(static row => row.Item1)], [.. log.Select(static row => row.Item2)]);
    });

    private const Majia.SecureElement.ChipPort SecureElementPort = Majia.SecureElement.ChipPort.Contactless;

    /// <summary>The honest answers, but for one that is told.</summary>
    internal static Action<byte[]> OfflineTap()
    {
        var (commands, answers) = Offline.Value;
        return input =>
        {
            // Which answer is replaced: the one that the input was made from, or most looks like.
            var place = Enumerable.Range(0, answers.Count).MaxBy(index => answers[index].AsSpan().CommonPrefixLength(input));
            var result = Tap(new LoggedCard(command => commands.ToList().IndexOf(Convert.ToHexString(command)) is var at and >= 0 ? at == place ? input : answers[at] : [0x6A, 0x82], []));
            Assert.False(string.IsNullOrEmpty(result.Why.En) || string.IsNullOrEmpty(result.Why.Zh));
            if (result is Majia.Terminal.EntryPoint.PresentationResult.Approved && place >= 2 && !input.AsSpan().SequenceEqual(answers[place]))
            {
                // What is neither signed nor looked at may differ: never what the signature covers.
                Assert.True(SameWhereItCounts(answers[place], input), $"approved with {Convert.ToHexString(input)}");
            }
        };
    }

    private static bool SameWhereItCounts(byte[] honest, byte[] told)
    {
        foreach (var tag in (int[])[0x5A, 0x5F24, 0x90, 0x9F46, 0x9F4B, 0x9F69, 0x9F36, 0x82])
        {
            var before = Find(honest, tag);
            if (!before.SequenceEqual(Find(told, tag)))
            {
                return false;
            }
        }

        return true;

        // The template that the answer begins with: whatever else stands behind it is nobody's.
        static byte[] Find(byte[] answer, int tag) => answer.Length > 2
            && answer.AsSpan(0, answer.Length - 2).TrimStart((byte)0) is [var template, ..] data
            && Majia.Core.Tlv.BerTlv.TryFind(data, template, out var body)
            && Majia.Core.Tlv.BerTlv.TryFind(body, tag, out var value) ? value.ToArray() : [];
    }

    private static Majia.Terminal.EntryPoint.PresentationResult Tap(ICardChannel card)
    {
        using var stop = new CancellationTokenSource();
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(new DateTimeOffset(2026, 7, 1, 4, 0, 0, TimeSpan.Zero));
        var parameters = TerminalParameters.Default with { Aids = [.. TerminalParameters.Default.Aids.Select(row => row with { FloorLimit = Amount.Cny(50_000) })] };
        var options = new TerminalOptions("10000001", "990031058120001", new("Shop", "商店")) { Parameters = parameters, Authorities = static _ => ValueTask.FromResult(Authorities.Value) };
        var reader = new Majia.Terminal.EntryPoint.ContactlessReader(options, clock, new SeededEntropy(5), new TerminalTrace(NoTrace.Instance, clock), new VerifiedIssuers(), static _ => { });
        return PartyFuzzTests.Done(reader.ReadAsync(new(Amount.Cny(1_234), 0x00, NumberOnly: false, BankAsked: false, "fuzz"), new ShortField(card, stop), stop.Token));
    }

    private sealed class LoggedCard(Func<byte[], byte[]> answer, List<(string Command, byte[] Answer)> log) : ICardChannel
    {
        public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            var said = answer(command.ToArray());
            log.Add((Convert.ToHexString(command.Span), said));
            return ValueTask.FromResult<ReadOnlyMemory<byte>>(said);
        }
    }

    [Fact]
    public void Whatever_the_acquirer_answers_a_sale_ends_with_an_outcome_and_an_unread_answer_is_reversed() => Fuzzer.Run("terminal, lying acquirer", static dice => dice.Bytes(8), Acquirer, [], 100);

    /// <summary>(which command, length, answer)*: what the card says in place of the truth.</summary>
    internal static Action<byte[]> Card()
    {
        var counter = new Counter();
        return input =>
        {
            var lies = Lies(input);
            var honest = new byte[][] { FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid)), FakeCard.Fci(FakeCard.DebitAid), FakeCard.Template77(FakeCard.Answer()), FakeCard.Status(0x6A83) };
            var card = new FakeCard(command =>
            {
                var now = command.Ins == 0xA4 ? command.Data.Span.SequenceEqual("2PAY.SYS.DDF01"u8) ? 0 : 1 : command.Ins == 0xA8 ? 2 : 3;
                return lies.TryPeek(out var lie) && lie.Command == now ? lies.Dequeue().Answer : honest[now];
            });
            Sell(counter, card);
        };
    }

    internal static Queue<(int Command, byte[] Answer)> Lies(byte[] input)
    {
        var lies = new Queue<(int, byte[])>();
        for (var at = 0; at + 3 <= input.Length;)
        {
            var length = Math.Min((input[at + 1] << 8) | input[at + 2], input.Length - at - 3);
            lies.Enqueue((input[at] % 4, input.AsSpan(at + 3, length).ToArray()));
            at += 3 + length;
        }

        return lies;
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
        Conclude(counter, counter.Device.SellAsync(Amount.Cny(8800), new ShortField(card, stop), new AnyKeypad(), stop.Token));
    }

    private static void Conclude(Counter counter, Task<SaleResult> task)
    {
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
