using System.Security.Cryptography;
using System.Text;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.SecureElement;
using Majia.Tests.SecureElement;

namespace Majia.Tests.Fuzz;

/// <summary>What is done with one input, and what must be true of it. Also run on the inputs that once broke something.</summary>
internal static class Targets
{
    public static readonly byte[] Protection = Convert.FromHexString("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6");

    private static readonly Tag[] Searched = [0x57, 0x5A, 0x9F26, 0x9F10, 0x84, 0x9F38];

    public static void Tlv(byte[] input)
    {
        var whole = BerTlv.TryCheck(input, out _);
        foreach (var tag in Searched)
        {
            if (BerTlv.TryFind(input, tag, out var found))
            {
                Assert.True(found.Length <= input.Length);
            }
        }

        // What the test itself writes is not to count as the reader's memory.
        if (input.Length > 8000)
        {
            return;
        }

        var written = new byte[input.Length + 8];
        var length = 0;
        var walk = BerTlv.Objects(input);
        while (walk.MoveNext())
        {
            var one = BerTlv.Encode(walk.Current.Tag, walk.Current.Value);
            Assert.True(one.Length <= input.Length && length + one.Length <= written.Length, "an object grew");
            one.CopyTo(written.AsSpan(length));
            length += one.Length;
        }

        Assert.False(whole && walk.Failed);
        if (whole)
        {
            var first = BerTlv.Objects(input);
            var second = BerTlv.Objects(written.AsSpan(0, length));
            while (first.MoveNext())
            {
                Assert.True(second.MoveNext() && second.Current.Tag == first.Current.Tag && second.Current.Value.SequenceEqual(first.Current.Value), "written and read again it is another");
            }

            Assert.False(second.MoveNext());
        }
    }

    public static void Dol(byte[] input)
    {
        if (!Majia.Core.Tlv.Dol.TryParse(input, out var entries, out _))
        {
            return;
        }

        Assert.Equal(input, Majia.Core.Tlv.Dol.Encode([.. entries]));
        var data = Majia.Core.Tlv.Dol.Build(entries, static tag => tag.Value % 3 == 0 ? null : new byte[(tag.Value % 20) + 1]);
        Assert.Equal(Majia.Core.Tlv.Dol.DataLength(entries), data.Length);
        Assert.True(Majia.Core.Tlv.Dol.TrySplit(entries, data, out _, out _));
        Majia.Core.Tlv.Dol.TrySplit(entries, input, out _, out _);
        if (data.Length <= byte.MaxValue)
        {
            Majia.Core.Emv.Describe.DolData(entries, data, 0, reveal: false); // the data of one command
        }
    }

    public static void Grouping(byte[] input)
    {
        for (ReadOnlySpan<byte> rest = input; input.Length < 8000 && DataGrouping.TryRead(rest, out var group, out _); rest = rest[group.Consumed..])
        {
            var written = DataGrouping.Encode(group.Id, group.Value);
            Assert.True(DataGrouping.TryRead(written, out var again, out _));
            Assert.True(again.Id == group.Id && again.Value.SequenceEqual(group.Value) && again.Consumed == written.Length);
        }
    }

    public static void Iad(byte[] input)
    {
        if (IssuerApplicationData.TryParse(input, out var data, out _))
        {
            Assert.Equal(input, data.ToBytes());
        }

        CvmResults.TryParse(input, out _, out _);
        CardVerificationResults.TryParse(input, out _, out _);
        TerminalVerificationResults.TryParse(input, out _, out _);
        TerminalTransactionQualifiers.TryParse(input, out _, out _);
        CardTransactionQualifiers.TryParse(input, out _, out _);
        CardAdditionalProcesses.TryParse(input, out _, out _);
        ApplicationInterchangeProfile.TryParse(input, out _, out _);
        TerminalCapabilities.TryParse(input, out _, out _);
    }

