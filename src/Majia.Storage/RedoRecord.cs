using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Majia.Storage;

/// <summary>One statement of a logged commit, as bytes: which statement, the row's key, and its parameters, each behind its kind. Numbers are little-endian.</summary>
/// <remarks>Bytes and not objects: thousands of them wait for the database, and a collector that walks through them stops the world meanwhile.</remarks>
internal readonly ref struct RedoRecord
{
    private const byte Null = 0, Number = 1, Text = 2, Blob = 3;
    private const int HeadSize = 8;

    private readonly ReadOnlySpan<byte> values;

    /// <param name="bytes">Begins with the record; more may follow.</param>
    public RedoRecord(ReadOnlySpan<byte> bytes)
    {
        Statement = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
        var (group, key) = (BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]), BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]));
        Count = BinaryPrimitives.ReadUInt16LittleEndian(bytes[6..]);
        Key = MemoryMarshal.Cast<byte, char>(bytes.Slice(HeadSize, 2 * key));
        Group = Key[..group];
        values = bytes[(HeadSize + (2 * key))..];
    }

    /// <summary>Twice the table's number, and one more where it changes a row.</summary>
    public int Statement { get; }

    public int Table => Statement >> 1;

    public bool Changes => (Statement & 1) != 0;

    public ReadOnlySpan<char> Key { get; }

    /// <summary>The part of the key by which rows are looked up together.</summary>
    public ReadOnlySpan<char> Group { get; }

    /// <summary>Parameters.</summary>
    public int Count { get; }

    public Parameters Values => new(values, Count);

    /// <summary>Of the whole record, in bytes.</summary>
    public int Length
    {
        get
        {
            var all = Values;
            while (all.MoveNext())
            {
            }

            return LengthBut(all);
        }
    }

    /// <summary>At least as many bytes as <see cref="Write"/> will take.</summary>
    public static int Bound(in RowWrite write)
    {
        var size = HeadSize + (2 * write.Key.Length);
        foreach (var value in write.Values)
        {
            size += value switch { string text => 5 + (3 * text.Length), byte[] bytes => 5 + bytes.Length, _ => 9 };
        }

        return size;
    }

    /// <summary>The length.</summary>
    public static int Write(Span<byte> place, in RowWrite write)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(place, checked((ushort)write.Statement));
        BinaryPrimitives.WriteUInt16LittleEndian(place[2..], checked((ushort)write.GroupLength));
        BinaryPrimitives.WriteUInt16LittleEndian(place[4..], checked((ushort)write.Key.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(place[6..], checked((ushort)write.Values.Length));
        var at = HeadSize;
        MemoryMarshal.AsBytes(write.Key.AsSpan()).CopyTo(place[at..]);
        at += 2 * write.Key.Length;
        foreach (var value in write.Values)
        {
            switch (value)
            {
                case null:
                    place[at++] = Null;
                    break;
                case string words:
                    var length = Encoding.UTF8.GetBytes(words, place[(at + 5)..]);
                    place[at] = Text;
                    BinaryPrimitives.WriteInt32LittleEndian(place[(at + 1)..], length);
                    at += 5 + length;
                    break;
                case byte[] bytes:
                    place[at] = Blob;
                    BinaryPrimitives.WriteInt32LittleEndian(place[(at + 1)..], bytes.Length);
                    bytes.CopyTo(place[(at + 5)..]);
                    at += 5 + bytes.Length;
                    break;
                default:
                    place[at] = Number;
                    BinaryPrimitives.WriteInt64LittleEndian(place[(at + 1)..], SqliteSession.NumberOf(value));
                    at += 9;
                    break;
            }
        }

        return at;
    }

    /// <summary>The parameters as objects.</summary>
    public object?[] ToArray()
    {
        var all = new object?[Count];
        var at = 0;
        foreach (var value in Values)
        {
            all[at++] = value.Kind switch { Null => null, Number => value.AsNumber, Text => Encoding.UTF8.GetString(value.Bytes), _ => value.Bytes.ToArray() };
        }

        return all;
    }

    /// <summary>One parameter.</summary>
    public readonly ref struct Parameter(byte kind, ReadOnlySpan<byte> bytes)
    {
        public byte Kind { get; } = kind;

        public ReadOnlySpan<byte> Bytes { get; } = bytes;

        public bool IsNull => Kind == Null;

        public bool IsNumber => Kind == Number;

        public bool IsText => Kind == Text;

        public long AsNumber => BinaryPrimitives.ReadInt64LittleEndian(Bytes);
    }

    /// <summary>Goes through the parameters in order; behind the last one is the next record.</summary>
    public ref struct Parameters(ReadOnlySpan<byte> rest, int count)
    {
        private readonly int all = rest.Length;
        private ReadOnlySpan<byte> rest = rest;
        private int left = count;
        private ReadOnlySpan<byte> current;
        private byte kind;

        public readonly Parameter Current => new(kind, current);

        /// <summary>Bytes gone through.</summary>
        public readonly int Read => all - rest.Length;

        public readonly Parameters GetEnumerator() => this;

        public bool MoveNext()
        {
            if (left-- == 0)
            {
                return false;
            }

            kind = rest[0];
            var (from, length) = kind switch { Null => (1, 0), Number => (1, 8), _ => (5, BinaryPrimitives.ReadInt32LittleEndian(rest[1..])) };
            current = rest.Slice(from, length);
            rest = rest[(from + length)..];
            return true;
        }
    }

    /// <summary>Length of the whole record, for one who has gone through its parameters.</summary>
    public int LengthBut(in Parameters gone) => HeadSize + (2 * Key.Length) + gone.Read;
}
