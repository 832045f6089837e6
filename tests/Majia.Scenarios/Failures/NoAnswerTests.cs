using Majia.Host;
using Majia.Host.Links;
using Majia.Core.Iso8583;
using Majia.Scenarios.Stage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Failures;

/// <summary>A request or an answer that never comes, on each wire of a payment: the money ends where it was (decisions.md 20).</summary>
public sealed class NoAnswerTests
{
    private static readonly TimeSpan Terminal = TimeSpan.FromSeconds(60), Reversal = TimeSpan.FromSeconds(20), Acquirer = TimeSpan.FromSeconds(40), Network = TimeSpan.FromSeconds(25);

    public static TheoryData<string, LinkFault, int, SaleOutcome, string> Losses { get; } = new()
    {
        // wire, what is lost, patience of who waits, what the counter sees
        { nameof(Wires.PosLine), LinkFault.DropRequest, 60, SaleOutcome.Reversed, "98" },
        { nameof(Wires.PosLine), LinkFault.DropAnswer, 60, SaleOutcome.Reversed, "98" },
        { nameof(Wires.AcquirerNetwork), LinkFault.DropRequest, 40, SaleOutcome.Declined, "98" },
        { nameof(Wires.AcquirerNetwork), LinkFault.DropAnswer, 40, SaleOutcome.Declined, "98" },
        { nameof(Wires.NetworkIssuer), LinkFault.DropRequest, 25, SaleOutcome.Declined, "98" },
        { nameof(Wires.NetworkIssuer), LinkFault.DropAnswer, 25, SaleOutcome.Declined, "98" },
        { nameof(Wires.NetworkToken), LinkFault.DropRequest, 25, SaleOutcome.Declined, "96" },
        { nameof(Wires.NetworkToken), LinkFault.DropAnswer, 25, SaleOutcome.Declined, "96" },
    };