    public static void Track(byte[] input)
    {
        if (TrackTwoEquivalent.TryParse(input, out var track, out _))
        {
            Assert.True(TrackTwoEquivalent.TryParse(track.RevealBytes(), out var again, out var error), error.ToString());
            Assert.Equal(track.Reveal(), again.Reveal());
            Assert.DoesNotContain(track.Number.Reveal(), track.ToString(), StringComparison.Ordinal);
            _ = TrackTwoEquivalent.Of(track.Number, track.Expiry, track.ServiceCode);
        }
    }

    public static void Apdu(byte[] input)
    {
        if (CommandApdu.TryParse(input, out var command, out _))
        {
            Assert.True(CommandApdu.TryParse(command.ToBytes(), out var again, out var error), error.ToString());
            Assert.Equal(command, again);
            Instructions.Find(command.Cla, command.Ins);
        }

        if (ResponseApdu.TryParse(input, out var response, out _))
        {
            Assert.True(response.ToBytes().AsSpan().SequenceEqual(input));
        }

        Aid.TryFrom(input, out _);
    }

    public static void Describe(byte[] input)
    {
        Majia.Core.Emv.Describe.TryTlv(input, reveal: false, out _, out _);
        Majia.Core.Emv.Describe.TryTlv(input, reveal: true, out _, out _);
        Majia.Core.Emv.Describe.TryDol(input, out _, out _);
        Majia.Core.Emv.Describe.TryApdu(input, reveal: false, out _, out _);
        Majia.Core.Emv.Describe.TryCommand(input, reveal: true, out _, out _);
        CommandApdu.TryParse(input.AsSpan(0, Math.Min(input.Length, 5 + (input.Length > 4 ? input[4] : 0))), out var command, out _);
        Majia.Core.Emv.Describe.TryResponse(input, reveal: false, command, out _, out _);
        if (BerTlv.TryRead(input, out var tag, out var value, out _, out _))
        {
            Majia.Core.Emv.Describe.Element(tag, value, 0, reveal: false);
        }
    }

    private static readonly (Tag Tag, byte[] Value)[] Planted = [(0x5A, Convert.FromHexString("6299017777777778")), (0x57, Convert.FromHexString("6299017777777778D30122201234567890")), (0x9F1F, Convert.FromHexString("31323334353637383930"))];

    /// <summary>The input with a sensitive element behind some of its bytes, as an answer and as commands.</summary>
    public static void Redaction(byte[] input)
    {
        Majia.Core.Apdu.Redaction.Command(input);
        Majia.Core.Apdu.Redaction.Response(input, input);
        var choice = input.Length == 0 ? 0 : input[0];
        var planted = Planted[choice % Planted.Length];
        var element = BerTlv.Encode(planted.Tag, planted.Value);
        var at = input.Length < 2 ? 0 : input[1] % input.Length;
        byte[] data = [.. input[..at], .. element, .. input[at..]];
        if ((choice & 0x40) != 0 && data.Length < 60000)
        {
            data = BerTlv.Encode(0x77, data);
        }

        var kept = Majia.Core.Apdu.Redaction.Response(Convert.FromHexString("80A80000028300"), [.. data, 0x90, 0x00])[..^2];
        Assert.Equal(data.Length, kept.Length);
        AssertNotFound(kept, planted.Tag, planted.Value);

        if (data.Length <= 65000)
        {
            // Keys and PINs: nothing of the data stays, whatever it is.
            foreach (var header in (byte[][])[[0x80, 0xD8, 0x00, 0x81], [0x00, 0x20, 0x00, 0x80]])
            {
                var command = CommandApdu.Of(header[0], header[1], header[2], header[3], data).ToBytes();
                var redacted = Majia.Core.Apdu.Redaction.Command(command);
                Assert.Equal(command.Length, redacted.Length);
                Assert.True(redacted.AsSpan().IndexOf(element) < 0, "key data stand in the redacted command");
            }

            // A secret grouping behind whole ones.
            byte[] groups = [.. DataGrouping.Encode(0x0101, input[..at]), .. DataGrouping.Encode(0x8000, element), .. input[at..]];
            if (groups.Length < 65000)
            {
                Assert.True(Majia.Core.Apdu.Redaction.Command(CommandApdu.Of(0x80, 0xE2, 0x88, 0x00, groups).ToBytes()).AsSpan(DataGrouping.Encode(0x0101, input[..at]).Length).IndexOf(DataGrouping.Encode(0x8000, element)) < 0, "a secret grouping stands in the redacted command");
            }
        }
    }

