using Majia.Core.Contracts;

namespace Majia.Tests.Transcripts;

/// <summary>A pattern of bytes: hex, and <c>??</c> for a byte that may be any.</summary>
internal sealed record Pattern(IReadOnlyList<byte?> Bytes)
{
    public bool IsExact => Bytes.All(one => one is not null);

    public bool Matches(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Bytes.Count)
        {
            return false;
        }

        for (var i = 0; i < bytes.Length; i++)
        {
            if (Bytes[i] is { } wanted && wanted != bytes[i])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>These bytes, zeros where any would do.</summary>
    public byte[] Plain() => [.. Bytes.Select(one => one ?? 0)];

    public override string ToString() => string.Concat(Bytes.Select(one => one is { } known ? known.ToString("X2", System.Globalization.CultureInfo.InvariantCulture) : "??"));
}

/// <summary>A conversation between reader and card: a line <c>&gt;</c> is a command, <c>&lt;</c> its answer, <c>#</c> a comment. What <c>majia card</c> prints is one.</summary>
internal sealed record Transcript(IReadOnlyList<(Pattern Command, Pattern Answer)> Exchanges)
{
    public static Transcript Read(string path) => Parse(File.ReadLines(path), Path.GetFileName(path));

    /// <exception cref="FormatException">With line and column.</exception>
    public static Transcript Parse(IEnumerable<string> lines, string name)
    {
        var exchanges = new List<(Pattern, Pattern)>();
        Pattern? command = null;
        var number = 0;
        foreach (var line in lines)
        {
            number++;
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            if (line[0] is not ('>' or '<') || (line[0] == '<') != (command is not null))
            {
                throw new FormatException($"{name} line {number}: expected {(command is null ? "'>' and a command" : "'<' and its answer")}, got '{line[0]}'");
            }

            var pattern = Bytes(line, name, number);
            if (line[0] == '>')
            {
                command = pattern;
            }
            else
            {
                exchanges.Add((command!, pattern));
                command = null;
            }
        }

        return command is null ? new Transcript(exchanges) : throw new FormatException($"{name} line {number}: expected the last command's answer, got the end");
    }

    private static Pattern Bytes(string line, string name, int number)
    {
        var bytes = new List<byte?>();
        for (var at = 1; at < line.Length;)
        {
            if (line[at] == ' ')
            {
                at++;
            }
            else if (at + 1 < line.Length && line[at] == '?' && line[at + 1] == '?')
            {
                bytes.Add(null);
                at += 2;
            }
            else if (at + 1 < line.Length && char.IsAsciiHexDigit(line[at]) && char.IsAsciiHexDigit(line[at + 1]))
            {
                bytes.Add(Convert.FromHexString(line.AsSpan(at, 2))[0]);
                at += 2;
            }
            else
            {
                throw new FormatException($"{name} line {number} column {at + 1}: expected two hex digits or ??, got '{line[at..Math.Min(at + 2, line.Length)]}'");
            }
        }

        return new Pattern(bytes);
    }

    /// <summary>Our card is asked the transcript's commands, and answers as it says.</summary>
    public async Task AssertAnsweredByAsync(ICardChannel card)
    {
        foreach (var (command, answer) in Exchanges)
        {
            Assert.True(command.IsExact, $"a command that is played to a card is exact: {command}");
            var got = await card.TransmitAsync(command.Plain(), TestContext.Current.CancellationToken);
            Assert.True(answer.Matches(got.Span), $"{command}\nexpected {answer}\ngot      {Convert.ToHexString(got.Span)}");
        }
    }

    /// <summary>A card that says what the transcript says, if it is asked what the transcript asks.</summary>
    public TranscriptCard Card() => new(this);
}

internal sealed class TranscriptCard(Transcript transcript) : ICardChannel
{
    private int at;

    /// <summary>All of it was spoken.</summary>
    public bool IsDone => at == transcript.Exchanges.Count;

    public ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
    {
        Assert.True(at < transcript.Exchanges.Count, $"after its end the transcript is asked {Convert.ToHexString(command.Span)}");
        var (asked, answer) = transcript.Exchanges[at++];
        Assert.True(asked.Matches(command.Span), $"exchange {at}\nexpected {asked}\ngot      {Convert.ToHexString(command.Span)}");
        return ValueTask.FromResult<ReadOnlyMemory<byte>>(answer.Plain());
    }
}
