using Majia.Core.Primitives;

namespace Majia.Host.Ui;

/// <summary>A play on this counter: what it says, and its end.</summary>
public sealed partial class Stand
{
    private CancellationTokenSource? playing;

    /// <summary>What the play says now; null when none plays.</summary>
    public Text? Narration { get; private set; }

    /// <summary>It has come to its end, and its last sentence stands.</summary>
    public bool Played { get; private set; }

    /// <summary>The drawer that is open: bank, network; null for none.</summary>
    public string? Drawer { get; private set; }

    public void OpenDrawer(string? which)
    {
        Drawer = which;
        Tell();
    }

    internal void Narrate(Text says)
    {
        Narration = says;
        Tell();
    }

    public async Task PlayAsync(Play play)
    {
        StopPlaying();
        using var mine = playing = new CancellationTokenSource();
        Played = false;
        try
        {
            await play.Acts(new Player(this, mine.Token));
            Played = true;
        }
        catch (OperationCanceledException)
        {
            Narration = null;
        }
        catch (TimeoutException)
        {
            Narration = new Text("The play waited for something that did not come; look at the terminal.", "等待超时，请查看终端显示。");
            Played = true;
        }
        finally
        {
            playing = playing == mine ? null : playing;
            Tell();
        }
    }

    public void StopPlaying()
    {
        playing?.Cancel();
        (Narration, Played) = (null, false);
        Tell();
    }
}