    /// <summary>The element stands nowhere in kept data, but inside the value of another primitive object.</summary>
    private static void AssertNotFound(ReadOnlySpan<byte> kept, Tag tag, byte[] value)
    {
        if (kept.IndexOf(BerTlv.Encode(tag, value)) < 0)
        {
            return;
        }

        Assert.True(BerTlv.TryCheck(kept, out var error), $"a sensitive element stands in kept data that is malformed ({error})");
        AssertNone(kept, tag, value);

        static void AssertNone(ReadOnlySpan<byte> level, Tag tag, byte[] value)
        {
            foreach (var item in BerTlv.Objects(level))
            {
                Assert.False(item.Tag == tag && item.Value.SequenceEqual(value), "a sensitive element stands in kept data");
                if (item.Tag.IsConstructed)
                {
                    AssertNone(item.Value, tag, value);
                }
            }
        }
    }

    public static void Codec(Dialect dialect, byte[] input)
    {
        if (!IsoCodec.TryRead(dialect, input.AsSpan(), out var message, out _))
        {
            return;
        }

        var written = IsoCodec.Write(dialect, message);
        Assert.True(IsoCodec.TryRead(dialect, written.AsSpan(), out var again, out var error), error.ToString());
        Assert.Equal(message.Mti, again.Mti);
        Assert.Equal(message.Fields, again.Fields);
        foreach (var field in message.Fields)
        {
            Assert.True(message.Binary(field).Span.SequenceEqual(again.Binary(field).Span), $"F{field} is another");
        }

        Assert.True(written.AsSpan().SequenceEqual(IsoCodec.Write(dialect, again.Copy())), "written twice it is another");
    }

    public static void Message(Dialect dialect, byte[] input)
    {
        if (!IsoCodec.TryRead(dialect, input.AsSpan(), out var message, out _))
        {
            return;
        }

        Codec(dialect, input);
        MessageMatrix.Check(dialect, message);
        foreach (var field in message.Fields)
        {
            message.Text(field);
            message.Number(field);
        }

        if (dialect == Dialect.Pos)
        {
            PosKey.TryRead(message, out _, out _);
            PosOriginal.TryReadReversal(message, out _, out _);
            PosOriginal.TryReadField61(message, out _, out _);
            MacBlock.Pos(input);
        }
        else
        {
            SwitchKey.TryRead(message, out _, out _);
            SwitchKey.TryReadOriginal(message, out _, out _);
            Field90.TryNaming(message, out _, out _);
            MacBlock.Switch(message);
        }

        IsoSealing.Verify(dialect, input, message, static _ => new byte[8]);
        IsoSealing.Seal(dialect, message.Copy(), static _ => new byte[8]);
        foreach (var field in new[] { 44, 48, 53, 54, 56, 60, 61, 63, 90 })
        {
            Subfields(message.Text(field) ?? "");
        }

        Redacted(dialect, message);
        Described(dialect, input, message);
    }

    private static void Redacted(Dialect dialect, IsoMessage message)
    {
        foreach (var token in (bool[])[false, true])
        {
            var bytes = IsoRedaction.Redact(dialect, message, token);
            Assert.True(IsoRedaction.TryRead(dialect, bytes, out var kept, out var error), error.ToString());
            foreach (var field in (int[])[35, 36, 45, 52, 64, 96, 102, 103, 128])
            {
                Assert.False(kept.Has(field), $"F{field} is kept");
            }

            if (!token && message.Text(2) is { Length: >= 12 } number)
            {
                Assert.False(kept.Text(2) == number, "F2 is kept");
            }

            AssertNotHeld(message, kept);
            Assert.True(IsoDescribe.TryDescribe(dialect, bytes, framed: false, reveal: true, out _, out error), error.ToString());
        }
    }

