using System.Security.Cryptography;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Storage;
using Majia.TokenService.Authorisation;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>The switch line: 0100 with token and chip data → 0110 with verdict and, when it is good, the number behind (decisions.md 7–10).</summary>
public sealed partial class TokenServiceParty
{
    private const string LineMac = "zak.network", BindingKey = "bind.network", CryptogramMaster = "imk.ac", Link = "network-token";

    public async Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        if (!SwitchFrame.TryRead(frame, out _, out var source, out var body, out _) || !IsoCodec.TryRead(Dialect.Switch, body.Span, out var request, out _) || request.Mti.IsResponse)
        {
            return default;
        }

        IsoMessage response;
        if (IsoSealing.Verify(Dialect.Switch, body, request, (block, mac) => module.VerifyMac(LineMac, options.Mac, block, mac)))
        {
            response = await AnswerAsync(request);
        }
        else
        {
            // Not even its reference number is believed: the history of that payment is not for strangers to write into.
            Decided($"unverified:{Link}", $"{ResponseCode.MacFailure}: the message's MAC is wrong, nothing in it is believed", $"{ResponseCode.MacFailure}：报文 MAC 错误，内容不可信");
            response = Echo(request, ResponseCode.MacFailure);
        }

        var sealedBody = IsoSealing.Seal(Dialect.Switch, response, block => module.Mac(LineMac, options.Mac, block));
        return SwitchFrame.Write(source, options.Institution, sealedBody);
    }

    public async Task<IsoMessage?> AnswerAsync(string destination, string source, IsoMessage request, CancellationToken cancellation) => await AnswerAsync(request);

    /// <summary>What is said to a message that the network has really sent.</summary>
    private async Task<IsoMessage> AnswerAsync(IsoMessage request)
    {
        Seen(request, TraceDirection.Received, new("is this token good, and whose is it?", "该标记是否有效，对应哪张卡？"));
        if (request.Mti != Mti.AuthorisationRequest)
        {
            return Say(request, Echo(request, ResponseCode.InvalidTransaction), new("not a message for the token service", "标记服务不受理该类报文"));
        }

        if (!SwitchKey.TryRead(request, out var key, out _) || request.Text(3) is not { Length: 6 } processing)
        {
            return Say(request, Echo(request, ResponseCode.FormatError), new("a field is missing", "缺少必备域"));
        }

        if (!PaymentToken.TryParse(request.Text(2), out var token, out _))
        {
            return Say(request, Echo(request, ResponseCode.InvalidCard), new("no such device number", "设备卡号不存在"));
        }

        // What never changes of token and account; what gates is read again in the deciding unit.
        var index = module.Index(IndexKey, token);
        var (row, account) = await store.LookAsync(
            session => TokenRow.Find(session, index) is { } found ? (found, AccountRow.Find(session, found.PanIndex)) : default((TokenRow?, AccountRow?)),
            wanted =>
            {
                // With it, for the deciding unit: one question fewer.
                VerdictRow.Want(wanted, index, key.ToString());
                if (TokenRow.Want(wanted, index) is { } token)
                {
                    AccountRow.Want(wanted, token.PanIndex);
                }
            });
        var facts = Facts(request, row, processing.StartsWith("20", StringComparison.Ordinal), out var unpredictable);
        var verdict = fence is not null && !facts.Resolve ? Fenced
            : facts.Resolve || row is null
            ? TokenVerdictDecider.Decide(row is null ? null : Facts(row), facts)
            : await store.WriteAsync(
                session => Decide(session, row.Index, key.ToString(), Digest(request), facts, unpredictable),
                wanted =>
                {
                    VerdictRow.Want(wanted, row.Index, key.ToString());
                    TokenRow.Want(wanted, row.Index);
                });

        var response = Echo(request, verdict.Code).Set(61, new Field61Switch(verdict.Arqc).Format());
        if (verdict.Code.IsApproval && row is not null && account is not null)
        {
            AddCard(response, row, account, key.ToString(), facts.Resolve);
        }

        return Say(request, response, verdict.Why);
    }

    /// <summary>The unit: stored verdict, or the decision on what stands now, with its counter spent in the same breath (decisions.md 8, 10).</summary>
    private TokenVerdict Decide(Session session, byte[] index, string key, byte[] digest, MessageFacts facts, byte[] unpredictable)
    {
        if (VerdictRow.Find(session, index, key) is { } stored)
        {
            return CryptographicOperations.FixedTimeEquals(stored.Digest, digest)
                ? stored.Verdict
                : new(ResponseCode.Duplicate, ArqcResult.NotChecked, new("another message came under the same key", "相同标识下收到内容不同的报文"), false, AtcAlarm.None);
        }

        var row = TokenRow.Find(session, index)!;
        var now = clock.GetUtcNow();
        var verdict = TokenVerdictDecider.Decide(Facts(row), facts);
        if (verdict.UseAtc)
        {
            if (!TokenRow.TrySpend(session, index, facts.Chip!.Atc, unpredictable))
            {
                throw new LostRaceException("a counter of a device card");
            }
        }

        if (verdict.Alarm != AtcAlarm.None)
        {
            Alarm(session, row, key, facts.Chip!.Atc, verdict.Alarm, unpredictable, now);
        }

        new VerdictRow(index, key, digest, verdict, now).Add(session);
        return verdict;
    }

    private static void Alarm(Session session, TokenRow row, string key, ushort atc, AtcAlarm alarm, byte[] unpredictable, DateTimeOffset now)
    {
        var first = row.Spent.Of(row.Atc, atc);
        var kind = alarm == AtcAlarm.LargeGap ? "GAP" : !first.IsEmpty && !first.SequenceEqual(unpredictable) ? "CLONE" : "REPLAY";
        new AlarmRow(row.Index, key, kind, now, atc).Add(session);
    }

    /// <summary>Alarms of one token, oldest first: GAP, REPLAY, CLONE with the counter.</summary>
    public IReadOnlyList<(string Kind, int Atc)> Alarms(PaymentToken token)
    {
        var index = module.Index(IndexKey, token);
        return store.Read(session => session.Query("SELECT kind, atc FROM token_alarm WHERE token_index = $1 ORDER BY at, atc, kind", static row => (row.GetString(0), row.GetInt32(1)), index));
    }

    private static TokenFacts Facts(TokenRow row) => new(row.Status, row.Expiry, row.Trid, row.Atc, row.Domain) { NextExpiry = row.NextExpiry };

    private MessageFacts Facts(IsoMessage request, TokenRow? row, bool resolve, out byte[] unpredictable)
    {
        ChipFacts? facts = null;
        unpredictable = [];
        if (!resolve && row is not null && ChipData.TryRead(request.Binary(55).Span, out var chip))
        {
            unpredictable = chip.Input.UnpredictableNumber.ToArray();
            var right = chip.Algorithm == Personalisation.CardProfile.TripleDes
                && module.VerifyCryptogram(CryptogramMaster, row.Token, row.Sequence, chip.Version, chip.Input, chip.Cryptogram);
            Keyed(request, right);
            facts = new(chip.Agrees(request.Text(4), request.Text(49)), chip.IsRequest, chip.Requestor, right, chip.Input.ApplicationTransactionCounter);
        }

        return new(resolve, LocalYearMonth(clock.GetUtcNow()), request.Text(14), request.Text(22), facts, request.Text(42)?.TrimEnd());
    }

    private void AddCard(IsoMessage response, TokenRow row, AccountRow account, string key, bool resolve)
    {
        var pan = Open(account);
        response
            .Set(2, pan.Reveal())
            .Set(14, account.PanExpiry)
            .Set(23, account.PanSequence.PadLeft(3, '0'))
            .Set(48, new Field48Binding(module.BindTokenToPan(BindingKey, row.Token, pan, key)).Format())
            .Set(56, new Field56Par(account.Par).Format())
            .Set(63, new Field63Token(!resolve, row.Token, row.Expiry, row.Assurance, "01", row.Trid, row.ProductId).Format())
            .Set(100, row.Institution);
    }

    /// <summary>The fields go back byte for byte: a character that GBK does not have must not change on the way.</summary>
    private static IsoMessage Echo(IsoMessage request, ResponseCode code) =>
        new IsoMessage(request.Mti.Response).Take(request, 2, 3, 4, 7, 11, 18, 25, 32, 33, 37, 41, 42, 49).Set(39, code.Value);

    /// <summary>What makes a repeat a repeat: token, processing, amount, currency and chip data.</summary>
    private static byte[] Digest(IsoMessage request) => request.DigestOf(2, 3, 4, 14, 22, 49, 55);

    /// <summary>The message's reference, when its payment is traced.</summary>
    private string? Traced(IsoMessage message) => message.Text(37) is { } rrn && TraceReference.Rrn(rrn) is var reference && trace.Takes(reference) ? reference : null;

    private IsoMessage Say(IsoMessage request, IsoMessage response, Text why)
    {
        if (Traced(request) is { } reference)
        {
            trace.Record(new TraceEvent(reference, clock.GetUtcNow(), "token-service", "token-service", "", TraceKind.Decision, TraceDirection.Inside, "", new($"{response.Text(39)}: {why.En}", $"{response.Text(39)}：{why.Zh}")));
        }

        Seen(response, TraceDirection.Sent, why);
        return response;
    }

    private void Keyed(IsoMessage request, bool right)
    {
        if (Traced(request) is { } reference && module.TryInfo(CryptogramMaster, out var info))
        {
            trace.Record(new TraceEvent(reference, clock.GetUtcNow(), "token-service", "token-service", "", TraceKind.Key, TraceDirection.Inside, "", new(
                $"cryptogram recomputed with the token's key from {CryptogramMaster} (KCV {info.CheckValue}): {(right ? "equal" : "different")}",
                $"用 {CryptogramMaster}（校验值 {info.CheckValue}）派生的标记密钥重新计算密文：{(right ? "一致" : "不一致")}")));
        }
    }

    private void Seen(IsoMessage message, TraceDirection direction, Text why)
    {
        if (Traced(message) is { } reference)
        {
            // F2 of a good answer is a PAN; everything else on this line is a token.
            var hex = Convert.ToHexString(IsoRedaction.Redact(Dialect.Switch, message, numberIsToken: !message.Has(48)));
            trace.Record(new TraceEvent(reference, clock.GetUtcNow(), "token-service", "network", Link, TraceKind.Iso8583, direction, hex, why));
        }
    }
}
