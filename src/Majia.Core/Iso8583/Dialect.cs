namespace Majia.Core.Iso8583;

/// <summary>How a value stands in its bytes.</summary>
internal enum Coding : byte
{
    /// <summary>A byte a character, or bytes.</summary>
    Raw = 0,

    /// <summary>Two digits a byte, filled behind.</summary>
    PackedLeft = 1,

    /// <summary>Two digits a byte, filled in front.</summary>
    PackedRight = 2,
}

/// <summary>A field on one line, ready for the codec.</summary>
internal readonly record struct FieldFormat(Content Content, LengthKind Length, int Max, Coding Coding)
{
    public bool Defined => Max != 0;

    public int BytesFor(int length) => Coding == Coding.Raw ? length : (length + 1) / 2;
}

/// <summary>Coding of one line over the common field table: digits packed or as characters, bitmap of 64 or 128 bits, where the MAC stands.</summary>
public sealed class Dialect
{
    private readonly FieldFormat[] formats = new FieldFormat[129];

    private Dialect(string name, bool packed, int bitmapBytes, int macField, Func<IsoField, FieldShape?> shapeOf)
    {
        Name = name;
        Packed = packed;
        BitmapBytes = bitmapBytes;
        MacField = macField;
        ShapeOf = shapeOf;
        foreach (var field in IsoFields.All)
        {
            if (shapeOf(field) is { } shape)
            {
                var digits = packed && shape.Content is Content.N or Content.Z;
                var coding = !(packed && digits) ? Coding.Raw : field.Justify == Justify.Left ? Coding.PackedLeft : Coding.PackedRight;
                formats[field.Number] = new FieldFormat(shape.Content, shape.Length, shape.Max, coding);
            }
        }
    }

    /// <summary>POS–acquirer: BCD, 64-bit bitmap (protocols.md 6.1–6.2).</summary>
    public static Dialect Pos { get; } = new Dialect("pos", packed: true, bitmapBytes: 8, macField: 64, static field => field.Pos).KeptAs(static pos => pos);

    /// <summary>Between institutions: ASCII, 128-bit bitmap (protocols.md 6.9).</summary>
    public static Dialect Switch { get; } = new Dialect("switch", packed: false, bitmapBytes: 16, macField: 128, static field => field.Switch).KeptAs(static _ =>
        new Dialect("switch", packed: false, bitmapBytes: 16, macField: 128, static field => field.Number == 2 ? new FieldShape(Content.Ans, LengthKind.LL, 19) : field.Switch));

    /// <summary>The line as it is kept: on the switch line F2 may be masked with stars (<see cref="IsoRedaction"/>).</summary>
    internal Dialect Kept { get; private set; } = null!;

    public string Name { get; }

    /// <summary>Digits, MTI and lengths two to a byte.</summary>
    public bool Packed { get; }

    public int BitmapBytes { get; }

    /// <summary>64 on the POS line, 128 on the switch line.</summary>
    public int MacField { get; }

    /// <summary>The form of a field on this line, or null when the line does not carry it.</summary>
    public FieldShape? Shape(int field) => IsoFields.Find(field) is { } row ? ShapeOf(row) : null;

    internal ref readonly FieldFormat Format(int field) => ref formats[field];

    private Dialect KeptAs(Func<Dialect, Dialect> kept)
    {
        Kept = kept(this);
        Kept.Kept = Kept;
        return this;
    }

    internal int MtiBytes => Packed ? 2 : 4;

    internal int PrefixBytes(LengthKind kind) => kind switch
    {
        LengthKind.Fixed => 0,
        LengthKind.LL => Packed ? 1 : 2,
        _ => Packed ? 2 : 3,
    };

    private Func<IsoField, FieldShape?> ShapeOf { get; }

    public override string ToString() => Name;
}
