using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

/// <summary>A chip on the bench: its factory, a host for each of its owners, and a reader.</summary>
internal sealed class ChipBench
{
    public static readonly byte[] Seid = Convert.FromHexString("4D4A0000000000000001");
    public static readonly byte[] BindingKey = Convert.FromHexString("B0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF");
    public static readonly Scp03Keys IssuerKeys = Keys(0x40), InitialKeys = Keys(0x50), TokenKeys = Keys(0x60);
    public static readonly Aid TokenDomain = Aid.Parse("A0000001510000004D4A5453"), Debit1 = Aid.Parse("A0000003330101010001"), Debit2 = Aid.Parse("A0000003330101010002");

    /// <summary>Personalised PDOL and terminal answer, in the order of protocols.md 2.3.</summary>
    public const string Pdol = "9F66049F02069F03069F1A0295055F2A029A039C019F3704";

    public ChipBench(IChipMemory? memory = null)
    {
        Memory = memory ?? new RamMemory();
        Entropy = new SeededEntropy(7, "chip");
        Memory.Save(ChipImage.Write(ChipFactory.Manufacture(Seid, IssuerKeys, BindingKey, Entropy)));
        Device = new ChipDevice(Memory, Entropy);
    }

    public IChipMemory Memory { get; }

    public SeededEntropy Entropy { get; }

    public ChipDevice Device { get; private set; }

    public ChipState State => ChipImage.TryRead(Memory.Load(), out var state, out var error) ? state : throw new InvalidOperationException(error);

    public static IReadOnlyDictionary<string, string> Vector { get; } = File.ReadLines(Repository.Vector("chip-pboc.txt"))
        .Where(line => !line.StartsWith('#')).Select(line => line.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>Power off and on: a new device on the same memory.</summary>
    public void Restart()
    {
        Device.PowerOff();
        Device = new ChipDevice(Memory, Entropy);
    }

    public ResponseApdu Send(ChipPort port, string hex) => Parse(Device.Transmit(port, Convert.FromHexString(hex)));

    public ResponseApdu Send(ChipPort port, CommandApdu command) => Parse(Device.Transmit(port, command.ToBytes()));

    public ResponseApdu Select(ChipPort port, Aid aid) => Send(port, CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, aid.Bytes));

    /// <summary>Opens a channel; null when the chip refuses.</summary>
    public TestHost? Open(Aid domain, Scp03Keys keys, byte version, byte level = 0x33)
    {
        if (!Select(ChipPort.Wired, domain).Status.IsOk)
        {
            return null;
        }

        var challenge = Entropy.Bytes(8);
        var answer = Send(ChipPort.Wired, CommandApdu.Of(0x80, 0x50, version, 0x00, challenge));
        if (!answer.Status.IsOk)
        {
            return null;
        }

        var session = Scp03Session.Derive(keys, challenge, answer.Data.Span[13..21]);
        Assert.Equal(session.CardCryptogram, answer.Data.Span[21..29].ToArray());
        return Send(ChipPort.Wired, session.ExternalAuthenticate(level)).Status.IsOk ? new TestHost(this, session) : null;
    }

    /// <summary>The token service's domain as the SE issuer and the token service make it.</summary>
    public void CreateTokenDomain()
    {
        var issuer = Open(Chip.IssuerDomain, IssuerKeys, 0x01)!;
        issuer.Ok(0xE6, 0x0C, 0x00, Install("A000000151", "A000000151000000", TokenDomain, "80", "C900"));
        issuer.Ok(0xE6, 0x20, 0x00, Install("", "", TokenDomain, "", ""));
        issuer.Ok(0xD8, 0x00, 0x81, issuer.KeyData(0x01, InitialKeys));
        var token = Open(TokenDomain, InitialKeys, 0x01)!;
        token.Ok(0xD8, 0x01, 0x81, token.KeyData(0x02, TokenKeys));
    }

    public TestHost TokenHost() => Open(TokenDomain, TokenKeys, 0x02)!;

    /// <summary>From INSTALL to selectable; <paramref name="blocks"/> into as many STORE DATA as their bytes need.</summary>
    public void AddCard(Aid instance, byte version = 0x01, bool sm4 = false, string processes = "00008000", string limit = "000000100000", bool selectable = true)
    {
        var host = TokenHost();
        foreach (var command in PersonalisationScript(host, instance, version, sm4, processes, limit))
        {
            Assert.True(host.Send(command).Status.IsOk);
        }

        if (selectable)
        {
            host.Ok(0xE6, 0x08, 0x00, Install("", "", instance, "", ""));
        }
    }

