using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Core.Apdu;

/// <summary>What of an APDU may be kept (decisions.md 21): lengths and everything readable stay, sensitive values become zeros. Fails closed: an answer that should be BER-TLV and is not is blanked whole.</summary>
/// <remarks>Track 2 keeps number, expiry and service code: at the contactless interface the number is the device's, and the chip's keys are what gives it worth.</remarks>
public static class Redaction
{
    /// <summary>A copy of a command APDU without keys, PINs and sensitive elements. What is no command becomes zeros.</summary>
    public static byte[] Command(ReadOnlySpan<byte> bytes)
    {
        var kept = bytes.ToArray();
        if (!CommandApdu.TryParse(bytes, out var command, out _))
        {
            kept.AsSpan().Clear();
            return kept;
        }

        if (!command.Data.IsEmpty)
        {
            var start = CommandApdu.HeaderLength + (bytes[4] == 0 ? 3 : 1);
            BlankCommandData(command, kept.AsSpan(start, command.Data.Length));
        }

        return kept;
    }

    /// <summary>A copy of a response APDU; <paramref name="command"/> is what it answers, in clear or redacted. The status word stays.</summary>
    public static byte[] Response(ReadOnlySpan<byte> command, ReadOnlySpan<byte> bytes)
    {
        var kept = bytes.ToArray();
        if (kept.Length <= 2)
        {
            return kept;
        }

        var data = kept.AsSpan(0, kept.Length - 2);
        if (!CommandApdu.TryParse(command, out var asked, out _))
        {
            BlankTlv(data);
            return kept;
        }

        // Under the secure channel the answer is cipher text; other raw answers are challenges and cryptograms.
        if (!Instructions.IsSecured(asked.Cla) && Instructions.Find(asked.Cla, asked.Ins) is not { AnswersTlv: false } && !IsBindingState(asked))
        {
            BlankTlv(data);
        }

        return kept;
    }

    /// <summary>Blanks sensitive values in BER-TLV, in place; blanks all when it is malformed.</summary>
    public static void BlankTlv(Span<byte> data)
    {
        if (!BerTlv.TryCheck(data, out _))
        {
            data.Clear();
            return;
        }

        BlankObjects(data);
    }

    private static void BlankObjects(Span<byte> data)
    {
        foreach (var item in BerTlv.Objects(data))
        {
            var value = data.Slice(item.ValueOffset, item.Value.Length);
            if (item.Tag.IsConstructed)
            {
                BlankObjects(value);
            }
            else
            {
                BlankElement(item.Tag, value);
            }
        }
    }

    private static void BlankElement(Tag tag, Span<byte> value)
    {
        if (tag == Tags.TrackTwoEquivalent)
        {
            BlankDiscretionary(value);
        }
        else if (tag == Tags.IssuerScriptCommand && value.Length <= CommandApdu.MaxShortLength)
        {
            Command(value).CopyTo(value);
        }
        else if (tag == Tags.IssuerScriptCommand)
        {
            value.Clear(); // a script command is a short APDU
        }
        else if (TagDictionary.IsSensitive(tag))
        {
            value.Clear();
        }
    }

    /// <summary>Digits behind the service code become 0; padding stays; what is no track becomes zeros.</summary>
    private static void BlankDiscretionary(Span<byte> value)
    {
        const int AfterSeparator = 1 + 4 + 3; // D, YYMM, service code
        var separator = 0;
        while (separator < 2 * value.Length && Nibble(value, separator) <= 9)
        {
            separator++;
        }

        if (separator is < AccountNumber.MinLength or > AccountNumber.MaxLength || separator + AfterSeparator > 2 * value.Length || Nibble(value, separator) != 0xD)
        {
            value.Clear();
            return;
        }

        for (var i = separator + AfterSeparator; i < 2 * value.Length; i++)
        {
            if (Nibble(value, i) != 0xF || i != (2 * value.Length) - 1)
            {
                value[i / 2] &= (byte)(i % 2 == 0 ? 0x0F : 0xF0);
            }
        }
    }

    private static int Nibble(ReadOnlySpan<byte> value, int index) => index % 2 == 0 ? value[index / 2] >> 4 : value[index / 2] & 0x0F;

    private static void BlankCommandData(CommandApdu command, Span<byte> data)
    {
        var instruction = Instructions.Find(command.Cla, command.Ins)?.Instruction;
        switch (instruction)
        {
            case Instruction.Verify or Instruction.PinChange or Instruction.PutKey:
                data.Clear();
                break;
            case Instruction.PutData:
                BlankElement(new Tag(command.P1 == 0 ? command.P2 : (command.P1 << 8) | command.P2), data);
                break;
            case Instruction.StoreData when !Instructions.IsSecured(command.Cla):
                BlankGroupings(data);
                break;
            case Instruction.UpdateRecord when !Instructions.IsSecured(command.Cla):
                BlankTlv(data);
                break;
        }
    }

    private static void BlankGroupings(Span<byte> data)
    {
        for (var at = 0; at < data.Length;)
        {
            if (!DataGrouping.TryRead(data[at..], out var group, out _))
            {
                data[at..].Clear();
                return;
            }

            var value = data.Slice(at + group.Consumed - group.Value.Length, group.Value.Length);
            if (group.IsSecret)
            {
                value.Clear();
            }
            else if (group.IsTlv)
            {
                BlankTlv(value);
            }

            at += group.Consumed;
        }
    }

    /// <summary>GET STATE of the binding applet answers five raw bytes.</summary>
    private static bool IsBindingState(CommandApdu command) => (command.Cla, command.Ins, command.P1, command.P2) == (0x80, 0xCA, 0x00, 0x01);
}
