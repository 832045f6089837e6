using System.Text;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;

namespace Majia.Terminal.Contact;

/// <summary>One EMV transaction of an inserted card, its steps in the order of Book 3 chapter 10: <see cref="BeginAsync"/> up to how the holder is verified, <see cref="AskAsync"/> for the cryptogram that goes to the bank, <see cref="CompleteAsync"/> with the bank's answer.</summary>
/// <remarks>Online only: this terminal asks an inserted card for a request, never for its own approval. Whatever a card answers is an outcome; only its removal throws.</remarks>
internal sealed class ContactTransaction(TerminalOptions options, TimeProvider clock, Entropy entropy, TerminalTrace trace, VerifiedIssuers issuers, ICardChannel slot, string reference)
{
    private const byte AskRequest = 0x80, AskApproval = 0x40, AskDecline = 0x00;

    // AIP byte 1 (EMV Book 3 annex C1).
    private const byte DynamicSupported = 0x20, HolderVerificationSupported = 0x10, IssuerAuthenticationSupported = 0x04;

    /// <summary>9F3704: what DDA signs where the card has no list of its own.</summary>
    private static readonly byte[] DefaultDynamicList = [0x9F, 0x37, 0x04];

    /// <summary>A terminal that cannot reach the bank declines (EMV Book 4 annex A6).</summary>
    private const string UnableOnline = "Z3";

    private TransactionData data = null!;
    private CardData read = null!;
    private ApplicationSelection.Selected application = null!;
    private TerminalVerificationResults results;
    private CardAnswer? asked;
    private CertifiedKey? chipKey;
    private ListedVerification listed = null!;
    private bool bankAsks;

    /// <summary>Select, GPO, records, authentication, restrictions; then how the holder is to be verified. Why not, when it goes no further.</summary>
    public async Task<(CvmDecision? Cvm, AccountNumber? Number, Text Why)> BeginAsync(Amount amount, bool bankAsked, CancellationToken cancellation)
    {
        if (await SelectAsync(cancellation) is not { } selected)
        {
            return No("The card offers no application that this terminal takes.", "卡片没有本终端受理的应用。");
        }

        application = selected;
        data = new TransactionData(amount, 0x00, TerminalTime.Local(clock), entropy.Bytes(4), options.Parameters.Qualifiers, options.Parameters);
        if (await InitiateAsync() is { } stopped)
        {
            return (null, null, stopped);
        }

        await AuthenticateAsync(cancellation);
        Restrict();
        if (!TryNumber(out var number))
        {
            return No("The card's records hold no number and expiry date.", "卡片记录中没有卡号和有效期。");
        }

        bankAsks = bankAsked;
        results = results with { OverFloorLimit = true };
        Take(Listed(from: 0));
        return (listed.Decision, number, listed.Decision.Why);
    }

    /// <summary>Where the list wants the chip to compare the PIN: the holder types it, the card says whether it is right, and the list goes on where that leads to nothing (EMV Book 3 §10.5.1). Null: cancelled.</summary>
    public async Task<CvmDecision?> VerifyByChipAsync(PinPad pinPad, IKeypad holder, CancellationToken cancellation)
    {
        var over = listed.IsOfflinePin && await TriesLeftAsync() == 0;
        results = results with { PinTriesExceeded = over };
        while (listed.IsOfflinePin)
        {
            if (!over)
            {
                var (verdict, right) = await pinPad.PresentAsync(holder, data.Amount, listed.Decision.Why, listed.IsEnciphered ? EncipherAsync : null, PresentAsync, cancellation);
                if (verdict == PinPad.Verdict.Cancelled)
                {
                    return null;
                }

                if (right)
                {
                    trace.Decision(reference, new("The card's own chip has verified the PIN.", "芯片已自行验证密码。"));
                    return listed.Decision;
                }

                // Not given, or not right to the end: it is not asked for a second time under another rule.
                over = true;
                results = verdict == PinPad.Verdict.Bypassed ? results with { PinNotEntered = true } : results with { PinTriesExceeded = true };
            }

            Take(listed.Next is { } next ? Listed(next) : VerificationList.Fail(listed.Results));
        }

        trace.Decision(reference, listed.Decision.Why);
        return listed.Decision;
    }

