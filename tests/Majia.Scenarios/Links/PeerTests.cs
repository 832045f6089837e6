using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Host.Links;
using Majia.Hsm;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Scenarios.Links;

/// <summary>Peers that are slow, mad, gone or too many, beside one that behaves.</summary>
public sealed class PeerTests
{
    private static CancellationToken Given => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Frames_in_pieces_and_frames_together_are_each_answered()
    {
        await using var server = Wire.Serve(Framing.Switch, Handler.Good(Framing.Switch));
        await using var peer = await Wire.RawAsync(server);
        foreach (var part in Wire.Financial(1))
        {
            await peer.WriteAsync(new[] { part }, Given);
        }

        Assert.Equal("000001", Wire.Stan(Framing.Switch, (await peer.ReadFrameAsync(Framing.Switch))!));

        await peer.WriteAsync((byte[])[.. Wire.Financial(2), .. Wire.Financial(3), .. Wire.Financial(4)[..20]], Given);
        await peer.WriteAsync(Wire.Financial(4).AsMemory(20), Given);
        var stans = new SortedSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 3; i++)
        {
            stans.Add(Wire.Stan(Framing.Switch, (await peer.ReadFrameAsync(Framing.Switch))!));
        }

        Assert.Equal(["000002", "000003", "000004"], stans);
    }

    [Theory]
    [InlineData("pos", "0000")]
    [InlineData("pos", "0003112233")]
    [InlineData("pos", "000F600003000060310031100102000000")]
    [InlineData("switch", "30303032FFFF")]
    public async Task A_frame_that_cannot_be_read_is_dropped_and_the_next_good_one_served(string line, string hex)
    {
        var framing = line == "pos" ? Framing.Pos : Framing.Switch;
        await using var server = Wire.Serve(framing, Handler.Good(framing));
        await using var peer = await Wire.RawAsync(server);
        await peer.WriteAsync((byte[])[.. Convert.FromHexString(hex), .. framing == Framing.Pos ? Wire.Sale(9) : Wire.Financial(9)], Given);
        Assert.Equal("000009", Wire.Stan(framing, (await peer.ReadFrameAsync(framing))!));
    }

    [Fact]
    public async Task A_length_that_cannot_be_read_ends_this_connection_and_no_other()
    {
        await using var server = Wire.Serve(Framing.Switch, Handler.Good(Framing.Switch));
        await using var link = await Wire.CallAsync(server, Framing.Switch);
        await using var mad = await Wire.RawAsync(server);
        await mad.WriteAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray(), Given);
        Assert.Null(await mad.ReadFrameAsync(Framing.Switch));
        Assert.Equal("000001", Wire.Stan(Framing.Switch, await link.ExchangeAsync(Wire.Financial(1), Given)));
        Assert.Equal(1, server.State.HungUp);
    }

    [Fact]
    public async Task Who_begins_a_frame_and_trickles_is_hung_up_on_while_others_are_served()
    {
        var time = new FakeTimeProvider();
        await using var server = Wire.Serve(Framing.Pos, Handler.Good(Framing.Pos), new() { IdleTimeout = TimeSpan.FromDays(1), PartialFrameTimeout = TimeSpan.FromSeconds(10) }, time);
        await using var link = await Wire.CallAsync(server, Framing.Pos);
        await using var slow = await Wire.RawAsync(server);
        await slow.WriteAsync(new byte[] { 0x10, 0x00 }, Given);
        var end = slow.ReadFrameAsync(Framing.Pos);
        for (var stan = 1; !end.IsCompleted; stan++)
        {
            try
            {
                await slow.WriteAsync(new byte[] { 0x60 }, Given);
            }
            catch (IOException)
            {
                break;
            }

            Assert.Equal($"{stan:D6}", Wire.Stan(Framing.Pos, await link.ExchangeAsync(Wire.Sale(stan), Given)));
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Null(await end);
        Assert.Equal(1, server.State.HungUp);
    }

    [Fact]
    public async Task Who_says_nothing_for_long_is_hung_up_on_unless_an_answer_is_owed()
    {
        var (time, arrived, release) = (new FakeTimeProvider(), new TaskCompletionSource(), new TaskCompletionSource());
        var handler = new Handler(async frame =>
        {
            arrived.SetResult();
            await release.Task;
            return Wire.Answer(Framing.Pos, frame);
        });
        await using var server = Wire.Serve(Framing.Pos, handler, new() { IdleTimeout = TimeSpan.FromMinutes(1) }, time);
        await using var owed = await Wire.RawAsync(server);
        await owed.WriteAsync(Wire.Sale(1), Given);
        await arrived.Task;
        await using var idle = await Wire.RawAsync(server);
        var end = idle.ReadFrameAsync(Framing.Pos);
        while (!end.IsCompleted)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            await Task.Yield();
        }

        Assert.Null(await end);
        release.SetResult();
        Assert.Equal("000001", Wire.Stan(Framing.Pos, (await owed.ReadFrameAsync(Framing.Pos))!));
    }

    [Fact]
    public async Task Who_does_not_take_its_answers_is_hung_up_on_while_others_are_served()
    {
        var big = new byte[8_000];
        Wire.Answer(Framing.Switch, Wire.Financial(1)).CopyTo(big, 0);
        System.Text.Encoding.ASCII.GetBytes("7996").CopyTo(big, 0);
        var handler = new Handler(frame => Task.FromResult<ReadOnlyMemory<byte>>(Wire.Stan(Framing.Switch, frame) == "999999" ? big : Wire.Answer(Framing.Switch, frame)));
        await using var server = Wire.Serve(Framing.Switch, handler);
        await using var link = await Wire.CallAsync(server, Framing.Switch);
        await using var deaf = await Wire.RawAsync(server);
        var question = Wire.Financial(999_999);
        try
        {
            while (server.State.Connections == 2)
            {
                await deaf.WriteAsync(question, Given);
            }
        }
        catch (IOException)
        {
        }

        Assert.Equal("000001", Wire.Stan(Framing.Switch, await link.ExchangeAsync(Wire.Financial(1), Given)));
    }

    [Fact]
    public async Task Who_has_sent_its_last_word_still_gets_what_it_is_owed()
    {
        await using var server = Wire.Serve(Framing.Switch, Handler.Good(Framing.Switch));
        await using var peer = await Wire.RawAsync(server);
        await peer.WriteAsync(Wire.Financial(1), Given);
        peer.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        Assert.Equal("000001", Wire.Stan(Framing.Switch, (await peer.ReadFrameAsync(Framing.Switch))!));
        Assert.Null(await peer.ReadFrameAsync(Framing.Switch));
    }

    [Fact]
    public async Task A_full_server_says_so_at_once_and_takes_the_next_when_it_has_room()
    {
        var (release, both) = (new TaskCompletionSource(), new TaskCompletionSource());
        var arrived = 0;
        var handler = new Handler(async frame =>
        {
            if (Interlocked.Increment(ref arrived) == 2)
            {
                both.SetResult();
            }

            await release.Task;
            return Wire.Answer(Framing.Pos, frame);
        });
        await using var server = Wire.Serve(Framing.Pos, handler, new() { MaxInFlight = 2, Overload = frame => Wire.Answer(Framing.Pos, frame, "96") });
        await using var link = await Wire.CallAsync(server, Framing.Pos);
        var taken = new[] { link.ExchangeAsync(Wire.Sale(1), Given), link.ExchangeAsync(Wire.Sale(2), Given) };
        await both.Task;

        // Answered though nothing else moves.
        var refused = Wire.Read(Framing.Pos, await link.ExchangeAsync(Wire.Sale(3), Given));
        Assert.Equal(("000003", "96"), (refused.Text(11), refused.Text(39)));

        release.SetResult();
        foreach (var answer in taken)
        {
            Assert.Equal("00", Wire.Read(Framing.Pos, await answer).Text(39));
        }

        Assert.Equal("00", Wire.Read(Framing.Pos, await link.ExchangeAsync(Wire.Sale(4), Given)).Text(39));
        Assert.Equal((2, 1, 0), (arrived - 1, server.State.Overloaded, server.State.InFlight));
    }

    [Fact]
    public void What_a_full_server_says_bears_the_MAC_of_the_line()
    {
        var keys = KeyModule.InMemory("acquirer", new SeededEntropy(3));
        keys.Generate("mak.10000001", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        keys.Generate("zak.63990900", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        var pos = OverloadAnswers.Pos(keys, MacAlgorithm.UnionPayEcb, "63990900", TimeSpan.FromHours(8), new FakeTimeProvider());
        var line = OverloadAnswers.Switch((_, source) => (keys, $"zak.{source}"), MacAlgorithm.UnionPayEcb);

        var (sale, financial) = (pos(Wire.Sale(8)), line(Wire.Financial(8)));

        var (saleBody, financialBody) = (sale[PosFrame.BodyOffset..], financial[SwitchFrame.BodyOffset..]);
        Assert.True(IsoSealing.Verify(Dialect.Pos, saleBody, Wire.Read(Framing.Pos, sale), (block, mac) => keys.VerifyMac("mak.10000001", MacAlgorithm.UnionPayEcb, block, mac)));
        Assert.True(IsoSealing.Verify(Dialect.Switch, financialBody, Wire.Read(Framing.Switch, financial), (block, mac) => keys.VerifyMac("zak.63990900", MacAlgorithm.UnionPayEcb, block, mac)));
        Assert.Equal(("96", "91"), (Wire.Read(Framing.Pos, sale).Text(39), Wire.Read(Framing.Switch, financial).Text(39)));

        // An answer is never answered, nor is what cannot be read.
        Assert.True(pos(sale).IsEmpty && line(financial).IsEmpty && pos(new byte[] { 0, 1, 2 }).IsEmpty && line(new byte[] { 0, 1, 2 }).IsEmpty);
    }

    [Fact]
    public async Task One_connection_too_many_is_shown_out_and_the_others_stay()
    {
        await using var server = Wire.Serve(Framing.Pos, Handler.Good(Framing.Pos), new() { MaxConnections = 1 });
        await using var link = await Wire.CallAsync(server, Framing.Pos);
        await link.ExchangeAsync(Wire.Sale(1), Given);
        await using var second = await Wire.RawAsync(server);
        Assert.Null(await second.ReadFrameAsync(Framing.Pos));
        Assert.Equal("000002", Wire.Stan(Framing.Pos, await link.ExchangeAsync(Wire.Sale(2), Given)));
    }
}
