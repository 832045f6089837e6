using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using Majia.Host.Web;
using Majia.Tests;
using Microsoft.Data.Sqlite;

namespace Majia.Web;

/// <summary><c>majia up</c> as a process of its own: its folder, its port, its end.</summary>
[Collection(Processes.Name)]
public sealed class UpTests : IDisposable
{
    internal const int Terminate = 15, Interrupt = 2;

    private readonly string folder = Directory.CreateTempSubdirectory("majia-up-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Stopped_by_a_signal_it_ends_well_and_started_again_it_still_has_its_data()
    {
        using (var first = Start("--port", FreePort()))
        using (var http = new HttpClient { BaseAddress = await ReadyAsync(first) })
        {
            using var signedIn = await http.PostAsJsonAsync("/api/phones/mi5/sign-in", new { account = "lin.xiaoyun", password = "majia-demo-1" });
            Assert.True((await signedIn.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("ok").GetBoolean());

            // A page that listens does not keep the process.
            using var events = await http.GetStreamAsync("/api/events");
            Assert.Equal(0, await SignalAsync(first, Terminate));
            Assert.Equal("", await first.StandardError.ReadToEndAsync());
        }

        using var again = Start("--port", FreePort());
        using var later = new HttpClient { BaseAddress = await ReadyAsync(again) };
        var state = await later.GetFromJsonAsync<JsonElement>("/api/state?phone=mi5&terminal=10000001");
        Assert.Equal("lin.xiaoyun", state.GetProperty("phone").GetProperty("account").GetString());
        Assert.Equal(0, await SignalAsync(again, Interrupt));
    }

    [Fact]
    public async Task A_second_process_on_the_same_folder_says_so_and_ends_with_3()
    {
        using var first = Start("--port", FreePort());
        await ReadyAsync(first);
        using var second = Start("--port", FreePort());
        Assert.Equal(3, await EndAsync(second));
        Assert.Contains("in use by another process", await second.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.Equal(0, await SignalAsync(first, Terminate));
    }

    [Fact]
    public async Task A_named_port_that_is_taken_ends_with_3_and_the_default_gives_way()
    {
        using var squatter = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        squatter.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        squatter.Listen();
        var port = ((IPEndPoint)squatter.LocalEndPoint!).Port;
        using (var named = Start("--port", $"{port}"))
        {
            Assert.Equal(3, await EndAsync(named));
            Assert.Contains($"port {port} is taken", await named.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
        }

        // Whoever has the default port already serves this test as well as we do.
        using var onDefault = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            onDefault.Bind(new IPEndPoint(IPAddress.Loopback, WebHost.DefaultPort));
            onDefault.Listen();
        }
        catch (SocketException)
        {
            // Taken.
        }

        using var gives = Start("--lang", "en");
        var address = await ReadyAsync(gives);
        Assert.InRange(address.Port, WebHost.DefaultPort + 1, WebHost.DefaultPort + 10);
        Assert.Equal(0, await SignalAsync(gives, Terminate));
        Assert.Contains($"port {WebHost.DefaultPort} is taken, the next one is tried", await gives.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Production_mode_refuses_test_keys_and_makes_none()
    {
        using (var fresh = Start("--mode", "production", "--port", FreePort()))
        {
            Assert.Equal(3, await EndAsync(fresh));
            Assert.Contains("production mode refuses", await fresh.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
        }

        Assert.False(File.Exists(Path.Combine(folder, "majia.db")), "production mode seeded a database");
        using (var demo = Start("--port", FreePort()))
        {
            await ReadyAsync(demo);
            Assert.Equal(0, await SignalAsync(demo, Terminate));
        }

        using var used = Start("--mode", "production", "--port", FreePort());
        Assert.Equal(3, await EndAsync(used));
        Assert.Contains("test", await used.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_ends_with_3()
    {
        var file = Path.Combine(folder, "a-file");
        await File.WriteAllTextAsync(file, "");
        using var process = Start(Path.Combine(file, "data"), []);
        Assert.Equal(3, await EndAsync(process));
        Assert.Contains("cannot be written", await process.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_of_a_newer_program_is_left_as_it_is()
    {
        using (var first = Start("--port", FreePort()))
        {
            await ReadyAsync(first);
            Assert.Equal(0, await SignalAsync(first, Terminate));
        }

        var database = Path.Combine(folder, "majia.db");
        using (var connection = new SqliteConnection($"Data Source={database};Pooling=False"))
        {
            connection.Open();
            using var newer = connection.CreateCommand();
            newer.CommandText = "UPDATE schema_version SET version = version + 1 WHERE party = 'issuer'; PRAGMA wal_checkpoint(TRUNCATE)";
            newer.ExecuteNonQuery();
        }

        var before = SHA256.HashData(await File.ReadAllBytesAsync(database));
        using var process = Start("--port", FreePort());
        Assert.Equal(3, await EndAsync(process));
        var said = await process.StandardError.ReadToEndAsync();
        Assert.Contains("was written by a newer version of this program: issuer has schema", said, StringComparison.Ordinal);
        Assert.Equal(before, SHA256.HashData(await File.ReadAllBytesAsync(database)));
    }

    [Fact]
    public async Task Without_room_or_without_leave_to_write_it_says_so_and_ends_with_3()
    {
        using var disk = SmallDisk.Mount(4);
        foreach (var room in (int[])[64_000, 700_000])
        {
            // Full among the keys, and full in the middle of the seeding.
            disk.FillUpTo(room);
            using var full = Start(disk.Path, ["--port", FreePort()]);
            Assert.Equal(3, await EndAsync(full));
            var said = await full.StandardError.ReadToEndAsync();
            Assert.StartsWith("majia: the da", said, StringComparison.Ordinal);
            Assert.Contains(disk.Path, said, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", said, StringComparison.Ordinal);
            disk.Relieve();
        }

        disk.ReadOnly();
        using var locked = Start(disk.Path, ["--port", FreePort()]);
        Assert.Equal(3, await EndAsync(locked));
        Assert.Contains("cannot be written", await locked.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_come_from_flag_then_environment_then_file_and_an_unknown_key_ends_with_2()
    {
        var file = Path.Combine(folder, Configuration.FileName);
        await File.WriteAllTextAsync(file, """{ "port": 7200, "noBrowser": true, "bind": "127.0.0.1" }""");
        Assert.Equal(new Configuration(7200, IPAddress.Loopback, true), Configuration.Read(folder, _ => null));
        Assert.Equal(7300, Configuration.Read(folder, name => name == "MAJIA_PORT" ? "7300" : null).Port);
        Assert.Throws<ConfigurationException>(() => Configuration.Read(folder, name => name == "MAJIA_PORT" ? "http" : null));

        await File.WriteAllTextAsync(file, """{ "prot": 7200 }""");
        using var process = Start();
        Assert.Equal(2, await EndAsync(process));
        Assert.Contains("unknown key 'prot'", await process.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
        using var flag = Start("--port", "70000");
        Assert.Equal(2, await EndAsync(flag));
    }

    [Fact]
    public async Task A_table_of_rewards_that_is_none_ends_with_2_and_says_the_line()
    {
        await File.WriteAllTextAsync(Path.Combine(folder, "rewards.csv"), "institution,bin,kind,category,channel,points,per\n*,*,*,*,*,many,1.00\n");
        using var process = Start("--port", FreePort());
        Assert.Equal(2, await EndAsync(process));
        Assert.Contains("rewards.csv, line 2, points: expected a number from 0 to 1000, got 'many'", await process.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    private Process Start(params string[] arguments) => Start(folder, arguments);

    internal static Process Start(string data, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "majia.dll"), "up", "--no-browser", "--data", data, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MAJIA_", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(name);
        }

        return Process.Start(start)!;
    }

    internal static async Task<Uri> ReadyAsync(Process process)
    {
        var line = await process.StandardOutput.ReadLineAsync();
        Assert.True(line is not null, line is null ? await process.StandardError.ReadToEndAsync() : "");
        Assert.StartsWith("Majia is ready at http://localhost:", line, StringComparison.Ordinal);
        return new Uri(line!["Majia is ready at ".Length..]);
    }

    /// <summary>A process that was started where SIGINT is ignored, as in the background of a shell, hears none: it is ended here, and the test says so.</summary>
    internal static async Task<int> EndAsync(Process process)
    {
        try
        {
            await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(3), TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            process.Kill();
            Assert.Fail("the process did not end within three minutes; is SIGINT ignored where the tests run?");
        }

        return process.ExitCode;
    }

    internal static async Task<int> SignalAsync(Process process, int signal)
    {
        Assert.Equal(0, Signals.Send(process.Id, signal));
        return await EndAsync(process);
    }

    internal static string FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return $"{((IPEndPoint)socket.LocalEndPoint!).Port}";
    }
}

/// <summary>What a service manager sends.</summary>
internal static class Signals
{
    [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "kill")]
    public static extern int Send(int process, int signal);
}
