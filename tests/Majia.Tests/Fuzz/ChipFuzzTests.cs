using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.SecureElement;
using Majia.Tests.SecureElement;

namespace Majia.Tests.Fuzz;

/// <summary>The chip over its three ports. One input is a whole session from power-on: (port, length, command)*.</summary>
public sealed class ChipFuzzTests
{
    private static readonly ChipBench Bench = NewBench();

    private static readonly ChipState Before = Bench.State;

    private static readonly byte[][] Keys = AllKeys();

    [Fact]
    public void Without_a_key_no_command_changes_what_the_chip_keeps_and_no_answer_holds_a_key_byte() =>
        Fuzzer.Run("chip, three ports, no key", dice => Session(dice, Corpus.Commands), static () => Stranger, [.. Corpus.Commands.Select(static command => Sequence((ChipPort.Contactless, command), (ChipPort.Wired, command), (ChipPort.Trusted, command)))], thorough: true);

    [Fact]
    public void Behind_a_right_fingerprint_the_counter_moves_once_for_each_permission() =>
        Fuzzer.Run("chip, armed", dice => Mutator.Bytes(dice, Armed, 600), static () => Holder, Armed, thorough: true);

    [Theory, InlineData(true), InlineData(false)]
    public void Inside_a_secure_channel_commands_that_make_no_sense_are_refused(bool issuer) =>
        Fuzzer.Run($"chip, secure channel of {(issuer ? "SE issuer" : "token service")}", dice => Session(dice, Managing), () => input => Owner(issuer, input), [.. Managing.Select(static command => Sequence((ChipPort.Wired, command)))], thorough: true);

    [Fact]
    public void A_plastic_card_in_any_reader_counts_only_its_own_transactions_and_keeps_its_keys() =>
        Fuzzer.Run("plastic, contacts and field", static dice => dice.Once(4) ? Session(dice, PlasticCommands) : Inserted(dice), static () => Reader, [.. PlasticCommands.Select(static command => Sequence((ChipPort.Contact, command), (ChipPort.Contactless, command)))],
            memory: 32 << 20, thorough: true); // an SM2 signature by the library allocates some 2.5 MB, and one input may ask for several

    /// <summary>One reader, the application selected, and then what commands come.</summary>
    private static byte[] Inserted(Dice dice)
    {
        var port = dice.Once(2) ? ChipPort.Contact : ChipPort.Contactless;
        var begun = port == ChipPort.Contact ? PlasticCommands[3] : PlasticCommands[4];
        var commands = new List<(ChipPort, byte[])> { (port, PlasticCommands[1]), (port, dice.Once(4) ? Mutator.Bytes(dice, PlasticCommands, 261) : begun) };
        for (var left = dice.Below(6); left > 0; left--)
        {
            commands.Add((port, dice.Once(2) ? dice.Of(PlasticCommands) : Mutator.Bytes(dice, PlasticCommands, 261)));
        }

        return Sequence([.. commands]);
    }

    private static readonly ChipState Plastic = new PlasticBench(sm2: true, electronicCash: 20_000).State;

    private static readonly byte[][] PlasticKeys =
    [
        Plastic.Payments[0].Profile!.CryptogramKey.ToArray(), Plastic.Payments[0].Profile!.IntegrityKey.ToArray(), Plastic.Payments[0].Profile!.ConfidentialityKey.ToArray(),
        Plastic.Domains[0].Keys!.Keys.Encryption, Plastic.Domains[0].Keys!.Keys.Mac, Plastic.Domains[0].Keys!.Keys.DataEncryption, Plastic.Payments[0].Profile!.Signer!.Parts[0].ToArray(),
    ];

