using System.Collections;
using Majia.Host.Composition;
using Majia.Storage;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Majia.Host.Operations;

/// <summary>Metrics at <c>/metrics</c> for Prometheus; metrics and traces by OTLP as well where the standard <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> says where to.</summary>
public static class Telemetry
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    public static void Add(WebApplicationBuilder builder, MajiaSystem system)
    {
        var services = builder.Services;
        // The SDK reads its settings from here, and a host of ours begins with none.
        builder.Configuration.AddInMemoryCollection(Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value))
            .Where(variable => variable.Key.StartsWith("OTEL_", StringComparison.Ordinal)));
        var otlp = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Endpoint));
        var name = system.Roles.SetEquals(Roles.All) ? "majia" : $"majia-{string.Join('-', system.Roles.Order().Select(Roles.Name))}";
        // The measures of how things stand live as long as the host that shows them.
        services.AddSingleton(_ => new Measures(system));
        var telemetry = services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(name, serviceNamespace: "majia", autoGenerateServiceInstanceId: false, serviceInstanceId: Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture)))
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(Measures.Name, StorageMeasures.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime").AddPrometheusExporter();
                if (otlp)
                {
                    metrics.AddOtlpExporter();
                }
            });
        if (otlp)
        {
            telemetry.WithTracing(tracing => tracing.AddSource(Measures.Name).AddAspNetCoreInstrumentation().AddOtlpExporter());
        }
    }

    public static void Map(WebApplication app)
    {
        app.Services.GetRequiredService<Measures>();
        app.MapPrometheusScrapingEndpoint("/metrics");
    }
}
