using Majia.Host.Links;

namespace Majia.Scenarios.Links;

public sealed class MultiplexTests
{
    public static TheoryData<string> Lines => new("pos", "switch");

    private static Framing Of(string line) => line == "pos" ? Framing.Pos : Framing.Switch;

    private static byte[] Request(Framing framing, int stan) => framing == Framing.Pos ? Wire.Sale(stan) : Wire.Financial(stan);

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task A_request_over_TCP_is_answered(string line)
    {
        var framing = Of(line);
        await using var server = Wire.Serve(framing, Handler.Good(framing));
        await using var link = await Wire.CallAsync(server, framing);

        var answer = await link.ExchangeAsync(Request(framing, 17), TestContext.Current.CancellationToken);

        Assert.Equal(("0210", "000017", "00"), (Wire.Read(framing, answer).Mti.Digits, Wire.Stan(framing, answer), Wire.Read(framing, answer).Text(39)));
        Assert.Equal((true, 0, 0, 0), (link.State.Connected, link.State.InFlight, link.State.Late, link.State.Unknown));
    }

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task Sixty_four_requests_on_one_connection_get_each_its_own_answer_in_any_order(string line)
    {
        const int many = 64;
        var framing = Of(line);
        var (arrived, all) = (new List<(ReadOnlyMemory<byte> Frame, TaskCompletionSource<ReadOnlyMemory<byte>> Answer)>(), new TaskCompletionSource());
        var server = new Handler(frame =>
        {
            var answer = new TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (arrived)
            {
                arrived.Add((frame, answer));
                if (arrived.Count == many)
                {
                    all.SetResult();
                }
            }

            return answer.Task;
        });
        await using var listener = Wire.Serve(framing, server);
        await using var link = await Wire.CallAsync(listener, framing);

        var asked = Enumerable.Range(1, many).Select(stan => (Stan: $"{stan:D6}", Answer: link.ExchangeAsync(Request(framing, stan), CancellationToken.None))).ToArray();
        await all.Task;
        Assert.Equal((many, many), (link.State.InFlight, listener.State.InFlight));

        // The last one in is the first one out.
        arrived.Reverse();
        foreach (var (frame, answer) in arrived)
        {
            answer.SetResult(Wire.Answer(framing, frame));
        }

        foreach (var (stan, answer) in asked)
        {
            Assert.Equal(stan, Wire.Stan(framing, await answer));
        }

        Assert.Equal(1, link.State.Connections);
    }
}
