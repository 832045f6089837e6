using System.Threading.Channels;

namespace Majia.Host.Web;

/// <summary>Says that something a page shows has changed; the page then asks for what it shows. Many changes in a row are one.</summary>
public sealed class Changes
{
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    private readonly Lock gate = new();
    private readonly List<Channel<bool>> listeners = [];

    /// <summary>Raised on whatever brought the change about: handlers must be quick.</summary>
    public event Action? Said;

    public void Say()
    {
        Said?.Invoke();
        lock (gate)
        {
            foreach (var listener in listeners)
            {
                listener.Writer.TryWrite(true);
            }
        }
    }

    /// <summary>Server-Sent Events: <c>change</c> at once, and then for each change until the page goes or the server stops.</summary>
    internal async Task ServeAsync(HttpContext context, TimeProvider time, CancellationToken stopping)
    {
        // One place: what has not been sent yet stands for everything after it.
        var listener = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
        listener.Writer.TryWrite(true);
        lock (gate)
        {
            listeners.Add(listener);
        }

        try
        {
            using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
            context.Response.ContentType = "text/event-stream";
            while (!ends.IsCancellationRequested)
            {
                var changed = listener.Reader.WaitToReadAsync(ends.Token).AsTask();
                while (await Task.WhenAny(changed, Task.Delay(KeepAlive, time, ends.Token)) != changed && !ends.IsCancellationRequested)
                {
                    await context.Response.WriteAsync(": still here\n\n", ends.Token);
                    await context.Response.Body.FlushAsync(ends.Token);
                }

                await changed;
                listener.Reader.TryRead(out _);
                await context.Response.WriteAsync("event: change\ndata: \n\n", ends.Token);
                await context.Response.Body.FlushAsync(ends.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The page is closed, or the server stops.
        }
        finally
        {
            lock (gate)
            {
                listeners.Remove(listener);
            }
        }
    }
}
