using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Majia.Cli.Bench;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Tlv;

// In this process: what is measured is what was built, warnings as errors and all.
var config = ManualConfig.Create(DefaultConfig.Instance).AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
return BenchmarkSwitcher.FromAssembly(typeof(Codecs).Assembly).Run(args, config).Any(static summary => summary.HasCriticalValidationErrors) ? 1 : 0;

/// <summary>The codecs of P8 and P9 in nanoseconds and bytes; how they stand beside others is <c>./majia bench codec field55</c>.</summary>
[MemoryDiagnoser]
public class Codecs
{
    private readonly Action pos = Of(Dialect.Pos);
    private readonly Action network = Of(Dialect.Switch);
    private readonly CipherKey key = new(CipherAlgorithm.TripleDes, Convert.FromHexString("0123456789ABCDEFFEDCBA9876543210"));
    private readonly byte[] message = new byte[256];

    /// <summary>A 0200 read, every field looked at, and its 0210 built and written.</summary>
    [Benchmark]
    public void PosExchange() => pos();

    [Benchmark]
    public void SwitchExchange() => network();

    /// <summary>21 tags in 164 bytes.</summary>
    [Benchmark]
    public int Field55()
    {
        var bytes = 0;
        foreach (var item in BerTlv.Objects(CodecBench.Field55))
        {
            bytes += item.Value.Length;
        }

        return bytes;
    }

    [Benchmark]
    public byte[] PosMac() => MessageMac.Compute(MacAlgorithm.UnionPayEcb, key, message);

    private static Action Of(Dialect dialect)
    {
        var (request, answer) = CodecBench.Sample(dialect);
        return CodecBench.Exchange(dialect, request, answer);
    }
}