    private ListedVerification Listed(int from)
    {
        var home = read.Find(Tags.ApplicationCurrencyCode) is not { Length: 2 } currency || currency.Span.SequenceEqual(data.Value(0x5F2A)!.Value.Span);
        return VerificationList.Decide(
            read.Find(Tags.CvmList).Span, (Profile & HolderVerificationSupported) != 0, data.Amount, home, options.Parameters.Qualifiers, options.Parameters.PinRule, bankAsks,
            new CardPin(Possible: true, Enciphered: chipKey is { IsSm2: false }), from);
    }

    private void Take(ListedVerification way)
    {
        listed = way;
        data = data with { HolderVerification = way.Results };
        results = results with { VerificationFailed = !way.Decision.Accepted };
    }

    /// <summary>9F17; null where the card does not tell.</summary>
    private async Task<int?> TriesLeftAsync() =>
        await SendAsync(CommandApdu.Of(0x80, 0xCA, 0x9F, 0x17, [])) is { Status.IsOk: true } answer && BerTlv.TryFind(answer.Data.Span, 0x9F17, out var left) && left.Length == 1 ? left[0] : null;

    /// <summary>7F ‖ PIN block ‖ the card's challenge ‖ padding, under the chip's certified key (EMV Book 2 §7.1).</summary>
    private async Task<byte[]?> EncipherAsync(byte[] block)
    {
        if (await SendAsync(CommandApdu.Of(0x00, 0x84, 0x00, 0x00, [])) is not { Status.IsOk: true, Data.Length: 8 } challenge)
        {
            return null;
        }

        byte[] clear = [0x7F, .. block, .. challenge.Data.Span, .. entropy.Bytes(chipKey!.Value.Length - 17)];
        var enciphered = chipKey.Rsa.Recover(clear);
        Array.Clear(clear);
        return enciphered;
    }

    /// <summary>VERIFY. Null: right; else the tries left, none also where the card knows no such command.</summary>
    private async Task<int?> PresentAsync(byte[] block) =>
        await SendAsync(CommandApdu.Of(0x00, 0x20, 0x00, listed.IsEnciphered ? (byte)0x88 : (byte)0x80, block)) is { } answer
            ? answer.Status.IsOk ? null : (answer.Status.Value & 0xFFF0) == 0x63C0 ? answer.Status.Value & 0x0F : 0
            : 0;

    /// <summary>Terminal and card action analysis: the request for the bank, or why there is none (EMV Book 3 §10.7, 10.8).</summary>
    /// <param name="pin">What the PIN pad came to: entered, confirmed empty, or not asked.</param>
    public async Task<(CardAnswer? Card, Text Why)> AskAsync(bool pinEntered, bool pinBypassed)
    {
        results = results with { OnlinePinEntered = pinEntered, PinNotEntered = pinBypassed || results.PinNotEntered };
        data = data with { Results = results.ToBytes() };
        var denied = Meets(read.Find(Tags.IssuerActionCodeDenial).Span);
        var answer = await GenerateAsync(denied ? AskDecline : AskRequest, Tags.CardRiskManagementDol1);
        if (answer is null || CardActionAnalysis.Read(new CardData((byte[])[.. answer, .. read.Gpo.Span], read.Records), application, data, out var card) is not null)
        {
            return (null, new("The card gave no usable cryptogram.", "卡片未给出有效的应用密文。"));
        }

        asked = card;
        return denied ? (null, new($"The card's own rules deny this payment (TVR {results}).", $"按卡片自身规则拒绝本次交易（TVR {results}）。"))
            : card!.Kind == CryptogramKind.OnlineRequest ? (card, new("The card asks its bank.", "卡片请求联机。"))
            : (null, new("The card declined the payment itself (AAC).", "卡片自行拒绝了交易（AAC）。"));
    }

