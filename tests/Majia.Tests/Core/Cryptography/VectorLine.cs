namespace Majia.Tests.Core.Cryptography;

/// <summary>One case of a vector file: a kind, then name=value, parted by blanks; # begins a comment line.</summary>
public sealed class VectorLine
{
    private readonly Dictionary<string, string> values;

    private VectorLine(string kind, Dictionary<string, string> values)
    {
        Kind = kind;
        this.values = values;
    }

    public string Kind { get; }

    public string this[string name] => values[name];

    public bool Has(string name) => values.ContainsKey(name);

    public byte[] Hex(string name) => Convert.FromHexString(values[name]);

    public static VectorLine Parse(string line)
    {
        var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return new VectorLine(parts[0], parts.Skip(1).ToDictionary(part => part[..part.IndexOf('=')], part => part[(part.IndexOf('=') + 1)..]));
    }

    /// <summary>The lines of <paramref name="kind"/>, for a theory.</summary>
    public static TheoryData<string> Of(string file, string kind)
    {
        var lines = File.ReadLines(Repository.Vector(file)).Where(line => line.StartsWith(kind + " ", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(lines);
        return [.. lines];
    }

    /// <summary><c>3des</c>, <c>sm4</c> or <c>aes</c>.</summary>
    public Majia.Core.Cryptography.CipherAlgorithm Algorithm => this["algorithm"] switch
    {
        "3des" => Majia.Core.Cryptography.CipherAlgorithm.TripleDes,
        "sm4" => Majia.Core.Cryptography.CipherAlgorithm.Sm4,
        "aes" => Majia.Core.Cryptography.CipherAlgorithm.Aes,
        var other => throw new FormatException(other),
    };
}
