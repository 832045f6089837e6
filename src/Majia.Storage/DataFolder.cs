namespace Majia.Storage;

/// <summary>The data folder (decisions.md 30): <c>majia.db</c>, <c>phones/</c>, <c>chips/</c>, <c>terminals/</c>, <c>keys/</c>, and <c>lock</c>, held while this process lives.</summary>
public sealed class DataFolder : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>What the system says of a file that another process holds: EWOULDBLOCK, and Windows's own.</summary>
    private const int WouldBlock = 11, SharingViolation = unchecked((int)0x80070020);

    private readonly FileStream hold;

    private DataFolder(string path, FileStream hold)
    {
        Path = path;
        this.hold = hold;
    }

    /// <summary>Absolute.</summary>
    public string Path { get; }

    public string Database => System.IO.Path.Combine(Path, "majia.db");

    public string Phones => System.IO.Path.Combine(Path, "phones");

    public string Chips => System.IO.Path.Combine(Path, "chips");

    public string Terminals => System.IO.Path.Combine(Path, "terminals");

    public string Keys => System.IO.Path.Combine(Path, "keys");

    /// <summary>Opens or creates the folder and takes its lock. Throws <see cref="DataFolderInUseException"/> or <see cref="StoreException"/>.</summary>
    public static DataFolder Open(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            CreateForOwner(full);
            var hold = Take(full);
            try
            {
                var folder = new DataFolder(full, hold);
                foreach (var sub in (string[])[folder.Phones, folder.Chips, folder.Terminals, folder.Keys])
                {
                    CreateForOwner(sub);
                }

                return folder;
            }
            catch
            {
                hold.Dispose();
                throw;
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"the data folder {full} cannot be written: {error.Message}", error);
        }
    }

    /// <summary>Deletes what the product has written there; settings stay. Throws <see cref="DataFolderInUseException"/> while somebody uses it.</summary>
    public static void Forget(string path)
    {
        using var folder = Open(path);
        foreach (var file in Directory.EnumerateFiles(folder.Path, "*.db*"))
        {
            File.Delete(file);
        }

        foreach (var sub in (string[])[folder.Phones, folder.Chips, folder.Terminals, folder.Keys])
        {
            Directory.Delete(sub, recursive: true);
        }
    }

    public void Dispose() => hold.Dispose();

    private static FileStream Take(string folder)
    {
        var path = System.IO.Path.Combine(folder, "lock");
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException held) when (held.HResult is WouldBlock or SharingViolation)
        {
            throw new DataFolderInUseException(folder);
        }
    }

    private static void CreateForOwner(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder, OwnerOnly);
        }
    }
}
