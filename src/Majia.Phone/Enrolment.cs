using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Phone;

/// <summary>Adding a card (R4–R8): number to the token service under its key, then script after script between cloud and chip until the card is live.</summary>
public sealed partial class PhoneDevice
{
    /// <summary>A card that needs more rounds than this is not being added any more.</summary>
    private const int MaxRounds = 64;

    /// <summary>More than any personalisation has.</summary>
    private const int MaxCommands = 256;

    /// <summary>Adds a card. The number is checked, encrypted and dropped; neither store nor trace ever holds it.</summary>
    /// <param name="source">MANUAL, CONTACTLESS_TAP or CAMERA (R5).</param>
    public Task<EnrolmentOutcome> AddCardAsync(CardToEnrol card, string source = "MANUAL", CancellationToken cancellation = default) => AloneAsync(async () =>
    {
        var missing = new List<Refusal>(Conditions());
        try
        {
            if (!wallet.IsCut)
            {
                missing.AddRange(await CheckHandsetAsync(cancellation));
            }

            if (missing.Count > 0)
            {
                return EnrolmentOutcome.Refused(null, missing);
            }

            if (PhoneRules.CheckNumber(card.Pan) is { } wrong)
            {
                return EnrolmentOutcome.Refused(null, wrong);
            }

            if (!Trusted.HasFingerprint)
            {
                return EnrolmentOutcome.At(EnrolmentStep.FingerprintNeeded);
            }

            // From here on the number exists only inside the JWE, and the request can be repeated as it is.
            var (encrypted, noKey) = await EncryptAsync(card, cancellation);
            if (encrypted is null)
            {
                return EnrolmentOutcome.Refused(null, noKey!);
            }

            await SaveAsync(state with { Pending = new PendingCard(entropy.NewId(), encrypted, source) });
            return await SendPendingAsync(cancellation);
        }
        catch (PartyUnreachableException)
        {
            return state.Pending is null ? EnrolmentOutcome.Refused(null, PhoneRules.Offline) : EnrolmentOutcome.At(EnrolmentStep.Interrupted);
        }
    });

    /// <summary>Goes on where adding a card was interrupted: the request again, or its scripts from the start. What the cloud knows of this phone's cards is learnt on the way.</summary>
    /// <returns>The outcome of each card that was not finished, in order; empty when there was none.</returns>
    public Task<IReadOnlyList<EnrolmentOutcome>> ResumeAsync(CancellationToken cancellation = default) => AloneAsync<IReadOnlyList<EnrolmentOutcome>>(async () =>
    {
        var outcomes = new List<EnrolmentOutcome>();
        if (Conditions() is { Count: > 0 } missing)
        {
            return state.Pending is null && !state.Cards.Any(IsUnfinished) ? [] : [EnrolmentOutcome.Refused(null, missing)];
        }

        try
        {
            if (state.Pending is not null)
            {
                outcomes.Add(await SendPendingAsync(cancellation));
            }

            await LearnCardsAsync(cancellation);
            foreach (var card in state.Cards.Where(card => IsUnfinished(card) && outcomes.All(outcome => outcome.CardReference != card.CardReference)))
            {
                outcomes.Add(card.State == EnrolmentState.VerificationRequired ? CodeNeeded(card.CardReference) : await ExchangeAsync(card.CardReference, cancellation));
            }
        }
        catch (PartyUnreachableException)
        {
            outcomes.Add(EnrolmentOutcome.At(EnrolmentStep.Interrupted));
        }

        return outcomes;
    });

