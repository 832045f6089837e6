using System.CommandLine;

namespace Majia.Cli.Commands;

public static class TraceCommand
{
    public static Command Create() => new("trace", "One payment, from APDU byte to ledger entry.");
}
