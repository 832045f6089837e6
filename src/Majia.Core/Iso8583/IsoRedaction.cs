using System.Diagnostics.CodeAnalysis;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Core.Iso8583;

/// <summary>What may be kept of a message in log, trace and store (decisions.md 21), from the table's <see cref="Sensitive"/> column.</summary>
/// <remarks>
/// Dropped: 35, 36, 45, 52, MACs, key blocks (62, 96), accounts (102, 103), F63 usage SM (a PIN block), F48 usages TB (a MAC) and NK (a key).
/// F2 that is not a token: masked on the switch line, dropped on the POS line, where a packed field cannot hold stars.
/// F55 keeps no track, number or name; F61 of the switch line no ID number and no CVN2.
/// </remarks>
public static class IsoRedaction
{
    /// <summary>EMV tags that hold a number, a track or a name: 56, 57, 5A, 5F20, 9F0B, 9F1F, 9F20, 9F25.</summary>
    private static ReadOnlySpan<int> CardTags => [0x56, 0x57, 0x5A, 0x5F20, 0x9F0B, 0x9F1F, 0x9F20, 0x9F25];

    /// <summary>Bytes of the message without what must not be kept. They are read back by <see cref="TryRead"/>, which allows the stars.</summary>
    /// <param name="numberIsToken">The sender of the message knows that F2 is a token. When in doubt, false.</param>
    public static byte[] Redact(Dialect dialect, IsoMessage message, bool numberIsToken) => IsoCodec.Write(dialect.Kept, Keep(dialect, message, numberIsToken));

    /// <summary>A copy of the message without what must not be kept.</summary>
    public static IsoMessage Keep(Dialect dialect, IsoMessage message, bool numberIsToken)
    {
        var kept = message.Copy();
        foreach (var field in message.Fields)
        {
            switch (IsoFields.Find(field)?.Sensitive ?? Sensitive.Drop)
            {
                case Sensitive.Drop:
                    kept.Remove(field);
                    break;
                case Sensitive.Number when !numberIsToken:
                    kept.Set(field, dialect == Dialect.Switch && AccountNumber.Mask(message.Text(field)!) is { Length: > 0 } masked ? masked : null);
                    break;
                case Sensitive.CardData:
                    kept.Set(field, WithoutCardData(message.Binary(field).Span));
                    break;
                default:
                    break;
            }
        }

        if (dialect == Dialect.Switch)
        {
            if (StartsWith(message, 48, "TB"u8) || StartsWith(message, 48, "NK"u8))
            {
                kept.Remove(48);
            }

            if (message.Has(63) && !StartsWith(message, 63, "TK"u8))
            {
                kept.Remove(63);
            }

            if (message.Has(61))
            {
                kept.Set(61, Field61Switch.TryParse(message.Text(61), out var checks, out _) ? (checks with { IdNumber = "", NoCardValue = "" }).Format() : null);
            }
        }

        return kept;
    }

    /// <summary>Reads bytes of <see cref="Redact"/>, where F2 may hold stars.</summary>
    public static bool TryRead(Dialect dialect, ReadOnlyMemory<byte> body, [NotNullWhen(true)] out IsoMessage? message, out ParseError error) => IsoCodec.TryRead(dialect.Kept, body, out message, out error);

    /// <summary>Field 55 without the tags that hold card data; nothing at all of one that is malformed, at any depth, or hides them inside templates.</summary>
    private static byte[] WithoutCardData(ReadOnlySpan<byte> data)
    {
        if (!BerTlv.TryCheck(data, out _))
        {
            return [];
        }

        var kept = new byte[data.Length];
        var length = 0;
        foreach (var item in BerTlv.Objects(data))
        {
            if (CardTags.Contains(item.Tag.Value))
            {
                continue;
            }

            if (item.Tag.IsConstructed && HidesCardData(item.Value))
            {
                return [];
            }

            var one = data[item.Offset..(item.ValueOffset + item.Value.Length)];
            one.CopyTo(kept.AsSpan(length));
            length += one.Length;
        }

        return kept[..length];
    }

    private static bool HidesCardData(ReadOnlySpan<byte> template)
    {
        foreach (var item in BerTlv.Objects(template))
        {
            if (CardTags.Contains(item.Tag.Value) || (item.Tag.IsConstructed && HidesCardData(item.Value)))
            {
                return true;
            }
        }

        return false;
    }

    private static bool StartsWith(IsoMessage message, int field, ReadOnlySpan<byte> usage) => message.Binary(field).Span.StartsWith(usage);
}
