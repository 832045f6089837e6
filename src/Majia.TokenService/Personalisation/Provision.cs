using System.Diagnostics.CodeAnalysis;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;
using Majia.TokenService.Enrolment;
using Majia.TokenService.Personalisation;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>
/// Drives one chip, command by command, through relays that read nothing of it (decisions.md 1, 2). The open channel is memory only: after a
/// restart, or when the phone begins again, the script starts over and deletes a half instance first. The answer to each request is kept with it.
/// </summary>
public sealed partial class TokenServiceParty
{
    private const byte InitialVersion = 0x01, OwnVersion = 0x02;
    private const string OwnKeySet = "sd";

    /// <summary>What is known of a chip's security domain.</summary>
    private enum DomainState
    {
        None,

        /// <summary>Created by the SE issuer, with the initial keys that it handed over.</summary>
        Initial,

        /// <summary>PUT KEY was sent; whether it took effect is not known.</summary>
        Rekeying,

        /// <summary>Only the token service's own keys open it.</summary>
        Own,
    }

    /// <summary>One command to come, which status words let the script go on, and what is then written.</summary>
    private sealed record Step(CommandApdu Command, Action<Session>? Then = null, params ushort[] AlsoAccepted);

    private sealed class ChipChannel(HostChannel host, byte keyVersion)
    {
        public HostChannel Host { get; } = host;

        public byte KeyVersion { get; } = keyVersion;

        public bool Authenticated { get; set; }

        /// <summary>The script is to bring a card to life, not only to remove what is dead.</summary>
        public bool Gives { get; set; }

        /// <summary>EXTERNAL AUTHENTICATE was sent together with the first wrapped command.</summary>
        public bool AwaitsAuthentication { get; set; }

        public Queue<Step> Steps { get; } = new();

        public DateTimeOffset UsedAt { get; set; }
    }

    private readonly Lock channelGate = new();
    private readonly Dictionary<string, ChipChannel> channels = new(StringComparer.Ordinal);

    private async Task<ApiReply<WalletToken.ProvisionReply>> ProvisionOnceAsync(string caller, WalletToken.ProvisionRequest request)
    {
        var row = await store.WriteAsync(session => FindFor(session, caller, request.TokenUniqueReference));
        if (row is null)
        {
            return NotFound;
        }

        var channel = TakeChannel(row.Tur);
        try
        {
            return await ProvisionAsync(request, row, channel);
        }
        finally
        {
            // Finished, failed, or replaced by another: what no script goes on with ends here.
            CloseUnless(row.Tur, channel);
        }
    }

    private async Task<ApiReply<WalletToken.ProvisionReply>> ProvisionAsync(WalletToken.ProvisionRequest request, TokenRow row, ChipChannel? channel)
    {
        if (request.DomainKeys is { } keys)
        {
            if (!TryImport(row.Seid, keys))
            {
                return new ApiError("CRYPTOGRAPHY_ERROR", "The initial keys are not TR-31 blocks under the transport key.");
            }

            await store.WriteAsync(session => Write(session, row.Seid, DomainState.Initial));
            return await OpenAsync(row);
        }

        if (request.Responses.Count == 0 || channel is null)
        {
            return await OpenAsync(row);
        }

        var responses = new List<ResponseApdu>();
        foreach (var hex in request.Responses)
        {
            if (!TryResponse(hex, out var response))
            {
                return Malformed("responses", "response APDUs as hex", "something else");
            }

            responses.Add(response);
        }

        return channel.Authenticated ? await ContinueAsync(row, channel, responses) : await AuthenticateAsync(row, channel, responses);
    }

    /// <summary>Chips whose script is under way: each has session keys in memory.</summary>
    public int OpenChannels
    {
        get
        {
            lock (channelGate)
            {
                return channels.Count;
            }
        }
    }

    private ChipChannel? TakeChannel(string tur)
    {
        lock (channelGate)
        {
            return channels.Remove(tur, out var channel) ? channel : null;
        }
    }

    private void CloseUnless(string tur, ChipChannel? channel)
    {
        lock (channelGate)
        {
            if (channel is not null && channels.GetValueOrDefault(tur) != channel)
            {
                channel.Host.Close();
            }
        }
    }

    private void Keep(string tur, ChipChannel channel)
    {
        var now = clock.GetUtcNow();
        lock (channelGate)
        {
            // A phone that never came back left its channel open.
            foreach (var old in channels.Where(other => now - other.Value.UsedAt > options.ChannelLife).Select(static other => other.Key).Order(StringComparer.Ordinal).ToList())
            {
                channels.Remove(old, out var forgotten);
                forgotten!.Host.Close();
            }

            if (channels.TryGetValue(tur, out var replaced) && replaced != channel)
            {
                replaced.Host.Close();
            }

            channel.UsedAt = now;
            channels[tur] = channel;
        }
    }

