using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Majia.Storage;

/// <summary>A session on one SQLite connection: each SQL text is prepared once and its parameters are bound anew, straight on the library's statements.</summary>
/// <remarks>A payment is some twenty statements; commands and readers made anew for each were most of what they cost.</remarks>
internal sealed class SqliteSession : Session, IDisposable
{
    /// <summary>Rows of hot tables, for the writer alone.</summary>
    private readonly RowCache? hot;
    private readonly SqliteSession? beside;
    private bool inUnit;
    private bool savepoint;
    private bool opened;
    private bool ahead;
    private bool oneLook;

    /// <param name="writer">Runs units; a reader looks at committed rows only.</param>
    /// <param name="beside">Reads rows for units that run while this connection is busy with a commit.</param>
    public SqliteSession(SqliteConnection connection, bool writer = false, SqliteSession? beside = null)
    {
        Connection = connection;
        this.beside = beside;
        hot = writer ? new RowCache(Select, (sql, values) => Run(sql, values), Values) : null;
    }

    /// <summary>By the text's identity first: statements are constants, and hashing some hundred characters is not free.</summary>
    private readonly Dictionary<string, SqliteStatement> constants = new(ReferenceComparer.Instance);
    private readonly Dictionary<string, SqliteStatement> prepared = new(StringComparer.Ordinal);

    public SqliteConnection Connection { get; }

    /// <summary>True inside a transaction. SQLite ends one by itself when the disk is full or broken.</summary>
    public bool InTransaction => raw.sqlite3_get_autocommit(Connection.Handle) == 0;

    /// <summary>Called before the transaction is opened for a unit's own statements.</summary>
    public Action? Opening { get; init; }

    /// <summary>A unit wrote by a statement of its own since the last commit: its rows stand in the open transaction and nowhere else.</summary>
    public bool HasOwnWrites => opened;

    /// <summary>The transaction is gone without having been ended here.</summary>
    public bool LostTransaction => opened && !InTransaction;

    /// <summary>The running unit asked for the connection, which a commit has.</summary>
    public bool NeedsConnection { get; private set; }

    public override int Execute(string sql, params ReadOnlySpan<object?> parameters)
    {
        if (hot is not null)
        {
            NotAhead();
            Save();
            hot.Forget();
        }

        return Run(sql, parameters);
    }

    /// <summary>A statement of the store itself, or of the row cache: not a unit's.</summary>
    public int Run(string sql, params ReadOnlySpan<object?> parameters)
    {
        var statement = Bind(sql, parameters);
        try
        {
            while (statement.Step())
            {
            }

            return raw.sqlite3_changes(Connection.Handle);
        }
        finally
        {
            statement.Reset();
        }
    }

    /// <summary>A number that a statement of the store itself returns; units may run ahead meanwhile.</summary>
    public long RunForNumber(string sql)
    {
        var statement = Bind(sql, []);
        try
        {
            return statement.Step() ? statement.Row.GetInt64(0) : throw new InvalidOperationException($"no row: {sql}");
        }
        finally
        {
            statement.Reset();
        }
    }

    public override List<T> Query<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
    {
        Settle();
        var statement = Bind(sql, parameters);
        try
        {
            var rows = new List<T>();
            while (statement.Step())
            {
                rows.Add(map(statement.Row));
            }

            return rows;
        }
        finally
        {
            statement.Reset();
        }
    }

    public override T? One<T>(string sql, Func<DbDataReader, T> map, params ReadOnlySpan<object?> parameters)
        where T : class
    {
        Settle();
        var statement = Bind(sql, parameters);
        try
        {
            return statement.Step() ? map(statement.Row) : null;
        }
        finally
        {
            statement.Reset();
        }
    }

    public override long? Number(string sql, params ReadOnlySpan<object?> parameters)
    {
        Settle();
        var statement = Bind(sql, parameters);
        try
        {
            return statement.Step() && !statement.Row.IsDBNull(0) ? statement.Row.GetInt64(0) : null;
        }
        finally
        {
            statement.Reset();
        }
    }

    public override string? Text(string sql, params ReadOnlySpan<object?> parameters)
    {
        Settle();
        var statement = Bind(sql, parameters);
        try
        {
            return statement.Step() && !statement.Row.IsDBNull(0) ? statement.Row.GetString(0) : null;
        }
        finally
        {
            statement.Reset();
        }
    }

