using System.Buffers;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace Majia.Core.Iso8583;

/// <summary>An ISO 8583 message: an MTI and fields 2 to 128, text or binary by the field table.</summary>
/// <remarks>
/// Text fields hold the value as a person writes it (digits, letters; F35 with D or =; Chinese as GBK); binary fields their bytes, as text in hex. F22 is three digits on both lines.
/// A message that was read keeps the received bytes and decodes a field when it is asked for it; what is set later stands in a buffer of its own. Not safe for use by two threads while it is being changed.
/// </remarks>
public sealed class IsoMessage
{
    internal const int MaxBytes = 0x1FFFF, MaxValue = 999;
    private static readonly Encoding Gbk = CodePagesEncodingProvider.Instance.GetEncoding(936, EncoderFallback.ExceptionFallback, DecoderFallback.ReplacementFallback)!;

    // Bit n−1 of the map stands for field n; slots stand in field order, one for each bit that is set.
    private ulong low;
    private ulong high;
    private Slot[] slots;

    // Texts that were asked for, beside their slots: the same field is asked for several times on its way. Gone when the fields change.
    private string?[]? texts;
    private int count;
    private ReadOnlyMemory<byte> source;
    private Dialect? sourceLine;
    private byte[] own = [];
    private int used;

    public IsoMessage(Mti mti)
        : this(mti, 24)
    {
    }

    /// <param name="capacity">How many fields it will have, about.</param>
    public IsoMessage(Mti mti, int capacity)
    {
        Mti = mti;
        slots = new Slot[capacity];
    }

    internal IsoMessage(Mti mti, ulong low, ulong high, Dialect line, ReadOnlyMemory<byte> source, ReadOnlySpan<Slot> slots)
    {
        sourceLine = line;
        Mti = mti;
        this.low = low;
        this.high = high;
        this.source = source;
        this.slots = slots.ToArray();
        count = slots.Length;
    }

    public Mti Mti { get; }

    /// <summary>Number of fields.</summary>
    public int Count => count;

    /// <summary>Numbers of the fields that are present, ascending.</summary>
    public IEnumerable<int> Fields
    {
        get
        {
            for (var number = 2; number <= 128; number++)
            {
                if (Has(number))
                {
                    yield return number;
                }
            }
        }
    }

    internal (ulong Low, ulong High) Map => (low, high);

    internal ReadOnlySpan<Slot> Slots => slots.AsSpan(0, count);

    public bool Has(int field) =>
        field is >= 1 and <= 64 ? ((low >> (field - 1)) & 1) != 0 : field is > 64 and <= 128 && ((high >> (field - 65)) & 1) != 0;

    /// <summary>A text field; null when absent. A binary field as upper-case hex.</summary>
    public string? Text(int field)
    {
        if (!Has(field))
        {
            return null;
        }

        var rank = Rank(field);
        var known = texts ??= new string?[slots.Length];
        return known[rank] ??= TextOf(field, slots[rank]);
    }

    private string TextOf(int field, Slot slot)
    {
        if (slot.Coding != Coding.Raw)
        {
            return string.Create(slot.Length, (Message: this, Slot: slot), static (span, from) => Unpack(from.Message.BytesOf(from.Slot), from.Slot, span));
        }

        var bytes = BytesOf(slot);
        return IsBinary(field) ? Convert.ToHexString(bytes) : Ascii.IsValid(bytes) ? Encoding.ASCII.GetString(bytes) : Gbk.GetString(bytes);
    }

    /// <summary>Copies a text field of ASCII characters without allocating; returns the characters written, −1 when absent or when <paramref name="destination"/> is too short.</summary>
    public int CopyText(int field, Span<char> destination)
    {
        if (!Has(field))
        {
            return -1;
        }

        var slot = slots[Rank(field)];
        if (slot.Length > destination.Length)
        {
            return -1;
        }

        if (slot.Coding != Coding.Raw)
        {
            Unpack(BytesOf(slot), slot, destination[..slot.Length]);
        }
        else
        {
            Encoding.Latin1.GetChars(BytesOf(slot), destination);
        }

        return slot.Length;
    }