    /// <summary>The bank's code. When it is right the card is made selectable and is live.</summary>
    public Task<EnrolmentOutcome> EnterCodeAsync(string cardReference, string code, CancellationToken cancellation = default) => AloneAsync(async () =>
    {
        if (state.Card(cardReference) is null || state is not { SignedIn: true, DeviceId: not null })
        {
            return EnrolmentOutcome.Refused(cardReference, PhoneRules.CardNotLive);
        }

        try
        {
            // Kept until there is an answer: a right code counts once at the bank, and its repeat has to be known as one (R8).
            var fresh = entropy.NewId();
            var id = await store.CommitAsync(session => PhoneTables.CodeRequest(session, cardReference, code, fresh));

            // The cloud relays it and cannot read it.
            var (encrypted, noKey) = await EncryptAsync(new TypedCode(code), cancellation);
            if (encrypted is null)
            {
                return EnrolmentOutcome.Refused(cardReference, noKey!) with { Methods = Methods(cardReference) };
            }

            var request = new PhoneWallet.ActivateRequest(id, cardReference, encrypted);
            var reply = await AskAsync<PhoneWallet.ActivateRequest, PhoneWallet.ActivateReply>(PhoneWallet.Operations.Activate, request, cancellation);
            if (reply.Error is null || !Reasons.IsPassing(reply.Error))
            {
                await store.CommitAsync(session => PhoneTables.CodeAnswered(session, cardReference));
            }

            if (reply.Value is not { } answer)
            {
                return EnrolmentOutcome.Refused(cardReference, Said(reply.Error)) with { Methods = Methods(cardReference) };
            }

            if (answer.TriesLeft is { } left)
            {
                return EnrolmentOutcome.Refused(cardReference, Reasons.Of(new ApiError(Ineligible.CodeInvalid, string.Empty))) with { TriesLeft = left, Methods = Methods(cardReference) };
            }

            await SetCardStateAsync(cardReference, answer.State);
            return await ExchangeAsync(cardReference, cancellation);
        }
        catch (PartyUnreachableException)
        {
            return EnrolmentOutcome.At(EnrolmentStep.Interrupted, cardReference);
        }
    });

    /// <summary>To the token service's key, which the cloud passes on.</summary>
    private async Task<(string? Jwe, Refusal? Why)> EncryptAsync<T>(T secret, CancellationToken cancellation)
    {
        var key = await wallet.CallAsync<PhoneWallet.GetEnrolmentKeyRequest, PhoneWallet.GetEnrolmentKeyReply>(PhoneWallet.Operations.GetEnrolmentKey, new(), cancellation);
        return key.Value is not { } enrolment ? (null, Said(key.Error))
            : Jwe.TryEncrypt(enrolment.Jwk, JsonSerializer.SerializeToUtf8Bytes(secret, JsonEndpoint.Json), out var encrypted) ? (encrypted, null)
            : (null, Reasons.Of(new ApiError(Reasons.InvalidKey, "The service sent a key that is none.")));
    }

    /// <summary>Asks the bank for a (new) code; the first method when none is named.</summary>
    public Task<EnrolmentOutcome> ResendCodeAsync(string cardReference, string? methodId = null, CancellationToken cancellation = default) => AloneAsync(async () =>
    {
        try
        {
            return await RequestCodeAsync(cardReference, methodId, cancellation) is { } refusal
                ? EnrolmentOutcome.Refused(cardReference, refusal) with { Methods = Methods(cardReference) }
                : CodeNeeded(cardReference);
        }
        catch (PartyUnreachableException)
        {
            return EnrolmentOutcome.Refused(cardReference, PhoneRules.Offline) with { Methods = Methods(cardReference) };
        }
    });

    private static bool IsUnfinished(PhoneCard card) => card.State is EnrolmentState.Provisioning or EnrolmentState.VerificationRequired or EnrolmentState.Activating;

    private IReadOnlyList<ActivationMethod> Methods(string cardReference) => state.Card(cardReference) is { } card ? card.Methods : [];

    private EnrolmentOutcome CodeNeeded(string cardReference) => new(EnrolmentStep.CodeNeeded, cardReference, [], Methods(cardReference));

