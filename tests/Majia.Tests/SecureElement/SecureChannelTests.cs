using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Hsm;
using Majia.SecureElement;
using Majia.Tests.Core.Cryptography;

namespace Majia.Tests.SecureElement;

/// <summary>The chip's secure channels: the published transcripts byte for byte, every option and level, and what guessing costs.</summary>
public sealed class SecureChannelTests
{
    private const string File = "crypto-scp03.txt";

    private static readonly Aid RecordedDomain = Aid.Parse("A0000005591010FFFFFFFF8900000100");

    public static TheoryData<string> Sessions => VectorLine.Of(File, "session");

    /// <summary>The recorded card: its domain's name, its keys, where its counter stood, and its EID.</summary>
    private static ChipState Recorded(VectorLine vector)
    {
        var bits = int.Parse(vector["bits"], System.Globalization.CultureInfo.InvariantCulture);
        var answer = vector.Hex("answer");
        Scp03Keys keys = new(Run(0x00, bits / 8), Run(0x10, bits / 8), Run(0x20, bits / 8));
        var blank = ChipFactory.ManufacturePlastic(answer.AsSpan(0, 10), keys, contactless: false, new SeededEntropy(1));
        var sequence = ((uint)answer[29] << 16) | ((uint)answer[30] << 8) | answer[31];
        return blank with
        {
            Domains = [new SecurityDomain(RecordedDomain, new DomainKeys(answer[10], keys), sequence - 1)],
            Identity = BerTlv.Encode(0x5A, Convert.FromHexString("89882119900000000000000000000005")),
        };

        static byte[] Run(byte first, int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(first + (i % 16)))];
    }

    [Theory, MemberData(nameof(Sessions))]
    public void Our_card_answers_the_recorded_session_byte_for_byte(string line)
    {
        var vector = VectorLine.Parse(line);
        var (state, session) = (Recorded(vector), ChipSession.PoweredOn);
        Assert.EndsWith("9000", Send("00A4040000"), StringComparison.Ordinal); // the default application is the issuer domain
        Assert.Equal(vector["answer"] + "9000", Send(vector["initialize"]));
        Assert.Equal("9000", Send(vector["authenticate"]));
        var answer = Send(vector["command"]);
        if (vector.Has("response"))
        {
            Assert.Equal(vector["response"], answer);
        }
        else
        {
            Assert.EndsWith("9000", answer, StringComparison.Ordinal);
        }

        string Send(string hex)
        {
            var step = Chip.Step(state, session, ChipPort.Contact, Convert.FromHexString(hex), new SeededEntropy(1));
            (state, session) = (step.State, step.Session);
            return Convert.ToHexString(step.Response.ToBytes());
        }
    }

    [Theory]
    [InlineData(0x00, "01,03")]
    [InlineData(0x10, "01,03")]
    [InlineData(0x20, "01,03,11,13")]
    [InlineData(0x60, "01,03,11,13,33")]
    [InlineData(0x70, "01,03,11,13,33")]
    public void A_card_opens_the_levels_that_its_option_has_and_no_other(byte option, string levels)
    {
        foreach (var length in (int[])[16, 24, 32])
        {
            foreach (var level in (byte[])[0x00, 0x01, 0x03, 0x11, 0x13, 0x33, 0x22])
            {
                var bench = new ChannelBench(option, length);
                var isOffered = levels.Split(',').Contains(level.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
                Assert.Equal(isOffered, bench.TryOpen(level, keyVersion: 0x00, out var host));
                if (!isOffered)
                {
                    continue;
                }

                var answer = bench.Send(host!.Wrap(CommandApdu.Of(0x80, 0xF2, 0x80, 0x02, [0x4F, 0x00])));
                Assert.True(host.TryUnwrap(answer, out var plain));
                Assert.Equal("E3134F08A000000151000000" + "9F70010F" + "C5039E0000", Convert.ToHexString(plain.Data.Span));
                Assert.Contains($"640B06092A864886FC6B0403{option:X2}", bench.CardData(), StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_second_key_set_opens_channels_beside_the_first_and_goes_again()
    {
        var bench = new ChannelBench(0x70, 16);
        Assert.True(bench.TryOpen(0x33, 0x01, out var host));
        bench.Module.Generate("more.enc", KeyUsage.SecureChannel, CipherAlgorithm.Aes, test: true);
        bench.Module.Generate("more.mac", KeyUsage.SecureChannel, CipherAlgorithm.Aes, test: true);
        bench.Module.Generate("more.dek", KeyUsage.SecureChannel, CipherAlgorithm.Aes, test: true);
        var put = bench.Wrapped(host!, CommandApdu.Of(0x80, 0xD8, 0x00, 0x81, host!.PutKeyData(0x30, "more")));
        Assert.Equal("9000", put.Status.ToString());
        Assert.Equal(10, put.Data.Length);
        Assert.Equal(0x30, put.Data.Span[0]);
        Assert.Equal("6A80", bench.Wrapped(host, CommandApdu.Of(0x80, 0xD8, 0x00, 0x81, host.PutKeyData(0x30, "more"))).Status.ToString()); // there already
        Assert.Contains("C00401308810", Convert.ToHexString(bench.Wrapped(host, CommandApdu.Of(0x80, 0xCA, 0x00, 0xE0, [])).Data.Span), StringComparison.Ordinal);

        Assert.True(bench.TryOpen(0x33, 0x30, out host, "more"));
        Assert.True(bench.TryOpen(0x33, 0x00, out host)); // 0 asks for the first set
        Assert.Equal("9000", bench.Wrapped(host!, CommandApdu.Of(0x80, 0xE4, 0x00, 0x00, [0xD2, 0x01, 0x30])).Status.ToString());
        Assert.False(bench.TryOpen(0x33, 0x30, out _, "more"));
        Assert.Equal("6A88", bench.Send(CommandApdu.Of(0x80, 0x50, 0x31, 0x00, new byte[8])).Status.ToString());
    }

    [Theory]
    [InlineData(16, false)]
    [InlineData(16, true)]
    [InlineData(24, true)]
    [InlineData(32, false)]
    [InlineData(32, true)]
    public void PUT_KEY_takes_both_encodings(int length, bool counted)
    {
        var bench = new ChannelBench(0x70, 16);
        var (state, session) = (bench.State, ChipSession.PoweredOn);
        var host = bench.Raw(ref state, ref session, bench.Keys, 0x01);
        Scp03Keys next = new(Key(1), Key(2), Key(3));
        byte[] data = [0x02, .. ((byte[][])[next.Encryption, next.Mac, next.DataEncryption]).SelectMany(key =>
        {
            var box = host.EncryptSensitive([.. key, .. new byte[(16 - (key.Length % 16)) % 16]]);
            var check = Cipher.EncryptEcb(CipherAlgorithm.Aes, key, Enumerable.Repeat((byte)1, 16).ToArray())[..3];
            return counted ? (byte[])[0x88, (byte)(box.Length + 1), (byte)key.Length, .. box, 0x03, .. check] : [0x88, (byte)box.Length, .. box, 0x03, .. check];
        })];
        var step = Chip.Step(state, session, ChipPort.Wired, host.Wrap(CommandApdu.Of(0x80, 0xD8, 0x01, 0x81, data)).ToBytes(), bench.Entropy);
        Assert.True(host.TryUnwrapResponse(step.Response, out var answer));
        Assert.Equal("9000", answer.Status.ToString());
        (state, session) = (step.State, step.Session);
        Assert.NotNull(bench.Raw(ref state, ref session, next, 0x02));

        byte[] Key(byte seed) => new SeededEntropy(seed, "put").Bytes(length);
    }

    [Fact]
    public void Guessing_is_counted_slows_down_and_a_right_host_sets_it_back()
    {
        var bench = new ChannelBench(0x70, 16);
        for (var failures = 1; failures <= 12; failures++)
        {
            var refusals = 0;
            while (bench.Guess() is var status && status != "6982")
            {
                Assert.Equal("6985", status);
                refusals++;
            }

            Assert.Equal(failures, bench.State.Domains[0].Failures);
            Assert.Equal(failures - 1 < 3 ? 0 : Math.Min(1 << (failures - 4), 64), refusals);
        }

        bench.Device.PowerOff();
        bench.Device.PowerOn();
        var waited = 0;
        while (!bench.TryOpen(0x33, 0x01, out _))
        {
            waited++;
        }

        Assert.Equal(64, waited); // power-off does not shorten it
        Assert.Equal(0, bench.State.Domains[0].Failures);
        var saves = bench.Memory.Saves;
        for (var i = 0; i < 100; i++)
        {
            bench.Send(CommandApdu.Of(0x80, 0x50, 0x00, 0x00, new byte[8]));
        }

        Assert.Equal(saves, bench.Memory.Saves); // asking alone wears out nothing
    }

    [Fact]
    public void A_long_command_comes_in_pieces_and_a_long_answer_goes_out_in_pieces()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        var host = bench.TokenHost();
        var script = ChipBench.PersonalisationScript(host, ChipBench.Debit1, blockLength: 1000);
        Assert.Equal(3, script.Count);
        foreach (var command in script)
        {
            var whole = host.Session.Wrap(command);
            var left = whole.Data.ToArray().AsSpan();
            while (left.Length > 100)
            {
                Assert.Equal("9000", bench.Send(ChipPort.Wired, new CommandApdu((byte)(whole.Cla | 0x10), whole.Ins, whole.P1, whole.P2, left[..100].ToArray(), null)).Status.ToString());
                left = left[100..];
            }

            Assert.True(host.Session.TryUnwrapResponse(bench.Send(ChipPort.Wired, whole with { Data = left.ToArray() }), out var plain));
            Assert.Equal("9000", plain.Status.ToString());
        }

        host.Ok(0xE6, 0x08, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", ""));
        var answer = bench.Send(ChipPort.Contactless, "00A404000E325041592E5359532E4444463031"); // no Le
        Assert.True(answer.Data.IsEmpty);
        Assert.Equal(0x61, answer.Status.Value >> 8);
        var first = bench.Send(ChipPort.Contactless, "00C0000010");
        Assert.Equal(16, first.Data.Length);
        var rest = bench.Send(ChipPort.Contactless, $"00C00000{first.Status.Value & 0xFF:X2}");
        Assert.Equal("9000", rest.Status.ToString());
        Assert.Equal(Convert.ToHexString(bench.Send(ChipPort.Contactless, "00A404000E325041592E5359532E444446303100").Data.Span), Convert.ToHexString([.. first.Data.Span, .. rest.Data.Span]));
        Assert.Equal("6985", bench.Send(ChipPort.Contactless, "00C0000000").Status.ToString());
        Assert.Equal("9000", bench.Send(ChipPort.Contactless, "10A4040007A0000003330101").Status.ToString());
        Assert.Equal("6985", bench.Send(ChipPort.Contactless, "80CA9F3600").Status.ToString()); // another command breaks the chain
    }

    [Fact]
    public void The_card_tells_of_itself_and_lives_forward()
    {
        var bench = new ChannelBench(0x70, 16);
        Assert.Equal("42034D4A00", bench.Data("0042"));
        Assert.Equal("450A" + Convert.ToHexString(ChannelBench.Seid), bench.Data("0045"));
        Assert.Equal("C103000000", bench.Data("00C1"));
        Assert.Equal("9F7F2A", bench.Data("9F7F")[..6]);
        Assert.Equal("6A88", bench.Send(CommandApdu.Of(0x80, 0xCA, 0x00, 0x70, [])).Status.ToString());
        Assert.True(bench.TryOpen(0x33, 0x01, out var host));
        Assert.Equal("9000", bench.Wrapped(host!, CommandApdu.Of(0x80, 0xE2, 0x90, 0x00, [0x42, 0x02, 0x12, 0x34, 0x45, 0x01, 0x99])).Status.ToString());
        Assert.Equal("6A80", bench.Wrapped(host!, CommandApdu.Of(0x80, 0xE2, 0x90, 0x00, [0x66, 0x01, 0x00])).Status.ToString());
        Assert.Equal("6985", bench.Wrapped(host!, CommandApdu.Of(0x80, 0xF0, 0x80, 0x07, [])).Status.ToString()); // back to INITIALIZED: no
        Assert.Equal("9000", bench.Wrapped(host!, CommandApdu.Of(0x80, 0xF0, 0x80, 0x7F, [])).Status.ToString());
        Assert.Equal("6985", bench.Wrapped(host!, CommandApdu.Of(0x80, 0xE6, 0x0C, 0x00, ChipBench.Install("A000000151", "A000000151000000", ChipBench.TokenDomain, "80", "C900"))).Status.ToString());
        Assert.Equal("42021234", bench.Data("0042"));
        Assert.Equal("6A82", bench.Send(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Chip.Registry.Bytes)).Status.ToString()); // locked: the issuer domain alone
        Assert.True(bench.TryOpen(0x33, 0x01, out host));
        Assert.Equal("9000", bench.Wrapped(host!, CommandApdu.Of(0x80, 0xF0, 0x80, 0x0F, [])).Status.ToString());
        Assert.Equal("9000", bench.Send(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Chip.Registry.Bytes)).Status.ToString());
        Assert.True(bench.TryOpen(0x33, 0x01, out host));
        Assert.Equal("9000", bench.Wrapped(host!, CommandApdu.Of(0x80, 0xF0, 0x80, 0xFF, [])).Status.ToString());
        Assert.Equal("6A81", bench.Send(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Chip.IssuerDomain.Bytes)).Status.ToString());
    }

    [Fact]
    public void The_registry_turns_cards_off_and_on_and_sets_who_comes_first()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        bench.AddCard(ChipBench.Debit1);
        bench.AddCard(ChipBench.Debit2);
        Assert.Equal("9000", bench.Select(ChipPort.Wired, Chip.Registry).Status.ToString());
        byte[] one = BerTlv.Encode(0x4F, ChipBench.Debit1.Bytes), two = BerTlv.Encode(0x4F, ChipBench.Debit2.Bytes);
        Assert.Equal(
            $"61144F0A{ChipBench.Debit1}9F70020F01810101" + $"61144F0A{ChipBench.Debit2}9F70020F01810102",
            Convert.ToHexString(bench.Send(ChipPort.Wired, "80F24000024F0000").Data.Span));
        Assert.Contains(ChipBench.Debit1.ToString(), Listed(), StringComparison.Ordinal);
        Assert.Equal("9000", Set(0x02, 0x01, two));
        Assert.Contains(ChipBench.Debit2.ToString(), Listed(), StringComparison.Ordinal);
        Assert.Equal("9000", Set(0x02, 0x81, one));
        Assert.Contains(ChipBench.Debit1.ToString(), Listed(), StringComparison.Ordinal);
        bench.Restart();
        Assert.Contains(ChipBench.Debit2.ToString(), Listed(), StringComparison.Ordinal); // the volatile priority is gone
        bench.Select(ChipPort.Wired, Chip.Registry);
        Assert.Equal("9000", Set(0x01, 0x00, two));
        Assert.Contains(ChipBench.Debit1.ToString(), Listed(), StringComparison.Ordinal);
        Assert.Equal("6985", bench.Arm(ChipBench.Debit2).Status.ToString());
        Assert.Equal("9000", Set(0x01, 0x00, one));
        Assert.Equal("6A82", bench.Select(ChipPort.Contactless, Chip.Ppse).Status.ToString());
        Assert.Equal("9000", Set(0x01, 0x01, one));
        Assert.Equal("9000", bench.Pay(ChipBench.Debit1).Status.ToString());
        Assert.Equal("6A88", Set(0x01, 0x01, BerTlv.Encode(0x4F, Chip.Ppse.Bytes)));
        bench.Purge();
        Assert.Equal("6985", Set(0x01, 0x01, one)); // a dead card is not activatable
        Assert.Contains("8F80", Convert.ToHexString(bench.Send(ChipPort.Wired, "80F24000024F0000").Data.Span), StringComparison.Ordinal);

        string Set(byte p1, byte p2, byte[] name) => bench.Send(ChipPort.Wired, CommandApdu.Of(0x80, 0xF0, p1, p2, name)).Status.ToString();
        string Listed() => Convert.ToHexString(bench.Select(ChipPort.Contactless, Chip.Ppse).Data.Span);
    }
}