    public override T? Find<T>(HotTable<T> table, params ReadOnlySpan<object?> key)
        where T : class => hot is null ? base.Find(table, key) : (T?)hot.Find(table, key);

    public override IReadOnlyList<T> Rows<T>(HotTable<T> table, params ReadOnlySpan<object?> group)
        where T : class => hot is null ? base.Rows(table, group) : hot.Rows<T>(table, group);

    public override bool TryAdd<T>(HotTable<T> table, T row)
        where T : class => hot is null ? base.TryAdd(table, row) : hot.TryAdd(table, row, blind: false);

    public override void Add<T>(HotTable<T> table, T row)
        where T : class
    {
        if (hot is null)
        {
            base.Add(table, row);
        }
        else if (!hot.TryAdd(table, row, blind: true))
        {
            throw new InvalidOperationException($"a row of {table.Source} came twice");
        }
    }

    public override void Put<T>(HotTable<T> table, T row)
        where T : class
    {
        if (hot is null)
        {
            base.Put(table, row);
        }
        else
        {
            hot.Put(table, row);
        }
    }

    // ---- units and commits, for the store ----

    /// <param name="whileCommitting">The connection is busy with an earlier commit. Rows are read beside it; a unit with statements of its own is to be undone and to come again (<see cref="NeedsConnection"/>).</param>
    public void BeginUnit(bool whileCommitting = false)
    {
        inUnit = true;
        ahead = whileCommitting;
        NeedsConnection = false;
        hot!.BeginUnit();
    }

    /// <summary>As if the unit had not run.</summary>
    public void UndoUnit()
    {
        if (savepoint)
        {
            Run("ROLLBACK TO unit");
            hot!.Forget();
        }
        else
        {
            hot!.UndoUnit();
        }

        EndUnit();
    }

    public void EndUnit()
    {
        inUnit = ahead = false;
        if (savepoint)
        {
            savepoint = false;
            Run("RELEASE unit");
        }
    }

    /// <summary>What the commit is to write; units that run from here on are not of it.</summary>
    public List<RowWrite> Seal() => hot!.Seal();

    /// <inheritdoc cref="RowCache.LookInto"/>
    /// <remarks>While rows wait in a log, looks beside the writer are one transaction from call to call: each alone would ask the system for its locks.</remarks>
    public void LookInto(LoggedRows? recent, LoggedRows? earlier)
    {
        hot!.LookInto(recent, earlier);
        oneLook = recent is not null || earlier is not null;
        beside?.Rollback();
    }

    /// <inheritdoc cref="RowCache.Statements"/>
    public string[] Statements() => hot!.Statements();

    /// <summary>Writes the rows of commits that are durable in the log, as one commit, which is not waited for: the log has them until the caller has made it durable. Units may run ahead meanwhile.</summary>
    /// <param name="pace">Called with the number of rows that are written.</param>
    public void Apply(LoggedRows rows, string[] statements, Action<int> pace)
    {
        Migrations.Run(Connection, "PRAGMA synchronous = NORMAL"); // takes effect when it is prepared: not a kept statement
        Run("BEGIN IMMEDIATE");
        var done = 0;
        foreach (var bytes in rows.InOrder())
        {
            Run(statements, bytes);
            pace(++done);
        }

        RedoRecovery.Mark(this, rows.UpTo);
        Run("COMMIT");
        Migrations.Run(Connection, "PRAGMA synchronous = FULL");
    }

    /// <summary>The statement that a record is of, with its parameters; the record's length.</summary>
    public int Run(string[] statements, ReadOnlyMemory<byte> bytes) => Run(new RedoRecord(bytes.Span), static (all, number) => all[number], statements);

    /// <inheritdoc cref="Run(string[], ReadOnlyMemory{byte})"/>
    public int Run(IReadOnlyDictionary<int, string> statements, ReadOnlyMemory<byte> bytes) => Run(new RedoRecord(bytes.Span), static (all, number) => all[number], statements);

