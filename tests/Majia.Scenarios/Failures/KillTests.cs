using Majia.Core.Contracts;
using Majia.Scenarios.Stage;
using Majia.Storage;
using Majia.Terminal;

namespace Majia.Scenarios.Failures;

/// <summary>The process is killed for real, by SIGKILL, while it sells; then the folder is opened again (quality.md, semantics 1–3).</summary>
public sealed class KillTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-kill-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static int Kills => Environment.GetEnvironmentVariable("MAJIA_LONG") == "1" ? 100 : 10;

    [Fact]
    public async Task Killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_is_charged_twice()
    {
        var opening = await PrepareAsync();
        var dice = new Random(20260601);
        List<string> sold = [], voided = [];
        for (var kill = 0; kill < Kills; kill++)
        {
            var lines = await VictimProcess.KillAsync($"loop;{kill};{folder}", line => line.StartsWith("SOLD", StringComparison.Ordinal), dice.Next(1, 12), TimeSpan.FromMilliseconds(dice.Next(0, 25)));
            Assert.DoesNotContain(lines, line => line.StartsWith("ODD", StringComparison.Ordinal));
            sold.AddRange(Rest(lines, "SOLD"));
            voided.AddRange(Rest(lines, "VOIDED"));
            await VerifyAsync(opening, sold, voided, kill);
        }
    }

    [Fact]
    public async Task Killed_between_commit_and_answer_the_same_bytes_get_the_stored_answer_and_the_reversal_lands()
    {
        var opening = await PrepareAsync();
        var lines = await KilledAtTheLossAsync("answer");
        await using var world = await AgainAsync();
        Assert.Equal(opening.Balance - 100, world.Account("mingyue-02").Balance);

        // The terminal reversed when it started (decisions.md 20): the acquirer has it, the bank not yet.
        Assert.Equal(JournalState.Reversed, world.System.Terminals[World.Books].Journal()[0].State);
        var frame = Convert.FromHexString(Assert.Single(Rest(lines, "FRAME")));
        for (var i = 0; i < 2; i++)
        {
            var answer = World.Pos(await world.System.PosLines[World.Books].ExchangeAsync(frame, CancellationToken.None).WaitAsync(Patience));
            Assert.Equal("00", answer.Text(39));
            Assert.Equal(opening.Balance - 100, world.Account("mingyue-02").Balance);
        }

        await world.PumpAsync();
        AsAtFirst(world, opening);
    }

    [Fact]
    public async Task Killed_between_the_banks_commit_and_its_answer_the_switch_finds_out_and_reverses()
    {
        var opening = await PrepareAsync();
        var lines = await KilledAtTheLossAsync("bank");
        await using var world = await AgainAsync();
        Assert.Equal(opening.Balance - 100, world.Account("mingyue-02").Balance);

        // The terminal's reversal, and the switch's own for the row that never got its answer: one effect.
        await world.PumpAsync();
        await world.PumpAsync();
        Assert.Equal(opening, world.Account("mingyue-02"));

        var frame = Convert.FromHexString(Assert.Single(Rest(lines, "FRAME")));
        Assert.Equal("12", World.Pos(await world.System.PosLines[World.Books].ExchangeAsync(frame, CancellationToken.None).WaitAsync(Patience)).Text(39));
        await world.PumpAsync();
        AsAtFirst(world, opening);
    }

    private async Task<(long Balance, long Points)> PrepareAsync()
    {
        await using var world = await World.OpenAsync(60, folder, DateTimeOffset.UtcNow);
        await world.AddAsync("mingyue-02");
        await world.PumpAsync();
        return world.Account("mingyue-02");
    }

    /// <summary>A victim dies when it has lost that answer; all that it said.</summary>
    private Task<List<string>> KilledAtTheLossAsync(string answer) => VictimProcess.KillAsync($"{answer};1;{folder}", line => line.StartsWith("LOST", StringComparison.Ordinal), 1, TimeSpan.Zero);

    private static void AsAtFirst(World world, (long Balance, long Points) opening)
    {
        Assert.Equal(opening, world.Account("mingyue-02"));
        world.NothingPending();
        world.BooksHold();
    }

    /// <summary>Long enough afterwards that nothing of before is still within its time.</summary>
    private Task<World> AgainAsync(long seed = 61) => World.OpenAsync(seed, folder, DateTimeOffset.UtcNow.AddMinutes(2));

    private async Task VerifyAsync((long Balance, long Points) opening, List<string> sold, List<string> voided, int kill)
    {
        await using var world = await AgainAsync(1000 + kill);
        var terminal = world.System.Terminals[World.Books];
        await world.PumpAsync(); // closes what nobody waits for
        await world.PumpAsync(); // and delivers its reversals
        world.NothingPending();
        world.BooksHold();

        // What the terminal says was paid is what the bank has charged: the same payments, each once.
        var journal = terminal.Journal(int.MaxValue).Where(row => row.Request.Kind == Majia.Terminal.Line.TransactionKind.Sale && row.State == JournalState.Approved).Select(row => row.Rrn!).Order(StringComparer.Ordinal).ToList();
        var charged = world.Read(session => session.Query("SELECT rrn FROM issuer_authorisations WHERE operation = 'Sale' AND state = 'Approved' ORDER BY rrn", row => row.GetString(0)));
        Assert.Equal(journal, charged);
        Assert.Equal((opening.Balance - (100L * charged.Count), opening.Points + charged.Count), world.Account("mingyue-02"));

        // What was acknowledged stands, unless it was voided or its void was under way.
        var known = world.Read(session => session.Query("SELECT rrn FROM issuer_authorisations WHERE operation = 'Sale' AND state IN ('Approved', 'Voided')", row => row.GetString(0))).ToHashSet(StringComparer.Ordinal);
        Assert.All(sold, rrn => Assert.Contains(rrn, known));
        Assert.All(voided, rrn => Assert.DoesNotContain(rrn, charged));

        // No counter value twice, and the chip goes on from where it was.
        Assert.Equal(0, world.Count("token_alarm"));
        var card = world.Phone().State.Cards[0].CardReference;
        var next = await world.SellAsync(card, 100);
        Assert.Equal((SaleOutcome.Approved, "00"), (next.Outcome, next.ResponseCode?.Value));
        sold.Add(next.Rrn!);
    }

    private static List<string> Rest(List<string> lines, string word) => [.. lines.Where(line => line.StartsWith(word + " ", StringComparison.Ordinal)).Select(line => line[(word.Length + 1)..])];
}
