using Majia.Core.Iso8583;
using Majia.Core.Tlv;

namespace Majia.Cli.Bench;

/// <summary>P8: a 0200 parsed and a 0210 built on both lines beside npm iso_8583. P9: field 55 parsed beside npm node-emv.</summary>
public static class CodecBench
{
    /// <summary>A tap's chip data: 21 tags in 164 bytes, as the terminal sends them (protocols.md 6.5).</summary>
    public static readonly byte[] Field55 = Convert.FromHexString(
        "9F2608A1A2A3A4A5A6A7A89F2701809F101107010103A00000010A010000000000D1D29F37041234ABCD9F36020017950500000000009A032603049C01009F02060000000088005F2A020156"
        + "82027C009F1A0201569F03060000000000009F3303E0E9C89F34031F00009F3501229F1E083130303030303031840AA00000033301010200019F090200209F4104000000019F631038313939303130300080304000000000");

    public const int Tags = 21;

    /// <summary>Bytes of <see cref="Field55"/> that P8 and P9 speak of.</summary>
    public const int Field55Bytes = 164;

    private static readonly (int Field, string Value)[] PosRequest =
    [
        (2, "8199010000001238"), (3, "000000"), (4, "000000008800"), (11, "000001"), (14, "3006"), (22, "072"), (23, "001"), (25, "00"), (26, "06"),
        (35, "8199010000001238D30062200000000000"), (41, "10000001"), (42, "990031058120001"), (49, "156"), (53, "2600000000000000"), (60, "22000001000601"), (62, "12345678"), (63, "CUP"),
    ];

    private static readonly (int Field, string Value)[] PosAnswer =
    [
        (2, "8199010000001238"), (3, "000000"), (4, "000000008800"), (11, "000001"), (12, "130607"), (13, "0304"), (14, "3006"), (15, "0304"), (25, "00"), (32, "63990900"), (37, "606313000001"),
        (38, "135790"), (39, "00"), (41, "10000001"), (42, "990031058120001"), (44, "63990100   63990900   "), (49, "156"), (60, "22000001000601"),
    ];

    private static readonly (int Field, string Value)[] SwitchRequest =
    [
        (2, "8199010000001238"), (3, "000000"), (4, "000000008800"), (7, "0304130607"), (11, "000001"), (12, "130607"), (13, "0304"), (14, "3006"), (18, "5942"), (22, "072"), (23, "001"),
        (25, "00"), (32, "63990900"), (33, "63990900"), (37, "606313000001"), (41, "10000001"), (42, "990031058120001"), (49, "156"),
    ];

    private static readonly (int Field, string Value)[] SwitchAnswer =
    [
        (2, "8199010000001238"), (3, "000000"), (4, "000000008800"), (7, "0304130607"), (11, "000001"), (12, "130607"), (13, "0304"), (15, "0304"), (18, "5942"), (25, "00"), (32, "63990900"),
        (33, "63990900"), (37, "606313000001"), (38, "135790"), (39, "00"), (41, "10000001"), (42, "990031058120001"), (49, "156"),
    ];

    public static async Task<IReadOnlyList<BenchRow>> CodecsAsync(BenchEffort effort, NodeWorker? node, string missing) =>
    [
        .. await CodecAsync("codec-pos", Dialect.Pos, PosRequest, PosAnswer, pin: true, effort, node, missing),
        .. await CodecAsync("codec-switch", Dialect.Switch, SwitchRequest, SwitchAnswer, pin: false, effort, node, missing),
    ];

    public static async Task<IReadOnlyList<BenchRow>> Field55Async(BenchEffort effort, NodeWorker? node, string missing)
    {
        const double Floor = 100, Goal = 250;
        var found = 0;
        void Once()
        {
            found = 0;
            foreach (var item in BerTlv.Objects(Field55))
            {
                found += item.Value.Length >= 0 ? 1 : 0;
            }
        }

        Once();
        if (found != Tags || Field55.Length != Field55Bytes)
        {
            throw new InvalidOperationException($"field 55 has {found} tags in {Field55.Length} bytes");
        }

        var bytes = new BenchRow("field55-alloc", Loop.BytesPerCall(Once), null, null, 0, 0, Loop.BytesPerCall(Once) == 0, "bytes", null, null, "less is better; allocated for one field");
        if (node is null)
        {
            return [BenchRow.Missing("field55", Floor, Goal, "1/s", missing), bytes];
        }

        var rounds = await Rounds.AlternateAsync(
            effort.Rounds,
            () => Task.FromResult(Loop.Rate(effort.Seconds / 2, Once)),
            () => node.RateAsync("emv", effort.Seconds / 2, new { field55 = Convert.ToHexString(Field55), tags = Tags }));
        return [BenchRow.Beside("field55", rounds, Floor, Goal, "1/s", "21 tags, 164 bytes, one walk over all of them; npm node-emv 1.0.23 gives hex text"), bytes];
    }

