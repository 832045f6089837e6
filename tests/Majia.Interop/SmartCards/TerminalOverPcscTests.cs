using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Devices;
using Majia.Host.Seed;
using Majia.Host.SmartCards;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;
using Majia.Tests;

namespace Majia.Interop.SmartCards;

/// <summary>Our terminal and our chip, with pcscd and a virtual reader between them.</summary>
[Collection(PcscCollection.Name)]
public sealed class TerminalOverPcscTests(PcscDaemon daemon, HeldPhone phone)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory, Rule("R14"), Rule("R15"), Rule("R16")]
    [InlineData("10000001", 8_800, "cdcvm")]
    [InlineData("10000001", 150_000, "cdcvm+online-pin")]
    [InlineData("10000002", 8_800, "cdcvm+online-pin")]
    public async Task A_payment_through_pcscd_ends_as_in_memory(string terminal, long fen, string cvm)
    {
        await daemon.RequireAsync();
        await using var system = await phone.OpenSystemAsync(withPhones: false);

        var inMemory = await SellAsync(system, terminal, fen, new HeldField(phone));
        SaleResult overPcsc;
        await using (await HeldTap.PresentAsync(phone, daemon))
        {
            using var field = PcscField.Open(PcscDaemon.ReaderName);
            overPcsc = await SellAsync(system, terminal, fen, field);
        }

        Assert.Equal(SaleOutcome.Approved, overPcsc.Outcome);
        Assert.Equal(cvm, overPcsc.Cvm.Name());
        Assert.NotEqual(inMemory.Rrn, overPcsc.Rrn);
        Assert.Equal(Same(inMemory), Same(overPcsc));
    }

    [Theory, Rule("R17")]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Taken_away_after_any_answer_the_same_sale_goes_on_with_another_tap(int after)
    {
        await daemon.RequireAsync();
        await using var system = await phone.OpenSystemAsync(withPhones: false);
        using var field = PcscField.Open(PcscDaemon.ReaderName);
        var pos = system.Terminals["10000001"];
        var again = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Watch(DisplayMessage shown)
        {
            if (shown.Id is UiMessage.PresentAgain or UiMessage.CardReadOk)
            {
                again.TrySetResult();
            }
        }

        pos.Displayed += Watch;
        var first = await HeldTap.PresentAsync(phone, daemon);
        first.Exchanged += count =>
        {
            if (count == after)
            {
                first.TakeAway();
            }
        };
        var sale = SellAsync(system, "10000001", 8_800, field);
        await Task.WhenAny(again.Task, sale).WaitAsync(Patience); // a sale that ends here says why below
        await first.DisposeAsync();
        await using var second = await HeldTap.PresentAsync(phone, daemon);
        var result = await sale;
        pos.Displayed -= Watch;

        Assert.Equal(SaleOutcome.Approved, result.Outcome);
        Assert.Single(pos.Journal(), row => row.Request.Stan == result.Voucher);
    }

    [Fact, Rule("R17")]
    public async Task Without_a_fingerprint_the_holder_looks_at_the_phone_and_taps_again()
    {
        await daemon.RequireAsync();
        await using var system = await phone.OpenSystemAsync(withPhones: false);
        using var field = PcscField.Open(PcscDaemon.ReaderName);
        var pos = system.Terminals["10000001"];
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Watch(DisplayMessage shown)
        {
            if (shown.Id == UiMessage.SeePhone)
            {
                told.TrySetResult();
            }
        }

        pos.Displayed += Watch;
        await phone.Phone.LockAsync();
        var first = await HeldTap.PresentAsync(phone, daemon, ready: false);
        var sale = SellAsync(system, "10000001", 8_800, field);
        await told.Task.WaitAsync(Patience);
        Assert.False(sale.IsCompleted); // the phone still lies there: that is no new tap
        await first.DisposeAsync();
        await using var second = await HeldTap.PresentAsync(phone, daemon);
        Assert.Equal(SaleOutcome.Approved, (await sale).Outcome);
        pos.Displayed -= Watch;
    }

    [Fact]
    public async Task A_reader_that_is_not_there_is_named_and_a_poll_can_be_cancelled()
    {
        await daemon.RequireAsync();
        var error = Assert.Throws<PcscException>(() => PcscField.Open("no such reader"));
        Assert.Contains($"{PcscDaemon.ReaderName} 00 00", error.Why.En, StringComparison.Ordinal);
        Assert.Contains("no such reader", error.Why.Zh, StringComparison.Ordinal);

        using var field = PcscField.Open(PcscDaemon.ReaderName.ToUpperInvariant());
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await field.PollAsync(cancel.Token));
    }

    private static async Task<SaleResult> SellAsync(MajiaSystem system, string terminal, long fen, ICardField field) =>
        await system.Terminals[terminal].SellAsync(Amount.Cny(fen), field, new HoldersHand(SeedData.TestPin), CancellationToken.None).WaitAsync(Patience);

    /// <summary>All of a sale's result that does not count up, or come from the clock or from chance.</summary>
    private static object Same(SaleResult result) => (result.Outcome, result.Why, result.Amount, result.ResponseCode, result.MaskedNumber, result.Verification, result.Cvm,
        result.Slip! with { Voucher = "", Authorisation = null, Rrn = "", LocalTime = default, Chip = null }, (result.Slip!.Chip! with { Cryptogram = "", TransactionCounter = "", UnpredictableNumber = "" }));

    /// <summary>The phone in the terminal's own field, a finger on its sensor.</summary>
    private sealed class HeldField(HeldPhone phone) : ICardField
    {
        private readonly OfferedPhone card = new(phone.Phone, CardInterface.Contactless, keepReady: true);

        public async ValueTask<ICardChannel> PollAsync(CancellationToken cancellation)
        {
            await card.ActivateAsync(cancellation);
            return new Direct(card);
        }

        private sealed class Direct(IOfferedCard card) : ICardChannel
        {
            public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) => card.TransmitAsync(command, cancellation);
        }
    }
}
