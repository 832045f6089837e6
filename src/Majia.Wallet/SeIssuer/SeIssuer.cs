using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>Who gets a security domain of its own in the phone maker's chips, and what it may instantiate there.</summary>
/// <param name="Domain">AID of its domain.</param>
/// <param name="TransportKey">Under which its initial keys leave.</param>
/// <param name="Parameters">C9 of INSTALL: the package that it is granted; empty grants the payment package.</param>
public sealed record SeProvider(string Id, Aid Domain, string TransportKey, byte[] Parameters, Text Name)
{
    public static SeProvider TokenService { get; } = new("token-service", Aid.Parse("A0000001510000004D4A5453"), "zmk.token-service", [0xC9, 0x00], new("the token service", "标记服务"));

    public static SeProvider Transit { get; } = new("transit", Aid.Parse("A0000001510000004D4A5452"), "zmk.transit", [0xC9, 0x07, 0x4F, 0x05, 0xF0, 0x4D, 0x4A, 0x54, 0x52], new("the transit operator", "公交运营方"));
}

/// <summary>What the SE issuer wants next: commands for the chip, or the keys of the finished domain, or why it stopped.</summary>
public sealed record SeScript(IReadOnlyList<CommandApdu> Commands, WalletToken.SecurityDomainKeys? Keys, Refusal? Why);

/// <summary>
/// The phone maker's own key store (decisions.md 1): it opens the chip's issuer security domain with keys diversified per chip, creates there
/// a security domain for each service provider (token service, transit operator), writes initial keys into it and hands them over as TR-31. What happens in that domain afterwards it cannot read.
/// </summary>
public sealed class SeIssuer(KeyModule module, Store store, TimeProvider clock, ITrace trace)
{
    private const string IsdKeySet = "isd";

    /// <summary>A script that the phone does not go on with is dropped after this, with its session keys.</summary>
    private static readonly TimeSpan ChannelLife = TimeSpan.FromMinutes(10);

    private const byte IsdVersion = 0x01, InitialVersion = 0x01, SecurityLevel = 0x33;

    private static readonly Aid IssuerDomain = Aid.Parse("A000000151000000"), DomainPackage = Aid.Parse("A000000151"), DomainModule = Aid.Parse("A000000151000000");

    private enum Stage
    {
        Opening,
        Looking,
        Deleting,
        Installing,
        Selecting,
        Keying,
    }

    private sealed class ChipChannel(HostChannel host, string seid, SeProvider provider)
    {
        public HostChannel Host { get; } = host;

        public string Seid { get; } = seid;

        public SeProvider Provider { get; } = provider;

        /// <summary>One script for each chip and provider.</summary>
        public string Id { get; } = IdOf(seid, provider);

        public Stage Stage { get; set; } = Stage.Opening;

        public DateTimeOffset UsedAt { get; set; }
    }

    private readonly Lock gate = new();
    private readonly Dictionary<string, ChipChannel> channels = new(StringComparer.Ordinal);

    /// <summary>A script for this chip is under way.</summary>
    public bool IsUnderWay(string seid, SeProvider? provider = null)
    {
        lock (gate)
        {
            DropOld();
            return channels.ContainsKey(IdOf(seid, provider ?? SeProvider.TokenService));
        }
    }