    public static List<CommandApdu> PersonalisationScript(TestHost host, Aid instance, byte version = 0x01, bool sm4 = false, string processes = "00008000", string limit = "000000100000", int blockLength = 100)
    {
        var data = Groups(host.Session, version, sm4, processes, limit);
        var script = new List<CommandApdu>
        {
            CommandApdu.Of(0x80, 0xE6, 0x04, 0x00, Install("A0000003330101", "A000000333010100", instance, "10", "C900")),
            CommandApdu.Of(0x80, 0xE6, 0x20, 0x00, Install("", "", instance, "", "")),
        };
        for (var at = 0; at < data.Length; at += blockLength)
        {
            var end = Math.Min(data.Length, at + blockLength);
            script.Add(CommandApdu.Of(0x80, 0xE2, end == data.Length ? (byte)0x88 : (byte)0x08, (byte)(at / blockLength), data.AsSpan(at, end - at)));
        }

        return script;
    }

    /// <summary>DGIs of one card with the vector's number and keys.</summary>
    public static byte[] Groups(Scp03Session session, byte version, bool sm4, string processes, string limit)
    {
        var cipher = sm4 ? CipherAlgorithm.Sm4 : CipherAlgorithm.TripleDes;
        var keys = new[] { "imk.ac", "imk.mac", "imk.enc" }.Select(name => Cryptogram.DeriveCardKey(cipher, Convert.FromHexString(Vector[name]), Vector["pan"], Vector["psn"])).ToArray();
        byte[] all = [.. keys[0], .. keys[1], .. keys[2]];
        byte[] checks = [.. keys.SelectMany(key => Cipher.KeyCheckValue(cipher, key, 3))];
        byte[] gpo =
        [
            .. BerTlv.Encode(0x82, Convert.FromHexString("7C00")),
            .. BerTlv.Encode(0x57, Convert.FromHexString(Vector["pan"] + "D311222000000000000")),
            .. BerTlv.Encode(0x5F34, [0x01]),
            .. BerTlv.Encode(0x9F10, [0x07, 0x01, version, 0x03, 0x00, 0x00, 0x00, sm4 ? (byte)0x04 : (byte)0x01]),
            .. BerTlv.Encode(0x9F63, Convert.FromHexString("38313939303131300080304000000000")),
            .. BerTlv.Encode(0x5F20, " /"u8),
            .. BerTlv.Encode(0x9F6C, [0x00, 0x00]),
        ];
        byte[] fci =
        [
            .. BerTlv.Encode(0x50, "UnionPay Debit"u8), .. BerTlv.Encode(0x87, [0x01]), .. BerTlv.Encode(0x9F38, Convert.FromHexString(Pdol)), .. BerTlv.Encode(0x5F2D, "zh"u8),
            .. BerTlv.Encode(0x9F11, [0x01]), .. BerTlv.Encode(0x9F12, "UnionPay Debit"u8), .. BerTlv.Encode(0xBF0C, BerTlv.Encode(0x9F4D, [0x0B, 0x0A])),
        ];
        byte[] values =
        [
            .. BerTlv.Encode(0x9F36, [0x00, 0x00]), .. BerTlv.Encode(0x9F68, Convert.FromHexString(processes)), .. BerTlv.Encode(0x9F6B, Convert.FromHexString(limit)),
            .. BerTlv.Encode(0x9F51, [0x01, 0x56]), .. BerTlv.Encode(0x5F28, [0x01, 0x56]),
        ];
        return
        [
            .. Group(0x8000, session.EncryptSensitive(all)), .. Group(0x9000, checks), .. Group(0x0D01, values), .. Group(0x9207, gpo), .. Group(0x9103, BerTlv.Encode(0xA5, fci)),
            .. Group(0x4D4A, [sm4 ? (byte)0x04 : (byte)0x01]),
        ];
    }

    public static byte[] Group(int id, byte[] value) => [(byte)(id >> 8), (byte)(id & 0xFF), (byte)value.Length, .. value];

    public static byte[] Install(string package, string module, Aid instance, string privileges, string parameters) =>
        [.. Field(package), .. Field(module), (byte)instance.Bytes.Length, .. instance.Bytes, .. Field(privileges), .. Field(parameters), 0x00];

    // ---- trusted side ----