/// <summary>A chip of a chosen channel option, and the host's key module that its factory used.</summary>
internal sealed class ChannelBench
{
    public static readonly byte[] Seid = [0x4D, 0x4A, 0, 0, 0, 0, 0, 0, 0, 0x7F];

    public ChannelBench(byte option, int keyLength)
    {
        Entropy = new SeededEntropy(21, "channel");
        Keys = new Scp03Keys(Entropy.Bytes(keyLength), Entropy.Bytes(keyLength), Entropy.Bytes(keyLength));
        Module = KeyModule.InMemory("host", Entropy);
        foreach (var (part, value) in new[] { ("enc", Keys.Encryption), ("mac", Keys.Mac), ("dek", Keys.DataEncryption) })
        {
            var mask = Entropy.Bytes(keyLength);
            Module.Form($"isd.{part}", KeyUsage.SecureChannel, CipherAlgorithm.Aes, [mask, [.. value.Zip(mask, (left, right) => (byte)(left ^ right))]], test: true);
        }

        Memory.Save(ChipImage.Write(ChipFactory.Manufacture(Seid, Keys, Entropy.Bytes(16), Entropy) with { ScpOption = option }));
        Device = new ChipDevice(Memory, Entropy);
    }

    public SeededEntropy Entropy { get; }