    /// <summary>R2, R3: the cloud's handset table decides; it also tells this model's wake gesture.</summary>
    private async Task<IReadOnlyList<Refusal>> CheckHandsetAsync(CancellationToken cancellation)
    {
        var reply = await wallet.CallAsync<PhoneWallet.CheckHandsetRequest, PhoneWallet.CheckHandsetReply>(PhoneWallet.Operations.CheckHandset, new(HandsetNow()), cancellation);
        if (reply.Value is not { } check)
        {
            return [Said(reply.Error)];
        }

        if (check.WakeGesture != state.WakeGesture)
        {
            await SaveAsync(state with { WakeGesture = check.WakeGesture });
        }

        return check.Supported ? [] : check.Reasons;
    }

    private async Task<EnrolmentOutcome> SendPendingAsync(CancellationToken cancellation)
    {
        if (state is not { Pending: { } pending, DeviceId: not null })
        {
            return EnrolmentOutcome.Refused(null, PhoneRules.NotSignedIn);
        }

        long epoch;
        try
        {
            epoch = (await Trusted.StateAsync(cancellation)).PurgeEpoch;
        }
        catch (CardRemovedException)
        {
            return EnrolmentOutcome.At(EnrolmentStep.Interrupted);
        }

        var conditions = new PhoneWallet.HandsetConditions(state.SignedIn, state.FindDeviceOn, Trusted.FunctionOn, Trusted.HasFingerprint);
        var request = new PhoneWallet.AddCardRequest(pending.RequestId, pending.EncryptedCard, pending.Source, epoch, conditions);
        var reply = await AskAsync<PhoneWallet.AddCardRequest, PhoneWallet.AddCardReply>(PhoneWallet.Operations.AddCard, request, cancellation);
        if (reply.Error is { } passing && Reasons.IsPassing(passing))
        {
            return EnrolmentOutcome.At(EnrolmentStep.Interrupted) with { Reasons = [Reasons.Of(passing)] };
        }

        if (reply.Value is not { } added)
        {
            await SaveAsync(state with { Pending = null });
            return EnrolmentOutcome.Refused(null, Said(reply.Error));
        }

        var card = new PhoneCard(added.CardReference, added.State, added.Face, state.Cards.Length, [.. added.Methods]);
        var others = state.Cards.RemoveAll(other => other.CardReference == added.CardReference);
        await SaveAsync(state with { Pending = null, Cards = others.Add(card) });
        Note(added.CardReference, TraceKind.Json, TraceDirection.Received, "wallet", "phone-wallet", new Text("The cloud took the card; personalisation follows.", "云端已受理，随后写入卡数据。"));
        return await ExchangeAsync(added.CardReference, cancellation);
    }

    /// <summary>Scripts, then what the state asks for next.</summary>
    private async Task<EnrolmentOutcome> ExchangeAsync(string cardReference, CancellationToken cancellation)
    {
        var error = await RunScriptsAsync(cardReference, cancellation);
        if (error is Interruption.Chip)
        {
            return EnrolmentOutcome.At(EnrolmentStep.Interrupted, cardReference) with { Reasons = [PhoneRules.ChipFailed] };
        }

        if (error is not null)
        {
            return error.Api switch
            {
                null => EnrolmentOutcome.At(EnrolmentStep.Interrupted, cardReference),
                var passing when Reasons.IsPassing(passing) => EnrolmentOutcome.At(EnrolmentStep.Interrupted, cardReference) with { Reasons = [Reasons.Of(passing)] },
                var refused => EnrolmentOutcome.Refused(cardReference, Reasons.Of(refused)),
            };
        }

        switch (state.Card(cardReference)?.State)
        {
            case EnrolmentState.Active:
                try
                {
                    await LearnCardsAsync(cancellation);
                }
                catch (PartyUnreachableException)
                {
                    // The card is live; its face comes with the next contact.
                }

                await store.CommitAsync(session => PhoneTables.Add(session, new PhoneMessage(time.GetUtcNow(), cardReference, "CARD_ADDED", null, new Text("Card added to this phone.", "银行卡已添加到本机。"))));
                Note(cardReference, TraceKind.Decision, TraceDirection.Inside, "phone", string.Empty, new Text("The card is live on this phone.", "银行卡已可在本机使用。"));
                return EnrolmentOutcome.At(EnrolmentStep.Added, cardReference);
            case EnrolmentState.VerificationRequired:
                Refusal? refusal;
                try
                {
                    refusal = Methods(cardReference) is { Count: > 0 } ? await RequestCodeAsync(cardReference, null, cancellation) : null;
                }
                catch (PartyUnreachableException)
                {
                    refusal = PhoneRules.Offline; // the card is in the chip and waits; only the code has still to be asked for
                }

                return refusal is null ? CodeNeeded(cardReference) : CodeNeeded(cardReference) with { Reasons = [refusal] };
            case EnrolmentState.Provisioning or EnrolmentState.Activating:
                return EnrolmentOutcome.At(EnrolmentStep.Interrupted, cardReference);
            default:
                return EnrolmentOutcome.Refused(cardReference, PhoneRules.CardNotLive);
        }
    }

