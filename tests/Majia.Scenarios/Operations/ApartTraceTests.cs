using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Majia.Cli.Apart;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Composition;
using Majia.Host.Demo;
using Majia.Host.Operations;

namespace Majia.Scenarios.Operations;

/// <summary>Parties in processes of their own, told where to send their traces: what they did for one payment is one trace there, and so is what they did for one card that was added.</summary>
public sealed class ApartTraceTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string folder = Directory.CreateTempSubdirectory("majia-traces-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task One_payment_is_one_trace_in_four_processes_and_an_enrolment_in_three()
    {
        using var collector = Collector(out var address);
        var environment = new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = address,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "300",
        };
        await using var trial = await Trial.StartAsync(folder, environment: environment);
        var rrn = string.Empty;
        await using (var system = await MajiaSystem.OpenAsync(trial.Devices(new SystemEntropy())))
        {
            await foreach (var step in new Story(system).TellAsync())
            {
                Assert.True(step.Ok, $"{step.Step}: {step.Why.En}");
                rrn = step.Step == "pay" ? step.Payment!.Rrn! : rrn;
            }
        }

        var payment = PaymentTrace.IdOf(rrn).ToHexString();
        (string Service, string Name)[] wanted = [("majia-acquirer", "pos-line"), ("majia-network", "acquirer-network"), ("majia-token", "network-token"), ("majia-issuer", "network-issuer")];
        var spans = new List<Span>();
        using var hurry = new CancellationTokenSource(Patience);
        while (!wanted.All(want => spans.Exists(span => span.Trace == payment && (span.Service, span.Name) == want)) || !Enrolled(spans))
        {
            var context = await collector.GetContextAsync().WaitAsync(hurry.Token);
            using var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body, hurry.Token);
            context.Response.Close();
            Assert.DoesNotMatch("(6299|8199)[0-9]{9,15}", Encoding.Latin1.GetString(body.ToArray()));
            if (context.Request.Url!.AbsolutePath == "/v1/traces")
            {
                spans.AddRange(Span.Read(body.ToArray()));
            }
        }
    }

    /// <summary>A call of the wallet's phone line, and below it calls to the token service and from there to a bank: each span's parent is one of another process.</summary>
    private static bool Enrolled(List<Span> spans) => spans.Where(span => span.Service == "majia-issuer" && span.Parent.Length > 0).Any(bank =>
        spans.Exists(vault => vault.Service == "majia-token" && vault.Trace == bank.Trace && spans.Exists(wallet => wallet.Service == "majia-wallet" && wallet.Trace == vault.Trace)));

    private static HttpListener Collector(out string address)
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        address = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}");
        probe.Stop();
        var collector = new HttpListener { Prefixes = { address + "/" } };
        collector.Start();
        return collector;
    }

    /// <summary>What is wanted of a span of OTLP (opentelemetry-proto trace.proto: ResourceSpans 1, ScopeSpans 2, Span 2; trace_id 1, parent_span_id 4, name 5).</summary>
    private sealed record Span(string Service, string Trace, string Parent, string Name)
    {
        public static IEnumerable<Span> Read(ReadOnlyMemory<byte> request)
        {
            foreach (var resource in Fields(request, 1))
            {
                // Resource 1, KeyValue 1: key 1, AnyValue 2, string 1.
                var service = Fields(resource, 1).SelectMany(one => Fields(one, 1)).Where(pair => Text(Fields(pair, 1).Single()) == "service.name").Select(pair => Text(Fields(Fields(pair, 2).Single(), 1).Single())).Single();
                foreach (var span in Fields(resource, 2).SelectMany(scope => Fields(scope, 2)))
                {
                    yield return new Span(service, Hex(span, 1), Hex(span, 4), Text(Fields(span, 5).Single()));
                }
            }
        }

        private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);

        private static string Hex(ReadOnlyMemory<byte> span, int field) => Convert.ToHexStringLower(Fields(span, field).FirstOrDefault().Span);

        /// <summary>The length-delimited fields of a number, in their order.</summary>
        private static IEnumerable<ReadOnlyMemory<byte>> Fields(ReadOnlyMemory<byte> message, int number)
        {
            for (var at = 0; at < message.Length;)
            {
                var key = Varint(message, ref at);
                switch (key & 7)
                {
                    case 0:
                        Varint(message, ref at);
                        break;
                    case 1:
                        at += 8;
                        break;
                    case 5:
                        at += 4;
                        break;
                    case 2:
                        var length = (int)Varint(message, ref at);
                        if ((int)(key >> 3) == number)
                        {
                            yield return message.Slice(at, length);
                        }

                        at += length;
                        break;
                    default:
                        throw new FormatException($"wire type {key & 7}");
                }
            }
        }

        private static ulong Varint(ReadOnlyMemory<byte> message, ref int at)
        {
            ulong value = 0;
            for (var shift = 0; ; shift += 7)
            {
                var next = message.Span[at++];
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80)
                {
                    return value;
                }
            }
        }
    }
}
