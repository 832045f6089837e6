using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Tests.TokenService;

/// <summary>The chip's side of every script, as the design says it: issuer domain, token service's domain, payment instances. It checks what it is told.</summary>
public sealed class FakeChip(byte[] seid, Scp03Keys isdKeys, Entropy entropy)
{
    public static readonly string Isd = "A000000151000000", Domain = "A0000001510000004D4A5453";

    private sealed class KeyedDomain
    {
        public byte Version;
        public Scp03Keys? Keys;
        public int Sequence;
    }

    public sealed class Instance
    {
        public bool Personalised;
        public bool Selectable;
        public byte[] CardKeys = [];
        public SortedDictionary<int, byte[]> Groups { get; } = [];
    }

    private readonly KeyedDomain isd = new() { Version = 1, Keys = isdKeys };
    private KeyedDomain? domain;
    private KeyedDomain? selected;
    private string? personalising;
    private Scp03Session? session;
    private Scp03Session? pending;

    public string Seid => Convert.ToHexString(seid);

    public SortedDictionary<string, Instance> Instances { get; } = new(StringComparer.Ordinal);

    public byte DomainKeyVersion => domain?.Version ?? 0;

    /// <summary>Every plain command, in order, as INS P1.</summary>
    public List<string> Log { get; } = [];

    /// <summary>Power is lost before this many more commands are processed; null: never.</summary>
    public int? FailAfter { get; set; }

    /// <summary>Runs a script as a phone does: stops at the first word that is not 9000 or 61xx.</summary>
    public List<string> Run(IReadOnlyList<string> commands)
    {
        var answers = new List<string>();
        foreach (var hex in commands)
        {
            if (FailAfter is { } left)
            {
                if (left == 0)
                {
                    FailAfter = null;
                    PowerOff();
                    throw new PowerLostException();
                }

                FailAfter = left - 1;
            }

            Assert.True(CommandApdu.TryParse(Convert.FromHexString(hex), out var command, out _));
            var answer = Process(command);
            answers.Add(Convert.ToHexString(answer.ToBytes()));
            if (!answer.Status.IsOk)
            {
                break;
            }
        }

        return answers;
    }

    public void PowerOff() => (selected, session, pending, personalising) = (null, null, null, null);

    private ResponseApdu Process(CommandApdu command)
    {
        if (command is { Cla: 0x00, Ins: 0xA4 })
        {
            PowerOff();
            selected = Convert.ToHexString(command.Data.Span) switch
            {
                "A000000151000000" => isd,
                "A0000001510000004D4A5453" => domain,
                _ => null,
            };
            return selected is null ? ResponseApdu.Of(0x6A82) : ResponseApdu.Ok([0x6F, 0x00]);
        }

        if (command.Ins == 0x50)
        {
            if (selected?.Keys is not { } keys || command.P1 != selected.Version)
            {
                return ResponseApdu.Of(0x6A88);
            }

            selected.Sequence++;
            byte[] sequence = [0, 0, (byte)selected.Sequence];
            var challenge = entropy.Bytes(8);
            pending = Scp03Session.Derive(keys, command.Data.Span, challenge);
            return ResponseApdu.Ok([.. seid, selected.Version, 0x03, 0x70, .. challenge, .. pending.CardCryptogram, .. sequence]);
        }

        if (command.Ins == 0x82)
        {
            if (pending is null || !pending.TryAccept(command) || pending.Level != 0x33)
            {
                return ResponseApdu.Of(0x6982);
            }

            (session, pending) = (pending, null);
            return ResponseApdu.Of(0x9000);
        }

        if (session is null || !session.TryUnwrap(command, out var plain))
        {
            return ResponseApdu.Of(0x6982);
        }

        Log.Add($"{plain.Ins:X2}{plain.P1:X2}");
        return session.WrapResponse(Secured(plain));
    }

    private ResponseApdu Secured(CommandApdu command)
    {
        var data = command.Data.Span;
        switch (command.Ins, command.P1)
        {
            case (0xF2, 0x40):
                return domain is null ? ResponseApdu.Of(0x6A88) : ResponseApdu.Ok([0xE3, 0x00]);
            case (0xE4, _):
                var aid = Convert.ToHexString(data[2..]);
                if (aid == Domain && selected == isd && domain is not null)
                {
                    domain = null;
                    return ResponseApdu.Of(0x9000);
                }

                return Instances.Remove(aid) ? ResponseApdu.Of(0x9000) : ResponseApdu.Of(0x6A88);
            case (0xE6, 0x0C):
                Assert.Equal("05A00000015108A0000001510000000CA0000001510000004D4A5453018002C90000", Convert.ToHexString(data));
                domain = new KeyedDomain();
                return ResponseApdu.Of(0x9000);
            case (0xE6, 0x20):
                personalising = Convert.ToHexString(data.Slice(3, data[2]));
                return personalising == Domain || Instances.ContainsKey(personalising) ? ResponseApdu.Of(0x9000) : ResponseApdu.Of(0x6A88);
            case (0xE6, 0x04):
                var at = 0;
                var package = Counted(data, ref at);
                var module = Counted(data, ref at);
                var instance = Counted(data, ref at);
                Assert.Equal(("A0000003330101", "A000000333010100"), (package, module));
                return Instances.TryAdd(instance, new Instance()) ? ResponseApdu.Of(0x9000) : ResponseApdu.Of(0x6A89);
            case (0xE6, 0x08):
                var chosen = Instances[Convert.ToHexString(data.Slice(3, data[2]))];
                chosen.Selectable = chosen.Personalised;
                return ResponseApdu.Of(chosen.Selectable ? (ushort)0x9000 : (ushort)0x6985);
            case (0xD8, _):
                return PutKey(command);
            case (0xE2, _):
                return Store(command);
            default:
                return ResponseApdu.Of(0x6D00);
        }
    }