    /// <summary>One request read with every field looked at, one answer set field by field and written.</summary>
    public static Action Exchange(Dialect dialect, byte[] request, (int Field, string Value)[] answer)
    {
        var read = new int[128];
        var fields = IsoCodec.TryRead(dialect, request, out var sample, out _) ? sample.Fields.ToArray() : [];
        var destination = new byte[1024];
        return () =>
        {
            if (!IsoCodec.TryRead(dialect, (ReadOnlyMemory<byte>)request, out var message, out var error))
            {
                throw new InvalidOperationException(error.ToString());
            }

            Span<char> text = stackalloc char[128];
            foreach (var field in fields)
            {
                read[field - 1] = field is 52 or 55 ? message.Binary(field).Length : message.CopyText(field, text);
            }

            var built = new IsoMessage(Mti.FinancialRequest.Response, 20);
            foreach (var (field, value) in answer)
            {
                built.Set(field, value);
            }

            built.Set(55, Field55);

            if (IsoCodec.Write(dialect, built, destination) < Field55Bytes || read[1] != 16)
            {
                throw new InvalidOperationException("the codec lost a field");
            }
        };
    }

    /// <summary>The request's bytes and the answer's rows of one line, for whoever measures the same exchange.</summary>
    public static (byte[] Request, (int Field, string Value)[] Answer) Sample(Dialect dialect) => dialect == Dialect.Pos
        ? (RequestBytes(dialect, PosRequest, pin: true), PosAnswer)
        : (RequestBytes(dialect, SwitchRequest, pin: false), SwitchAnswer);

    private static async Task<IReadOnlyList<BenchRow>> CodecAsync(
        string name, Dialect dialect, (int Field, string Value)[] request, (int Field, string Value)[] answer, bool pin, BenchEffort effort, NodeWorker? node, string missing)
    {
        const double Floor = 50, Goal = 150, BytesFloor = 2048, BytesGoal = 512;
        var once = Exchange(dialect, RequestBytes(dialect, request, pin), answer);
        var perMessage = Loop.BytesPerCall(once) / 2;
        var bytes = new BenchRow($"{name}-alloc", perMessage, null, null, BytesFloor, BytesGoal, perMessage <= BytesFloor, "bytes", null, null, "less is better; allocated per message, half of one 0200 read and one 0210 written");
        if (node is null)
        {
            return [BenchRow.Missing(name, Floor, Goal, "1/s", missing), bytes];
        }

        var input = new { request = Node("0200", request, pin), answer = Node("0210", answer, pin: false), formats = NodeFormats };
        var rounds = await Rounds.AlternateAsync(
            effort.Rounds,
            () => Task.FromResult(Loop.Rate(effort.Seconds / 2, once)),
            () => node.RateAsync("iso", effort.Seconds / 2, input));
        return [BenchRow.Beside(name, rounds, Floor, Goal, "1/s", "0200 read with all 19 fields looked at, 0210 of 19 set and written, field 55 of 164 bytes; npm iso_8583 2.6.7 with the same fields in its own coding, field 55 as hex"), bytes];
    }

    private static byte[] RequestBytes(Dialect dialect, (int Field, string Value)[] rows, bool pin)
    {
        var message = new IsoMessage(Mti.FinancialRequest, 24);
        foreach (var (field, value) in rows)
        {
            message.Set(field, value);
        }

        message.Set(55, Field55);
        if (pin)
        {
            message.Set(52, Convert.FromHexString("1122334455667788"));
        }

        return message.Count == 19 ? IsoCodec.Write(dialect, message) : throw new InvalidOperationException($"{message.Count} fields, not 19");
    }

    private static SortedDictionary<string, string> Node(string mti, (int Field, string Value)[] rows, bool pin)
    {
        var fields = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["0"] = mti, ["55"] = Convert.ToHexString(Field55) };
        foreach (var (field, value) in rows)
        {
            fields[field.ToString(System.Globalization.CultureInfo.InvariantCulture)] = value;
        }

        if (pin)
        {
            fields["52"] = "1122334455667788";
        }

        return fields;
    }

    /// <summary>Where its table differs from UnionPay's: lengths and kinds only, so that it takes the same values.</summary>
    private static readonly SortedDictionary<string, object> NodeFormats = new(StringComparer.Ordinal)
    {
        ["53"] = new { ContentType = "n", Label = "Security", LenType = "fixed", MaxLen = 16 },
        ["55"] = new { ContentType = "ans", Label = "Chip data", LenType = "lllvar", MaxLen = 999 },
        ["44"] = new { ContentType = "ans", Label = "Institutions", LenType = "llvar", MaxLen = 25 },
    };
}