    private WalletToken.ProvisionReply Send(TokenRow row, ChipChannel channel, EnrolmentState state, params ReadOnlySpan<CommandApdu> commands)
    {
        Keep(row.Tur, channel);
        var hex = new List<string>(commands.Length);
        foreach (var command in commands)
        {
            hex.Add(Convert.ToHexString(command.ToBytes()));
        }

        return new(hex, state, false, Face(row));
    }

    private WalletToken.ProvisionReply Rest(TokenRow row, EnrolmentState state) => new([], state, false, Face(row));

    private async Task<WalletToken.ProvisionReply> NeedsDomainAsync(TokenRow row)
    {
        await store.WriteAsync(session => Write(session, row.Seid, DomainState.None));
        return new([], StateOf(row), true, Face(row));
    }

    /// <summary>Where the card stands when no script runs.</summary>
    private static EnrolmentState StateOf(TokenRow row) => (row.Status.State, row.Stage) switch
    {
        (TokenState.Deactivated, _) => EnrolmentState.Deleted,
        (TokenState.Suspended, PersonalisationStage.Selectable) => EnrolmentState.Suspended,
        (TokenState.Active, PersonalisationStage.Selectable) => EnrolmentState.Active,
        (TokenState.Inactive, PersonalisationStage.Personalised) when row.Verify => EnrolmentState.VerificationRequired,
        (_, PersonalisationStage.Personalised) => EnrolmentState.Activating,
        _ => EnrolmentState.Provisioning,
    };

    /// <summary>The chip holds something of a card that is deleted.</summary>
    private static bool LeftInChip(TokenRow row) =>
        row is { Status.State: TokenState.Deactivated, Stage: PersonalisationStage.Started or PersonalisationStage.Personalised or PersonalisationStage.Selectable };

    /// <summary>There must be a domain, so none is made.</summary>
    private static bool IsInChip(TokenRow row) => LeftInChip(row) || row.IsRenewing;

    private async Task<ApiReply<WalletToken.ProvisionReply>> OpenAsync(TokenRow row, byte? version = null)
    {
        var state = StateOf(row);
        if (!LeftInChip(row) && !row.IsRenewing && state is not (EnrolmentState.Provisioning or EnrolmentState.Activating))
        {
            return Rest(row, state);
        }

        var domain = await store.WriteAsync(session => ReadDomain(session, row.Seid));

        // Without the initial keys (module restored, handed over never) nothing but our own ones can open it.
        if (domain == DomainState.None || ((domain == DomainState.Initial || version == InitialVersion) && !module.TryInfo($"{InitialKeySet(row.Seid)}.dek", out _)))
        {
            return IsInChip(row) ? Rest(row, state) : await NeedsDomainAsync(row);
        }

        // After an interrupted PUT KEY the new keys are tried first, then the initial ones.
        var keyVersion = version ?? (domain == DomainState.Initial ? InitialVersion : OwnVersion);
        var host = keyVersion == InitialVersion ? module.OpenSecureChannel(InitialKeySet(row.Seid)) : module.OpenSecureChannel(OwnKeySet, Convert.FromHexString(row.Seid));
        return Send(row, new ChipChannel(host, keyVersion), state, ChipScript.Select(ChipScript.Domain), host.InitializeUpdate(keyVersion));
    }

    private async Task<ApiReply<WalletToken.ProvisionReply>> AuthenticateAsync(TokenRow row, ChipChannel channel, List<ResponseApdu> responses)
    {
        if (!responses[0].Status.IsOk)
        {
            // 6A82: no such domain.
            return responses[0].Status.Value == 0x6A82 && !IsInChip(row) ? await NeedsDomainAsync(row) : await FailAsync(row, responses[0].Status);
        }

        var domain = await store.WriteAsync(session => ReadDomain(session, row.Seid));
        if (responses.Count < 2 || !responses[1].Status.IsOk || !channel.Host.TryAuthenticate(responses[1], ChipScript.SecurityLevel, out var externalAuthenticate))
        {
            return (domain, channel.KeyVersion) switch
            {
                (DomainState.Rekeying, OwnVersion) => await OpenAsync(row, InitialVersion),
                (DomainState.Initial or DomainState.Rekeying, _) when !IsInChip(row) => await NeedsDomainAsync(row),
                _ => await FailAsync(row, responses.Count < 2 ? responses[0].Status : responses[1].Status),
            };
        }

        channel.Authenticated = true;
        channel.AwaitsAuthentication = true;
        await PlanAsync(row, channel);
        if (channel.Steps.Count == 0)
        {
            // Deleted since the script began, and nothing of it is in the chip.
            return Rest(row, StateOf(row));
        }

        return Send(row, channel, StateOf(row), externalAuthenticate, channel.Host.Wrap(channel.Steps.Peek().Command));
    }

