using System.Diagnostics.CodeAnalysis;
using System.Text;
using SQLitePCL;

namespace Majia.Storage;

/// <summary>The row at which a statement stands, as mappers read it: by column number, no copy but the value's own.</summary>
internal sealed class SqliteRow(sqlite3_stmt statement) : ColumnRow
{
    public override int FieldCount => raw.sqlite3_column_count(statement);

    public override bool IsDBNull(int ordinal) => raw.sqlite3_column_type(statement, ordinal) == raw.SQLITE_NULL;

    public override long GetInt64(int ordinal)
    {
        NotNull(ordinal);
        return raw.sqlite3_column_int64(statement, ordinal);
    }

    public override double GetDouble(int ordinal)
    {
        NotNull(ordinal);
        return raw.sqlite3_column_double(statement, ordinal);
    }

    public override string GetString(int ordinal)
    {
        NotNull(ordinal);
        return raw.sqlite3_column_type(statement, ordinal) == raw.SQLITE_TEXT
            ? Encoding.UTF8.GetString(raw.sqlite3_column_blob(statement, ordinal))
            : raw.sqlite3_column_text(statement, ordinal).utf8_to_string();
    }

    public override object GetValue(int ordinal) => raw.sqlite3_column_type(statement, ordinal) switch
    {
        raw.SQLITE_INTEGER => raw.sqlite3_column_int64(statement, ordinal),
        raw.SQLITE_FLOAT => raw.sqlite3_column_double(statement, ordinal),
        raw.SQLITE_TEXT => GetString(ordinal),
        raw.SQLITE_BLOB => raw.sqlite3_column_blob(statement, ordinal).ToArray(),
        _ => DBNull.Value,
    };

    public override string GetName(int ordinal) => raw.sqlite3_column_name(statement, ordinal).utf8_to_string();

    public override string GetDataTypeName(int ordinal) => raw.sqlite3_column_decltype(statement, ordinal).utf8_to_string() ?? string.Empty;

    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicFields | DynamicallyAccessedMemberTypes.PublicProperties)]
    public override Type GetFieldType(int ordinal) => raw.sqlite3_column_type(statement, ordinal) switch
    {
        raw.SQLITE_INTEGER => typeof(long),
        raw.SQLITE_FLOAT => typeof(double),
        raw.SQLITE_BLOB => typeof(byte[]),
        _ => typeof(string),
    };
}
