using System.Globalization;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Devices;
using Majia.Phone;
using Majia.Transit;

namespace Majia.Host.Ui;

/// <summary>The transit card in the same phone, and the gates of its line: no fingerprint, no network, no account.</summary>
public sealed partial class Stand
{
    public const string GatePrefix = "gate:";

    public const long TopUpMinor = 50_00;

    /// <summary>A passage is some ten commands: quicker through the air than a payment, as passengers want it.</summary>
    private static readonly TimeSpan GatePace = TimeSpan.FromMilliseconds(45), LongestPassage = TimeSpan.FromSeconds(10);

    private PhoneTap? atGate;
    private Task passage = Task.CompletedTask;

    /// <summary>The gate that the phone would be held to; null: the shop's terminal.</summary>
    public string? GateId { get; private set; }

    /// <summary>What the gate shows of the last passage; null before the first.</summary>
    public GateResult? AtGate { get; private set; }

    /// <summary>The card as the chip had it when the phone last looked; null when there is none.</summary>
    public TransitCardView? Transit { get; private set; }

    /// <summary>Every id that the choice of readers offers: shops and gates.</summary>
    public string ReaderId => GateId is { } gate ? GatePrefix + gate : TerminalId;

    public static Text GateName(string id) => GateLine.Gates[id] is { IsExit: true } exit
        ? new($"Metro gate out, station {exit.Station}", $"地铁出站闸机，第 {exit.Station} 站")
        : new($"Metro gate in, station {GateLine.Gates[id].Station}", $"地铁进站闸机，第 {GateLine.Gates[id].Station} 站");

    public void ChooseReader(string id)
    {
        if (!id.StartsWith(GatePrefix, StringComparison.Ordinal))
        {
            GateId = null;
            ChooseTerminal(id);
        }
        else if (GateLine.Gates.ContainsKey(id[GatePrefix.Length..]))
        {
            (GateId, AtGate) = (id[GatePrefix.Length..], null);
            _ = LookAtTransitAsync();
        }

        Tell();
    }

    public Task AddTransitAsync() => WorkAsync(new("The operator puts its card into the chip", "运营方正在写入公交卡"), async () =>
    {
        Say(await Phone.AddTransitCardAsync());
        Transit = await Phone.TransitAsync();
    });

    public Task TopUpTransitAsync() => WorkAsync(new("Topping up", "正在充值"), async () =>
    {
        Say(await Phone.TopUpTransitAsync(TopUpMinor));
        Transit = await Phone.TransitAsync();
    });

    /// <summary>The phone asks its chip anew.</summary>
    public async Task LookAtTransitAsync()
    {
        Transit = await Phone.TransitAsync();
        Tell();
    }

    private void EnterGate(string gate)
    {
        AtGate = null;
        atGate = Phone.Tap();
        passage = PassAsync(gate, atGate);
    }

    private async Task PassAsync(string gate, PhoneTap tap)
    {
        var now = system.Time.GetUtcNow();
        var watch = new GateWatch(new SlowAir(tap, GatePace, system.Time), system.Trace, system.Time, string.Create(CultureInfo.InvariantCulture, $"{GatePrefix}{gate}:{now.ToUnixTimeMilliseconds()}"));
        Follow(watch.Reference);
        var result = await system.Gates.Gate(gate).TapAsync(watch, CancellationToken.None);
        watch.Ended(result.Says);
        AtGate = result;
        await LookAtTransitAsync();
        changes.Say();
    }
}
