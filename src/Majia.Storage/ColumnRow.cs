using System.Collections;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Majia.Storage;

/// <summary>One row as mappers read it: by column number, typed as SQLite keeps it.</summary>
internal abstract class ColumnRow : DbDataReader
{
    public override int Depth => 0;

    public override bool HasRows => true;

    public override bool IsClosed => false;

    public override int RecordsAffected => -1;

    public override object this[int ordinal] => GetValue(ordinal);

    public override object this[string name] => GetValue(GetOrdinal(name));

    public override int GetInt32(int ordinal) => checked((int)GetInt64(ordinal));

    public override short GetInt16(int ordinal) => checked((short)GetInt64(ordinal));

    public override byte GetByte(int ordinal) => checked((byte)GetInt64(ordinal));

    public override bool GetBoolean(int ordinal) => GetInt64(ordinal) != 0;

    public override float GetFloat(int ordinal) => (float)GetDouble(ordinal);

    public override int GetValues(object[] values)
    {
        var count = Math.Min(values.Length, FieldCount);
        for (var i = 0; i < count; i++)
        {
            values[i] = GetValue(i);
        }

        return count;
    }

    public override int GetOrdinal(string name)
    {
        for (var i = 0; i < FieldCount; i++)
        {
            if (GetName(i) == name)
            {
                return i;
            }
        }

        throw new ArgumentOutOfRangeException(nameof(name), name, "no such column");
    }

    public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length)
    {
        var bytes = (byte[])GetValue(ordinal);
        if (buffer is null)
        {
            return bytes.Length;
        }

        var part = bytes.AsSpan((int)dataOffset, Math.Min(length, bytes.Length - (int)dataOffset));
        part.CopyTo(buffer.AsSpan(bufferOffset));
        return part.Length;
    }

    public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length)
    {
        var text = GetString(ordinal);
        if (buffer is null)
        {
            return text.Length;
        }

        var part = text.AsSpan((int)dataOffset, Math.Min(length, text.Length - (int)dataOffset));
        part.CopyTo(buffer.AsSpan(bufferOffset));
        return part.Length;
    }

    public override char GetChar(int ordinal) => GetString(ordinal)[0];

    public override decimal GetDecimal(int ordinal) => decimal.Parse(GetString(ordinal), CultureInfo.InvariantCulture);

    public override DateTime GetDateTime(int ordinal) => this.Instant(ordinal).UtcDateTime;

    public override Guid GetGuid(int ordinal) => Guid.Parse(GetString(ordinal));

    public override bool NextResult() => false;

    /// <summary>Whoever maps a row reads it and no more.</summary>
    public override bool Read() => throw new NotSupportedException("a mapper reads one row");

    public override IEnumerator GetEnumerator() => throw new NotSupportedException("a mapper reads one row");

    protected void NotNull(int ordinal)
    {
        if (IsDBNull(ordinal))
        {
            throw new InvalidCastException($"column {GetName(ordinal)} is NULL");
        }
    }
}

/// <summary>A row whose values are at hand.</summary>
internal sealed class ValuesRow(IReadOnlyList<string> names, object?[] values) : ColumnRow
{
    public override int FieldCount => values.Length;

    public override bool IsDBNull(int ordinal) => values[ordinal] is null;

    public override object GetValue(int ordinal) => values[ordinal] ?? DBNull.Value;

    public override long GetInt64(int ordinal)
    {
        NotNull(ordinal);
        return SqliteSession.NumberOf(values[ordinal]!);
    }

    public override double GetDouble(int ordinal) => GetInt64(ordinal);

    public override string GetString(int ordinal)
    {
        NotNull(ordinal);
        return (string)values[ordinal]!;
    }

    public override string GetName(int ordinal) => names[ordinal];

    public override string GetDataTypeName(int ordinal) => GetFieldType(ordinal).Name;

    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicFields | DynamicallyAccessedMemberTypes.PublicProperties)]
    public override Type GetFieldType(int ordinal) => values[ordinal] switch
    {
        string or null => typeof(string),
        byte[] => typeof(byte[]),
        _ => typeof(long),
    };
}