    /// <summary>The commands that bring this chip from where it is to where the card should be.</summary>
    private async Task PlanAsync(TokenRow row, ChipChannel channel)
    {
        if (channel.KeyVersion == InitialVersion)
        {
            await store.WriteAsync(session => Write(session, row.Seid, DomainState.Rekeying));
            channel.Steps.Enqueue(new(ChipScript.PutKey(channel.Host.PutKeyData(OwnVersion, OwnKeySet, Convert.FromHexString(row.Seid)))));
            return;
        }

        // These keys opened the domain: the initial ones are of no more use to anyone.
        await store.WriteAsync(session => Write(session, row.Seid, DomainState.Own));
        Forget(row.Seid);

        foreach (var dead in await store.WriteAsync(session => TokenRow.OfChip(session, row.Seid).Where(LeftInChip).ToList()))
        {
            channel.Steps.Enqueue(new(ChipScript.Delete(Aid.Parse(dead.InstanceAid)), session => TokenRow.Write(session, dead.Index, PersonalisationStage.Removed, clock.GetUtcNow()), 0x6A88, 0x6A82));
        }

        var instance = Aid.Parse(row.InstanceAid);
        channel.Gives = row.IsRenewing || StateOf(row) is EnrolmentState.Provisioning or EnrolmentState.Activating;
        if (!channel.Gives)
        {
            return;
        }

        if (row is { IsRenewing: true, NextExpiry: { } next })
        {
            // All of the new profile in one write, at its last command: before it the card is what it was (docs/decisions/0046).
            await PlanProfileAsync(row with { Expiry = next }, channel, session => Renewed(session, row, next));
            return;
        }

        if (row.Stage == PersonalisationStage.Personalised)
        {
            channel.Steps.Enqueue(Selectable(row));
            return;
        }

        if (row.Stage == PersonalisationStage.Started)
        {
            channel.Steps.Enqueue(new(ChipScript.Delete(instance), null, 0x6A88, 0x6A82));
        }

        await store.WriteAsync(session => TokenRow.Write(session, row.Index, PersonalisationStage.Started, clock.GetUtcNow()));
        channel.Steps.Enqueue(new(ChipScript.Install(instance)));
        await PlanProfileAsync(row, channel, session => TokenRow.Write(session, row.Index, PersonalisationStage.Personalised, clock.GetUtcNow()));
    }

    private async Task PlanProfileAsync(TokenRow row, ChipChannel channel, Action<Session> atTheEnd)
    {
        channel.Steps.Enqueue(new(ChipScript.Personalise(Aid.Parse(row.InstanceAid))));
        var keys = channel.Host.CardKeyGroups("imk.ac", "imk.mac", "imk.enc", row.Token, row.Sequence);
        var account = await store.WriteAsync(session => AccountRow.Find(session, row.PanIndex)) ?? throw new InvalidOperationException("a token without its account");
        foreach (var command in ChipScript.StoreData(keys, CardProfile.Groups(row, account.Par)))
        {
            channel.Steps.Enqueue((command.P1 & 0x80) == 0 ? new(command) : new(command, atTheEnd));
        }
    }

    // A repeat is answered 9000; 6985 is an instance that a purge has killed, and must not count as live.
    private Step Selectable(TokenRow row) =>
        new(ChipScript.MakeSelectable(Aid.Parse(row.InstanceAid)), session => TokenRow.Write(session, row.Index, PersonalisationStage.Selectable, clock.GetUtcNow()));

