using System.CommandLine;

namespace Majia.Cli.Commands;

public static class DemoCommand
{
    public static Command Create() => new("demo", "One story from an empty phone to a voided payment.");
}
