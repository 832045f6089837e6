using Majia.Storage;

namespace Majia.Host.Operations;

/// <summary>What the operation of a process itself writes down: one row that health checks write, to see that writing works.</summary>
public static class OperationsSchema
{
    public static PartySchema Schema { get; } = new("operations",
    [
        "CREATE TABLE operations_beat (id BIGINT NOT NULL PRIMARY KEY, at BIGINT NOT NULL)",
    ]);

    internal static int Beat(Session session, DateTimeOffset now) => session.Execute(
        "INSERT INTO operations_beat (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at", now.ToUnixTimeMilliseconds());
}