    private static readonly byte[][] PlasticCommands =
    [
        Convert.FromHexString("00A404000E315041592E5359532E444446303100"), Convert.FromHexString("00A4040008A00000033301010100"), Convert.FromHexString("00B2010C00"), Convert.FromHexString("80A8000002830000"),
        Convert.FromHexString("80A800002383212600008000000000123400000000000001560000000000015626112500A1B2C3D400"), Convert.FromHexString("0088000004A1B2C3D400"), Convert.FromHexString("002000800824123456FFFFFFFF"), Convert.FromHexString("0084000000"), [0x00, 0x20, 0x00, 0x88, 144, .. Enumerable.Repeat((byte)0x31, 144)],
        CommandApdu.Of(0x80, 0xAE, 0x80, 0x00, Convert.FromHexString(PlasticBench.FirstData)).ToBytes(), CommandApdu.Of(0x80, 0xAE, 0x40, 0x00, Convert.FromHexString(PlasticBench.SecondData)).ToBytes(),
        Convert.FromHexString("008200000A00112233445566773030"), Convert.FromHexString("841E000004AABBCCDD"), Convert.FromHexString("84160000040011223344"), Convert.FromHexString("04DA9F790A00000010000000112233"),
        Convert.FromHexString("00C0000000"), Convert.FromHexString("80CA9F7900"), Convert.FromHexString("00B2011400"), Convert.FromHexString("00A4040000"), Convert.FromHexString("8050000008010203040506070800"),
    ];

    /// <summary>A reader without keys: transactions count, offline ones spend, and nothing else of the card moves.</summary>
    private static void Reader(byte[] input)
    {
        var (state, session) = (Plastic, ChipSession.PoweredOn);
        var entropy = new SeededEntropy(3);
        foreach (var (port, command) in Split(input))
        {
            var step = Chip.Step(state, session, port, command, entropy);
            Assert.InRange(step.State.Payments[0].Atc - state.Payments[0].Atc, 0, 1);
            var bare = Bare(step.State);
            Assert.True(ReferenceEquals(step.State, state) || ChipImage.Write(bare).AsSpan().SequenceEqual(ChipImage.Write(Bare(Plastic))), "a reader changed the card");
            AssertNoKey(step.Response.ToBytes(), PlasticKeys);
            (state, session) = (step.State, step.Session);
        }

        static ChipState Bare(ChipState state) => state with
        {
            LastUsed = null,
            Domains = [.. state.Domains.Select(static domain => domain with { Failures = 0 })],
            Payments = [.. state.Payments.Select(static payment => payment with { Atc = 0, Memory = 0, Profile = payment.Profile! with { InternalData = default } })],
        };
    }

    internal static void Stranger(byte[] input)
    {
        var (state, session) = (Before, ChipSession.PoweredOn);
        var entropy = new SeededEntropy(3);
        foreach (var (port, command) in Split(input))
        {
            var step = Chip.Step(state, session, port, command, entropy);
            Assert.True(ReferenceEquals(step.State, state) || IsCountedOnly(step.State, state, port), $"{command.Length} bytes at {port} changed the chip without authority");
            AssertNoKey(step.Response.ToBytes());
            (state, session) = (step.State, step.Session);
        }
    }

    /// <summary>What a stranger may leave behind: a counted failure of a domain; and the handset's own side may turn the contactless registry.</summary>
    private static bool IsCountedOnly(ChipState after, ChipState before, ChipPort port) => ChipImage.Write(Plain(after)).AsSpan().SequenceEqual(ChipImage.Write(Plain(before)))
        && (port is ChipPort.Wired or ChipPort.Contact || (after.Preferred is null && after.Payments.All(static payment => !payment.Deactivated)));

    private static ChipState Plain(ChipState state) => state with
    {
        Transits = [.. state.Transits.Select(static transit => transit with { Deactivated = false })],
        Domains = [.. state.Domains.Select(static domain => domain with { Failures = 0 })],
        Payments = [.. state.Payments.Select(static payment => payment with { Deactivated = false })],
        Preferred = null,
    };