    private static void AssertNotHeld(IsoMessage message, IsoMessage kept)
    {
        foreach (var (tag, value) in Planted)
        {
            if (message.Binary(55).Span.IndexOf(value) >= 0)
            {
                AssertNotFound(kept.Binary(55).Span, tag, value);
            }
        }
    }

    private static void Described(Dialect dialect, byte[] input, IsoMessage message)
    {
        Assert.True(IsoDescribe.TryDescribe(dialect, input, framed: false, reveal: true, out _, out _));
        Assert.True(IsoDescribe.TryDescribe(dialect, input, framed: false, reveal: false, out var tree, out _));
        foreach (var field in (int[])[2, 35, 36, 45, 52])
        {
            if (message.Text(field) is { Length: >= 13 } secret)
            {
                var node = tree.Children.Single(child => child.Label == $"F{field}");
                Assert.False(Holds(node, secret), $"F{field} is shown");
            }
        }
    }

    private static bool Holds(DescribedNode node, string secret) =>
        node.Value.Contains(secret, StringComparison.Ordinal) || node.Meaning?.En.Contains(secret, StringComparison.Ordinal) == true || node.Children.Any(child => Holds(child, secret));

    public static void Frame(byte[] input)
    {
        if (PosFrame.TryRead(input, out var tpdu, out var header, out var body, out _))
        {
            Assert.True(PosFrame.Write(tpdu.Span, header.Span, body.Span).AsSpan().SequenceEqual(input));
            PosFrame.AnswerTpdu(tpdu.Span);
        }

        if (SwitchFrame.TryRead(input, out var destination, out var source, out body, out _))
        {
            Assert.True(SwitchFrame.TryRead(SwitchFrame.Write(destination, source, body.Span), out var d, out var s, out var b, out _));
            Assert.True((d, s) == (destination, source) && b.Span.SequenceEqual(body.Span));
        }

        if (input.Length < 5000)
        {
            IsoDescribe.TryDescribe(Dialect.Pos, input, framed: true, reveal: false, out _, out _);
            IsoDescribe.TryDescribe(Dialect.Switch, input, framed: true, reveal: true, out _, out _);
        }
    }

    public static void Subfields(byte[] input)
    {
        Subfields(Encoding.Latin1.GetString(input));
        if (Field63Pos.TryParse(input, out var texts, out _))
        {
            Assert.True(Field63Pos.TryParse(texts.Format(), out var again, out _));
            Assert.Equal(texts, again);
        }
    }

    private static void Subfields(string text)
    {
        Same<Field60Pos>(text, Field60Pos.TryParse, static value => value.Format());
        Same<Field61Pos>(text, Field61Pos.TryParse, static value => value.Format());
        Same<Field44>(text, Field44.TryParse, static value => value.Format());
        Same<Field53>(text, Field53.TryParse, static value => value.Format());
        Same<Field60Switch>(text, Field60Switch.TryParse, static value => value.Format());
        Same<Field61Switch>(text, Field61Switch.TryParse, static value => value.Format());
        Same<Field63Token>(text, Field63Token.TryParse, static value => value.Format());
        Same<Field56Par>(text, Field56Par.TryParse, static value => value.Format());
        Same<Field48Binding>(text, Field48Binding.TryParse, static value => value.Format());
        Same<Field90>(text, Field90.TryParse, static value => value.Format());
        if (Field54.TryParse(text, out var balances, out _))
        {
            Assert.True(Field54.TryParse(string.Concat(balances.Select(static one => one.Format())), out var again, out _));
            Assert.Equal(balances, again);
        }
    }

    private delegate bool Parse<T>(ReadOnlySpan<char> text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out T? value, out ParseError error);

