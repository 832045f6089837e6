using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Tlv;

namespace Majia.Tests.Terminal;

/// <summary>A scripted card: what it answers is told, what it was asked is kept.</summary>
internal sealed class FakeCard : ICardChannel
{
    public const string DebitAid = "A0000003330101010001";

    /// <summary>A device number with a right check digit under a token range.</summary>
    public const string Token = "8199011234567890", OtherToken = "8199020000000002";

    private readonly Func<CommandApdu, byte[]> answer;

    public FakeCard(Func<CommandApdu, byte[]> answer) => this.answer = answer;

    public List<CommandApdu> Commands { get; } = [];

    public static byte[] Hex(string hex) => Convert.FromHexString(hex.Replace(" ", string.Empty, StringComparison.Ordinal));

    public static byte[] Ok(params ReadOnlySpan<byte[]> objects)
    {
        var bytes = new List<byte>();
        foreach (var part in objects)
        {
            bytes.AddRange(part);
        }

        return [.. bytes, 0x90, 0x00];
    }

    public static byte[] Status(ushort status) => [(byte)(status >> 8), (byte)(status & 0xFF)];

    public static byte[] Ppse(params ReadOnlySpan<byte[]> entries) => Ok(BerTlv.Encode(0x6F,
        BerTlv.Encode(0x84, "2PAY.SYS.DDF01"u8),
        BerTlv.Encode(0xA5, BerTlv.Encode(0xBF0C, entries))));

    public static byte[] Entry(string aid, int? priority = 1, string? kernel = null)
    {
        var children = new List<byte[]> { BerTlv.Encode(0x4F, Hex(aid)), BerTlv.Encode(0x50, "UnionPay Debit"u8) };
        if (priority is not null)
        {
            children.Add(BerTlv.Encode(0x87, [(byte)priority]));
        }

        if (kernel is not null)
        {
            children.Add(BerTlv.Encode(0x9F2A, Hex(kernel)));
        }

        return BerTlv.Encode(0x61, children.ToArray());
    }

    public const string Pdol33 = "9F6604 9F0206 9F0306 9F1A02 9505 5F2A02 9A03 9C01 9F3704";

    public static byte[] Fci(string aid, string? pdol = Pdol33) => Ok(BerTlv.Encode(0x6F,
        BerTlv.Encode(0x84, Hex(aid)),
        pdol is null ? BerTlv.Encode(0xA5, BerTlv.Encode(0x50, "UnionPay Debit"u8)) : BerTlv.Encode(0xA5, BerTlv.Encode(0x50, "UnionPay Debit"u8), BerTlv.Encode(0x9F38, Hex(pdol)))));

    /// <summary>The objects of a template 77 of a token, in the order of protocols.md 2.3.</summary>
    public static SortedDictionary<int, string> Answer(string number = Token, string ctq = "0080", int atc = 1, string cvr = "03A00000") => new()
    {
        [0x82] = "7C00",
        [0x9F36] = atc.ToString("X4", System.Globalization.CultureInfo.InvariantCulture),
        [0x57] = number.Length % 2 == 0 ? $"{number}D3012220123456789F" : $"{number}D3012220123456789",
        [0x9F10] = $"070101{cvr}01",
        [0x9F26] = "0123456789ABCDEF",
        [0x5F34] = "01",
        [0x9F6C] = ctq,
    };

    public static byte[] Template77(SortedDictionary<int, string> objects) =>
        Ok(BerTlv.Encode(0x77, objects.Select(pair => BerTlv.Encode(pair.Key, Hex(pair.Value))).ToArray()));

    /// <summary>A phone with one debit token that answers GPO with each of <paramref name="answers"/> in turn (the last one repeats).</summary>
    public static FakeCard Phone(params byte[][] answers)
    {
        var turn = 0;
        return new FakeCard(command => command.Ins switch
        {
            0xA4 when command.Data.Span.SequenceEqual("2PAY.SYS.DDF01"u8) => Ppse(Entry(DebitAid)),
            0xA4 => Fci(DebitAid),
            0xA8 => answers[Math.Min(turn++, answers.Length - 1)],
            _ => Status(0x6D00),
        });
    }

    public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
    {
        Assert.True(CommandApdu.TryParse(command.Span, out var parsed, out _));
        Commands.Add(parsed);
        return ValueTask.FromResult<ReadOnlyMemory<byte>>(answer(parsed));
    }
}

/// <summary>A field into which cards come in turn; then nobody comes.</summary>
internal sealed class FakeField(params ICardChannel[] cards) : ICardField
{
    private readonly Queue<ICardChannel> cards = new(cards);

    public int Polls { get; private set; }

    public async ValueTask<ICardChannel> PollAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        Polls++;
        if (cards.TryDequeue(out var card))
        {
            return card;
        }

        await Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
        throw new InvalidOperationException();
    }
}