    private async Task<ApiReply<WalletToken.ProvisionReply>> ContinueAsync(TokenRow row, ChipChannel channel, List<ResponseApdu> responses)
    {
        var answered = responses[0];
        if (channel.AwaitsAuthentication)
        {
            if (!answered.Status.IsOk || responses.Count < 2)
            {
                return await FailAsync(row, answered.Status);
            }

            channel.AwaitsAuthentication = false;
            answered = responses[1];
        }

        var step = channel.Steps.Dequeue();
        var status = channel.Host.TryUnwrap(answered, out var plain) ? plain.Status : answered.Data.IsEmpty && !answered.Status.IsOk ? answered.Status : default;
        if (!status.IsOk && !step.AlsoAccepted.Contains(status.Value))
        {
            return await FailAsync(row, status);
        }

        if (step.Then is { } then)
        {
            await store.WriteAsync(then);
        }

        // Before each further step: does the card still stand as when the script began?
        var now = (await store.WriteAsync(session => TokenRow.Find(session, row.Tur)))!;
        if (channel.KeyVersion == InitialVersion)
        {
            // The session goes on under keys that are no more: open again with the new ones, which proves them.
            return await OpenAsync(now, OwnVersion);
        }

        if (channel.Gives && now.Status.State == TokenState.Deactivated)
        {
            return await ClearAsync(now, channel);
        }

        if (channel.Steps.Count > 0)
        {
            return Send(now, channel, StateOf(now), channel.Host.Wrap(channel.Steps.Peek().Command));
        }

        if (now is { Stage: PersonalisationStage.Personalised, Verify: false, Status.State: TokenState.Inactive })
        {
            // Green: nothing more to prove. Deleted at this very moment it is not activated, and goes out of the chip.
            var (active, _) = await store.WriteAsync(session => Activate(session, now.Tur, Self, AssuranceMethod.IssuerApproved, "ISSUER_APPROVED"));
            if (active is null)
            {
                return await ClearAsync(now with { Status = TokenStatus.Deactivated }, channel);
            }

            channel.Steps.Enqueue(Selectable(now));
            return Send(now, channel, EnrolmentState.Activating, channel.Host.Wrap(channel.Steps.Peek().Command));
        }

        Decided(TraceReference.Card(row.Tur), $"chip: {now.Stage.Words().En}", $"芯片状态：{now.Stage.Words().Zh}");
        return Rest(now, StateOf(now));
    }

    /// <summary>Deleted while its script ran: the rest of the script is dropped, and what it left in the chip is deleted.</summary>
    private async Task<ApiReply<WalletToken.ProvisionReply>> ClearAsync(TokenRow row, ChipChannel channel)
    {
        channel.Steps.Clear();
        await PlanAsync(row, channel);
        return channel.Steps.Count == 0 ? Rest(row, StateOf(row)) : Send(row, channel, StateOf(row), channel.Host.Wrap(channel.Steps.Peek().Command));
    }

    /// <summary>The chip refused, or is not the one it should be. A card that was to be renewed stays what it is. An unfinished card is given up at once; its remains go with the chip's next script (R8).</summary>
    private async Task<ApiReply<WalletToken.ProvisionReply>> FailAsync(TokenRow row, StatusWord status)
    {
        Decided(TraceReference.Card(row.Tur), $"the chip answered {status}: personalisation failed", $"芯片返回 {status}，个人化失败");
        var now = (await store.WriteAsync(session => TokenRow.Find(session, row.Tur)))!;
        if (now.Stage is PersonalisationStage.None or PersonalisationStage.Started && now.Status.State != TokenState.Deactivated)
        {
            await RetireAsync([now], "PERSONALISATION_FAILED");
        }

        return Rest(now, now.IsRenewing ? StateOf(now) : now.Status.State == TokenState.Deactivated ? EnrolmentState.Deleted : EnrolmentState.Failed);
    }

    private static string InitialKeySet(string seid) => $"sd-init.{seid}";

    private bool TryImport(string seid, WalletToken.SecurityDomainKeys keys)
    {
        Forget(seid);
        try
        {
            module.Import($"{InitialKeySet(seid)}.enc", keys.Encryption, "zmk.se-issuer");
            module.Import($"{InitialKeySet(seid)}.mac", keys.Mac, "zmk.se-issuer");
            module.Import($"{InitialKeySet(seid)}.dek", keys.DataEncryption, "zmk.se-issuer");
            return true;
        }
        catch (KeyModuleException)
        {
            Forget(seid);
            return false;
        }
    }

    private void Forget(string seid)
    {
        foreach (var part in (string[])["enc", "mac", "dek"])
        {
            if (module.TryInfo($"{InitialKeySet(seid)}.{part}", out _))
            {
                module.Delete($"{InitialKeySet(seid)}.{part}");
            }
        }
    }

    private static DomainState ReadDomain(Session session, string seid) =>
        Enum.Parse<DomainState>(session.Text("SELECT domain FROM token_chip WHERE seid = $1", seid) ?? nameof(DomainState.None));

    private static void Write(Session session, string seid, DomainState state) =>
        session.Execute("UPDATE token_chip SET domain = $2 WHERE seid = $1", seid, state.ToString());

    private static bool TryResponse(string hex, [NotNullWhen(true)] out ResponseApdu? response)
    {
        response = null;
        var bytes = new byte[(hex?.Length ?? 0) / 2];
        return hex is not null
            && Convert.FromHexString(hex, bytes, out var consumed, out _) == System.Buffers.OperationStatus.Done && consumed == hex.Length
            && ResponseApdu.TryParse(bytes, out response, out _);
    }
}