    private ResponseApdu PutKey(CommandApdu command)
    {
        var data = command.Data.Span;
        var target = selected == isd ? domain! : selected!;
        Assert.Equal(selected == isd ? 0 : target.Version, command.P1);
        Assert.Equal(0x81, command.P2);
        Assert.True(selected != isd || personalising == Domain);
        var keys = new byte[3][];
        var checks = new List<byte>();
        for (var i = 0; i < 3; i++)
        {
            var field = data.Slice(1 + (i * 22), 22);
            Assert.Equal([0x88, 0x10], field[..2].ToArray());
            keys[i] = session!.DecryptSensitive(field.Slice(2, 16));
            var check = Cipher.EncryptEcb(CipherAlgorithm.Aes, keys[i], Enumerable.Repeat((byte)1, 16).ToArray())[..3];
            Assert.Equal(check, field[19..].ToArray());
            checks.AddRange(check);
        }

        (target.Version, target.Keys) = (data[0], new Scp03Keys(keys[0], keys[1], keys[2]));
        return ResponseApdu.Ok([data[0], .. checks]);
    }

    private ResponseApdu Store(CommandApdu command)
    {
        var instance = Instances[personalising!];
        var data = command.Data.Span;
        var at = 0;
        while (at < data.Length)
        {
            var id = (data[at] << 8) | data[at + 1];
            instance.Groups[id] = data.Slice(at + 3, data[at + 2]).ToArray();
            at += 3 + data[at + 2];
        }

        if (instance.Groups.TryGetValue(0x8000, out var keys) && instance.CardKeys.Length == 0)
        {
            instance.CardKeys = session!.DecryptSensitive(keys);
        }

        instance.Personalised = (command.P1 & 0x80) != 0;
        return ResponseApdu.Of(0x9000);
    }

    private static string Counted(ReadOnlySpan<byte> data, ref int at)
    {
        var value = Convert.ToHexString(data.Slice(at + 1, data[at]));
        at += 1 + data[at];
        return value;
    }

    /// <summary>What a tap gives the terminal: F55 with a cryptogram made by the instance's own keys.</summary>
    public static byte[] Tap(Instance instance, ushort atc, string amount, byte[] unpredictable, byte cvr2 = 0xA0, Action<byte[]>? spoil = null)
    {
        byte[] cvr = [0x03, cvr2, 0x00, 0x00];
        var input = new CryptogramInput(
            Convert.FromHexString(amount), new byte[6], new byte[] { 0x01, 0x56 }, new byte[5], new byte[] { 0x01, 0x56 }, new byte[] { 0x26, 0x11, 0x23 }, 0x00,
            unpredictable, new byte[] { 0x7C, 0x00 }, atc, cvr);
        var key = Cryptogram.DeriveSessionKey(CipherAlgorithm.TripleDes, instance.CardKeys.AsSpan(0, 16), atc);
        var cryptogram = Cryptogram.Compute(CipherAlgorithm.TripleDes, key, input.Bytes(CryptogramVersion.Full));
        spoil?.Invoke(cryptogram);
        return
        [
            .. BerTlv.Encode(0x9F26, cryptogram), .. BerTlv.Encode(0x9F27, [0x80]), .. BerTlv.Encode(0x9F10, [0x07, 0x01, 0x01, .. cvr, 0x01]),
            .. BerTlv.Encode(0x9F37, unpredictable), .. BerTlv.Encode(0x9F36, [(byte)(atc >> 8), (byte)atc]), .. BerTlv.Encode(0x95, new byte[5]),
            .. BerTlv.Encode(0x9A, [0x26, 0x11, 0x23]), .. BerTlv.Encode(0x9C, [0x00]), .. BerTlv.Encode(0x9F02, Convert.FromHexString(amount)),
            .. BerTlv.Encode(0x5F2A, [0x01, 0x56]), .. BerTlv.Encode(0x82, [0x7C, 0x00]), .. BerTlv.Encode(0x9F1A, [0x01, 0x56]), .. BerTlv.Encode(0x9F03, new byte[6]),
        ];
    }
}

public sealed class PowerLostException : Exception;
