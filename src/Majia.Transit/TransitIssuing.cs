using System.Globalization;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Transit;

/// <summary>A card comes into a chip: the operator's domain gets the operator's own keys, and in it an instance is made, personalised and made selectable. Interrupted anywhere, the next try starts over.</summary>
public sealed partial class TransitParty
{
    private const byte InitialVersion = 0x01, OwnVersion = 0x02, SecurityLevel = 0x33;

    /// <summary>The operator's security domain: RID of GlobalPlatform, then MJTR.</summary>
    private static readonly Aid Domain = Aid.Parse("A0000001510000004D4A5452"), Package = Aid.Parse("F04D4A5452"), Module = Aid.Parse("F04D4A545200");

    private static readonly string[] Parts = ["enc", "mac", "dek"];

    /// <summary>What is known of a chip's domain, as in the token service: None, Initial, Rekeying (PUT KEY sent, outcome open), Own.</summary>
    private const string None = "None", Initial = "Initial", Rekeying = "Rekeying", Own = "Own";

    private sealed record Step(CommandApdu Command, params ushort[] AlsoAccepted);

    private sealed class ChipChannel(HostChannel host, byte version)
    {
        public HostChannel Host { get; } = host;

        public byte Version { get; } = version;

        public bool Authenticated { get; set; }

        public bool First { get; set; }

        public string Number { get; set; } = string.Empty;

        public Queue<Step> Steps { get; } = new();

        public DateTimeOffset UsedAt { get; set; }
    }

    private readonly Lock channelGate = new();
    private readonly Dictionary<string, ChipChannel> channels = new(StringComparer.Ordinal);

    private async Task<ApiReply<TransitOperator.IssueReply>> IssueAsync(TransitOperator.IssueRequest request)
    {
        if (request.Seid.Length != 20 || !request.Seid.All(char.IsAsciiHexDigitUpper))
        {
            return new ApiError("INVALID_FIELD_VALUE", "seid: expected 20 upper-case hex digits.", [new FieldError("seid", "20 upper-case hex digits", "something else")]);
        }

        var channel = Take(request.Seid);
        try
        {
            if (await CardOfAsync(request.Seid) is { } live)
            {
                return new TransitOperator.IssueReply([], false, live);
            }

            if (request.DomainKeys is { } keys)
            {
                if (!TryImport(request.Seid, keys))
                {
                    return new ApiError("CRYPTOGRAPHY_ERROR", "The initial keys are not TR-31 blocks under the transport key.");
                }

                await SetDomainAsync(request.Seid, Initial);
                return await OpenAsync(request.Seid);
            }

            if (request.Responses.Count == 0 || channel is null)
            {
                return await OpenAsync(request.Seid);
            }

            return TryResponses(request.Responses, out var answers)
                ? await ContinueAsync(request.Seid, channel, answers)
                : new ApiError("INVALID_FIELD_VALUE", "responses: expected response APDUs as hex.", [new FieldError("responses", "response APDUs as hex", "something else")]);
        }
        finally
        {
            lock (channelGate)
            {
                if (channel is not null && channels.GetValueOrDefault(request.Seid) != channel)
                {
                    channel.Host.Close();
                }
            }
        }
    }