    public Scp03Keys Keys { get; }

    public KeyModule Module { get; }

    public RamMemory Memory { get; } = new();

    public ChipDevice Device { get; }

    public ChipState State => ChipImage.TryRead(Memory.Load(), out var state, out var error) ? state : throw new InvalidOperationException(error);

    public ResponseApdu Send(CommandApdu command)
    {
        Assert.True(ResponseApdu.TryParse(Device.Transmit(ChipPort.Wired, command.ToBytes()), out var answer, out _));
        return answer;
    }

    /// <summary>The product's own host against the product's own card.</summary>
    public bool TryOpen(byte level, byte keyVersion, out HostChannel? host, string set = "isd")
    {
        host = Module.OpenSecureChannel(set);
        Send(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Chip.IssuerDomain.Bytes));
        return host.TryAuthenticate(Send(host.InitializeUpdate(keyVersion)), level, out var authenticate) && Send(authenticate).Status.IsOk;
    }

    public ResponseApdu Wrapped(HostChannel host, CommandApdu command)
    {
        Assert.True(host.TryUnwrap(Send(host.Wrap(command)), out var plain));
        return plain;
    }

    /// <summary>A wrong host cryptogram; the status word of the command that refused.</summary>
    public string Guess()
    {
        Send(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Chip.IssuerDomain.Bytes));
        var answer = Send(CommandApdu.Of(0x80, 0x50, 0x00, 0x00, new byte[8]));
        return answer.Status.IsOk ? Send(CommandApdu.Of(0x84, 0x82, 0x33, 0x00, new byte[16])).Status.ToString() : answer.Status.ToString();
    }

    public string Data(string tag)
    {
        Send(CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Chip.IssuerDomain.Bytes));
        return Convert.ToHexString(Send(CommandApdu.Of(0x80, 0xCA, Convert.FromHexString(tag)[0], Convert.FromHexString(tag)[1], [])).Data.Span);
    }

    public string CardData() => Data("0066");

    /// <summary>A channel on bare states.</summary>
    public Scp03Session Raw(ref ChipState state, ref ChipSession session, Scp03Keys keys, byte version)
    {
        byte[] challenge = [1, 2, 3, 4, 5, 6, 7, 8];
        var step = Chip.Step(state, session, ChipPort.Wired, CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, Chip.IssuerDomain.Bytes).ToBytes(), Entropy);
        step = Chip.Step(step.State, step.Session, ChipPort.Wired, CommandApdu.Of(0x80, 0x50, version, 0x00, challenge).ToBytes(), Entropy);
        var host = Scp03Session.Derive(keys, challenge, step.Response.Data.Span.Slice(13, 8));
        step = Chip.Step(step.State, step.Session, ChipPort.Wired, host.ExternalAuthenticate(0x33).ToBytes(), Entropy);
        Assert.True(step.Response.Status.IsOk);
        (state, session) = (step.State, step.Session);
        return host;
    }
}