    /// <summary>The bank's answer goes into the card: its cryptogram, commands before, the second cryptogram, commands after (EMV Book 3 §10.9 to 10.11). Null: the card agrees; else why it does not.</summary>
    /// <param name="field55">Of the bank's answer; empty when none came.</param>
    /// <param name="code">F39; null when nobody answered.</param>
    public async Task<Text?> CompleteAsync(ReadOnlyMemory<byte> field55, string? code, bool approved)
    {
        try
        {
            return await FinishAsync(field55, code ?? UnableOnline, approved);
        }
        catch (CardRemovedException)
        {
            return new("The card was taken out before it had the bank's answer.", "卡片在收到发卡行应答前被拔出。");
        }
    }

    private async Task<Text?> FinishAsync(ReadOnlyMemory<byte> field55, string code, bool approved)
    {
        if (asked is null)
        {
            return null;
        }

        data = data with { ResponseCode = Encoding.ASCII.GetBytes(code) };
        if (BerTlv.TryFind(field55.Span, Tags.IssuerAuthenticationData, out var said) && said.Length is >= 8 and <= 16 && (Profile & IssuerAuthenticationSupported) != 0)
        {
            var right = await SendAsync(CommandApdu.Of(0x00, 0x82, 0x00, 0x00, said)) is { Status.IsOk: true };
            results = results with { IssuerAuthenticationFailed = !right };
            trace.Decision(reference, right
                ? new("The card has verified its bank's cryptogram.", "卡片已验证发卡行的应答密文。")
                : new("The card does not take the bank's cryptogram for its bank's.", "卡片未认可应答密文来自其发卡行。"));
        }

        results = results with { ScriptFailedBeforeFinal = !await RunAsync(field55, Tags.IssuerScriptTemplate1) };
        data = data with { Results = results.ToBytes() };
        var answer = await GenerateAsync(approved ? AskApproval : AskDecline, Tags.CardRiskManagementDol2);
        await RunAsync(field55, Tags.IssuerScriptTemplate2);
        var kind = answer is null ? null : CardActionAnalysis.KindOf(Find(answer, 0x9F27), [0, 0, 0, 0, 0]);
        return !approved || kind == CryptogramKind.ApprovedOffline ? null
            : new("The bank approved, and the card did not agree.", "发卡行已批准，但卡片未予确认。");
    }

    private byte Profile => read.Find(Tags.ApplicationInterchangeProfile) is { Length: 2 } profile ? profile.Span[0] : (byte)0;

    private async Task<ApplicationSelection.Selected?> SelectAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        foreach (var candidate in await ContactSelection.CandidatesAsync(options.Parameters, SendAsync))
        {
            if (await SendAsync(ApplicationSelection.Select(candidate.Aid)) is { } answer && ApplicationSelection.Open(candidate, answer) is { } selected)
            {
                trace.Decision(reference, new($"Selected {candidate.Aid} ({selected.Label}) over contacts.", $"已通过接触界面选择应用 {candidate.Aid}（{selected.Label}）。"));
                return selected;
            }
        }

