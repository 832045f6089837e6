using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Demo;
using Majia.Host.Seed;
using Majia.Host.Tracing;
using Majia.Issuer;
using Majia.Phone;
using Majia.Terminal;
using Majia.Terminal.Kernel;
using Majia.Terminal.Line;

namespace Majia.Host.Web;

/// <summary>What the page shows, as JSON. Every number in it is masked by whoever owns it; no full number passes here.</summary>
internal static class Views
{
    private const int JournalLength = 12, MessagesShown = 8, HistoryShown = 6;

    // ---- what there is to choose from: read once ----

    public static object Seed(Language language) => new
    {
        language = language == Language.Chinese ? "zh" : "en",
        handsets = SeedData.Handsets.Select(handset => new { handset.Id, handset.Model, handset.Track, handset.Version, handset.Outcome }),
        accounts = SeedData.WalletAccounts,
        banks = SeedData.Banks.Select(bank => new { name = bank.Name, cards = bank.Cards.Select(Pick) })
            .Append(new { name = new Text("Not UnionPay", "非银联卡"), cards = new[] { SeedData.VisaOnly }.Select(Pick) }),
        shops = SeedData.Merchants.Select(shop => new
        {
            shop.Terminal, shop.Merchant, shop.Name,
            pinRule = shop.AlwaysAsksPin ? new Text("asks for the PIN every time", "每笔均须输入密码") : new Text("asks for the PIN over 1000.00", "超过 1000.00 元须输入密码"),
        }),
        // A demonstration's PIN, as docs/test-cards.md says; the person types it.
        testPin = SeedData.TestPin,
    };

    private static object Pick(SeedCard card) => new { card.Id, kind = card.Kind.Name(), card.Pan.LastFour, card.Outcome };

    // ---- what is now ----

    public static object State(MajiaSystem system, string phone, Counter counter) => new
    {
        phone = Phone(phone, system.Phones[phone]),
        messages = Messages(system),
        counter = CounterView(counter),
        bank = Bank(system, counter),
    };

    private static object Phone(string id, PhoneDevice phone)
    {
        var (state, screen) = (phone.State, phone.Screen);
        return new
        {
            id,
            model = phone.Handset.Model,
            phone.Seid,
            screen = new { screen.Kind, screen.Says, screen.CardReference, amount = screen.Amount?.ToString(), screen.Until },
            state.SignedIn,
            state.Account,
            state.FindDeviceOn,
            fingerprintOn = phone.Trusted.FunctionOn,
            phone.Trusted.HasFingerprint,
            phone.AeroplaneMode,
            missing = phone.Conditions(),
            unfinished = state.Pending is not null || state.Cards.Any(card => card.State is EnrolmentState.Provisioning or EnrolmentState.Activating),
            cards = state.Cards.OrderBy(card => card.Position).Select(card => new
            {
                reference = card.CardReference, card.State, words = card.State.Words(), card.Face.Bank, card.Face.Kind, card.Face.DeviceLastFour, card.Face.Colour,
                codeTo = card.State == EnrolmentState.VerificationRequired ? card.Methods.FirstOrDefault()?.Masked ?? "" : null,
                trace = TraceReference.Card(card.CardReference),
            }),
            history = phone.Messages(HistoryShown).Select(message => new { message.At, message.Says, amount = message.Amount?.ToString() }),
        };
    }

    /// <summary>What the banks wrote to their customers, newest first, as the customers' own phones show it.</summary>
    private static object Messages(MajiaSystem system) => SeedData.Banks
        .Where(bank => system.Issuers.ContainsKey(bank.Institution))
        .SelectMany(bank => bank.Customers.SelectMany(customer => system.Issuers[bank.Institution].Desk.Messages(customer.Id)))
        .OrderByDescending(message => message.At).ThenByDescending(message => message.Id, StringComparer.Ordinal)
        .Take(MessagesShown)
        .Select(message => new { message.Id, to = message.Mobile, message.Body, message.At });

    private static object CounterView(Counter counter)
    {
        var (now, options) = (counter.Now, counter.Terminal.Options);
        return new
        {
            terminal = options.TerminalId,
            now.Busy,
            now.IsVoid,
            shown = now.Shown.Select(message => new { message.Id, message.Text, message.Why }),
            pin = now.Pin is { } pin ? new { pin.Request, amount = pin.Prompt.Amount.ToString(), pin.Prompt.Why, pin.Prompt.Again } : null,
            result = now.Result is { } result ? new
            {
                result.Outcome, words = Words(result.Outcome), result.Why, code = result.ResponseCode?.Value, result.Rrn, result.Voucher, result.LastFour, amount = result.Amount.ToString(), cvm = result.Cvm.Name(),
                slip = result.Slip?.Print(SlipCopy.Cardholder),
            } : null,
            now.Failed,
            trace = now.TraceReference,
            pendingReversals = counter.Terminal.Pending.Count,
            journal = counter.Terminal.Journal(JournalLength).Select(row => new
            {
                row.Request.Kind, voucher = row.Request.Stan, amount = row.Request.Amount.ToString(), number = row.MaskedNumber, row.State, words = Words(row.State), row.Rrn, code = row.ResponseCode, row.At,
                hasSlip = row.Slip is not null,
                canVoid = row.Request.Kind == TransactionKind.Sale && row.State == JournalState.Approved,
                trace = TraceReference.Pos(options.MerchantId, options.TerminalId, row.Request.Batch, row.Request.Stan),
            }),
        };
    }