    private static LinkFaults Wire(World world, string name) => name switch
    {
        nameof(Wires.PosLine) => world.System.Wires.PosLine,
        nameof(Wires.AcquirerNetwork) => world.System.Wires.AcquirerNetwork,
        nameof(Wires.NetworkIssuer) => world.System.Wires.NetworkIssuer,
        _ => world.System.Wires.NetworkToken,
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task Whatever_is_lost_the_money_ends_where_it_was(string wire, LinkFault fault, int patience, SaleOutcome outcome, string code)
    {
        await using var world = await World.OpenAsync(40);
        var card = await world.AddAsync("mingyue-02");
        await world.PumpAsync();
        var before = world.Account("mingyue-02");

        Wire(world, wire).Set(fault, count: 1);
        var (result, _) = await world.OutwaitAsync(Wire(world, wire), () => world.SellAsync(card, 8_800), TimeSpan.FromSeconds(patience));
        Assert.Equal((outcome, code), (result.Outcome, result.ResponseCode?.Value));

        await world.PumpAsync();
        Assert.Equal(before, world.Account("mingyue-02"));
        world.NothingPending();
        world.BooksHold();

        var next = await world.SellAsync(card, 100);
        Assert.Equal(SaleOutcome.Approved, next.Outcome);
        Assert.Equal((before.Balance - 100, before.Points + 1), world.Account("mingyue-02"));
        world.BooksHold();
    }

    [Theory]
    [InlineData(nameof(Wires.PosLine), 60)]
    [InlineData(nameof(Wires.AcquirerNetwork), 40)]
    [InlineData(nameof(Wires.NetworkIssuer), 25)]
    [Rule("R20")]
    public async Task A_void_without_answer_leaves_the_sale_standing(string wire, int patience)
    {
        await using var world = await World.OpenAsync(41);
        var card = await world.AddAsync("mingyue-02");
        var sale = await world.SellAsync(card, 8_800);
        var after = world.Account("mingyue-02");

        Wire(world, wire).Set(LinkFault.DropAnswer, count: 1);
        var (result, _) = await world.OutwaitAsync(Wire(world, wire), () => world.VoidAsync(sale.Rrn!), TimeSpan.FromSeconds(patience));
        Assert.NotEqual(SaleOutcome.Voided, result.Outcome);
        await world.PumpAsync();
        Assert.Equal(after, world.Account("mingyue-02"));
        world.NothingPending();
        world.BooksHold();

        Assert.Equal(SaleOutcome.Voided, (await world.VoidAsync(sale.Rrn!)).Outcome);
        world.BooksHold();
    }

    [Fact]
    public async Task An_answer_lost_after_approval_is_reversed_before_the_next_sale()
    {
        await using var world = await World.OpenAsync(42);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");

        // The line is dead for the 0200's answer and for the first 0400.
        world.System.Wires.PosLine.Set(LinkFault.DropAnswer, count: 2);
        var (result, _) = await world.OutwaitAsync(world.System.Wires.PosLine, () => world.SellAsync(card, 8_800), Terminal, Reversal);
        Assert.Equal(SaleOutcome.ReversalPending, result.Outcome);
        Assert.Single(world.System.Terminals[World.Books].Pending);

        SaleResult? next = null;
        var frames = await world.OverhearAsync(World.Books, async () => next = await world.SellAsync(card, 100));
        Assert.Equal(["0400", "0200"], frames.Select(frame => World.Pos(frame).Mti.Digits));
        Assert.Equal(SaleOutcome.Approved, next!.Outcome);
        await world.PumpAsync();
        Assert.Equal((before.Balance - 100, before.Points + 1), world.Account("mingyue-02"));
        world.NothingPending();
        world.BooksHold();
    }

    [Fact]
    public async Task A_terminal_that_lost_its_power_meanwhile_still_reverses()
    {
        await using var world = await World.OpenAsync(43);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");
        world.System.Wires.PosLine.Set(LinkFault.DropAnswer, count: 2);
        await world.OutwaitAsync(world.System.Wires.PosLine, () => world.SellAsync(card, 8_800), Terminal, Reversal);

        await world.RestartAsync();
        Assert.Equal(0, await world.System.Terminals[World.Books].ResolvePendingAsync(CancellationToken.None));
        await world.PumpAsync();
        Assert.Equal(before, world.Account("mingyue-02"));
        world.NothingPending();
        world.BooksHold();
    }

    [Fact]
    public async Task A_sale_that_arrives_after_its_reversal_at_the_acquirer_is_refused()
    {
        await using var world = await World.OpenAsync(44);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");
        world.System.Wires.PosLine.Set(LinkFault.DropRequest, count: 1);
        var (result, lost) = await world.OutwaitAsync(world.System.Wires.PosLine, () => world.SellAsync(card, 8_800), Terminal);
        Assert.Equal(SaleOutcome.Reversed, result.Outcome);

        var late = World.Pos(await world.System.PosLines[World.Books].ExchangeAsync(lost[0], CancellationToken.None));
        Assert.Equal("12", late.Text(39));
        await world.PumpAsync();
        Assert.Equal(before, world.Account("mingyue-02"));
        Assert.Equal(0, world.Count("issuer_authorisations")); // it never went further
        world.BooksHold();
    }

    [Fact]
    public async Task A_sale_that_arrives_after_its_reversal_at_the_switch_is_refused()
    {
        await using var world = await World.OpenAsync(45);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");
        world.System.Wires.AcquirerNetwork.Set(LinkFault.DropRequest, count: 1);
        var (_, lost) = await world.OutwaitAsync(world.System.Wires.AcquirerNetwork, () => world.SellAsync(card, 8_800), Acquirer);
        await world.PumpAsync(); // the 0420 comes to a switch that never saw the 0200

        var late = World.Switch(await world.System.Network.HandleAsync(lost[0], CancellationToken.None));
        Assert.Equal("12", late.Text(39));
        await world.System.Store.DurableAsync();
        Assert.Equal(before, world.Account("mingyue-02"));
        world.NothingPending();
        world.BooksHold();
    }

    [Fact]
    public async Task A_sale_that_arrives_after_its_reversal_at_the_bank_is_refused()
    {
        await using var world = await World.OpenAsync(46);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");
        world.System.Wires.NetworkIssuer.Set(LinkFault.DropRequest, count: 1);
        var (_, lost) = await world.OutwaitAsync(world.System.Wires.NetworkIssuer, () => world.SellAsync(card, 8_800), Network);
        await world.PumpAsync();

        var bank = world.System.Issuers[World.Bank("mingyue-02").Institution];
        var late = World.Switch(await bank.HandleAsync(lost[0], CancellationToken.None));
        Assert.Equal("12", late.Text(39));
        await world.System.Store.DurableAsync();
        Assert.Equal(before, world.Account("mingyue-02"));
        world.BooksHold();
    }

    [Fact]
    public async Task A_reversal_that_is_not_acknowledged_is_repeated_with_waits_and_takes_effect_once()
    {
        await using var world = await World.OpenAsync(47);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");
        var wire = world.System.Wires.NetworkIssuer;

        // The 0210 is lost, and then the answers of two reversals: the bank did each of them.
        wire.Set(LinkFault.DropAnswer, count: 3);
        await world.OutwaitAsync(wire, () => world.SellAsync(card, 8_800), Network);
        var sent = new List<string>();
        for (var round = 0; round < 2; round++)
        {
            var (_, lost) = await world.OutwaitAsync(wire, PumpAsync, Network);
            sent.AddRange(lost.Select(frame => World.Switch(frame).Mti.Digits));
            world.Clock.Advance(TimeSpan.FromSeconds(4));
        }

        Assert.Equal(["0420", "0421"], sent);
        Assert.NotEqual(0, world.Count("network_outbox"));
        await world.PumpAsync();
        Assert.Equal(before, world.Account("mingyue-02"));
        world.NothingPending();
        world.BooksHold();

        async Task<int> PumpAsync()
        {
            await world.PumpAsync();
            return 0;
        }
    }

    [Fact]
    public async Task The_same_bytes_again_get_the_stored_answer_and_other_content_is_94()
    {
        await using var world = await World.OpenAsync(48);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");
        SaleResult? sale = null;
        var frames = await world.OverhearAsync(World.Books, async () => sale = await world.SellAsync(card, 8_800));
        var line = world.System.PosLines[World.Books];

        for (var i = 0; i < 3; i++)
        {
            var again = World.Pos(await line.ExchangeAsync(frames[0], CancellationToken.None));
            Assert.Equal(("00", sale!.Rrn), (again.Text(39), again.Text(37)));
        }

        // The same key with another amount, MAC and all.
        var other = World.Pos(frames[0]).Set(4, "000000000001");
        Assert.True(PosFrame.TryRead(frames[0], out var tpdu, out var header, out _, out _));
        var keys = world.System.TerminalKeys(World.Books);
        var forged = PosFrame.Write(tpdu.Span, header.Span, IsoSealing.Seal(Dialect.Pos, other, data => keys.Mac("mak", Majia.Core.Cryptography.MacAlgorithm.UnionPayEcb, data)));
        Assert.Equal("94", World.Pos(await line.ExchangeAsync(forged, CancellationToken.None)).Text(39));
        Assert.Equal((before.Balance - 8_800, before.Points + 88), world.Account("mingyue-02"));
        world.BooksHold();
    }

    [Fact]
    public async Task Fifty_at_once_of_the_same_request_are_one_debit()
    {
        await using var world = await World.OpenAsync(49);
        var card = await world.AddAsync("mingyue-02");
        var before = world.Account("mingyue-02");

        // The terminal's own request is caught on the wire before it arrives, then sent fifty times at once.
        world.System.Wires.PosLine.Set(LinkFault.DropRequest, count: 1);
        using var arrived = new SemaphoreSlim(0);
        ReadOnlyMemory<byte> frame = default;
        void Catch(ReadOnlyMemory<byte> lost)
        {
            frame = lost;
            arrived.Release();
        }

        world.System.Wires.PosLine.Lost += Catch;
        var waiting = world.SellAsync(card, 8_800);
        Assert.True(await arrived.WaitAsync(TimeSpan.FromSeconds(30)));
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => world.System.PosLines[World.Books].ExchangeAsync(frame, CancellationToken.None)));
        Assert.Equal(("00", 1), (Assert.Single(answers.Select(answer => World.Pos(answer).Text(39)).Distinct()), answers.Select(answer => World.Pos(answer).Text(37)).Distinct().Count()));
        Assert.Equal((before.Balance - 8_800, before.Points + 88), world.Account("mingyue-02"));

        // The terminal itself never heard: it reverses, once.
        await world.Clock.WaitingAsync(Terminal);
        world.Clock.Advance(Terminal);
        Assert.Equal(SaleOutcome.Reversed, (await waiting).Outcome);
        await world.PumpAsync();
        Assert.Equal(before, world.Account("mingyue-02"));
        world.NothingPending();
        world.BooksHold();
    }
}
