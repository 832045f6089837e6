using Majia.Core.Contracts;
using Majia.Host.Composition;

namespace Majia.Host.Operations;

/// <param name="Says">What was found, for a person.</param>
public sealed record HealthCheck(string Name, bool Ok, string Says);

/// <param name="Status">ready, or not-ready.</param>
public sealed record Readiness(string Status, string Roles, IReadOnlyList<HealthCheck> Checks)
{
    public bool Ready => Checks.All(check => check.Ok);
}

/// <summary>Whether this process lives, and whether it can serve: <c>/health/live</c> and <c>/health/ready</c>, without sign-in and without anything worth hiding.</summary>
public sealed class Health(MajiaSystem system)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", () => Results.Json(new { status = "live" }, JsonEndpoint.Json));
        routes.MapGet("/health/ready", async () =>
        {
            var found = await CheckAsync();
            return Results.Json(found, JsonEndpoint.Json, statusCode: found.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
        });
    }

    /// <summary>Each check by itself: a store that takes a write to the disk, a standing connection with sign-on on every switch line that we call on, and no drain under way.</summary>
    public async Task<Readiness> CheckAsync()
    {
        var checks = new List<HealthCheck> { await StoreAsync() };
        foreach (var (name, link) in system.Lines.Links.Where(link => link.Value.Signs))
        {
            var state = link.State;
            checks.Add(new HealthCheck(name, state.SignedOn, state.SignedOn ? "signed on" : state.Connected ? "connected, not signed on" : "not connected"));
        }

        if (system.Roles.Contains(Role.Token))
        {
            checks.Add(system.TokenService.FenceUp is { } fence
                ? new HealthCheck("fence", false, $"restored from a backup of {fence.BackupAt.UtcDateTime:u}: {fence.Says}")
                : new HealthCheck("fence", true, "none"));
        }

        foreach (var (name, server) in system.Lines.Servers)
        {
            var state = server.State;
            checks.Add(new HealthCheck($"{name} listens", !server.Draining, FormattableString.Invariant($"{server.LocalEndpoint}: {state.Connections} connections, {state.InFlight} in work{(server.Draining ? ", draining" : string.Empty)}")));
        }

        return new Readiness(checks.All(check => check.Ok) ? "ready" : "not-ready", string.Join(",", system.Roles.Order().Select(Roles.Name)), checks);
    }

    /// <summary>A row of ours goes to the disk and back: a full or vanished disk shows here and not at the next payment.</summary>
    private async Task<HealthCheck> StoreAsync()
    {
        try
        {
            await system.Store.CommitAsync(session => OperationsSchema.Beat(session, system.Time.GetUtcNow())).WaitAsync(Patience, system.Time);
            return new HealthCheck("store", true, "writes and commits");
        }
#pragma warning disable CA1031 // whatever is wrong with the store, it is not ready
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return new HealthCheck("store", false, failure is TimeoutException ? $"no commit within {Patience.TotalSeconds:0} s" : $"refuses writes ({failure.GetType().Name})");
        }
    }
}
