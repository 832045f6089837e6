using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Terminal.Kernel;

namespace Majia.Terminal.EntryPoint;

/// <summary>What one presentation is for: it stays while the holder looks at the phone and taps again.</summary>
/// <param name="Type">9C.</param>
/// <param name="NumberOnly">Only the number is wanted (void, refund): an AAC will do, and nobody is verified (decisions.md 9).</param>
/// <param name="BankAsked">The bank answered 55 to the try before.</param>
public sealed record Presentation(Amount Amount, byte Type, bool NumberOnly, bool BankAsked, string TraceReference);

/// <summary>How a presentation ended, all restarts included.</summary>
public abstract record PresentationResult(Text Why)
{
    /// <param name="Cvm">How the holder is verified; accepted.</param>
    public sealed record Read(CardAnswer Card, CvmDecision Cvm, Text Why) : PresentationResult(Why);

    /// <summary>The card approved offline, and what it is was verified.</summary>
    public sealed record Approved(CardAnswer Card, CvmDecision Cvm, Text Why) : PresentationResult(Why);

    /// <param name="Last">The outcome that stood when it ended: declined, another interface, end, or see phone and try again whose window passed.</param>
    public sealed record Ended(Outcome Last, Text Why) : PresentationResult(Why);

    /// <summary>Nobody came, or the merchant cancelled before a card was read.</summary>
    public sealed record Abandoned(bool Cancelled, Text Why) : PresentationResult(Why);
}

/// <summary>Entry point and kernel 7 over one field: Start A, B, C, D in book order (EMV Book B §3). The steps decide; this class only polls, transmits and restarts.</summary>
/// <remarks>Whatever a card answers, the result is an outcome: nothing a card sends can throw here.</remarks>
internal sealed class ContactlessReader(TerminalOptions options, TimeProvider clock, Entropy entropy, TerminalTrace trace, VerifiedIssuers issuers, Action<DisplayMessage> show)
{
    /// <summary>Restarts of one presentation: a card that never gets further does not hold the counter for ever.</summary>
    private const int MaxRestarts = 10;

    public async Task<PresentationResult> ReadAsync(Presentation presentation, ICardField field, CancellationToken cancellation)
    {
        var parameters = options.Parameters;

        // Start A.
        var indicators = PreProcessing.Run(parameters, presentation.Amount, presentation.NumberOnly);
        foreach (var alike in indicators.GroupBy(row => (row.Why, row.Qualifiers)))
        {
            var aids = string.Join(' ', alike.Select(row => row.Row.Aid));
            trace.Decision(presentation.TraceReference, new($"{alike.Key.Why.En} TTQ {alike.Key.Qualifiers} ({aids}).", $"{alike.Key.Why.Zh} TTQ {alike.Key.Qualifiers}（{aids}）。"));
        }

        if (!indicators.Any(row => row.Allowed))
        {
            var why = indicators.Count == 0 ? new Text("This terminal has no contactless application.", "本终端没有非接触应用。") : indicators[0].Why;
            show(DisplayMessage.Of(UiMessage.InsertOrSwipe, why));
            return new PresentationResult.Ended(new Outcome.TryAnotherInterface(why), why);
        }

        show(DisplayMessage.Of(presentation.BankAsked ? UiMessage.PresentAgain : UiMessage.PresentCard));
        Outcome? restart = null;
        for (var restarts = 0; restarts <= MaxRestarts; restarts++)
        {
            // Start B.
            ICardChannel channel;
            var window = restart is null && !presentation.BankAsked ? options.CardWindow : options.RetapWindow;
            try
            {
                channel = await PollAsync(field, window, cancellation);
            }
            catch (OperationCanceledException)
            {
                return restart is null
                    ? new PresentationResult.Abandoned(cancellation.IsCancellationRequested, cancellation.IsCancellationRequested
                        ? new("Cancelled at the terminal before a card was read.", "读卡前已在终端上取消。")
                        : new("No card came in time.", "等待挥卡超时。"))
                    : new PresentationResult.Ended(restart, restart.Why);
            }

            // Start C and D.
            show(DisplayMessage.Of(UiMessage.Processing));
            Outcome outcome;
            try
            {
                outcome = await ActivateAsync(presentation, indicators, channel, cancellation);
            }
            catch (CardRemovedException)
            {
                outcome = new Outcome.TryAgain(new("The card left before its answer was complete: a new tap, and a new GPO.", "卡片过早移开，请重新挥卡。"));
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return new PresentationResult.Abandoned(true, new("Cancelled at the terminal while the card was read.", "读卡过程中已在终端上取消。"));
            }

            trace.Decision(presentation.TraceReference, outcome.Why);
            switch (outcome)
            {
                case Outcome.OnlineRequest read:
                    show(DisplayMessage.Of(UiMessage.CardReadOk));
                    return new PresentationResult.Read(read.Card, read.Cvm, read.Why);
                case Outcome.ApprovedOffline approved:
                    show(DisplayMessage.Of(UiMessage.CardReadOk));
                    return new PresentationResult.Approved(approved.Card, approved.Cvm, approved.Why);
                case Outcome.SeePhone:
                    show(DisplayMessage.Of(UiMessage.SeePhone, outcome.Why));
                    restart = outcome;
                    continue;
                case Outcome.TryAgain:
                    show(DisplayMessage.Of(UiMessage.PresentAgain, outcome.Why));
                    restart = outcome;
                    continue;
                case Outcome.Declined:
                    show(DisplayMessage.Of(UiMessage.NotAuthorised, outcome.Why));
                    break;
                case Outcome.TryAnotherInterface:
                    show(DisplayMessage.Of(UiMessage.InsertOrSwipe, outcome.Why));
                    break;
                default:
                    show(DisplayMessage.Of(UiMessage.TryAnotherCard, outcome.Why));
                    break;
            }

            return new PresentationResult.Ended(outcome, outcome.Why);
        }

        return new PresentationResult.Ended(restart!, restart!.Why);
    }

