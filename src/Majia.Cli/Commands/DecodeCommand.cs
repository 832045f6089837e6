using System.CommandLine;

namespace Majia.Cli.Commands;

public static class DecodeCommand
{
    public static Command Create() => new("decode", "TLV, DOL, APDU, ISO 8583 as a tree.");
}