    private record Interruption(ApiError? Api)
    {
        public sealed record Chip() : Interruption(Api: null);
    }

    /// <summary>Cloud's commands to the chip, chip's answers to the cloud, until there are no more; null then, else what stopped it.</summary>
    private async Task<Interruption?> RunScriptsAsync(string cardReference, CancellationToken cancellation)
    {
        if (state.DeviceId is not { } device)
        {
            return new Interruption(new ApiError(PhoneRules.NotSignedIn.Code, PhoneRules.NotSignedIn.Why.En));
        }

        IReadOnlyList<string> responses = [];
        for (var round = 0; round < MaxRounds; round++)
        {
            ApiReply<PhoneWallet.ExchangeScriptReply> reply;
            try
            {
                reply = await AskAsync<PhoneWallet.ExchangeScriptRequest, PhoneWallet.ExchangeScriptReply>(
                    PhoneWallet.Operations.ExchangeScript, new(cardReference, responses), cancellation);
            }
            catch (PartyUnreachableException)
            {
                return new Interruption(Api: null);
            }

            if (reply.Value is not { } script)
            {
                return new Interruption(reply.Error ?? new ApiError("NO_ANSWER", "The service gave no answer."));
            }

            await SetCardStateAsync(cardReference, script.State);
            if (script.Commands.Count == 0)
            {
                return null;
            }

            if (!TryReadScript(script.Commands, out var commands))
            {
                return new Interruption(new ApiError(Reasons.InvalidScript, "The service sent a script that is none: nothing of it was run."));
            }

            try
            {
                responses = await RunScriptAsync(cardReference, commands, cancellation);
            }
            catch (CardRemovedException)
            {
                return new Interruption.Chip();
            }
        }

        return new Interruption(Api: null);
    }

    /// <summary>Commands in hex, each of the length of a short APDU. All or nothing: a script that cannot be read is not begun.</summary>
    private static bool TryReadScript(IReadOnlyList<string> texts, out IReadOnlyList<byte[]> commands)
    {
        commands = [];
        if (texts.Count > MaxCommands)
        {
            return false;
        }

        var read = new List<byte[]>(texts.Count);
        foreach (var text in texts)
        {
            var bytes = new byte[text.Length / 2];
            if (bytes.Length is < CommandApdu.HeaderLength or > CommandApdu.MaxShortLength || Convert.FromHexString(text, bytes, out _, out _) != OperationStatus.Done)
            {
                return false;
            }

            read.Add(bytes);
        }

        commands = read;
        return true;
    }

    /// <summary>A script's command by the standards' name; inside a secure channel it is still that command.</summary>
    private static Text Named(ReadOnlySpan<byte> command) =>
        command.Length < 2 || Instructions.Find(command[0], command[1]) is not { } row ? new("A command, as the cloud sent it", "云端下发的指令")
        : Instructions.IsSecured(command[0]) ? new($"{row.Name} inside the secure channel: {row.Meaning.En}", $"{row.Name}（安全通道内）：{row.Meaning.Zh}")
        : new($"{row.Name}: {row.Meaning.En}", $"{row.Name}：{row.Meaning.Zh}");