    /// <summary>One activation: PPSE, then each candidate until one does not say <i>select next</i>.</summary>
    private async Task<Outcome> ActivateAsync(Presentation presentation, IReadOnlyList<PreProcessing.Indicators> indicators, ICardChannel channel, CancellationToken cancellation)
    {
        if (await TransmitAsync(presentation, channel, ApplicationSelection.SelectPpse, cancellation) is not { } ppse)
        {
            return BrokenAnswer;
        }

        Outcome last = new Outcome.EndApplication(ppse.Status.IsOk
            ? new("The card offers no application that this terminal takes.", "卡片没有本终端受理的应用。")
            : new($"No contactless payment application on the card ({ppse.Status}).", $"卡片上没有非接触支付应用（{ppse.Status}）。"));
        foreach (var candidate in ApplicationSelection.Candidates(ppse, indicators))
        {
            if (await TransmitAsync(presentation, channel, ApplicationSelection.Select(candidate.Aid), cancellation) is not { } answer)
            {
                return BrokenAnswer;
            }

            if (ApplicationSelection.Open(candidate, answer) is not { } selected)
            {
                last = new Outcome.EndApplication(new($"{candidate.Aid} cannot be selected ({answer.Status}).", $"应用 {candidate.Aid} 无法选择（{answer.Status}）。"));
                continue;
            }

            trace.Decision(presentation.TraceReference, new($"Selected {candidate.Aid} ({selected.Label}).", $"已选择应用 {candidate.Aid}（{selected.Label}）。"));
            last = await RunKernelAsync(presentation, selected, channel, cancellation);
            if (last is not Outcome.SelectNext)
            {
                return last;
            }

            trace.Decision(presentation.TraceReference, last.Why);
        }

        return last is Outcome.SelectNext ? new Outcome.EndApplication(last.Why) : last;
    }