    /// <summary>As <see cref="CopyText"/>, with the characters as a slice.</summary>
    public bool TryText(int field, Span<char> buffer, out ReadOnlySpan<char> text)
    {
        var length = CopyText(field, buffer);
        text = length < 0 ? default : buffer[..length];
        return length >= 0;
    }

    /// <summary>True when the field is present and its text is exactly <paramref name="text"/> (ASCII). No allocation.</summary>
    public bool Is(int field, ReadOnlySpan<char> text)
    {
        Span<char> buffer = stackalloc char[64];
        return text.Length <= buffer.Length && TryText(field, buffer, out var value) && value.SequenceEqual(text);
    }

    /// <summary>A field of up to 18 digits as its number; null when absent or not digits.</summary>
    public long? Number(int field)
    {
        Span<char> buffer = stackalloc char[18];
        return TryText(field, buffer, out var text) && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    /// <summary>A binary field; empty when absent. A text field as its bytes, a character each.</summary>
    public ReadOnlyMemory<byte> Binary(int field)
    {
        if (!Has(field))
        {
            return default;
        }

        var slot = slots[Rank(field)];
        if (slot.Coding == Coding.Raw)
        {
            return slot.Own ? own.AsMemory(slot.Offset, slot.Length) : source.Slice(slot.Offset, slot.Length);
        }

        var digits = new byte[slot.Length];
        Unpack(BytesOf(slot), slot, digits);
        return digits;
    }

    /// <summary>Sets a text field; null removes it. Returns this, so that a message reads as its list of fields.</summary>
    /// <remarks>A fixed-length ans field (41, 42, 43) is filled with spaces behind. A binary field takes hex.</remarks>
    public IsoMessage Set(int field, string? value) => value is null ? Remove(field) : SetText(field, value);

    /// <inheritdoc cref="Set(int, string?)"/>
    public IsoMessage SetText(int field, ReadOnlySpan<char> value)
    {
        if (IsBinary(field))
        {
            return Set(field, Convert.FromHexString(value));
        }

        // Fixed ans fields stand with the same length on both lines.
        ref readonly var format = ref Dialect.Switch.Format(field is > 0 and <= 128 ? field : 0);
        var fill = format is { Content: Content.Ans, Length: LengthKind.Fixed } ? format.Max : 0;
        if (Ascii.IsValid(value))
        {
            var into = Reserve(field, Math.Max(value.Length, fill));
            Encoding.ASCII.GetBytes(value, into);
            into[value.Length..].Fill((byte)' ');
            return this;
        }

        var length = Gbk.GetByteCount(value);
        var bytes = Reserve(field, Math.Max(length, fill));
        Gbk.GetBytes(value, bytes);
        bytes[length..].Fill((byte)' ');
        return this;
    }

    /// <summary>Sets a field to its bytes.</summary>
    public IsoMessage Set(int field, ReadOnlySpan<byte> value)
    {
        value.CopyTo(Reserve(field, value.Length));
        return this;
    }

    /// <summary>Sets a numeric field, filled with zeros in front to <paramref name="digits"/>.</summary>
    public IsoMessage SetNumber(int field, long value, int digits)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        var into = Reserve(field, digits);
        for (var i = digits - 1; i >= 0; i--)
        {
            into[i] = (byte)('0' + (value % 10));
            value /= 10;
        }

        return value == 0 ? this : throw new ArgumentOutOfRangeException(nameof(value), $"F{field} has {digits} digits");
    }

    /// <summary>Takes one field over from another message; absent there, it is removed here. No copy is made of what was read.</summary>
    public IsoMessage Set(int field, IsoMessage from)
    {
        if (!from.Has(field))
        {
            return Remove(field);
        }

        var slot = from.slots[from.Rank(field)];
        if (!slot.Own && (source.IsEmpty || source.Equals(from.source)))
        {
            source = from.source;
            sourceLine = from.sourceLine;
            Place(field, slot);
            return this;
        }

        var bytes = from.BytesOf(slot);
        bytes.CopyTo(Grow(bytes.Length, out var offset));
        Place(field, new Slot(offset, slot.Length, slot.Coding, true));
        return this;
    }

