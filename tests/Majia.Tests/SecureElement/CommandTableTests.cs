using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

public sealed class CommandTableTests
{
    [Fact]
    public void The_document_says_what_the_table_says()
    {
        var path = Path.Combine(Repository.Root, "docs", "protocols", "apdu.md");
        if (Environment.GetEnvironmentVariable("MAJIA_WRITE_DOCS") == "1")
        {
            File.WriteAllText(path, CommandTable.Markdown());
        }

        Assert.Equal(CommandTable.Markdown(), File.ReadAllText(path));
    }

    [Fact]
    public void No_command_stands_twice_and_every_one_says_both_languages()
    {
        Assert.Equal(CommandTable.Rows.Count, CommandTable.Rows.DistinctBy(static row => (row.Applet, row.Cla, row.Ins)).Count());
        Assert.All(CommandTable.Rows, static row => Assert.All((string[])[row.Name, row.Clause, row.Parameters.En, row.Parameters.Zh, row.Data.En, row.Data.Zh, row.Answer.En, row.Answer.Zh], Assert.NotEmpty));
    }

    [Fact]
    public void What_has_no_row_is_not_known()
    {
        Assert.True(CommandTable.Knows(Applet.Payment, 0x80, 0xA8, out _));
        Assert.True(CommandTable.Knows(Applet.Payment, 0x84, 0x1E, out _));
        Assert.False(CommandTable.Knows(Applet.Payment, 0x00, 0xA8, out var otherClass));
        Assert.True(otherClass);
        Assert.False(CommandTable.Knows(Applet.Ppse, 0x00, 0xB2, out otherClass));
        Assert.False(otherClass);
    }
}