    /// <summary>The bank's own drawer: accounts whose cards live in a phone, and whom the digits of the last payment belong to.</summary>
    private static object Bank(MajiaSystem system, Counter counter)
    {
        var last = counter.Now.Result is { Rrn: not null } result ? result : null;
        var accounts = new List<object>();
        object? payment = null;
        foreach (var bank in SeedData.Banks.Where(bank => system.Issuers.ContainsKey(bank.Institution)))
        {
            var desk = system.Issuers[bank.Institution].Desk;
            var views = desk.Accounts();
            foreach (var ofAccount in desk.Cards().GroupBy(card => card.Account, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal))
            {
                var cards = ofAccount.Select(card => (Card: card, Devices: desk.DeviceCards(card.Card))).Where(pair => pair.Devices.Count > 0).ToList();
                if (cards.Count == 0)
                {
                    continue;
                }

                var account = views.Single(view => view.Account == ofAccount.Key);
                accounts.Add(new
                {
                    bank = bank.Name, account.Account, account.Holder, kind = account.Kind.Name(), balance = account.Balance.ToString(), available = account.Available.ToString(), account.Points,
                    cards = cards.Select(pair => new
                    {
                        number = pair.Card.Masked, state = pair.Card.State.Name(),
                        devices = pair.Devices.Select(device => new { device.LastFour, device.Model, state = device.State.Words(), live = device.State == TokenState.Active }),
                    }),
                });
            }

            if (last is { LastFour: { } lastFour, Rrn: { } rrn } && desk.Resolve(lastFour, rrn).Sales.FirstOrDefault(sale => sale.Rrn == rrn) is { } found)
            {
                payment = new
                {
                    found.DeviceLastFour, plastic = found.Plastic.Masked, found.DeviceModel, amount = found.Amount.ToString(), found.Rrn, howToUndo = found.HowToUndo,
                    ledger = desk.LedgerOf(rrn).Select(entry => new { entry.Account, amount = entry.Amount.ToString(), entry.Kind, kindWords = Words(entry.Kind) }),
                };
            }
        }

        return new { accounts, payment };
    }

    // ---- the trace ----

    /// <summary>Rows without their bytes: what each party saw, in order.</summary>
    public static object Trace(IReadOnlyList<TraceRow> rows) => new
    {
        rows = rows.Select(row => new
        {
            seq = row.Sequence, row.Event.At, row.Event.Party, row.Event.Peer,
            partyWords = Name(row.Event.Party), peerWords = Name(row.Event.Peer),
            row.Event.Link, kind = TraceView.Word(row.Event.Kind), direction = TraceView.Word(row.Event.Direction), row.Event.Why, bytes = row.Event.Hex.Length / 2,
        }),
    };

    /// <summary>A trace to keep or send on: every row with its bytes and what they say.</summary>
    public static object Export(IReadOnlyList<TraceRow> rows) => TraceView.Of(rows).Select(row => new
    {
        seq = row.Sequence, row.Event.At, row.Event.Party, row.Event.Peer, row.Event.Link, kind = TraceView.Word(row.Event.Kind), direction = TraceView.Word(row.Event.Direction), row.Event.Hex, row.Tree, row.Event.Why,
    });

    /// <summary>One row with its bytes and what they say.</summary>
    public static object? Row(IReadOnlyList<TraceRow> rows, long sequence) => TraceView.Of(rows).FirstOrDefault(row => row.Sequence == sequence) is { } found
        ? new { seq = found.Sequence, hex = found.Event.Hex, tree = found.Tree }
        : null;

    /// <summary>The token service names a bank by its code, in capitals.</summary>
    private static Text Name(string party)
    {
        var role = party.Length > 0 && party.All(char.IsAsciiLetterUpper) ? "issuer" : party;
        return new(PartyLines.NameOf(role, Language.English), PartyLines.NameOf(role, Language.Chinese));
    }

    // ---- words ----

    private static Text Words(SaleOutcome outcome) => outcome switch
    {
        SaleOutcome.Approved => new("Approved", "交易成功"),
        SaleOutcome.Voided => new("Voided", "撤销成功"),
        SaleOutcome.Refunded => new("Refunded", "退货成功"),
        SaleOutcome.RefundPending => new("Refund kept", "退货待发送"),
        SaleOutcome.Declined => new("Declined", "交易未批准"),
        SaleOutcome.RetapForPin => new("Tap again for the PIN", "请重新挥卡并输入密码"),
        SaleOutcome.SeePhone => new("See phone", "请看手机"),
        SaleOutcome.CardRemoved => new("Taken away too early", "移开过早"),
        SaleOutcome.TryAnotherInterface => new("Insert or swipe", "请插卡或刷卡"),
        SaleOutcome.EndApplication => new("Not completed", "交易终止"),
        SaleOutcome.Cancelled => new("Cancelled", "已取消"),
        SaleOutcome.NotOffered => new("No phones here", "不支持手机支付"),
        SaleOutcome.Reversed => new("Reversed: nothing is charged", "已冲正，未扣款"),
        SaleOutcome.ReversalPending => new("Reversal kept", "冲正待发送"),
        _ => new("Refused", "无法办理"),
    };

    private static Text Words(JournalState state) => state switch
    {
        JournalState.Sent => new("no answer yet", "未收到应答"),
        JournalState.Approved => new("approved", "成功"),
        JournalState.Declined => new("declined", "未批准"),
        JournalState.Reversed => new("reversed", "已冲正"),
        _ => new("voided", "已撤销"),
    };

    private static Text Words(EntryKind kind) => kind switch
    {
        EntryKind.Opening => new("opening", "期初"),
        EntryKind.Sale => new("sale", "消费"),
        EntryKind.Void => new("void", "撤销"),
        _ => new("reversal", "冲正"),
    };
}
