namespace Majia.TokenService.Directory;

/// <summary>A table kept as data: one row a line, comma-separated, first line the column names, <c>#</c> starts a comment line.</summary>
public static class DataTable
{
    /// <summary>Rows in file order, each by column name.</summary>
    /// <exception cref="FormatException">A column is missing or a row has another number of cells; names file and line.</exception>
    public static IReadOnlyList<IReadOnlyDictionary<string, string>> Read(string name, string text, params ReadOnlySpan<string> columns)
    {
        string[]? header = null;
        var rows = new List<IReadOnlyDictionary<string, string>>();
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.TrimEnd('\r');
            if (string.IsNullOrWhiteSpace(line) || line[0] == '#')
            {
                continue;
            }

            var cells = line.Split(',');
            if (header is null)
            {
                header = cells;
                foreach (var column in columns)
                {
                    if (!header.Contains(column, StringComparer.Ordinal))
                    {
                        throw new FormatException($"{name}, line {number}: column {column} is missing");
                    }
                }

                continue;
            }

            if (cells.Length != header.Length)
            {
                throw new FormatException($"{name}, line {number}: expected {header.Length} cells, got {cells.Length}");
            }

            rows.Add(header.Zip(cells).ToDictionary(pair => pair.First, pair => pair.Second.Trim(), StringComparer.Ordinal));
        }

        return header is null ? throw new FormatException($"{name}: no header line") : rows;
    }

    /// <summary>The table <paramref name="name"/>: the owner's file when its folder has one, else the one built in.</summary>
    public static string Load(string name, string? folder)
    {
        if (folder is not null && File.Exists(Path.Combine(folder, name)))
        {
            return File.ReadAllText(Path.Combine(folder, name));
        }

        using var stream = typeof(DataTable).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"{name} is not built in");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
