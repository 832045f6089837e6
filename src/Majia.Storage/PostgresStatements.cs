using Npgsql;

namespace Majia.Storage;

/// <summary>Statements over hot tables for one round trip, each as the role of the party whose table it is.</summary>
internal sealed class PostgresStatements(NpgsqlConnection connection, KnownTables known) : IDisposable
{
    private readonly NpgsqlBatch batch = new(connection);
    private string acting = string.Empty;

    public NpgsqlBatch Batch => batch;

    public static void Add(NpgsqlBatch batch, string sql, ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
    }

    public static string Acting(string role) => role.Length == 0 ? "SET LOCAL ROLE NONE" : $"SET LOCAL ROLE {role}";

    public void Add(string sql, ReadOnlySpan<NpgsqlParameter> parameters = default) => Add(batch, sql, parameters);

    /// <param name="role">Empty: the login itself.</param>
    /// <returns>The statement's place.</returns>
    public int Add(string role, string sql, ReadOnlySpan<NpgsqlParameter> parameters)
    {
        if (role != acting)
        {
            Add(Acting(role));
            acting = role;
        }

        Add(sql, parameters);
        return batch.BatchCommands.Count - 1;
    }

    /// <summary>What a table's columns are; asked for in a transaction of its own where they are not known yet.</summary>
    public PostgresColumns ColumnsOf(HotTable table, string role)
    {
        if (known.TryColumns(table, out var columns))
        {
            return columns;
        }

        using var transaction = connection.BeginTransaction();
        using (var act = new NpgsqlCommand(Acting(role), connection))
        {
            act.ExecuteNonQuery();
        }

        columns = PostgresColumns.Learn(connection, table);
        transaction.Commit();
        known.Learn(table, columns);
        return columns;
    }

    public void Dispose() => batch.Dispose();
}
