using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Phone;
using Majia.Storage;
using Majia.Tests.Phone;
using Majia.Tests.Terminal;

namespace Majia.Tests.Fuzz;

/// <summary>A phone whose cloud lies to it: scripts of garbage, replies of garbage. It may fail to add a card; it may not break, and its chip may not change.</summary>
public sealed class PhoneFuzzTests
{
    [Fact]
    public void Any_script_of_a_lying_wallet_ends_with_an_outcome() => Fuzzer.Run(
        "phone, lying scripts",
        static dice =>
        {
            var commands = new List<byte>();
            for (var left = dice.Below(5); left > 0; left--)
            {
                var one = dice.Once(2) ? Encoding.ASCII.GetBytes(Convert.ToHexString(Mutator.Bytes(dice, Corpus.Commands, 120))) : Mutator.Bytes(dice, [.. Corpus.Commands.Select(static bytes => Encoding.ASCII.GetBytes(Convert.ToHexString(bytes)))], 250);
                commands.AddRange([(byte)Math.Min(255, one.Length), .. one.AsSpan(0, Math.Min(255, one.Length))]);
            }

            return [.. commands];
        },
        Scripts,
        [[3, (byte)'0', (byte)'0', (byte)'A'], [0], "\u000a00A4040000"u8.ToArray()],
        100,
        16 << 20);

    [Fact]
    public void Any_reply_of_a_lying_wallet_ends_with_an_outcome() => Fuzzer.Run("phone, lying replies", static dice => dice.Bytes(8), Replies, [], 25, 16 << 20);

    [Fact]
    public void Whatever_a_card_at_the_phones_back_answers_reading_it_ends_with_a_number_or_a_reason() => Fuzzer.Run(
        "phone, lying plastic",
        static dice =>
        {
            var bytes = new List<byte>();
            for (var left = 1 + dice.Below(5); left > 0; left--)
            {
                var answer = dice.Once(3) ? dice.Of(Corpus.CardAnswers) : Mutator.Bytes(dice, Corpus.CardAnswers, 600);
                bytes.AddRange([(byte)dice.Below(4), (byte)(answer.Length >> 8), (byte)(answer.Length & 0xFF), .. answer]);
            }

            return [.. bytes];
        },
        AtTheBack,
        [.. Corpus.CardAnswers.Select(static answer => (byte[])[2, 0, (byte)answer.Length, .. answer])]);

    /// <summary>(which command, length, answer)*: what the card says in place of the truth.</summary>
    internal static Action<byte[]> AtTheBack()
    {
        var bench = PartyFuzzTests.Done(PhoneBench.PreparedAsync());
        return input =>
        {
            var lies = CounterFuzzTests.Lies(input);
            var honest = new byte[][] { FakeCard.Ppse(FakeCard.Entry(FakeCard.DebitAid)), FakeCard.Fci(FakeCard.DebitAid), FakeCard.Ok(BerTlv.Encode(0x77, FakeCard.Hex("940408010200"))), FakeCard.Ok(BerTlv.Encode(0x70, FakeCard.Hex("5A088199011234567890"))) };
            var commands = 0;
            var card = new FakeCard(command =>
            {
                commands++;
                var now = command.Ins == 0xA4 ? command.Data.Span.SequenceEqual("2PAY.SYS.DDF01"u8) ? 0 : 1 : command.Ins == 0xA8 ? 2 : 3;
                return lies.TryPeek(out var lie) && lie.Command == now ? lies.Dequeue().Answer : honest[now];
            });
            bench.Trace.Rows.Clear();
            var reading = PartyFuzzTests.Done(bench.Phone.ReadPlasticAsync(card));
            Assert.True((reading.Number is null) != (reading.Why is null), "a number or a reason");
            Assert.True(commands <= 1 + (8 * (2 + 32)), $"{commands} commands");
            Assert.True(reading.Number is not { } number || (number.Masked.Length > 0 || number.With(null, null, null, null).Pan.Length < 13), "a number that is not masked");
        };
    }

