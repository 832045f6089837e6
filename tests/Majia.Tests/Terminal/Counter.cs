using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;
using Majia.Terminal;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Terminal;

/// <summary>A counter for tests: a terminal with keys, clock and store, a scripted acquirer behind it, and what the screen showed.</summary>
internal sealed class Counter
{
    private readonly List<TraceEvent> trace = [];

    public Counter(TerminalParameters? parameters = null, Counter? before = null)
    {
        Options = new TerminalOptions("10000001", "990031058120001", new("Morning Light Books", "晨光书店")) { Parameters = parameters ?? TerminalParameters.Default };
        if (before is null)
        {
            Keys = KeyModule.InMemory("terminal-10000001", new SeededEntropy(1));
            byte[][] parts = [new SeededEntropy(3).Bytes(16), new SeededEntropy(4).Bytes(16)];
            Keys.Form("pik", KeyUsage.PinEntry, CipherAlgorithm.TripleDes, parts, test: true);
            Keys.Form("pik.acquirer", KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, parts, test: true); // as the acquirer has it
            Keys.Generate("mak", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
            Store = new InlineStore(TerminalDevice.Schema);
            Clock = new FakeTimeProvider(new DateTimeOffset(2026, 7, 1, 4, 0, 0, TimeSpan.Zero));
        }
        else
        {
            // The power was cut: only what was on disk is there.
            (Keys, Clock) = (before.Keys, before.Clock);
            Store = new InlineStore([TerminalDevice.Schema], before.Store.Snapshot());
        }

        Acquirer = new FakeAcquirer(Keys, Options);
        Device = new TerminalDevice(Options, Store, Keys, Acquirer, Clock, new SeededEntropy(2), new TraceList(trace));
        Device.Displayed += message => Shown.Add(message.Id);
    }

    public TerminalOptions Options { get; }

    public KeyModule Keys { get; }

    public InlineStore Store { get; }

    public FakeTimeProvider Clock { get; }

    public FakeAcquirer Acquirer { get; }

    public TerminalDevice Device { get; }

    public List<Majia.Terminal.EntryPoint.UiMessage> Shown { get; } = [];

    public IReadOnlyList<TraceEvent> Trace => trace;

    public Task<SaleResult> SellAsync(string amount, ICardField field, FakeKeypad? keypad = null)
    {
        Assert.True(Amount.TryParse(amount, Currency.Cny, out var parsed, out _));
        return RunAsync(Device.SellAsync(parsed, field, keypad ?? new FakeKeypad(), TestContext.Current.CancellationToken));
    }

    /// <summary>Lets the virtual clock run while nothing else happens.</summary>
    public async Task<T> RunAsync<T>(Task<T> task)
    {
        for (var idle = 0; idle < 200 && !task.IsCompleted; idle++)
        {
            if (await Task.WhenAny(task, Task.Delay(15, TestContext.Current.CancellationToken)) != task)
            {
                Clock.Advance(TimeSpan.FromSeconds(5));
            }
        }

        Assert.True(task.IsCompleted, "the terminal is still waiting after 1000 virtual seconds");
        return await task;
    }

    /// <summary>The task waits for this many virtual seconds, not one less.</summary>
    public async Task<T> WaitsExactlyAsync<T>(int seconds, Task<T> task)
    {
        Clock.Advance(TimeSpan.FromSeconds(seconds - 1));
        await Task.Delay(30, TestContext.Current.CancellationToken);
        Assert.False(task.IsCompleted, $"it ended before {seconds} s");
        Clock.Advance(TimeSpan.FromSeconds(1));
        return await task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
    }

    private sealed class TraceList(List<TraceEvent> rows) : ITrace
    {
        public void Record(TraceEvent row) => rows.Add(row);

        public void Same(string reference, string other)
        {
        }
    }
}

/// <summary>An acquirer that answers as it is told, and keeps what it was sent.</summary>
internal sealed class FakeAcquirer(KeyModule keys, TerminalOptions options) : IIsoLink
{
    private int rrn;

    public List<IsoMessage> Received { get; } = [];

    /// <summary>The answer to each message in turn; when none is left, approved. Null: no answer ever.</summary>
    public Queue<Func<IsoMessage, IsoMessage?>> Script { get; } = new();

    /// <summary>Turns the answer's frame into another one, once.</summary>
    public Func<byte[], byte[]>? Spoil { get; set; }

    /// <summary>Called before each answer, while the terminal waits.</summary>
    public Action<IsoMessage>? Arrived { get; set; }

    public IEnumerable<IsoMessage> Reversals => Received.Where(message => message.Mti == Mti.ReversalRequest);

    public IsoMessage Answer(IsoMessage request, string code)
    {
        var answer = new IsoMessage(request.Mti.Response);
        foreach (var field in new[] { 2, 3, 4, 11, 23, 25, 41, 42, 49, 60 })
        {
            if (request.Text(field) is { } value)
            {
                answer.Set(field, value);
            }
        }

        answer.Set(12, "120003").Set(13, "0701").Set(15, "0701").Set(32, "63990900").Set(39, code).Set(44, "63990100   63990900   ").Set(63, "CUP");
        if (request.Mti == Mti.FinancialRequest)
        {
            answer.Set(37, (++rrn).ToString("D12", System.Globalization.CultureInfo.InvariantCulture));
            if (code == "00")
            {
                answer.Set(38, "A1B2C3");
            }
        }

        return answer;
    }

    public async Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        Assert.True(PosFrame.TryRead(frame, out var tpdu, out var header, out var body, out _));
        Assert.Equal(options.Tpdu.ToArray(), tpdu.ToArray());
        Assert.Equal(options.Header.ToArray(), header.ToArray());
        Assert.True(IsoCodec.TryRead(Dialect.Pos, body.Span, out var request, out var error), error.ToString());
        Assert.True(IsoSealing.Verify(Dialect.Pos, body, request, (block, mac) => keys.VerifyMac("mak", MacAlgorithm.UnionPayEcb, block, mac)));
        Assert.Null(MessageMatrix.Check(Dialect.Pos, request));
        Received.Add(request);
        Arrived?.Invoke(request);

        var answer = Script.TryDequeue(out var scripted) ? scripted(request) : Answer(request, "00");
        if (answer is null)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
        }

        var sealedBody = IsoSealing.Seal(Dialect.Pos, answer!, block => keys.Mac("mak", MacAlgorithm.UnionPayEcb, block));
        var bytes = PosFrame.Write(PosFrame.AnswerTpdu(tpdu.Span), header.Span, sealedBody);
        var spoil = Spoil;
        Spoil = null;
        return spoil is null ? bytes : spoil(bytes);
    }
}

/// <summary>A holder who types these PINs in turn (null: presses cancel).</summary>
internal sealed class FakeKeypad(params string?[] pins) : IKeypad
{
    private readonly Queue<string?> pins = new(pins);

    public List<PinPrompt> Prompts { get; } = [];

    public List<char[]> Arrays { get; } = [];

    public ValueTask<char[]?> EnterPinAsync(PinPrompt prompt, CancellationToken cancellation)
    {
        Prompts.Add(prompt);
        Assert.True(pins.TryDequeue(out var pin), "a PIN was asked that no test expects");
        var digits = pin?.ToCharArray();
        if (digits is not null)
        {
            Arrays.Add(digits);
        }

        return ValueTask.FromResult(digits);
    }
}