    private static void Same<T>(string text, Parse<T> parse, Func<T, string> format)
        where T : class
    {
        if (parse(text, out var value, out _))
        {
            var written = format(value);
            Assert.True(parse(written, out var again, out var error), $"{typeof(T).Name}: {error}");
            Assert.Equal(value, again);
            _ = value.ToString();
        }
    }

    public static void KeyBlock(byte[] input)
    {
        var text = Encoding.Latin1.GetString(input);
        Tr31.TryReadHeader(text, out _, out _);
        if (Tr31.TryUnwrap(Protection, text, out var header, out var key, out _))
        {
            Assert.True(Tr31.TryUnwrap(Protection, Tr31.Wrap(Protection, header, key, new SeededEntropy(4)), out var again, out var same, out var error), error.ToString());
            Assert.Equal(key, same);
            Assert.Equal((header.Usage, header.Algorithm, header.Mode, header.KeyVersion, header.Exportability), (again.Usage, again.Algorithm, again.Mode, again.KeyVersion, again.Exportability));
            Assert.Equal(header.Options, again.Options);
        }
    }

    /// <summary>Format, length of the number, number, block.</summary>
    public static void Pin(byte[] input)
    {
        if (input.Length < 2)
        {
            return;
        }

        // The number comes from a reader that has checked it: 12 to 19 digits.
        var format = (PinBlockFormat)(input[0] % 5);
        var length = 12 + (input[1] % 8);
        Span<char> number = stackalloc char[length];
        for (var i = 0; i < length; i++)
        {
            number[i] = (char)('0' + (i + 2 < input.Length ? input[i + 2] % 10 : 0));
        }

        Span<char> pin = stackalloc char[PinBlock.MaxDigits];
        var block = input.AsSpan(Math.Min(input.Length, 2 + length));
        foreach (var part in (byte[][])[block.ToArray(), block.Length > PinBlock.Length(format) ? block[..PinBlock.Length(format)].ToArray() : []])
        {
            if (PinBlock.TryRead(format, part, number, pin, out var digits))
            {
                Assert.InRange(digits, PinBlock.MinDigits, PinBlock.MaxDigits);
                Assert.Equal(-1, pin[..digits].IndexOfAnyExceptInRange('0', '9'));
            }
            else
            {
                Assert.Equal(-1, pin.IndexOfAnyExcept('\0'));
            }
        }
    }

    /// <summary>An image without its digest: the digest is put right, so that what is behind it is read.</summary>
    public static void Image(byte[] input)
    {
        ChipImage.TryRead(input, out _, out _);
        byte[] whole = [.. input, .. SHA256.HashData(input)];
        if (ChipImage.TryRead(whole, out var state, out _))
        {
            Assert.True(ChipImage.Write(state).AsSpan().SequenceEqual(whole), "written again it is another image");

            // What is read can be used.
            var session = ChipSession.PoweredOn;
            var entropy = new SeededEntropy(5);
            foreach (var (port, command) in new[] { (ChipPort.Wired, "00A4040008A00000015100000000"), (ChipPort.Wired, "80500100081122334455667788"), (ChipPort.Trusted, "00A4040007F04D4A42494E4400"), (ChipPort.Trusted, "80CA000100"), (ChipPort.Contactless, "00A404000E325041592E5359532E444446303100") })
            {
                var step = Chip.Step(state, session, port, Convert.FromHexString(command), entropy);
                (state, session) = (step.State, step.Session);
            }
        }
    }

    public static void Numbers(byte[] input)
    {
        var text = Encoding.Latin1.GetString(input);
        if (Amount.TryParse(text, Currency.Cny, out var amount, out _))
        {
            Assert.True(Amount.TryParse(amount.ToString(), Currency.Cny, out var again, out _));
            Assert.Equal(amount, again);
        }

        if (Pan.TryParse(text, out var pan, out _))
        {
            Assert.DoesNotContain(pan.Reveal(), pan.ToString(), StringComparison.Ordinal);
        }

        PaymentToken.TryParse(text, out _, out _);
        CardNumber.TryParse(text, out _, out _);
    }
}