    private async Task<ApiReply<TransitOperator.IssueReply>> OpenAsync(string seid, byte? version = null)
    {
        var domain = await DomainAsync(seid);
        if (domain == None || ((domain == Initial || version == InitialVersion) && !module.TryInfo($"{InitialKeySet(seid)}.dek", out _)))
        {
            return new TransitOperator.IssueReply([], true, null);
        }

        var used = version ?? (domain == Initial ? InitialVersion : OwnVersion);
        var host = used == InitialVersion ? module.OpenSecureChannel(InitialKeySet(seid)) : module.OpenSecureChannel(OwnKeySet, Convert.FromHexString(seid));
        return Send(seid, new ChipChannel(host, used), CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Domain.Bytes), host.InitializeUpdate(used));
    }

    private async Task<ApiReply<TransitOperator.IssueReply>> ContinueAsync(string seid, ChipChannel channel, List<ResponseApdu> answers)
    {
        if (!channel.Authenticated)
        {
            if (answers.Count < 2 || !answers[1].Status.IsOk || !channel.Host.TryAuthenticate(answers[1], SecurityLevel, out var authenticate))
            {
                // After an interrupted PUT KEY the new keys are tried first, then the initial ones; a chip that knows neither gets a new domain.
                if (channel.Version == OwnVersion && await DomainAsync(seid) == Rekeying)
                {
                    return await OpenAsync(seid, InitialVersion);
                }

                await SetDomainAsync(seid, None);
                return new TransitOperator.IssueReply([], true, null);
            }

            channel.Authenticated = channel.First = true;
            await PlanAsync(seid, channel);
            return Send(seid, channel, authenticate, channel.Host.Wrap(channel.Steps.Peek().Command));
        }

        var answered = answers[0];
        if (channel.First)
        {
            if (!answered.Status.IsOk || answers.Count < 2)
            {
                return Failed(seid, answered.Status);
            }

            channel.First = false;
            answered = answers[1];
        }

        var step = channel.Steps.Dequeue();
        var status = channel.Host.TryUnwrap(answered, out var plain) ? plain.Status : default;
        if (!status.IsOk && !step.AlsoAccepted.Contains(status.Value))
        {
            return Failed(seid, status);
        }

        if (channel.Version == InitialVersion)
        {
            return await OpenAsync(seid, OwnVersion); // proves the keys that were just put
        }

        if (channel.Steps.Count > 0)
        {
            return Send(seid, channel, channel.Host.Wrap(channel.Steps.Peek().Command));
        }

        await store.CommitAsync(session => session.Execute("UPDATE transit_card SET live = 1 WHERE number = $1", channel.Number));
        Record(channel.Number, new("The card is in the chip and can be used.", "公交卡已写入芯片，可以使用。"));
        return new TransitOperator.IssueReply([], false, channel.Number);
    }

    private async Task PlanAsync(string seid, ChipChannel channel)
    {
        if (channel.Version == InitialVersion)
        {
            await SetDomainAsync(seid, Rekeying);
            channel.Steps.Enqueue(new(CommandApdu.Of(0x80, 0xD8, InitialVersion, 0x81, channel.Host.PutKeyData(OwnVersion, OwnKeySet, Convert.FromHexString(seid)))));
            return;
        }

        await SetDomainAsync(seid, Own);
        Forget(seid);
        channel.Number = await NumberAsync(seid);
        channel.Steps.Enqueue(new(CommandApdu.Of(0x80, 0xE4, 0x00, 0x00, [0x4F, .. Counted(Instance)]), 0x6A88)); // what an interrupted try left
        channel.Steps.Enqueue(new(CommandApdu.Of(0x80, 0xE6, 0x04, 0x00, [.. Counted(Package), .. Counted(Module), .. Counted(Instance), 0x01, 0x00, 0x02, 0xC9, 0x00, 0x00])));
        channel.Steps.Enqueue(new(CommandApdu.Of(0x80, 0xE6, 0x20, 0x00, [0x00, 0x00, .. Counted(Instance), 0x00, 0x00, 0x00])));
        var number = Convert.FromHexString(channel.Number);
        byte[] card = [.. number, .. Convert.FromHexString("20260101"), .. Convert.FromHexString("20361231"), 0x01]; // from, to, kind: adult
        byte[] data = [.. channel.Host.TransitKeyGroups(PurchaseMaster, LoadMaster, CodeMaster, number), 0x00, 0x15, (byte)card.Length, .. card];
        channel.Steps.Enqueue(new(CommandApdu.Of(0x80, 0xE2, 0xE8, 0x00, data)));
        channel.Steps.Enqueue(new(CommandApdu.Of(0x80, 0xE6, 0x08, 0x00, [0x00, 0x00, .. Counted(Instance), 0x01, 0x00, 0x00, 0x00])));
    }

    /// <summary>One number for each chip, kept through interrupted tries.</summary>
    private async Task<string> NumberAsync(string seid) => await store.CommitAsync(session =>
    {
        if (session.Text("SELECT number FROM transit_card WHERE seid = $1", seid) is { } known)
        {
            return known;
        }

        string number;
        do
        {
            number = options.Issuer + entropy.Digits(8);
        }
        while (session.Number("SELECT COUNT(*) FROM transit_card WHERE number = $1", number) > 0);

        session.Execute("INSERT INTO transit_card (number, seid, live, at) VALUES ($1, $2, 0, $3)", number, seid, clock.GetUtcNow());
        return number;
    });

    private ApiReply<TransitOperator.IssueReply> Failed(string seid, StatusWord status)
    {
        Record(seid, new($"Issuing stopped: the chip answered {status}.", $"发卡中断：芯片返回 {status}。"));
        return Refused("CHIP_REFUSED", new($"The phone's chip did not take the card ({status}).", $"手机芯片未能写入公交卡（{status}）。"));
    }

    private TransitOperator.IssueReply Send(string seid, ChipChannel channel, params ReadOnlySpan<CommandApdu> commands)
    {
        var now = clock.GetUtcNow();
        lock (channelGate)
        {
            foreach (var old in channels.Where(other => now - other.Value.UsedAt > options.ChannelLife).Select(static other => other.Key).Order(StringComparer.Ordinal).ToList())
            {
                channels.Remove(old, out var forgotten);
                forgotten!.Host.Close();
            }

            if (channels.TryGetValue(seid, out var replaced) && replaced != channel)
            {
                replaced.Host.Close();
            }

            channel.UsedAt = now;
            channels[seid] = channel;
        }

        var hex = new List<string>(commands.Length);
        foreach (var command in commands)
        {
            hex.Add(Hex(command));
        }

        return new TransitOperator.IssueReply(hex, false, null);
    }

    private ChipChannel? Take(string seid)
    {
        lock (channelGate)
        {
            return channels.Remove(seid, out var channel) ? channel : null;
        }
    }

    private Task<string> DomainAsync(string seid) => store.WriteAsync(session => session.Text("SELECT domain FROM transit_chip WHERE seid = $1", seid) ?? None);

    private Task SetDomainAsync(string seid, string domain) => store.CommitAsync(session =>
        session.Execute("INSERT INTO transit_chip (seid, domain) VALUES ($1, $2) ON CONFLICT (seid) DO UPDATE SET domain = excluded.domain", seid, domain));

    private bool TryImport(string seid, WalletToken.SecurityDomainKeys keys)
    {
        try
        {
            Forget(seid);
            module.Import($"{InitialKeySet(seid)}.enc", keys.Encryption, TransportKey);
            module.Import($"{InitialKeySet(seid)}.mac", keys.Mac, TransportKey);
            module.Import($"{InitialKeySet(seid)}.dek", keys.DataEncryption, TransportKey);
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
        foreach (var part in Parts)
        {
            if (module.TryInfo($"{InitialKeySet(seid)}.{part}", out _))
            {
                module.Delete($"{InitialKeySet(seid)}.{part}");
            }
        }
    }

    private static string InitialKeySet(string seid) => string.Create(CultureInfo.InvariantCulture, $"sd-init.{seid}");

    private static byte[] Counted(Aid aid) => [(byte)aid.Bytes.Length, .. aid.Bytes];
}
