using System.Diagnostics;
using System.Diagnostics.Metrics;
using Majia.Core.Contracts;
using Majia.Host.Composition;
using Majia.Host.Links;
using Majia.Storage;

namespace Majia.Host.Operations;

/// <summary>What a process measures: requests on its lines, and how things stand when somebody asks. No label holds anything of a card; labels are names of lines, parties and codes.</summary>
public sealed class Measures : IDisposable
{
    public const string Name = "Majia";

    internal static readonly ActivitySource Spans = new(Name);

    private static readonly Meter Lines = new(Name);

    private static readonly Counter<long> Requests = Lines.CreateCounter<long>("majia.requests", "{request}", "Requests that a party here answered, by line, MTI and response code.");

    private static readonly Histogram<double> Duration = Lines.CreateHistogram<double>(
        "majia.request.duration", "s", "From a request's arrival to its answer.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60] });

    private readonly Meter state = new(Name);
    private readonly MajiaSystem system;

    /// <summary>Outboxes by party, where the party is here.</summary>
    private static readonly (Role Role, string Party)[] Outboxes = [(Role.Acquirer, "acquirer"), (Role.Network, "network"), (Role.Token, "token")];

    public Measures(MajiaSystem system)
    {
        this.system = system;
        state.CreateObservableGauge("majia.outbox.pending", () => Count("why IS NULL"), "{message}", "What has still to be delivered: reversals, advices, notices.");
        state.CreateObservableGauge("majia.outbox.dead", () => Count("why IS NOT NULL"), "{message}", "Dead letters: refused for good, waiting for a person.");
        state.CreateObservableGauge("majia.terminal.reversals", () => system.Terminals.Select(terminal => Of(terminal.Value.Pending.Count, ("terminal", terminal.Key))), "{reversal}", "Reversals that a terminal keeps.");
        state.CreateObservableGauge("majia.line.in_flight", InFlight, "{request}", "Requests without an answer yet, at the calling and at the answering end.");
        state.CreateObservableGauge("majia.line.signed_on", () => system.Lines.Links.Where(link => link.Value.Signs).Select(link => Of(link.Value.State.SignedOn ? 1 : 0, ("line", link.Key))), null, "1: sign-on stands on a switch line that we call on.");
        state.CreateObservableCounter("majia.line.refused", () => system.Lines.Servers.Select(server => Of(server.Value.State.Overloaded, ("line", server.Key))), "{request}", "Requests refused at once: full, draining, or a failed store.");
        state.CreateObservableCounter("majia.line.late", () => system.Lines.Links.Select(link => Of(link.Value.State.Late, ("line", link.Key))), "{answer}", "Answers that came after their caller had stopped waiting.");
        state.CreateObservableCounter("majia.atc.anomalies", Alarms, "{alarm}", "Counters that came back, came as a clone, or jumped.");
        state.CreateObservableGauge("majia.fence", () => system.Roles.Contains(Role.Token) ? [Of(system.TokenService.FenceUp is null ? 0 : 1)] : Array.Empty<Measurement<long>>(), null, "1: the token service is fenced after a restoration.");
    }

    public void Dispose() => state.Dispose();

    /// <summary>A party's answering end with its requests counted and timed; without a listener it costs one look.</summary>
    internal static IIsoServer Of(Line line, IIsoServer server, TimeProvider time) => new Measured(line, server, time);

    private static Measurement<long> Of(long value, params ReadOnlySpan<(string Key, string Value)> labels)
    {
        var tags = new KeyValuePair<string, object?>[labels.Length];
        for (var i = 0; i < labels.Length; i++)
        {
            tags[i] = new(labels[i].Key, labels[i].Value);
        }

        return new(value, tags);
    }

    private IEnumerable<Measurement<long>> Count(string which) => Outboxes
        .Where(outbox => system.Roles.Contains(outbox.Role))
        .Select(outbox => Of(system.Store.Read(session => session.Number($"SELECT count(*) FROM {outbox.Party}_outbox WHERE {which}")) ?? 0, ("party", outbox.Party)));

    private IEnumerable<Measurement<long>> InFlight() =>
    [
        .. system.Lines.Links.Select(link => Of(link.Value.State.InFlight, ("line", link.Key), ("end", "caller"))),
        .. system.Lines.Servers.Select(server => Of(server.Value.State.InFlight, ("line", server.Key), ("end", "server"))),
    ];

    private IEnumerable<Measurement<long>> Alarms() => system.Roles.Contains(Role.Token)
        ? system.Store.Read(session => session.Query("SELECT kind, count(*) FROM token_alarm GROUP BY kind ORDER BY kind", static row => Of(row.GetInt64(1), ("kind", row.GetString(0)))))
        : [];

    private sealed class Measured(Line line, IIsoServer server, TimeProvider time) : IIsoServer
    {
        public Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation) =>
            Requests.Enabled || Spans.HasListeners() ? MeasureAsync(frame, cancellation) : server.HandleAsync(frame, cancellation);

        private async Task<ReadOnlyMemory<byte>> MeasureAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
        {
            var began = time.GetTimestamp();
            var (mti, code) = ("unread", "none");
            if (line.Framing!.TryRead(frame, out var request))
            {
                mti = request.Mti.ToString();
            }

            // Inside of a request it is part of that. What came by itself belongs to its payment: by the reference number, which a POS request does not have before its answer.
            var rrn = request?.Text(37);
            using var span = Activity.Current is not null || rrn is not null ? PaymentTrace.Start(Spans, line.Name, rrn) : null;

            try
            {
                var answer = await server.HandleAsync(frame, cancellation);
                if (!answer.IsEmpty && line.Framing.TryRead(answer, out var said))
                {
                    code = said.Text(39) ?? "none";
                    rrn = said.Text(37) ?? rrn;
                }

                return answer;
            }
            finally
            {
                using var late = span is null ? PaymentTrace.Start(Spans, line.Name, rrn) : null;
                late?.SetStartTime(late.StartTimeUtc - time.GetElapsedTime(began));
                (span ?? late)?.SetTag("majia.mti", mti).SetTag("majia.rrn", rrn).SetTag("majia.code", code);
                Requests.Add(1, new("line", line.Name), new("mti", mti), new("code", code));
                Duration.Record(time.GetElapsedTime(began).TotalSeconds, new("line", line.Name), new("mti", mti));
            }
        }
    }
}
