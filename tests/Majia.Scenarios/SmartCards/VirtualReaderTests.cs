using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Majia.Core.Contracts;
using Majia.Host.SmartCards;

namespace Majia.Scenarios.SmartCards;

/// <summary>The card's end of the virtual reader's line, against a reader that writes as vpcd does.</summary>
public sealed class VirtualReaderTests
{
    [Theory]
    [InlineData(CardInterface.Contactless, "3B80800101")]
    [InlineData(CardInterface.Contact, "3BE00000813120 45 35")]
    public void An_atr_ends_with_the_check_byte_that_makes_all_of_it_zero(CardInterface side, string expected)
    {
        var atr = AnswerToReset.Of(side);
        Assert.Equal(expected.Replace(" ", "", StringComparison.Ordinal), Convert.ToHexString(atr));
        Assert.Equal(0, atr[1..].Aggregate(0, (sum, one) => sum ^ one));
        Assert.True(AnswerToReset.TryCheck(atr, out _));
    }

    [Theory]
    [InlineData("3B6500002063CB6600", true)] // T=0 alone: no check byte
    [InlineData("3F6500002063CB6600", true)]
    [InlineData("3B", false)]
    [InlineData("3C80800101", false)] // TS
    [InlineData("3B80800102", false)] // TCK
    [InlineData("3B808001", false)] // cut short
    [InlineData("3B8080010101", false)] // one too many
    [InlineData("3B80", false)] // TD1 announced
    public void An_atr_that_is_none_says_where_it_is_wrong(string hex, bool good)
    {
        Assert.Equal(good, AnswerToReset.TryCheck(Convert.FromHexString(hex), out var error));
        Assert.Equal(good, error.Expected is null);
    }

    [Fact]
    public async Task Controls_are_obeyed_in_silence_the_atr_is_told_at_every_poll_and_commands_are_answered_in_one_piece()
    {
        await using var stage = await Stage.OpenAsync();
        await stage.SendAsync("04");
        Assert.Equal("3B80800101", await stage.ReceiveAsync());
        await stage.SendAsync("01");
        await stage.SendAsync("00A4040000");
        Assert.Equal("00A40400009000", await stage.ReceiveAsync());
        await stage.SendAsync("04");
        Assert.Equal("3B80800101", await stage.ReceiveAsync());
        await stage.SendAsync("02");
        await stage.SendAsync("00");
        await stage.SendAsync("04");
        Assert.Equal("3B80800101", await stage.ReceiveAsync());
        Assert.Equal(["activate", "00A4040000", "activate", "deactivate"], stage.Card.Seen);
    }

    [Fact]
    public async Task Length_and_command_may_come_byte_by_byte()
    {
        await using var stage = await Stage.OpenAsync();
        await stage.SendAsync("01");
        foreach (var one in Convert.FromHexString("000500A4040000"))
        {
            await stage.Reader.SendAsync(new[] { one });
        }

        Assert.Equal("00A40400009000", await stage.ReceiveAsync());
    }

    [Theory]
    [InlineData("0000")] // nothing
    [InlineData("000103")] // no such control
    [InlineData("0001FF")]
    public async Task What_is_no_message_takes_the_card_away(string bytes)
    {
        await using var stage = await Stage.OpenAsync();
        await stage.Reader.SendAsync(Convert.FromHexString(bytes));
        Assert.Equal(0, await stage.Reader.ReceiveAsync(new byte[1]));
        await stage.EndedAsync();
        Assert.Contains(ReaderEvent.Malformed, stage.Events);
        Assert.Equal("deactivate", stage.Card.Seen[^1]);
    }

    [Fact]
    public async Task Taken_away_the_line_is_closed_and_a_card_that_falls_silent_closes_it_too()
    {
        await using (var stage = await Stage.OpenAsync())
        {
            await stage.Away.CancelAsync();
            Assert.Equal(0, await stage.Reader.ReceiveAsync(new byte[1]));
        }

        await using (var stage = await Stage.OpenAsync())
        {
            stage.Card.Dead = true;
            await stage.SendAsync("00A4040000");
            Assert.Equal(0, await stage.Reader.ReceiveAsync(new byte[1]));
        }
    }

