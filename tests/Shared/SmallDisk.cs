using System.Diagnostics;

namespace Majia.Tests;

/// <summary>A file system of a few megabytes, to be filled. It wants root; without it the test is skipped and says so.</summary>
public sealed class SmallDisk : IDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    private string Ballast => System.IO.Path.Combine(Path, "ballast");

    public static SmallDisk Mount(int megabytes)
    {
        var path = Directory.CreateTempSubdirectory("majia-disk-").FullName;
        if (Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", path) != 0)
        {
            Directory.Delete(path);
            Assert.Skip("a small file system cannot be mounted here (it wants root)");
        }

        return new SmallDisk(path);
    }

    /// <summary>Takes all the room but the last <paramref name="bytes"/>.</summary>
    public void FillUpTo(long bytes)
    {
        var free = new DriveInfo(Path).AvailableFreeSpace;
        using var file = new FileStream(Ballast, FileMode.Append);
        var block = new byte[4096];
        for (var left = free - bytes; left > block.Length; left -= block.Length)
        {
            file.Write(block);
        }
    }

    /// <summary>Gives the room back.</summary>
    public void Relieve() => File.Delete(Ballast);

    public void ReadOnly() => Assert.Equal(0, Run("mount", "-o", "remount,ro", Path));

    public void Dispose()
    {
        Run("umount", "-l", Path);
        Directory.Delete(Path);
    }

    private static int Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return -1;
        }
    }
}