        return null;
    }

    /// <summary>GPO and the records that its answer names (EMV Book 3 §10.1, 10.2).</summary>
    private async Task<Text?> InitiateAsync()
    {
        var wanted = Array.Empty<byte>();
        if (!application.Pdol.IsEmpty)
        {
            if (!Dol.TryParse(application.Pdol.Span, out var entries, out var error) || Dol.DataLength(entries) > Dol.MaxBytes)
            {
                return new($"The PDOL is malformed: {error}.", $"PDOL 格式有误（偏移 {error.Offset}）。");
            }

            wanted = Dol.Build(entries, data.Value);
        }

        if (await SendAsync(CommandApdu.Of(0x80, 0xA8, 0x00, 0x00, BerTlv.Encode(0x83, wanted))) is not { Status.IsOk: true } answer || Options(answer.Data.Span) is not { } content)
        {
            return new("The card does not begin a payment.", "卡片未开始交易。");
        }

        if (ReadRecords.Plan(content, out var plan) is { } unreadable)
        {
            return unreadable.Why;
        }

        var records = new List<CardRecord>();
        foreach (var address in plan)
        {
            if (await SendAsync(address.Command) is not { } record)
            {
                return Broken;
            }

            if (ReadRecords.Interpret(record, out var inside) is { } broken)
            {
                return broken.Why;
            }

            records.Add(new CardRecord(address, inside));
        }

        read = new CardData(content, records);
        return null;
    }

    /// <summary>Format 1 is AIP and AFL as they are, format 2 their objects; always as objects from here on.</summary>
    private static byte[]? Options(ReadOnlySpan<byte> answer) =>
        BerTlv.TryFind(answer, Tags.ResponseFormat2, out var objects) && BerTlv.TryCheck(objects, out _) ? objects.ToArray()
        : BerTlv.TryFind(answer, Tags.ResponseFormat1, out var plain) && plain.Length >= 6 ? [.. BerTlv.Encode(Tags.ApplicationInterchangeProfile, plain[..2]), .. BerTlv.Encode(Tags.ApplicationFileLocator, plain[2..])]
        : null;

    /// <summary>DDA where the card has it (EMV Book 3 §10.3). What it comes to stands in the TVR; the bank decides over it.</summary>
    private async Task AuthenticateAsync(CancellationToken cancellation)
    {
        if ((Profile & DynamicSupported) == 0)
        {
            results = results with { OfflineAuthenticationNotPerformed = true };
            return;
        }

        var list = read.Find(Tags.DynamicDataDol) is { IsEmpty: false } own ? own : DefaultDynamicList;
        byte[] sent = Dol.TryParse(list.Span, out var entries, out _) && Dol.DataLength(entries) <= Dol.MaxBytes ? Dol.Build(entries, data.Value) : [];
        var answer = sent.Length == 0 ? null : await SendAsync(CommandApdu.Of(0x00, 0x88, 0x00, 0x00, sent));
        var signed = answer is not { Status.IsOk: true } ? []
            : BerTlv.TryFind(answer.Data.Span, Tags.ResponseFormat2, out var objects) && BerTlv.TryFind(objects, Tags.SignedDynamicApplicationData, out var value) || BerTlv.TryFind(answer.Data.Span, Tags.ResponseFormat1, out value) ? value.ToArray() : [];
        var rid = application.Candidate.Aid.ToString()[..10];
        var chip = OfflineDataAuthentication.ChipKey(read, await options.Authorities(cancellation), issuers, rid, DateOnly.FromDateTime(data.LocalTime.DateTime));
        var authentication = OfflineDataAuthentication.VerifyDynamic(chip, signed, sent);
        chipKey = authentication.Good ? chip.Value : null;
        results = results with { DynamicAuthenticationFailed = !authentication.Good };
        trace.Decision(reference, authentication.Why);
    }

    private void Restrict()
    {
        var (restriction, why) = ProcessingRestrictions.Check(read, options.Parameters.Country.Span, DateOnly.FromDateTime(data.LocalTime.DateTime));
        results = results with
        {
            ApplicationExpired = restriction == ProcessingRestrictions.Restriction.Expired,
            ApplicationNotYetEffective = restriction == ProcessingRestrictions.Restriction.NotYetEffective,
            ServiceNotAllowed = restriction == ProcessingRestrictions.Restriction.UsageNotAllowed,
        };
        trace.Decision(reference, why);
    }

    private bool TryNumber(out AccountNumber? number)
    {
        number = TrackTwoEquivalent.TryParse(read.Find(0x57).Span, out var track, out _) ? track.Number
            : CardNumber.TryParse(Convert.ToHexString(read.Find(0x5A).Span).TrimEnd('F'), out var plain, out _) ? plain
            : null;
        return number is not null;
    }

    /// <summary>Any condition of the TVR that an action code names (EMV Book 3 §10.7).</summary>
    private bool Meets(ReadOnlySpan<byte> code)
    {
        var found = results.ToBytes();
        for (var i = 0; i < code.Length && i < found.Length; i++)
        {
            if ((code[i] & found[i]) != 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>GENERATE AC over the card's list; its answer as objects, null when there is none (EMV Book 3 §6.5.5).</summary>
    private async Task<byte[]?> GenerateAsync(byte kind, int listTag)
    {
        if (!Dol.TryParse(read.Find(listTag).Span, out var entries, out _) || entries.Count == 0 || Dol.DataLength(entries) > Dol.MaxBytes)
        {
            return null;
        }

        if (await SendAsync(CommandApdu.Of(0x80, 0xAE, kind, 0x00, Dol.Build(entries, data.Value))) is not { Status.IsOk: true } answer)
        {
            return null;
        }

        if (BerTlv.TryFind(answer.Data.Span, Tags.ResponseFormat2, out var objects))
        {
            return BerTlv.TryCheck(objects, out _) ? objects.ToArray() : null;
        }

        // Format 1: CID ‖ ATC ‖ cryptogram ‖ issuer application data.
        return BerTlv.TryFind(answer.Data.Span, Tags.ResponseFormat1, out var plain) && plain.Length is >= 11 and <= 43
            ? [.. BerTlv.Encode(0x9F27, plain[..1]), .. BerTlv.Encode(0x9F36, plain[1..3]), .. BerTlv.Encode(0x9F26, plain[3..11]), .. plain.Length > 11 ? BerTlv.Encode(0x9F10, plain[11..]) : []]
            : null;
    }

    /// <summary>Each command of each such template, up to the first that the card refuses (EMV Book 3 §10.10). False when one was.</summary>
    private async Task<bool> RunAsync(ReadOnlyMemory<byte> field55, int template)
    {
        foreach (var command in Commands(field55.Span, template))
        {
            if (!CommandApdu.TryParse(command, out var parsed, out _) || await SendAsync(parsed) is not { } answer || (answer.Status.Value >> 8) is not (0x90 or 0x62 or 0x63))
            {
                trace.Decision(reference, new("A command of the bank was not carried out by the card.", "发卡行的一条脚本命令未被卡片执行。"));
                return false;
            }
        }

        return true;
    }

    private static List<byte[]> Commands(ReadOnlySpan<byte> field55, int template)
    {
        var commands = new List<byte[]>();
        while (BerTlv.TryRead(field55, out var tag, out var script, out var consumed, out _))
        {
            for (var inside = script; tag == template && BerTlv.TryRead(inside, out var one, out var command, out var used, out _); inside = inside[used..])
            {
                if (one == Tags.IssuerScriptCommand)
                {
                    commands.Add(command.ToArray());
                }
            }

            field55 = field55[consumed..];
        }

        return commands;
    }

    private async Task<ResponseApdu?> SendAsync(CommandApdu command)
    {
        trace.Sent(reference, command);
        if (!ResponseApdu.TryParse(await slot.TransmitAsync(command.ToBytes(), CancellationToken.None), out var response, out _))
        {
            return null;
        }

        trace.Received(reference, command, response);
        return response;
    }

    private static byte[] Find(byte[] objects, int tag) => BerTlv.TryFind(objects, tag, out var value) ? value.ToArray() : [];

    private static Text Broken => new("The card's answer is not a response APDU.", "卡片应答不是有效的 APDU。");

    private static (CvmDecision?, AccountNumber?, Text) No(string en, string zh) => (null, null, new(en, zh));
}