    /// <summary>Takes several fields over from another message.</summary>
    public IsoMessage Take(IsoMessage from, params ReadOnlySpan<int> fields)
    {
        foreach (var field in fields)
        {
            Set(field, from);
        }

        return this;
    }

    public IsoMessage Remove(int field)
    {
        if (!Has(field))
        {
            return this;
        }

        texts = null;
        var rank = Rank(field);
        slots.AsSpan(rank + 1, count - rank - 1).CopyTo(slots.AsSpan(rank));
        count--;
        if (field <= 64)
        {
            low &= ~(1UL << (field - 1));
        }
        else
        {
            high &= ~(1UL << (field - 65));
        }

        return this;
    }

    /// <summary>A message with the same fields and another MTI; neither sees what is set in the other later.</summary>
    public IsoMessage Copy(Mti mti)
    {
        var copy = new IsoMessage(mti, count + 4) { low = low, high = high, count = count, source = source, sourceLine = sourceLine, own = own.AsSpan(0, used).ToArray(), used = used };
        Slots.CopyTo(copy.slots);
        return copy;
    }

    /// <inheritdoc cref="Copy(Mti)"/>
    public IsoMessage Copy() => Copy(Mti);

    /// <summary>True when MTI and every field are equal, MACs left out: the same request sent again (decisions.md 19).</summary>
    public bool SameContent(IsoMessage other)
    {
        const ulong mac = 1UL << 63;
        if (Mti != other.Mti || (low & ~mac) != (other.low & ~mac) || (high & ~mac) != (other.high & ~mac))
        {
            return false;
        }

        foreach (var field in Fields)
        {
            if (field is not (64 or 128) && !Binary(field).Span.SequenceEqual(other.Binary(field).Span))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>SHA-256 over MTI and every field but the MACs, to tell <em>the same request again</em> from <em>other content under the same key</em> (94) without keeping the content.</summary>
    /// <param name="without">Fields that do not count, as if they were not there.</param>
    public byte[] ContentDigest(params ReadOnlySpan<int> without)
    {
        const ulong mac = 1UL << 63;
        var (first, second) = (low & ~mac, high & ~mac);
        foreach (var field in without)
        {
            (first, second) = field <= 64 ? (first & ~(1UL << (field - 1)), second) : (first, second & ~(1UL << (field - 65)));
        }

        var buffer = ArrayPool<byte>.Shared.Rent(4 + Room);
        try
        {
            var used = Encoding.ASCII.GetBytes(Mti.Digits, buffer);
            for (var half = 0; half < 2; half++)
            {
                for (var bits = half == 0 ? first : second; bits != 0; bits &= bits - 1)
                {
                    Gather((64 * half) + BitOperations.TrailingZeroCount(bits) + 1, buffer, ref used);
                }
            }

            return SHA256.HashData(buffer.AsSpan(0, used));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    /// <summary>SHA-256 over these fields in this order, each after its number and length; one that is not there counts as empty.</summary>
    public byte[] DigestOf(params ReadOnlySpan<int> fields)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Room + (3 * fields.Length));
        try
        {
            var used = 0;
            foreach (var field in fields)
            {
                Gather(field, buffer, ref used);
            }

            return SHA256.HashData(buffer.AsSpan(0, used));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    /// <summary>Bytes that all fields take with their numbers and lengths.</summary>
    private int Room
    {
        get
        {
            var length = 0;
            for (var i = 0; i < count; i++)
            {
                length += 3 + slots[i].Length;
            }

            return length;
        }
    }

    // Gathered first: one call of the library, not three a field.
    private void Gather(int field, byte[] buffer, ref int used)
    {
        var slot = Has(field) ? slots[Rank(field)] : default;
        buffer[used++] = (byte)field;
        buffer[used++] = (byte)(slot.Length >> 8);
        buffer[used++] = (byte)(slot.Length & 0xFF);
        var value = buffer.AsSpan(used, slot.Length);
        if (slot.Coding == Coding.Raw)
        {
            BytesOf(slot).CopyTo(value);
        }
        else
        {
            Unpack(BytesOf(slot), slot, value);
        }

        used += slot.Length;
    }

    /// <summary>MTI and the numbers of the fields, no values: a message is never logged by accident.</summary>
    public override string ToString() => $"{Mti} {string.Join(' ', Fields)}";

    /// <summary>The bytes of a field as they were read on this same line, its length in front: they were checked then and can be written as they are.</summary>
    internal bool TryWire(Dialect line, Slot slot, int prefix, out ReadOnlySpan<byte> wire)
    {
        var same = !slot.Own && ReferenceEquals(line, sourceLine);
        wire = same ? source.Span.Slice(slot.Offset - prefix, prefix + (slot.Coding == Coding.Raw ? slot.Length : (slot.Length + 1) / 2)) : default;
        return same;
    }

    internal ReadOnlySpan<byte> BytesOf(Slot slot)
    {
        var length = slot.Coding == Coding.Raw ? slot.Length : (slot.Length + 1) / 2;
        return slot.Own ? own.AsSpan(slot.Offset, length) : source.Span.Slice(slot.Offset, length);
    }

    internal static void Unpack<T>(ReadOnlySpan<byte> packed, Slot slot, Span<T> digits)
        where T : unmanaged, INumberBase<T>
    {
        unchecked
        {
            var nibble = slot.Coding == Coding.PackedRight ? slot.Length & 1 : 0;
            for (var i = 0; i < digits.Length; i++, nibble++)
            {
                var value = (nibble & 1) == 0 ? packed[nibble >> 1] >> 4 : packed[nibble >> 1] & 0xF;
                digits[i] = T.CreateTruncating(value < 10 ? '0' + value : 'A' - 10 + value);
            }
        }
    }

    private static bool IsBinary(int field) => field is 52 or 55 or 64 or 96 or 128;

    private int Rank(int field) => field <= 64
        ? BitOperations.PopCount(low & ((1UL << (field - 1)) - 1))
        : BitOperations.PopCount(low) + BitOperations.PopCount(high & ((1UL << (field - 65)) - 1));

    private Span<byte> Reserve(int field, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxValue);
        var into = Grow(length, out var offset);
        Place(field, new Slot(offset, length, Coding.Raw, true));
        return into;
    }

    private Span<byte> Grow(int length, out int offset)
    {
        if (used + length > own.Length)
        {
            Array.Resize(ref own, Math.Max(used + length, own.Length == 0 ? 128 : Math.Min(2 * own.Length, MaxBytes)));
        }

        offset = used;
        used += length;
        return own.AsSpan(offset, length);
    }

    private void Place(int field, Slot slot)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(field, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(field, 128);
        texts = null;
        // Fields mostly come in ascending order: then there is nothing to move.
        var last = field <= 64 ? high == 0 && low >> (field - 1) == 0 : high >> (field - 65) == 0;
        var rank = last ? count : Rank(field);
        if (!last && Has(field))
        {
            slots[rank] = slot;
            return;
        }

        if (count == slots.Length)
        {
            Array.Resize(ref slots, Math.Max(8, 2 * count));
        }

        slots.AsSpan(rank, count - rank).CopyTo(slots.AsSpan(rank + 1));
        slots[rank] = slot;
        count++;
        if (field <= 64)
        {
            low |= 1UL << (field - 1);
        }
        else
        {
            high |= 1UL << (field - 65);
        }
    }

    /// <summary>Where a value stands: offset 17 bits, length 10 (characters, digits or bytes), coding 2, own buffer or source 1.</summary>
    internal readonly struct Slot(int offset, int length, Coding coding, bool own)
    {
        private readonly uint bits = (uint)offset | ((uint)length << 17) | ((uint)coding << 27) | (own ? 1U << 29 : 0);

        public int Offset => (int)(bits & 0x1FFFF);

        public int Length => (int)((bits >> 17) & 0x3FF);

        public Coding Coding => (Coding)((bits >> 27) & 3);

        public bool Own => (bits & (1U << 29)) != 0;
    }
}
