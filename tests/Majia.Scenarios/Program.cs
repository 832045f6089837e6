using Majia.Scenarios.Failures;

namespace Majia.Scenarios;

/// <summary>The test runner; or, when a crash scenario starts it so, the system that is going to be killed.</summary>
public static class Program
{
    public static int Main(string[] args)
    {
        if (Environment.GetEnvironmentVariable(Victim.Variable) is { Length: > 0 } role)
        {
            return Victim.RunAsync(role).GetAwaiter().GetResult();
        }

        return args.Any(arg => arg is "--server" or "--internal-msbuild-node")
            ? Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions).GetAwaiter().GetResult()
            : Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args).GetAwaiter().GetResult();
    }
}
