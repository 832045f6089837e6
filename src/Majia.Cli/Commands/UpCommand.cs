using System.CommandLine;

namespace Majia.Cli.Commands;

public static class UpCommand
{
    public static Command Create() => new("up", "Starts every party and a page to use them.");
}
