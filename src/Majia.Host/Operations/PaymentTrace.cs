using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace Majia.Host.Operations;

/// <summary>One payment is one trace, in however many processes: messages of the switch carry no trace context, and every one of them carries the reference number.</summary>
/// <remarks>The trace id is the first 16 bytes of SHA-256 over the RRN's twelve characters, so whoever knows an RRN knows where to look.</remarks>
public static class PaymentTrace
{
    /// <summary>The number that the next root on this thread takes; none: a random one.</summary>
    [ThreadStatic]
    private static ActivityTraceId? next;

    static PaymentTrace() => Activity.TraceIdGenerator = static () => next ?? ActivityTraceId.CreateRandom();

    /// <summary>The trace of a payment.</summary>
    public static ActivityTraceId IdOf(string rrn) => ActivityTraceId.CreateFromBytes(SHA256.HashData(Encoding.ASCII.GetBytes(rrn)).AsSpan(0, 16));

    /// <summary>A span that begins now: within the request that runs here, else within its payment's trace.</summary>
    internal static Activity? Start(ActivitySource source, string name, string? rrn)
    {
        next = rrn is null ? null : IdOf(rrn);
        try
        {
            return source.StartActivity(name, ActivityKind.Server);
        }
        finally
        {
            next = null;
        }
    }
}
