using System.Diagnostics;
using System.Globalization;
using System.Net;
using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Links;
using Majia.Host.Load;
using Majia.Scenarios.Stage;
using Majia.Storage;
using Majia.Terminal;

namespace Majia.Scenarios.Failures;

/// <summary>A process of its own that runs the system, says on stdout what was acknowledged, and never ends by itself: it is killed, or ends with whoever started it.</summary>
internal static class Victim
{
    /// <summary><c>mode;seed;folder</c>: <c>loop</c> sells and voids without end; <c>answer</c> and <c>bank</c> stop when the terminal's, or the bank's, answer is lost; <c>serve</c> listens on a POS line and says on which port; <c>parent</c> starts such a one and waits.</summary>
    public const string Variable = "MAJIA_SCENARIO_VICTIM";

    private static readonly SemaphoreSlim Printing = new(1, 1);

    public static async Task<int> RunAsync(string role)
    {
        EndWithParent();
        var parts = role.Split(';', 3);
        if (parts[0] == "parent")
        {
            using var child = VictimProcess.Start($"serve;{parts[1]};{parts[2]}");
            Print("READY", await child.SaysAsync("READY"));
            await Task.Delay(Timeout.Infinite);
        }

        if (parts[0] == "serve")
        {
            return await ServeAsync(LoadKillTests.Plan, parts[2], LoadKillTests.Commit(int.Parse(parts[1], CultureInfo.InvariantCulture)));
        }

        await using var system = await MajiaSystem.OpenAsync(new SystemOptions(parts[2], TimeProvider.System, new SeededEntropy(long.Parse(parts[1], CultureInfo.InvariantCulture), "victim")) { PasswordIterations = 100 });
        var card = system.Phones["mi5"].State.Cards[0].CardReference;
        if (parts[0] != "loop")
        {
            var wire = parts[0] == "answer" ? system.Wires.PosLine : system.Wires.NetworkIssuer;
            system.PosLines[World.Books].Overheard += frame => Print("FRAME", Convert.ToHexString(frame.Span));
            wire.Lost += _ => LostAsync(system);
            wire.Set(LinkFault.DropAnswer, count: 1);
            await SellAsync(system, card);
            return 1;
        }

        Print("READY", "");
        for (var i = 1; ; i++)
        {
            var sale = await SellAsync(system, card);
            if (sale.Outcome != SaleOutcome.Approved)
            {
                Print("ODD", $"{sale.Outcome} {sale.ResponseCode}");
                return 1;
            }

            Print("SOLD", sale.Rrn!);
            if (i % 4 == 0)
            {
                var voided = await system.Terminals[World.Books].VoidAsync(sale.Rrn!, new Visit(), CancellationToken.None);
                Print(voided.Outcome == SaleOutcome.Voided ? "VOIDED" : "ODD", sale.Rrn!);
            }
        }
    }

    /// <summary>Nobody writes to this pipe: that it closes means that nobody is left to kill the victim.</summary>
    private static void EndWithParent() => new Thread(static () =>
    {
        while (Console.In.Read() >= 0)
        {
            // Whatever it is, it is not the end.
        }

        using var self = Process.GetCurrentProcess();
        self.Kill();
    })
    { IsBackground = true }.Start();

    /// <summary>The parties of a load world behind their TCP line; reversals go out while it serves.</summary>
    private static async Task<int> ServeAsync(LoadPlan plan, string folder, GroupCommit commit)
    {
        await using var world = await LoadWorld.OpenAsync(plan, Path.Combine(folder, "majia.db"), TimeProvider.System, NoTrace.Instance, commit);
        var acquirer = new AcquirerOptions();
        var options = new TcpIsoServerOptions { Overload = OverloadAnswers.Pos(world.AcquirerKeys, acquirer.Mac, acquirer.Institution, acquirer.UtcOffset, TimeProvider.System) };
        await using var line = TcpIsoServer.Start(new IPEndPoint(IPAddress.Loopback, 0), Framing.Pos, world.Acquirer, TimeProvider.System, options, world.Store);
        Print("READY", line.LocalEndpoint.Port.ToString(CultureInfo.InvariantCulture));
        while (true)
        {
            if (world.Store.Failure is null)
            {
                try
                {
                    await world.Acquirer.PumpAsync(CancellationToken.None);
                    await world.Store.DurableAsync();
                    await world.Network.PumpAsync(CancellationToken.None);
                }
                catch (StoreFailedException)
                {
                    // The line goes on to refuse.
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }
    }

    private static async Task<SaleResult> SellAsync(MajiaSystem system, string card) => await system.Terminals[World.Books].SellAsync(
        Amount.Cny(100),
        new Visit(async () =>
        {
            var phone = system.Phones["mi5"];
            await phone.OpenByReader();
            await phone.ChooseAsync(card);
            await phone.VerifyFingerprintAsync(World.Finger);
            return (ICardChannel)phone.Tap();
        }),
        new Fingers(World.Pin),
        CancellationToken.None);

    private static async void LostAsync(MajiaSystem system)
    {
        await system.Store.DurableAsync();
        Print("LOST", "");
    }

    private static void Print(string word, string rest)
    {
        Printing.Wait();
        Console.Out.WriteLine($"{word} {rest}");
        Console.Out.Flush();
        Printing.Release();
    }
}
