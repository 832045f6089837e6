using System.Collections;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Npgsql;

namespace Majia.Storage;

/// <summary>The row at which a reader stands, as mappers read it: numbers are numbers whatever their width, and a truth value is one too.</summary>
internal sealed class PostgresRow : DbDataReader
{
    private NpgsqlDataReader? reader;

    private NpgsqlDataReader Reader => reader ?? throw new InvalidOperationException("a mapper reads its row inside the query");

    public override int FieldCount => Reader.FieldCount;

    public override int Depth => 0;

    public override bool HasRows => true;

    public override bool IsClosed => false;

    public override int RecordsAffected => -1;

    public override object this[int ordinal] => GetValue(ordinal);

    public override object this[string name] => GetValue(GetOrdinal(name));

    public PostgresRow On(NpgsqlDataReader? rows)
    {
        reader = rows;
        return this;
    }

    public override bool IsDBNull(int ordinal) => Reader.IsDBNull(ordinal);

    /// <summary>bigint as it is; int4 and numeric are what PostgreSQL makes of a literal and of a sum.</summary>
    public override long GetInt64(int ordinal)
    {
        var type = Reader.GetFieldType(ordinal);
        return type == typeof(bool) ? (Reader.GetBoolean(ordinal) ? 1 : 0) : Reader.GetInt64(ordinal);
    }

    public override int GetInt32(int ordinal) => checked((int)GetInt64(ordinal));

    public override short GetInt16(int ordinal) => checked((short)GetInt64(ordinal));

    public override byte GetByte(int ordinal) => checked((byte)GetInt64(ordinal));

    public override bool GetBoolean(int ordinal) => GetInt64(ordinal) != 0;

    public override double GetDouble(int ordinal) => Reader.GetDouble(ordinal);

    public override float GetFloat(int ordinal) => Reader.GetFloat(ordinal);

    public override string GetString(int ordinal) => Reader.GetString(ordinal);

    public override object GetValue(int ordinal) => Reader.GetValue(ordinal);

    public override int GetValues(object[] values) => Reader.GetValues(values);

    public override string GetName(int ordinal) => Reader.GetName(ordinal);

    public override int GetOrdinal(string name) => Reader.GetOrdinal(name);

    public override string GetDataTypeName(int ordinal) => Reader.GetDataTypeName(ordinal);

    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicFields | DynamicallyAccessedMemberTypes.PublicProperties)]
    public override Type GetFieldType(int ordinal) => Reader.GetFieldType(ordinal);

    public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length) => Reader.GetBytes(ordinal, dataOffset, buffer, bufferOffset, length);

    public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length) => Reader.GetChars(ordinal, dataOffset, buffer, bufferOffset, length);

    public override char GetChar(int ordinal) => GetString(ordinal)[0];

    public override decimal GetDecimal(int ordinal) => Reader.GetDecimal(ordinal);

    public override DateTime GetDateTime(int ordinal) => this.Instant(ordinal).UtcDateTime;

    public override Guid GetGuid(int ordinal) => Guid.Parse(GetString(ordinal));

    public override bool NextResult() => false;

    /// <summary>The session steps; whoever maps a row reads it and no more.</summary>
    public override bool Read() => throw new NotSupportedException("a mapper reads one row");

    public override IEnumerator GetEnumerator() => throw new NotSupportedException("a mapper reads one row");
}
