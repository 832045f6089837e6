using Majia.Core.Iso8583;

namespace Majia.Tests.Fuzz;

/// <summary>Messages that are well formed and make no sense: right shapes, wrong contents, fields too many and too few, another MTI.</summary>
internal static class IsoMutator
{
    private static readonly int[] Mtis = [100, 110, 200, 210, 220, 230, 320, 400, 410, 420, 421, 430, 500, 620, 800, 810, 820, 0, 9999, 299, 2200];

    private static readonly byte[][] ChipData = [.. new[]
    {
        "9F2608A1A2A3A4A5A6A7A89F2701809F101307010103A00000010A010000038787868FD1FC9F3704AABBCCDD9F36020001950500000000009A032611229C01009F02060000000088005F2A02015682027C009F1A0201569F0306000000000000",
        "9F2608A1A2A3A4A5A6A7A85A0862990177777777785F340101", "7710" + "5A0862990177777777785F3401019F1A0156"[..32], "70035A0100", "5710629901777777777 8D3012220123456789".Replace(" ", "", StringComparison.Ordinal) + "0",
    }.Select(Convert.FromHexString)];

    /// <summary>A body; one in four with broken bytes.</summary>
    public static byte[] Body(Dice dice, Dialect dialect, int max = 4000)
    {
        var corpus = Corpus.Of(dialect);
        return dice.Once(4) ? Mutator.Bytes(dice, corpus, max) : Nonsense(dice, dialect, dice.Of(corpus));
    }

    public static byte[] Nonsense(Dice dice, Dialect dialect, byte[] body)
    {
        Assert.True(IsoCodec.TryRead(dialect, body.AsSpan(), out var message, out var error), error.ToString());
        return IsoCodec.Write(dialect, Nonsense(dice, dialect, message));
    }

    public static IsoMessage Nonsense(Dice dice, Dialect dialect, IsoMessage message)
    {
        message = dice.Once(8) ? message.Copy(new Mti(dice.Once(4) ? dice.Below(10000) : dice.Of(Mtis))) : message.Copy();
        for (var left = 1 + dice.Size(3); left > 0; left--)
        {
            int[] present = [.. message.Fields];
            var field = present.Length > 0 && !dice.Once(4) ? dice.Of(present) : dice.Of(IsoFields.All).Number;
            if (dialect.Shape(field) is not { } shape || dice.Once(5))
            {
                message.Remove(field);
                continue;
            }

            if (dice.Once(6) && IsoCodec.TryRead(dialect, dice.Of(Corpus.Of(dialect)).AsSpan(), out var other, out _) && other.Has(field))
            {
                message.Set(field, other);
                continue;
            }

            if (field == 55 && !dice.Once(4))
            {
                var data = Mutator.Bytes(dice, ChipData, 240);
                var at = dice.Below(data.Length + 1);
                byte[] planted = dice.Once(2) ? [.. data[..at], 0x5A, 0x08, 0x62, 0x99, 0x01, 0x77, 0x77, 0x77, 0x77, 0x78, .. data[at..]] : data;
                message.Set(55, planted.AsSpan(0, Math.Min(planted.Length, 255)));
                continue;
            }

            message.Set(field, Value(dice, shape, message.Binary(field).Span));
        }

        return message;
    }

    /// <summary>Bytes of any value that the shape allows.</summary>
    private static byte[] Value(Dice dice, FieldShape shape, ReadOnlySpan<byte> now)
    {
        var length = shape.Length == LengthKind.Fixed ? shape.Max : dice.Once(3) && now.Length > 0 ? Math.Clamp(now.Length + dice.Below(3) - 1, 0, shape.Max) : dice.Size(shape.Max);
        var value = new byte[length];
        var manner = dice.Below(5);
        for (var i = 0; i < length; i++)
        {
            var any = shape.Content switch
            {
                Content.N => (byte)('0' + dice.Below(10)),
                Content.An => (byte)" 0123456789ABCXYZabcxyz"[dice.Below(23)],
                Content.Z => (byte)"0123456789DF=A"[dice.Below(14)],
                Content.Ans => (byte)(0x20 + dice.Below(dice.Once(4) ? 0xE0 : 0x5F)),
                _ => (byte)dice.Below(256),
            };
            var same = shape.Content is Content.N or Content.Z ? manner == 1 ? (byte)'9' : (byte)'0' : manner == 1 ? (byte)0xFF : (byte)' ';
            value[i] = manner switch
            {
                0 or 1 when shape.Content is Content.N or Content.Z or Content.Ans or Content.B or Content.Ansb => same,
                2 or 3 when i < now.Length && !dice.Once(8) => now[i],
                _ => any,
            };
        }

        return value;
    }
}