    private static Text Answered(ReadOnlyMemory<byte> bytes) =>
        ResponseApdu.TryParse(bytes, out var answer, out _) ? new($"The chip answers {answer.Status}", $"芯片响应 {answer.Status}") : new("The chip's answer", "芯片的响应");

    /// <summary>One script: every command in order, to the first answer that is not 9000 or 61xx; all answers, that one too.</summary>
    private async Task<IReadOnlyList<string>> RunScriptAsync(string cardReference, IReadOnlyList<byte[]> commands, CancellationToken cancellation)
    {
        var answers = new List<string>(commands.Count);
        foreach (var sent in commands)
        {
            var command = Convert.ToHexString(sent);
            var bytes = await chip.Wired.TransmitAsync(sent, cancellation);
            var answer = Convert.ToHexString(bytes.Span);
            answers.Add(answer);
            trace.Record(new TraceEvent(TraceReference.Card(cardReference), time.GetUtcNow(), "phone", "chip", "apdu", TraceKind.Apdu, TraceDirection.Sent, command, Named(sent)));
            trace.Record(new TraceEvent(TraceReference.Card(cardReference), time.GetUtcNow(), "phone", "chip", "apdu", TraceKind.Apdu, TraceDirection.Received, answer, Answered(bytes)));
            if (!ResponseApdu.TryParse(bytes, out var response, out _) || !(response.Status.IsOk || response.Status.Value >> 8 == 0x61))
            {
                break;
            }
        }

        return answers;
    }

    private async Task<Refusal?> RequestCodeAsync(string cardReference, string? methodId, CancellationToken cancellation)
    {
        if (state is not { SignedIn: true, DeviceId: not null } || (methodId ?? Methods(cardReference).FirstOrDefault()?.Id) is not { } method)
        {
            return PhoneRules.CardNotLive;
        }

        // The answer (masked number, expiry) is for the eye only, and this reader does not look at it.
        var request = new PhoneWallet.RequestActivationCodeRequest(entropy.NewId(), cardReference, method);
        var reply = await AskAsync<PhoneWallet.RequestActivationCodeRequest, JsonElement>(PhoneWallet.Operations.RequestActivationCode, request, cancellation);
        return reply.Error is { } error ? Reasons.Of(error) : null;
    }

    /// <summary>The cloud's list is the truth about faces and states; what it no longer lists has left this phone.</summary>
    private async Task LearnCardsAsync(CancellationToken cancellation)
    {
        if (state.DeviceId is not { } device)
        {
            return;
        }

        var reply = await AskAsync<PhoneWallet.ListCardsRequest, PhoneWallet.ListCardsReply>(PhoneWallet.Operations.ListCards, new(), cancellation);
        if (reply.Value is not { } list)
        {
            return;
        }

        var listed = list.Cards.Where(static card => card.State is not (EnrolmentState.Deleted or EnrolmentState.Failed)).ToImmutableArray();
        var cards = state.Cards.RemoveAll(card => listed.All(other => other.CardReference != card.CardReference));
        foreach (var other in listed)
        {
            cards = cards.FirstOrDefault(card => card.CardReference == other.CardReference) is { } known
                ? cards.Replace(known, known with { State = other.State, Face = other.Face })
                : cards.Add(new PhoneCard(other.CardReference, other.State, other.Face, cards.Length, []));
        }

        await SaveAsync(state with { Cards = cards });
    }

    private async Task SetCardStateAsync(string cardReference, EnrolmentState next)
    {
        if (state.Card(cardReference) is not { } card || card.State == next)
        {
            return;
        }

        var cards = next is EnrolmentState.Deleted or EnrolmentState.Failed ? state.Cards.Remove(card) : state.Cards.Replace(card, card with { State = next });
        await SaveAsync(state with { Cards = cards });
    }

    private void Note(string cardReference, TraceKind kind, TraceDirection direction, string peer, string link, Text why) =>
        trace.Record(new TraceEvent(TraceReference.Card(cardReference), time.GetUtcNow(), "phone", peer, link, kind, direction, string.Empty, why));
}