    [Fact]
    public async Task The_reader_may_come_late_and_come_again()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        var card = new EchoCard();
        var reader = new VirtualReader("127.0.0.1", port, card, TimeProvider.System);
        var missed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        reader.Happened += happened =>
        {
            if (happened == ReaderEvent.Unreachable)
            {
                missed.TrySetResult();
            }
        };
        using var away = new CancellationTokenSource();
        var held = reader.HoldAsync(away.Token);
        await missed.Task.WaitAsync(Patience);
        using var late = new TcpListener(IPAddress.Loopback, port);
        late.Start();
        for (var times = 0; times < 2; times++)
        {
            using var accepted = await late.AcceptSocketAsync().WaitAsync(Patience);
            await accepted.SendAsync(Convert.FromHexString("000104"));
            var answer = new byte[7];
            Assert.Equal(7, await accepted.ReceiveAsync(answer));
            Assert.Equal("00053B80800101", Convert.ToHexString(answer));
        }

        await away.CancelAsync();
        await held.WaitAsync(Patience);
    }

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>Answers each command with itself and 9000.</summary>
    private sealed class EchoCard : IOfferedCard
    {
        public List<string> Seen { get; } = [];

        public bool Dead { get; set; }

        public ReadOnlyMemory<byte> Atr { get; } = AnswerToReset.Of(CardInterface.Contactless);

        public ValueTask ActivateAsync(CancellationToken cancellation)
        {
            Seen.Add("activate");
            return ValueTask.CompletedTask;
        }

        public void Deactivate() => Seen.Add("deactivate");

        public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            Seen.Add(Convert.ToHexString(command.Span));
            return Dead ? throw new CardRemovedException() : ValueTask.FromResult<ReadOnlyMemory<byte>>((byte[])[.. command.Span, 0x90, 0x00]);
        }
    }

    private sealed class Stage : IAsyncDisposable
    {
        private Task<bool> held = Task.FromResult(false);

        public required Socket Reader { get; init; }

        public required EchoCard Card { get; init; }

        public required List<ReaderEvent> Events { get; init; }

        public required CancellationTokenSource Away { get; init; }

        public static async Task<Stage> OpenAsync()
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var card = new EchoCard();
            var reader = new VirtualReader("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port, card, TimeProvider.System);
            var accepted = listener.AcceptSocketAsync();
            var away = new CancellationTokenSource();
            var events = new List<ReaderEvent>();
            reader.Happened += events.Add;
            var held = reader.TapAsync(away.Token);
            return new Stage { Reader = await accepted.WaitAsync(Patience), Card = card, Away = away, Events = events, held = held };
        }

        /// <summary>The card is out of the field, and all that happened has been told.</summary>
        public Task EndedAsync() => held.WaitAsync(Patience);

        /// <summary>Length and bytes apart, as vpcd writes.</summary>
        public async Task SendAsync(string hex)
        {
            var bytes = Convert.FromHexString(hex);
            var length = new byte[2];
            BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)bytes.Length);
            await Reader.SendAsync(length);
            await Reader.SendAsync(bytes);
        }

        /// <summary>The whole answer comes with the first read: it is one write.</summary>
        public async Task<string> ReceiveAsync()
        {
            var buffer = new byte[512];
            var read = await Reader.ReceiveAsync(buffer).WaitAsync(Patience);
            Assert.Equal(BinaryPrimitives.ReadUInt16BigEndian(buffer), read - 2);
            return Convert.ToHexString(buffer, 2, read - 2);
        }

        public async ValueTask DisposeAsync()
        {
            await Away.CancelAsync();
            await held.WaitAsync(Patience);
            Reader.Dispose();
            Away.Dispose();
        }
    }
}