    public byte[] Challenge()
    {
        Select(ChipPort.Trusted, Chip.Binding);
        return Send(ChipPort.Trusted, "8084000000").Data.ToArray();
    }

    public ResponseApdu Prove(byte ins, byte purpose, ReadOnlySpan<byte> name) =>
        Send(ChipPort.Trusted, CommandApdu.Of(0x80, ins, 0x00, 0x00, [.. BindingApplet.Mac(BindingKey, purpose, Challenge(), name), .. name]));

    public ResponseApdu Arm(Aid instance) => Prove(0x2A, BindingApplet.AuthorisePurpose, instance.Bytes);

    public ResponseApdu Purge() => Prove(0x2E, BindingApplet.PurgePurpose, []);

    // ---- reader ----

    public ResponseApdu Gpo(string ttq = "26004080", string? amount = null, string currency = "0156") =>
        Send(ChipPort.Contactless, $"80A80000238321{ttq}{amount ?? Vector["amount"]}0000000000000156{"0000000000"}{currency}{Vector["date"]}00{Vector["un"]}00");

    public ResponseApdu Pay(Aid instance, string ttq = "26004080", string? amount = null, string currency = "0156")
    {
        Assert.True(Arm(instance).Status.IsOk);
        Assert.True(Select(ChipPort.Contactless, instance).Status.IsOk);
        return Gpo(ttq, amount, currency);
    }

    private static byte[] Field(string hex) => [(byte)(hex.Length / 2), .. Convert.FromHexString(hex)];

    private static Scp03Keys Keys(byte first) => new(Run(first), Run((byte)(first + 0x10)), Run((byte)(first + 0x20)));

    private static byte[] Run(byte first) => [.. Enumerable.Range(first, 16).Select(value => (byte)value)];

    private static ResponseApdu Parse(byte[] bytes) => ResponseApdu.TryParse(bytes, out var response, out var error) ? response : throw new InvalidOperationException(error.ToString());
}

/// <summary>The host's end of an open channel.</summary>
internal sealed class TestHost(ChipBench bench, Scp03Session session)
{
    public Scp03Session Session => session;

    public ResponseApdu Send(CommandApdu command)
    {
        var answer = bench.Send(ChipPort.Wired, session.Wrap(command));
        Assert.True(session.TryUnwrapResponse(answer, out var plain));
        return plain;
    }

    public ResponseApdu Send(byte ins, byte p1, byte p2, ReadOnlySpan<byte> data) => Send(CommandApdu.Of(0x80, ins, p1, p2, data));

    public ResponseApdu Ok(byte ins, byte p1, byte p2, ReadOnlySpan<byte> data)
    {
        var answer = Send(ins, p1, p2, data);
        Assert.Equal("9000", answer.Status.ToString());
        return answer;
    }

    /// <summary>PUT KEY data, GP §11.8.</summary>
    public byte[] KeyData(byte version, Scp03Keys keys)
    {
        byte[] ones = [.. Enumerable.Repeat((byte)0x01, 16)];
        return [version, .. new[] { keys.Encryption, keys.Mac, keys.DataEncryption }.SelectMany(key =>
            (byte[])[0x88, 0x10, .. session.EncryptSensitive(key), 0x03, .. Cipher.EncryptEcb(CipherAlgorithm.Aes, key, ones)[..3]])];
    }
}

/// <summary>A memory that can fail before or after it has stored.</summary>
internal sealed class RamMemory : IChipMemory
{
    private byte[]? image;

    public bool FailBefore { get; set; }

    public bool FailAfter { get; set; }

    public int Saves { get; private set; }

    /// <summary>The save at which power goes, counted from 1; 0: never.</summary>
    public int CutAt { get; set; }

    /// <summary>With <see cref="CutAt"/>: after the image is stored, else before.</summary>
    public bool CutAfter { get; set; }

    /// <summary>Every image that was stored.</summary>
    public List<byte[]> Images { get; } = [];

    public byte[]? Load() => image;

    public void Save(ReadOnlySpan<byte> next)
    {
        if (Saves + 1 == CutAt)
        {
            FailBefore = !CutAfter;
            FailAfter = CutAfter;
            CutAt = 0;
        }

        if (FailBefore)
        {
            FailBefore = false;
            throw new IOException("power lost before the write");
        }

        image = next.ToArray();
        Images.Add(image);
        Saves++;
        if (FailAfter)
        {
            FailAfter = false;
            throw new IOException("power lost after the write");
        }
    }
}
