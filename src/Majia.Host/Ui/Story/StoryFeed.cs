using Majia.Core.Contracts;
using Majia.Host.Tracing;

namespace Majia.Host.Ui.Story;

/// <summary>The rows that a page shows, read again whenever the parties have recorded more of them: often, but not for each row.</summary>
public sealed class StoryFeed(TraceStore trace, TimeProvider time) : IDisposable
{
    /// <summary>How far back one sees when everything is shown.</summary>
    private const int Last = 2000;

    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(120);

    private readonly Lock gate = new();
    private bool reading, again, ended;

    /// <summary>There are new rows. Raised on any thread.</summary>
    public event Action? Changed;

    public string? Reference { get; private set; }

    public IReadOnlyList<TraceRow> Rows { get; private set; } = [];

    public void Start() => trace.Recorded += OnRecorded;

    /// <summary>Null: everything that the parties have recorded last.</summary>
    public void Follow(string? reference)
    {
        lock (gate)
        {
            (Reference, Rows) = (reference, []);
        }

        Read();
    }

    public void Dispose()
    {
        ended = true;
        trace.Recorded -= OnRecorded;
    }

    private void OnRecorded(TraceEvent row) => Read();

    private void Read()
    {
        lock (gate)
        {
            again = true;
            if (reading || ended)
            {
                return;
            }

            reading = true;
        }

        _ = ReadAsync();
    }

    private async Task ReadAsync()
    {
        try
        {
            await ReadOnAsync();
        }
        catch (ObjectDisposedException)
        {
            // The system has stopped before this page.
        }
    }

    private async Task ReadOnAsync()
    {
        while (true)
        {
            await Task.Delay(Gather, time);
            string? asked;
            lock (gate)
            {
                (again, asked) = (false, Reference);
            }

            await trace.FlushAsync();
            var rows = asked is null ? trace.ReadLast(Last) : trace.Read(asked);
            bool news, done;
            lock (gate)
            {
                news = asked == Reference && (rows.Count != Rows.Count || (rows.Count > 0 && rows[^1].Sequence != Rows[^1].Sequence));
                Rows = asked == Reference ? rows : Rows;
                done = !again || ended;
                reading = !done;
            }

            if (news)
            {
                Changed?.Invoke();
            }

            if (done)
            {
                return;
            }
        }
    }

}
