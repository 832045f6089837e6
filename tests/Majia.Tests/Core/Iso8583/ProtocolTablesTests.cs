using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class ProtocolTablesTests
{
    [Theory]
    [InlineData("iso8583-fields.md")]
    [InlineData("message-matrix.md")]
    [InlineData("response-codes.md")]
    public void The_documents_say_what_the_tables_say(string file)
    {
        var made = file switch { "iso8583-fields.md" => ProtocolTables.IsoFields(), "message-matrix.md" => ProtocolTables.Matrix(), _ => ProtocolTables.Codes() };
        var path = Path.Combine(Repository.Root, "docs", "protocols", file);
        if (Environment.GetEnvironmentVariable("MAJIA_WRITE_DOCS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, made);
        }

        Assert.Equal(made, File.ReadAllText(path));
    }
}
