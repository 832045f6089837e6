using Majia.Hsm;
using Majia.Host;
using Majia.Host.Keys;
using Majia.Host.Links;
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
}
