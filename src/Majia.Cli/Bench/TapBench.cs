using System.Diagnostics;
using System.Globalization;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Demo;
using Majia.Host.Devices;
using Majia.Host.Seed;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;

namespace Majia.Cli.Bench;

/// <summary>P7: one tap, all of the chip's and the kernel's work, from the first command to <em>card read</em> on the terminal; the yardstick is the 300 ms that a gate allows.</summary>
/// <remarks>The chip's memory is its file, written and flushed before the cryptogram leaves, as in the product. Fingerprint, PIN and the acquirer's line are not in it.</remarks>
public static class TapBench
{
    /// <summary>A counter's terminal runs for days: what a tap runs is compiled for good before the first that counts, which takes the runtime both calls and time. The very first tap after a start is told in the row's note.</summary>
    private const int WarmUp = 200;

    private static readonly TimeSpan WarmUpTime = TimeSpan.FromSeconds(2);

    private const string Shop = "10000001", WithFloorLimit = "10000003";

    public static async Task<IReadOnlyList<BenchRow>> RunAsync(BenchEffort effort)
    {
        const double Gate = 300;
        var folder = Directory.CreateTempSubdirectory("majia-bench-").FullName;
        try
        {
            await using var system = await MajiaSystem.OpenAsync(new SystemOptions(folder, TimeProvider.System, new SystemEntropy()) { PasswordIterations = 100 });
            var owner = new DemoOwner(system, "mi5");
            await owner.SignInAsync(SeedData.WalletAccounts[0]);
            var card = (await owner.AddAsync(SeedData.Card("mingyue-03"))).CardReference!;
            await system.PumpAsync(CancellationToken.None);
            var phone = system.Phones["mi5"];
            var taps = effort.Long ? 2_000 : effort.Rounds * 60;
            var online = await TapAsync(system, Shop, taps, async () =>
            {
                await phone.OpenByReader();
                await phone.ChooseAsync(card);
                await phone.VerifyFingerprintAsync(DemoOwner.Finger);
                return phone.Tap();
            });

            // A plastic that approves by itself: its signature over the tap, and the terminal's three public-key operations.
            var offline = new List<BenchRow>();
            foreach (var (id, name, algorithm) in ((string, string, string)[])[("mingyue-16", "tap-fdda-rsa", "RSA 1152 under 1408 under 1984"), ("beishan-03", "tap-fdda-sm2", "SM2")])
            {
                var signed = await TapAsync(system, WithFloorLimit, Math.Min(taps, 1_000), async () => (await system.Plastics.InFieldAsync(id))!);
                offline.Add(Row(name, $"a plastic, offline (TC) with fDDA in {algorithm}", signed.First, signed.Taps, Gate / 100, Gate / 100));
            }

            return [Row("tap", "a device card, online (ARQC)", online.First, online.Taps, Gate / 100, Gate / 300), .. offline];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static BenchRow Row(string name, string what, Tapped first, List<Tapped> taps, double floor, double goal)
    {
        var times = taps.Select(static tap => tap.Milliseconds).Order().ToList();
        var last = taps[^1];
        var p99 = times[Math.Min(times.Count - 1, (int)(0.99 * times.Count))];
        var air = string.Join(", ", AirTime.Rates.Select(rate => string.Create(CultureInfo.InvariantCulture, $"{last.Exchanges.Sum(exchange => AirTime.Milliseconds(exchange.Command, exchange.Answer, rate)):F1} ms at {rate}")));
        return new BenchRow(name, p99, null, null, floor, goal, p99 <= floor, "ms", times[0], times[^1], string.Create(
            CultureInfo.InvariantCulture,
            $"less is better; p99 of {taps.Count} taps of {what}, half within {times[times.Count / 2]:F2} ms, the very first after a start took {first.Milliseconds:F0} ms; {last.Exchanges.Count} commands, {last.Exchanges.Sum(static exchange => exchange.Command + exchange.Answer)} bytes; on the air besides: {air} kbit/s"));
    }

    private static async Task<(Tapped First, List<Tapped> Taps)> TapAsync(MajiaSystem system, string shop, int taps, Func<Task<ICardChannel>> present)
    {
        var terminal = system.Terminals[shop];
        var tapped = new List<Tapped>();
        Tapped? now = null;
        void Shown(DisplayMessage message)
        {
            if (message.Id == UiMessage.CardReadOk)
            {
                now!.End();
            }
        }

        terminal.Displayed += Shown;
        Tapped? first = null;
        var (begun, warm) = (Stopwatch.GetTimestamp(), 0);
        while (tapped.Count < taps)
        {
            now = new Tapped(await present());
            var field = new CounterField();
            field.Present(now);
            var result = await terminal.SellAsync(Amount.Cny(1), field, new HoldersHand(null), CancellationToken.None);
            if (result.Outcome != SaleOutcome.Approved)
            {
                throw new InvalidOperationException($"a tap ended {result.Outcome}: {result.Why.En}");
            }

            first ??= now;
            if (warm < WarmUp || (tapped.Count == 0 && Stopwatch.GetElapsedTime(begun) < WarmUpTime))
            {
                warm++;
            }
            else
            {
                tapped.Add(now);
            }
        }

        terminal.Displayed -= Shown;
        return (first!, tapped);
    }

    /// <summary>A card whose exchanges are counted and timed.</summary>
    private sealed class Tapped(ICardChannel card) : ICardChannel
    {
        private long from, to;

        public List<(int Command, int Answer)> Exchanges { get; } = [];

        public double Milliseconds => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;

        public void End() => to = Stopwatch.GetTimestamp();

        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            from = from == 0 ? Stopwatch.GetTimestamp() : from;
            var answer = await card.TransmitAsync(command, cancellation);
            Exchanges.Add((command.Length, answer.Length));
            return answer;
        }
    }
}