    internal static void Holder(byte[] input)
    {
        var (state, session) = (Before, ChipSession.PoweredOn);
        var entropy = new SeededEntropy(3);
        foreach (var (port, command) in Split(input))
        {
            var step = Chip.Step(state, session, port, command, entropy);
            var moved = Counters(step.State) - Counters(state);
            Assert.Equal(step.Payment is null ? 0 : 1, moved);
            Assert.True(step.Payment is null || ((step.Response.Status.IsOk || step.Response.Status.Value >> 8 == 0x61) && session.Armed is not null && step.Session.Armed is null && port == ChipPort.Contactless), "a cryptogram without permission");
            AssertNoKey(step.Response.ToBytes());
            if (!ReferenceEquals(state, step.State))
            {
                AssertKept(step.State);
            }

            (state, session) = (step.State, step.Session);
        }
    }

    /// <summary>Each command goes through the channel of a host that has the keys, so that nothing but its meaning is wrong.</summary>
    internal static void Owner(bool issuer, byte[] input)
    {
        var (state, session) = (Before, ChipSession.PoweredOn);
        var entropy = new SeededEntropy(3);
        var (domain, keys, version) = issuer ? (Chip.IssuerDomain, ChipBench.IssuerKeys, (byte)1) : (ChipBench.TokenDomain, ChipBench.TokenKeys, (byte)2);
        byte[] challenge = [1, 2, 3, 4, 5, 6, 7, 8];
        Send(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, domain.Bytes));
        var answer = Send(CommandApdu.Of(0x80, 0x50, version, 0x00, challenge));
        Assert.True(answer.Status.IsOk);
        var host = Scp03Session.Derive(keys, challenge, answer.Data.Span[13..21]);
        Assert.True(Send(host.ExternalAuthenticate(0x33)).Status.IsOk);
        foreach (var (port, bytes) in Split(input))
        {
            if (!CommandApdu.TryParse(bytes.Span, out var command, out _) || command.Data.Length > 230 || (command.Cla & 0x1C) != 0)
            {
                var raw = Chip.Step(state, session, port, bytes, entropy);
                (state, session) = (raw.State, raw.Session);
                continue;
            }

            var before = state;
            var reply = Send(host.Wrap(command));
            if (host.TryUnwrapResponse(reply, out var plain))
            {
                AssertNoKey(plain.ToBytes());
            }

            Assert.Equal(Counters(Before, state), Counters(state, Before));
            if (!ReferenceEquals(before, state))
            {
                AssertKept(state);
            }
        }