    /// <summary>Begins, always from the start: SELECT the issuer's domain, INITIALIZE UPDATE.</summary>
    public SeScript Start(string seid, string reference, SeProvider? provider = null)
    {
        var host = module.OpenSecureChannel(IsdKeySet, Convert.FromHexString(seid));
        Record(reference, "opens the chip's issuer domain with keys of this chip alone", "用该芯片专属密钥打开发行方安全域");
        return Send(new(host, seid, provider ?? SeProvider.TokenService), CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, IssuerDomain.Bytes), host.InitializeUpdate(IsdVersion));
    }

    /// <summary>Takes the chip's answers and gives the next commands; at the end the keys.</summary>
    public async Task<SeScript> ContinueAsync(string seid, string reference, IReadOnlyList<ResponseApdu> responses, SeProvider? provider = null)
    {
        ChipChannel? channel;
        lock (gate)
        {
            channels.Remove(IdOf(seid, provider ?? SeProvider.TokenService), out channel);
        }

        if (channel is null || responses.Count == 0)
        {
            channel?.Host.Close();
            return Start(seid, reference, provider);
        }

        try
        {
            return await ContinueAsync(reference, channel, responses);
        }
        finally
        {
            lock (gate)
            {
                // Finished or failed: what no script goes on with ends here.
                if (channels.GetValueOrDefault(channel.Id) != channel)
                {
                    channel.Host.Close();
                }
            }
        }
    }

    private async Task<SeScript> ContinueAsync(string reference, ChipChannel channel, IReadOnlyList<ResponseApdu> responses)
    {
        if (channel.Stage == Stage.Opening)
        {
            if (responses.Count < 2 || !channel.Host.TryAuthenticate(responses[1], SecurityLevel, out var externalAuthenticate))
            {
                return Stop(reference, "the chip is not the one that its number says", "芯片身份与编号不符");
            }

            channel.Stage = Stage.Looking;
            return Send(channel, externalAuthenticate, channel.Host.Wrap(GetStatus(channel.Provider.Domain)));
        }

        var answered = responses[0];
        if (channel.Stage == Stage.Looking)
        {
            if (!answered.Status.IsOk || responses.Count < 2)
            {
                return Stop(reference, $"the chip does not accept the issuer's keys ({answered.Status})", $"芯片拒绝发行方密钥（{answered.Status}）");
            }

            answered = responses[1];
        }

        var status = channel.Host.TryUnwrap(answered, out var plain) ? plain.Status : answered.Data.IsEmpty && !answered.Status.IsOk ? answered.Status : default;
        switch (channel.Stage)
        {
            // There is one already, that nobody has keys of: it goes first. One that holds cards answers 6985 and stays.
            case Stage.Looking when status.IsOk:
                return Next(channel, Stage.Deleting, Delete(channel.Provider.Domain));
            case Stage.Looking when status.Value is 0x6A88 or 0x6A82:
            case Stage.Deleting when status.IsOk:
                return Next(channel, Stage.Installing, Install(channel.Provider));
            case Stage.Installing when status.IsOk:
                return Next(channel, Stage.Selecting, SelectForPersonalisation(channel.Provider.Domain));
            case Stage.Selecting when status.IsOk:
                return Next(channel, Stage.Keying, PutInitialKeys(channel));
            case Stage.Keying when status.IsOk:
                return await HandOverAsync(channel, reference);
            default:
                return Stop(reference, $"{channel.Stage}: the chip answered {status}", $"{channel.Stage}：芯片返回 {status}");
        }
    }

    private static CommandApdu GetStatus(Aid domain) => CommandApdu.Of(0x80, 0xF2, 0x40, 0x00, [0x4F, .. Counted(domain)]);

    private static CommandApdu Delete(Aid domain) => CommandApdu.Of(0x80, 0xE4, 0x00, 0x00, [0x4F, .. Counted(domain)]);

    // INSTALL [for install and make selectable]: privilege security domain, what it is granted, no token.
    private static CommandApdu Install(SeProvider provider) => CommandApdu.Of(0x80, 0xE6, 0x0C, 0x00,
        [.. Counted(DomainPackage), .. Counted(DomainModule), .. Counted(provider.Domain), 0x01, 0x80, (byte)provider.Parameters.Length, .. provider.Parameters, 0x00]);

    private static CommandApdu SelectForPersonalisation(Aid domain) => CommandApdu.Of(0x80, 0xE6, 0x20, 0x00, [0x00, 0x00, .. Counted(domain), 0x00, 0x00, 0x00]);

    private CommandApdu PutInitialKeys(ChipChannel channel)
    {
        var set = InitialKeySet(channel);
        Forget(set);
        foreach (var part in Parts)
        {
            module.Generate($"{set}.{part}", KeyUsage.SecureChannel, CipherAlgorithm.Aes, test: false);
        }

        return CommandApdu.Of(0x80, 0xD8, 0x00, 0x81, channel.Host.PutKeyData(InitialVersion, set));
    }

    /// <summary>The keys leave as TR-31 blocks and stay here no longer: from now on only the domain's owner can use them, and replaces them.</summary>
    private async Task<SeScript> HandOverAsync(ChipChannel channel, string reference)
    {
        var (set, transport) = (InitialKeySet(channel), channel.Provider.TransportKey);
        var keys = new WalletToken.SecurityDomainKeys(module.Export($"{set}.enc", transport), module.Export($"{set}.mac", transport), module.Export($"{set}.dek", transport));
        Forget(set);
        if (channel.Provider == SeProvider.TokenService)
        {
            await store.WriteAsync(session => session.Execute(
                "INSERT INTO wallet_se_chip (seid, domain, at) VALUES ($1, 'Created', $2) ON CONFLICT (seid) DO UPDATE SET domain = excluded.domain, at = excluded.at", channel.Seid, clock.GetUtcNow()));
        }

        Record(reference, $"security domain of {channel.Provider.Name.En} created; its initial keys are handed over", $"已创建{channel.Provider.Name.Zh}的安全域并移交初始密钥");
        return new([], keys, null);
    }

    private static readonly string[] Parts = ["enc", "mac", "dek"];

    private static string IdOf(string seid, SeProvider provider) => $"{provider.Id}/{seid}";

    private static string InitialKeySet(ChipChannel channel) => channel.Provider == SeProvider.TokenService ? $"sd-init.{channel.Seid}" : $"sd-init.{channel.Provider.Id}.{channel.Seid}";

    private void Forget(string set)
    {
        foreach (var part in Parts)
        {
            if (module.TryInfo($"{set}.{part}", out _))
            {
                module.Delete($"{set}.{part}");
            }
        }
    }

    private SeScript Next(ChipChannel channel, Stage stage, CommandApdu command)
    {
        channel.Stage = stage;
        return Send(channel, channel.Host.Wrap(command));
    }

    private SeScript Send(ChipChannel channel, params ReadOnlySpan<CommandApdu> commands)
    {
        lock (gate)
        {
            DropOld();
            if (channels.TryGetValue(channel.Id, out var replaced) && replaced != channel)
            {
                replaced.Host.Close();
            }

            channel.UsedAt = clock.GetUtcNow();
            channels[channel.Id] = channel;
        }

        return new(commands.ToArray(), null, null);
    }

    private void DropOld()
    {
        var now = clock.GetUtcNow();
        foreach (var old in channels.Where(other => now - other.Value.UsedAt > ChannelLife).Select(static other => other.Key).Order(StringComparer.Ordinal).ToList())
        {
            channels.Remove(old, out var forgotten);
            forgotten!.Host.Close();
        }
    }

    private SeScript Stop(string reference, string en, string zh)
    {
        Record(reference, en, zh);
        return new([], null, new("SE_ISSUER_FAILED", new($"The phone's chip cannot be prepared: {en}.", $"无法初始化手机安全芯片：{zh}。")));
    }

    private void Record(string reference, string en, string zh) =>
        trace.Record(new TraceEvent(reference, clock.GetUtcNow(), "se-issuer", "chip", "", TraceKind.Decision, TraceDirection.Inside, "", new(en, zh)));

    private static byte[] Counted(Aid aid) => [(byte)aid.Bytes.Length, .. aid.Bytes];
}
