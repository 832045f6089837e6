using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class IsoAllocationTests
{
    private const int Rounds = 2000;

    /// <summary>quality.md P8: a 0200 of 19 fields with 164 bytes of F55 parsed, its 0210 built and written, at most half a kilobyte for each message.</summary>
    [Theory]
    [InlineData("pos")]
    [InlineData("switch")]
    public void A_message_costs_less_than_half_a_kilobyte(string line)
    {
        var dialect = line == "pos" ? Dialect.Pos : Dialect.Switch;
        var request = Request(dialect);
        var output = new byte[2048];
        var written = 0;
        for (var i = 0; i < 200; i++)
        {
            written = ParseAndBuild(dialect, request, output);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Rounds; i++)
        {
            ParseAndBuild(dialect, request, output);
        }

        var perMessage = (GC.GetAllocatedBytesForCurrentThread() - before) / Rounds / 2;
        Assert.InRange(perMessage, 1, 512);
        Assert.True(IsoCodec.TryRead(dialect, output.AsSpan(0, written), out var answer, out var error), error.ToString());
        Assert.Equal(19, answer.Count);
        Assert.Equal("00", answer.Text(39));
    }

    internal static ReadOnlyMemory<byte> Request(Dialect dialect)
    {
        var message = IsoCodecTests.Sale().Set(55, new byte[164]).Remove(dialect == Dialect.Switch ? 60 : 128);
        message.Set(dialect == Dialect.Switch ? 32 : 62, "63990900").Set(dialect.MacField, new byte[8]);
        message = dialect == Dialect.Switch ? message.Set(60, new Field60Switch().Format()) : message;
        Assert.Equal(19, message.Count);
        return IsoCodec.Write(dialect, message);
    }

    internal static int ParseAndBuild(Dialect dialect, ReadOnlyMemory<byte> request, Span<byte> output)
    {
        if (!IsoCodec.TryRead(dialect, request, out var message, out var error))
        {
            throw new InvalidOperationException(error.ToString());
        }

        var answer = new IsoMessage(Mti.FinancialResponse)
            .Take(message, 2, 3, 4, 11, 14, 22, 23, 25, 41, 42, 49, 55, 60)
            .Set(12, "200000").Set(13, "1123").Set(37, "000000000012").Set(38, "123456").Set(39, "00").Set(dialect.MacField, "94ADAB08"u8);
        return IsoCodec.Write(dialect, answer, output);
    }
}