        ResponseApdu Send(CommandApdu command)
        {
            var step = Chip.Step(state, session, ChipPort.Wired, command.ToBytes(), entropy);
            (state, session) = (step.State, step.Session);
            var whole = new List<byte>(step.Response.Data.ToArray());
            while (step.Response.Status.Value >> 8 == 0x61)
            {
                step = Chip.Step(state, session, ChipPort.Wired, Convert.FromHexString("00C0000000"), entropy);
                (state, session) = (step.State, step.Session);
                whole.AddRange(step.Response.Data.ToArray());
            }

            return new ResponseApdu(whole.ToArray(), step.Response.Status);
        }
    }

    private static int Counters(ChipState state) => state.Payments.Sum(static payment => payment.Atc);

    /// <summary>Sum of the counters of the instances that both states have: personalised anew they may begin anew.</summary>
    private static int Counters(ChipState state, ChipState other) => state.Payments.Where(payment => other.Payment(payment.Aid) is { } same && ReferenceEquals(same.Profile, payment.Profile)).Sum(static payment => payment.Atc);

    private static void AssertKept(ChipState state)
    {
        var image = ChipImage.Write(state);
        Assert.True(image.Length <= ChipImage.MaxBytes);
        Assert.True(ChipImage.TryRead(image, out var again, out var error), error);
        Assert.True(ChipImage.Write(again).AsSpan().SequenceEqual(image));
    }

    private static void AssertNoKey(byte[] answer) => AssertNoKey(answer, Keys);

    private static void AssertNoKey(byte[] answer, byte[][] keys)
    {
        if (answer.Length < 10)
        {
            return;
        }

        foreach (var key in keys)
        {
            Assert.True(answer.AsSpan().IndexOf(key.AsSpan(0, 8)) < 0 && answer.AsSpan().IndexOf(key.AsSpan(8, 8)) < 0, "an answer holds bytes of a key");
        }
    }

    private static byte[] Session(Dice dice, IReadOnlyList<byte[]> commands)
    {
        var bytes = new List<byte>();
        for (var left = 1 + dice.Below(5); left > 0; left--)
        {
            var command = dice.Once(3) ? dice.Of(commands) : Mutator.Bytes(dice, commands, 261);
            if (command.Length <= 255)
            {
                bytes.AddRange([(byte)dice.Below(4), (byte)command.Length, .. command]);
            }
        }

        return [.. bytes];
    }

    internal static byte[] Sequence(params (ChipPort Port, byte[] Command)[] commands) =>
        [.. commands.Where(static one => one.Command.Length <= 255).SelectMany(static one => (byte[])[(byte)one.Port, (byte)one.Command.Length, .. one.Command])];

    private static IEnumerable<(ChipPort Port, ReadOnlyMemory<byte> Command)> Split(byte[] input)
    {
        for (var at = 0; at + 2 <= input.Length;)
        {
            var length = Math.Min(input[at + 1], input.Length - at - 2);
            yield return ((ChipPort)(input[at] % 4), input.AsMemory(at + 2, length));
            at += 2 + length;
        }
    }

    private static ChipBench NewBench()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        bench.AddCard(ChipBench.Debit1);
        bench.AddCard(ChipBench.Debit2, version: 0x17, sm4: true);
        PowerCutTests.AddTransit(bench);
        PowerCutTests.TopUp(bench, 5_000);
        return bench;
    }

    private static byte[][] AllKeys()
    {
        var keys = new List<byte[]> { Before.BindingKey.ToArray(), Before.BindingValue.ToArray() };
        foreach (var domain in Before.Domains)
        {
            keys.AddRange([domain.Keys!.Keys.Encryption, domain.Keys.Keys.Mac, domain.Keys.Keys.DataEncryption]);
        }

        foreach (var payment in Before.Payments)
        {
            keys.AddRange([payment.Profile!.CryptogramKey.ToArray(), payment.Profile.IntegrityKey.ToArray(), payment.Profile.ConfidentialityKey.ToArray()]);
        }

        foreach (var transit in Before.Transits)
        {
            keys.AddRange([transit.Profile!.PurchaseKey.ToArray(), transit.Profile.LoadKey.ToArray(), transit.Profile.TacKey.ToArray()]);
        }

        Assert.Equal(2 + 9 + 6 + 3, keys.Count);
        return [.. keys];
    }

    /// <summary>Real taps: the challenge is what the chip will say, so the proof is right.</summary>
    private static readonly byte[][] Armed = NewArmed();

    private static byte[][] NewArmed()
    {
        var challenge = new SeededEntropy(3).Bytes(16);
        var select = Convert.FromHexString("00A4040007F04D4A42494E4400");
        var ask = Convert.FromHexString("8084000000");
        byte[] Prove(byte ins, byte purpose, ReadOnlySpan<byte> name) => CommandApdu.Of(0x80, ins, 0, 0, [.. BindingApplet.Mac(ChipBench.BindingKey, purpose, challenge, name), .. name]).ToBytes();
        byte[] Tap(Aid aid) => Sequence((ChipPort.Contactless, Corpus.Commands[0]), (ChipPort.Contactless, CommandApdu.Of(0, 0xA4, 4, 0, aid.Bytes).ToBytes()), (ChipPort.Contactless, Corpus.Commands[5]), (ChipPort.Contactless, Corpus.Commands[5]));
        byte[] Begin(byte ins, byte purpose, ReadOnlySpan<byte> name) => Sequence((ChipPort.Trusted, select), (ChipPort.Trusted, ask), (ChipPort.Trusted, Prove(ins, purpose, name)));
        return
        [
            [.. Begin(0x2A, BindingApplet.AuthorisePurpose, ChipBench.Debit1.Bytes), .. Tap(ChipBench.Debit1), .. Sequence((ChipPort.Trusted, Convert.FromHexString("80CA000200")))],
            [.. Begin(0x2A, BindingApplet.AuthorisePurpose, ChipBench.Debit2.Bytes), .. Tap(ChipBench.Debit2)],
            [.. Begin(0x2E, BindingApplet.PurgePurpose, []), .. Tap(ChipBench.Debit1)],
            [.. Begin(0x30, BindingApplet.RetirePurpose, ChipBench.Debit1.Bytes), .. Tap(ChipBench.Debit1)],
        ];
    }

    private static readonly byte[][] Managing = NewManaging();

    private static byte[][] NewManaging()
    {
        var session = Scp03Session.Derive(ChipBench.TokenKeys, new byte[8], new byte[8]);
        var third = Aid.Parse("A0000003330101010003");
        var groups = ChipBench.Groups(session, 1, false, "00008000", "000000100000");
        var script = new List<byte[]>
        {
            CommandApdu.Of(0x80, 0xE6, 0x04, 0x00, ChipBench.Install("A0000003330101", "A000000333010100", third, "10", "C900")).ToBytes(),
            CommandApdu.Of(0x80, 0xE6, 0x20, 0x00, ChipBench.Install("", "", third, "", "")).ToBytes(),
            CommandApdu.Of(0x80, 0xE6, 0x20, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", "")).ToBytes(),
            CommandApdu.Of(0x80, 0xE6, 0x08, 0x00, ChipBench.Install("", "", third, "", "")).ToBytes(),
            CommandApdu.Of(0x80, 0xE6, 0x0C, 0x00, ChipBench.Install("A000000151", "A000000151000000", Aid.Parse("A0000001510000004D4A5454"), "80", "C900")).ToBytes(),
            CommandApdu.Of(0x80, 0xE4, 0x00, 0x00, Majia.Core.Tlv.BerTlv.Encode(0x4F, third.Bytes)).ToBytes(),
            CommandApdu.Of(0x80, 0xE4, 0x00, 0x00, Majia.Core.Tlv.BerTlv.Encode(0x4F, ChipBench.TokenDomain.Bytes)).ToBytes(),
            CommandApdu.Of(0x80, 0xF2, 0x40, 0x00, [0x4F, 0x00]).ToBytes(), CommandApdu.Of(0x80, 0xF2, 0x40, 0x01, [0x4F, 0x00]).ToBytes(),
            CommandApdu.Of(0x80, 0xF0, 0x40, 0x80, ChipBench.Debit1.Bytes).ToBytes(), CommandApdu.Of(0x80, 0xF0, 0x40, 0x07, ChipBench.Debit1.Bytes).ToBytes(),
            CommandApdu.Of(0x80, 0xCA, 0x00, 0xE0, []).ToBytes(), CommandApdu.Of(0x80, 0xCA, 0x00, 0x66, []).ToBytes(),
            CommandApdu.Of(0x80, 0xD8, 0x02, 0x81, [0x03, .. Enumerable.Repeat((byte[])[0x88, 0x10, .. session.EncryptSensitive(new byte[16]), 0x03, 1, 2, 3], 3).SelectMany(static key => key)]).ToBytes(),
        };
        for (var at = 0; at < groups.Length; at += 100)
        {
            script.Add(CommandApdu.Of(0x80, 0xE2, at + 100 >= groups.Length ? (byte)0x88 : (byte)0x08, (byte)(at / 100), groups.AsSpan(at, Math.Min(100, groups.Length - at))).ToBytes());
        }

        return [.. script];
    }
}