    /// <summary>(length, text of a command)*.</summary>
    internal static Action<byte[]> Scripts() => Open((link, input) =>
    {
        var script = new List<string>();
        for (var at = 0; at < input.Length;)
        {
            var length = Math.Min(input[at], input.Length - at - 1);
            script.Add(Encoding.Latin1.GetString(input, at + 1, length));
            at += 1 + length;
        }

        var rounds = 0;
        link.Lie = (operation, reply) => operation == PhoneWallet.Operations.ExchangeScript && rounds++ < 3
            ? JsonSerializer.SerializeToUtf8Bytes(new ApiReply<PhoneWallet.ExchangeScriptReply>(new(script, EnrolmentState.Provisioning), null), JsonEndpoint.Json)
            : reply;
    });

    internal static Action<byte[]> Replies() => Open(static (link, input) =>
    {
        var dice = Dice.Of(input);
        link.Lie = (_, reply) => dice.Once(2) ? JsonMutator.Once(dice, reply) : reply;
    });

    /// <summary>The name that the cloud gives every card in the chip.</summary>
    internal static Action<byte[]> Names() => Open(static (link, input) => link.Lie = (_, reply) => Encoding.UTF8.GetBytes(
        System.Text.RegularExpressions.Regex.Replace(Encoding.UTF8.GetString(reply), "\"instanceAid\":\"[^\"]*\"", $"\"instanceAid\":\"{Encoding.Latin1.GetString(input)}\"")));

    private static Action<byte[]> Open(Action<LyingLink, byte[]> lie)
    {
        var bench = PartyFuzzTests.Done(PhoneBench.PreparedAsync());
        var link = new LyingLink(bench.Cloud);
        var store = new InlineStore([PhoneDevice.Schema], bench.Store.Snapshot());
        var phone = new PhoneDevice(new PhoneOptions("Mi 5", "stable", "8.0.6.0", new byte[32]), store, new WiredChip(bench.Chip.Device), link, bench.Time, new SeededEntropy(12, "phone"), bench.Trace);
        return input =>
        {
            lie(link, input);
            bench.Trace.Rows.Clear();
            var added = PartyFuzzTests.Done(phone.AddCardAsync(PhoneBench.Card));
            Assert.True(Enum.IsDefined(added.Step));
            if (added.CardReference is { } card)
            {
                PartyFuzzTests.Done(phone.EnterCodeAsync(card, TestCloud.Code));
                PartyFuzzTests.Done(phone.ResendCodeAsync(card));
                PartyFuzzTests.Done(phone.ResumeAsync());
            }

            PartyFuzzTests.Done(phone.PumpAsync());
            PartyFuzzTests.Done(phone.SignInAsync("lilei", "secret"));
            PartyFuzzTests.Done(phone.SetFindDeviceAsync(true));
            Assert.True(bench.Trace.Rows.All(static row => !row.Hex.Contains(PhoneBench.Pan, StringComparison.Ordinal) && !row.Why.En.Contains(PhoneBench.Pan, StringComparison.Ordinal)));
            link.Lie = null;
            foreach (var reference in phone.State.Cards.Select(static one => one.CardReference).ToArray())
            {
                PartyFuzzTests.Done(phone.DeleteCardAsync(reference));
            }

            PartyFuzzTests.Done(phone.PumpAsync());
        };
    }

    /// <summary>What comes back is changed on the way; what cannot be read any more is as good as no answer.</summary>
    private sealed class LyingLink(IJsonLink inner) : IJsonLink
    {
        public Func<string, byte[], byte[]>? Lie { get; set; }

        public async Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
            where TRequest : notnull
            where TResponse : notnull
        {
            ApiReply<TResponse> reply;
            try
            {
                reply = await inner.CallAsync<TRequest, TResponse>(operation, request, cancellation);
            }
            catch (Exception broken) when (broken is ArgumentException or FormatException or KeyNotFoundException)
            {
                throw new PartyUnreachableException("wallet"); // the fake cloud does not bear its own lies; the real one has targets of its own
            }

            if (Lie is not { } lie)
            {
                return reply;
            }

            try
            {
                return JsonSerializer.Deserialize<ApiReply<TResponse>>(lie(operation, JsonSerializer.SerializeToUtf8Bytes(reply, JsonEndpoint.Json)), JsonEndpoint.Json) ?? throw new PartyUnreachableException("wallet");
            }
            catch (JsonException)
            {
                throw new PartyUnreachableException("wallet");
            }
        }
    }
}