    private int Run<T>(RedoRecord record, Func<T, int, string> textOf, T statements)
    {
        var text = textOf(statements, record.Statement);
        var statement = Prepared(text, record.Count);
        var length = statement.Bind(record);
        try
        {
            while (statement.Step())
            {
            }

            RedoRecovery.Changes(raw.sqlite3_changes(Connection.Handle), text);
        }
        finally
        {
            statement.Reset();
        }

        return length;
    }

    /// <summary>Writes and commits what was sealed. Units may run ahead meanwhile, unless <see cref="HasOwnWrites"/>.</summary>
    public void Commit(List<RowWrite> writes)
    {
        if (writes.Count > 0 && !opened)
        {
            Run("BEGIN IMMEDIATE");
        }
        else if (!opened)
        {
            return; // they only looked
        }

        foreach (var write in writes)
        {
            Run(write.Sql, write.Values);
        }

        Run("COMMIT");
        opened = false;
    }

    public void Rollback()
    {
        opened = false;
        if (InTransaction)
        {
            Run("ROLLBACK");
        }
    }

    /// <summary>A unit has a statement of its own: what stands in the cache must be in the database first, and from here on the unit is undone by a savepoint.</summary>
    private void Save()
    {
        if (hot is null || !inUnit)
        {
            return;
        }

        if (!savepoint)
        {
            if (!opened)
            {
                Opening?.Invoke();
                Run("BEGIN IMMEDIATE");
                opened = true;
            }

            hot.WriteEarlier();
            Run("SAVEPOINT unit");
            savepoint = true;
        }

        hot.Write();
    }

    /// <summary>Before a look of a unit's own.</summary>
    private void Settle()
    {
        NotAhead();
        if (hot is { IsDirty: true })
        {
            Save();
        }
    }

    private void NotAhead()
    {
        if (ahead)
        {
            NeedsConnection = true;
            throw new InvalidOperationException("a statement of its own waits for the commit under way");
        }
    }

    /// <summary>As a column keeps it.</summary>
    internal static long NumberOf(object value) => value switch
    {
        long number => number,
        int number => number,
        bool yes => yes ? 1 : 0,
        DateTimeOffset instant => instant.ToUnixTimeMilliseconds(),
        _ => throw new ArgumentException($"a column cannot hold a {value.GetType().Name}"),
    };

    private List<object> Select(HotTable table, object?[] group) => Select(table, group, table.Read);

    private List<object?[]> Values(HotTable table, object?[] group) => Select(table, group, row =>
    {
        var values = new object?[table.Columns.Length];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = row.GetValue(i) is not DBNull and var value ? value : null;
        }

        return values;
    });

    private List<T> Select<T>(HotTable table, object?[] group, Func<DbDataReader, T> map)
    {
        if (ahead)
        {
            if (oneLook && !beside!.InTransaction)
            {
                beside.Run("BEGIN");
            }

            return beside!.Select(table, group, map);
        }

        var statement = Bind(table.Select, group);
        try
        {
            var rows = new List<T>(1);
            while (statement.Step())
            {
                rows.Add(map(statement.Row));
            }

            return rows;
        }
        finally
        {
            statement.Reset();
        }
    }

    public void Dispose()
    {
        foreach (var statement in prepared.Values)
        {
            statement.Dispose();
        }

        prepared.Clear();
        constants.Clear();
        beside?.Dispose();
        Connection.Dispose();
    }

    private SqliteStatement Bind(string sql, ReadOnlySpan<object?> parameters)
    {
        var statement = Prepared(sql, parameters.Length);
        statement.Bind(parameters);
        return statement;
    }

    private SqliteStatement Prepared(string sql, int parameters)
    {
        if (!constants.TryGetValue(sql, out var statement) && !prepared.TryGetValue(sql, out statement))
        {
            statement = new SqliteStatement(Connection, sql, parameters);
            prepared.Add(sql, statement);
            if (string.IsInterned(sql) is { } constant && ReferenceEquals(constant, sql))
            {
                constants.Add(sql, statement);
            }
        }

        return statement;
    }

    private sealed class ReferenceComparer : IEqualityComparer<string>
    {
        public static readonly ReferenceComparer Instance = new();

        public bool Equals(string? one, string? other) => ReferenceEquals(one, other);

        public int GetHashCode(string text) => RuntimeHelpers.GetHashCode(text);
    }
}