    /// <summary>Start D: kernel 7, its steps in book order.</summary>
    private async Task<Outcome> RunKernelAsync(Presentation presentation, ApplicationSelection.Selected selected, ICardChannel channel, CancellationToken cancellation)
    {
        var indicators = selected.Candidate.Indicators;
        var data = new TransactionData(presentation.Amount, presentation.Type, TerminalTime.Local(clock), entropy.Bytes(4), indicators.Qualifiers, options.Parameters);

        // Initiate application processing.
        if (InitiateApplication.Prepare(selected.Pdol, data, out var command) is { } refused)
        {
            return refused;
        }

        if (await TransmitAsync(presentation, channel, command!, cancellation) is not { } answer)
        {
            return BrokenAnswer;
        }

        if (InitiateApplication.Interpret(answer, out var gpo) is { } stopped)
        {
            return stopped;
        }

        // Read application data.
        if (ReadRecords.Plan(gpo.Span, out var plan) is { } unreadable)
        {
            return unreadable;
        }

        var records = new List<CardRecord>();
        foreach (var address in plan)
        {
            if (await TransmitAsync(presentation, channel, address.Command, cancellation) is not { } record)
            {
                return BrokenAnswer;
            }

            if (ReadRecords.Interpret(record, out var content) is { } broken)
            {
                return broken;
            }

            records.Add(new CardRecord(address, content));
        }

        // Card action analysis.
        var read = new CardData(gpo, records);
        if (CardActionAnalysis.Read(read, selected, data, out var card) is { } incomplete)
        {
            return incomplete;
        }

        if (presentation.NumberOnly)
        {
            return new Outcome.OnlineRequest(card!, new CvmDecision(true, CvmResult.None, new("Only the number is needed to undo a payment.", "撤销交易只需读取卡号。")),
                new("The card's number is read.", "已读取卡号。"));
        }

        if (CardActionAnalysis.Decide(card!.Kind, indicators.Qualifiers.OnlineCryptogramRequired) is { } decided)
        {
            return decided;
        }

        // Processing restrictions, then offline data authentication: an online request is the bank's to judge.
        var approvedByCard = card.Kind == CryptogramKind.ApprovedOffline;
        Text? offline = null;
        if (approvedByCard)
        {
            var (fallback, why) = await JudgeOfflineAsync(presentation, read, data, card, selected.Candidate.Aid, cancellation);
            switch (fallback)
            {
                case OfflineFallback.AnotherInterface:
                    return new Outcome.TryAnotherInterface(why);
                case OfflineFallback.Decline:
                    return new Outcome.Declined(why);
                case OfflineFallback.Online:
                    approvedByCard = false;
                    break;
                default:
                    offline = why;
                    break;
            }
        }

        // Cardholder verification.
        var cvm = CardholderVerification.Decide(new(
            indicators.Qualifiers, card.Qualifiers, options.Parameters.PinRule, presentation.Amount, indicators.Row.CvmLimit, presentation.BankAsked));
        return !cvm.Accepted ? new Outcome.Declined(cvm.Why)
            : approvedByCard && !cvm.AsksPin ? new Outcome.ApprovedOffline(card, cvm, offline!)
            : new Outcome.OnlineRequest(card, cvm, cvm.Why); // a PIN goes to the bank
    }

    private async Task<(OfflineFallback? Fallback, Text Why)> JudgeOfflineAsync(Presentation presentation, CardData read, TransactionData data, CardAnswer card, Aid aid, CancellationToken cancellation)
    {
        var today = DateOnly.FromDateTime(data.LocalTime.DateTime);
        var (restriction, allowed) = ProcessingRestrictions.Check(read, options.Parameters.Country.Span, today);
        var authentication = OfflineDataAuthentication.Verify(read, data, await options.Authorities(cancellation), issuers, Convert.ToHexString(aid.Bytes[..5]), today);
        trace.Decision(presentation.TraceReference, allowed);
        trace.Decision(presentation.TraceReference, authentication.Why);
        var fallback = CardActionAnalysis.Judge(restriction, authentication.Good, card.Qualifiers, canGoOnline: !options.Parameters.Qualifiers.OfflineOnly);
        return (fallback, restriction != ProcessingRestrictions.Restriction.None ? allowed : authentication.Why);
    }

    private async Task<ICardChannel> PollAsync(ICardField field, TimeSpan window, CancellationToken cancellation)
    {
        using var expiry = new CancellationTokenSource(window, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(expiry.Token, cancellation);
        return await field.PollAsync(either.Token);
    }

    /// <summary>One command and its answer; null when the answer is no response APDU.</summary>
    private async Task<ResponseApdu?> TransmitAsync(Presentation presentation, ICardChannel channel, CommandApdu command, CancellationToken cancellation)
    {
        trace.Sent(presentation.TraceReference, command);
        var bytes = await channel.TransmitAsync(command.ToBytes(), cancellation);
        if (!ResponseApdu.TryParse(bytes, out var response, out _))
        {
            return null;
        }

        trace.Received(presentation.TraceReference, command, response);
        return response;
    }

    private static Outcome.EndApplication BrokenAnswer => new(new Text("The card's answer is not a response APDU.", "卡片应答不是有效的 APDU。"));
}
