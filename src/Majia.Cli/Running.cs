using System.Net;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Keys;
using Majia.Host.Links;
using Majia.Host.Operations;
using Majia.SecureElement;
using Majia.Storage;

namespace Majia.Cli;

/// <summary>Starts the system, and turns what the machine lacks into exit code 3.</summary>
public static class Running
{
    public static async Task<MajiaSystem> OpenAsync(SystemOptions options)
    {
        try
        {
            return await MajiaSystem.OpenAsync(options);
        }
        catch (Exception error) when (error is DataFolderInUseException or StoreException or KeyModuleException or ChipMemoryException or ProductionRefusedException or PortTakenException or KeysMissingException or TlsFilesException)
        {
            throw new EnvironmentException(error.Message);
        }
        catch (StoreUnavailableException away)
        {
            throw new EnvironmentException(away.Message);
        }
        catch (Exception error) when (error is StoreFailedException or IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException($"the data folder {Path.GetFullPath(options.DataPath)} cannot be used: {error.Message}");
        }
    }

    /// <summary>As <see cref="OpenAsync"/>, and waits for a database that cannot be reached yet, saying so here and at the port, where everything is refused with 503 meanwhile.</summary>
    /// <returns>Null when it was stopped before the database came.</returns>
    public static async Task<MajiaSystem?> WhenItsDatabaseIsThereAsync(SystemOptions options, IPEndPoint port, Language language, CancellationToken cancellation)
    {
        WaitingHost? waiting = null;
        try
        {
            while (true)
            {
                try
                {
                    return await MajiaSystem.OpenAsync(options);
                }
                catch (Exception away) when (away is StoreAbsentException or StoreUnavailableException)
                {
                    if (waiting is null)
                    {
                        waiting = await WaitAsync(options, port, language, away.Message);
                    }

                    waiting.Says(away.Message);
                }
                catch (Exception)
                {
                    // Whatever else it is, it is said as at any start.
                    return await OpenAsync(options);
                }

                await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return null;
        }
        finally
        {
            if (waiting is not null)
            {
                await waiting.DisposeAsync();
            }
        }
    }

    private static async Task<WaitingHost> WaitAsync(SystemOptions options, IPEndPoint port, Language language, string why)
    {
        try
        {
            var waiting = await WaitingHost.StartAsync(port, string.Join(",", options.Roles.Order().Select(Roles.Name)), why);
            await Console.Error.WriteLineAsync(new Text(
                $"majia: {why}. It is waited for; until it is there {waiting.Address} answers 503, and Ctrl-C ends the waiting",
                $"majia: {why}。正在等待数据库；在此之前 {waiting.Address} 一律返回 503，按 Ctrl-C 结束等待").In(language));
            return waiting;
        }
        catch (PortTakenException taken)
        {
            throw new EnvironmentException(taken.Message);
        }
    }
}
