using System.Globalization;
using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Network;
using Majia.Storage;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Network;

/// <summary>Key modules, clock and numbers for tests of acquirer and switch; every party that is not under test is a fake behind a real line.</summary>
internal sealed class PaymentBench
{
    public const string Merchant = "990031058120001", OtherMerchant = "990031059440002", OtherAcquirer = "63990800", Terminal = "10000001", Unseeded = "10000009", Batch = "000001", Pin = "246813";
    public const string Acquirer = "63990900", Switch = "00010000", TokenService = "00019900", Bank = "63990100";
    public static readonly byte[] Tpdu = Convert.FromHexString("6000030000"), Header = Convert.FromHexString("603100311001");

    public PaymentBench()
    {
        Pan = Majia.Core.Primitives.Pan.Parse(WithCheckDigit("629901777777777777"));
        Token = PaymentToken.Parse(WithCheckDigit("819901000000012345"));
        Clock = new FakeTimeProvider(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));
        Share((TerminalKeys, "mak"), (AcquirerKeys, $"mak.{Terminal}"), KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        Share((TerminalKeys, "pik"), (AcquirerKeys, $"pik.{Terminal}"), KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, KeyUsage.PinEntry);
        AcquirerKeys.Generate($"mak.{Unseeded}", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        Share((AcquirerKeys, "zak.network"), (NetworkKeys, $"zak.{Acquirer}"), KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        Share((AcquirerKeys, "zpk.network"), (NetworkKeys, $"zpk.{Acquirer}"), KeyUsage.PinEncryption, CipherAlgorithm.TripleDes);
        Share((ZonePad, "zpk.network"), (KeyModule.InMemory("none", new SeededEntropy(0)), $"zpk.{Acquirer}"), KeyUsage.PinEncryption, CipherAlgorithm.TripleDes, KeyUsage.PinEntry);
        Share((NetworkKeys, $"zak.{Bank}"), (BankKeys, "zak.network"), KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        Share((NetworkKeys, $"zpk.{Bank}"), (BankKeys, "zpk.network"), KeyUsage.PinEncryption, CipherAlgorithm.TripleDes);
        Share((NetworkKeys, "zak.token-service"), (VaultKeys, "zak.network"), KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes);
        Share((NetworkKeys, "bind.token-service"), (VaultKeys, "bind.network"), KeyUsage.TokenBinding, CipherAlgorithm.Aes, KeyUsage.TokenBindingCheck);
        NetworkKeys.Generate($"zak.{OtherAcquirer}", KeyUsage.MessageAuthentication, CipherAlgorithm.TripleDes, test: true);
        BankKeys.Generate("pvk", KeyUsage.PinVerification, CipherAlgorithm.TripleDes, test: true);
    }

    public FakeTimeProvider Clock { get; }

    public Pan Pan { get; }

    public PaymentToken Token { get; }

    public KeyModule TerminalKeys { get; } = KeyModule.InMemory("terminal", new SeededEntropy(1));

    /// <summary>A PIN pad that shares the acquirer's zone key, as no institution has one: makes the blocks that tests send and expect.</summary>
    public KeyModule ZonePad { get; } = KeyModule.InMemory("pad", new SeededEntropy(8));

    public KeyModule AcquirerKeys { get; } = KeyModule.InMemory("acquirer", new SeededEntropy(2));

    public KeyModule NetworkKeys { get; } = KeyModule.InMemory("network", new SeededEntropy(3));

    public KeyModule BankKeys { get; } = KeyModule.InMemory("issuer", new SeededEntropy(4));

    public KeyModule VaultKeys { get; } = KeyModule.InMemory("token-service", new SeededEntropy(5));

    public RecordingTrace Trace { get; } = new();

    public InlineStore NewStore(byte[]? snapshot = null) => new([AcquirerParty.Schema, NetworkParty.Schema], snapshot);

    public async Task<AcquirerParty> AcquirerAsync(Store store, IIsoLink network)
    {
        var party = new AcquirerParty(new AcquirerOptions(), store, AcquirerKeys, network, Clock, new SeededEntropy(6), Trace);
        await party.SeedAsync(new AcquirerSeed(
        [
            new(Merchant, new("Morning Light Books", "晨光书店"), "5942", [Terminal]),
            new(OtherMerchant, new("Spruce Jewellers", "云杉珠宝"), "5944", ["10000002"]),
        ]));
        return party;
    }

    public NetworkParty Network(Store store, IIsoLink vault, IIsoLink bank) =>
        new(new NetworkOptions { Acquirers = [Acquirer, OtherAcquirer] }, store, NetworkKeys, vault, new Dictionary<string, IIsoLink> { [Bank] = bank }, Clock, new SeededEntropy(7), Trace);

    /// <summary>The network as the acquirer sees it.</summary>
    public FakePeer FakeNetwork(Func<IsoMessage, IsoMessage?> answer) => new(NetworkKeys, $"zak.{Acquirer}", answer);

    public FakePeer FakeBank(Func<IsoMessage, IsoMessage?> answer) => new(BankKeys, "zak.network", answer);

    public FakePeer FakeVault(Func<IsoMessage, IsoMessage?> answer) => new(VaultKeys, "zak.network", answer);

    /// <summary>A token service that knows the one token.</summary>
    public FakePeer Vault() => FakeVault(ask => Echo(ask)
        .Set(2, Pan.Reveal())
        .Set(14, "3012")
        .Set(23, "001")
        .Set(39, "00")
        .Set(48, new Field48Binding(VaultKeys.BindTokenToPan("bind.network", Token, Pan, SwitchKey.Of(ask.Text(7)!, ask.Text(11)!, ask.Text(32)!, ask.Text(33)!).ToString())).Format())
        .Set(56, new Field56Par("UP00MJ0000000000000000000000X").Format())
        .Set(61, new Field61Switch(ask.Text(3)!.StartsWith("20", StringComparison.Ordinal) ? ArqcResult.NotChecked : ArqcResult.Good).Format())
        .Set(63, new Field63Token(true, Token, "3006", "11", "01", "99900000001", "0001").Format())
        .Set(100, Bank));

    public FakePeer ApprovingBank() => FakeBank(request => Echo(request).Set(38, "135790").Set(39, "00").Set(121, $"card {Pan.Reveal()}"));

    /// <summary>0210 or 0430 of a well-behaved peer, F39 to be added.</summary>
    public static IsoMessage Echo(IsoMessage request) =>
        new IsoMessage(request.Mti.Response).Take(request, 2, 3, 4, 7, 11, 12, 13, 18, 25, 32, 33, 37, 41, 42, 49);

    public static IsoMessage Approve(IsoMessage request) => Echo(request).Set(15, "0304").Set(38, "135790").Set(39, "00").Set(44, new Field44(Bank, Acquirer).Format());

    // ---- POS line ----

    /// <summary>A 0200 of a tap.</summary>
    public IsoMessage Sale(string stan = "000001", long amount = 8800, bool pin = false)
    {
        var message = Pos(Mti.FinancialRequest, "000000", "22", stan, amount, pin ? "071" : "072")
            .Set(14, "3006")
            .Set(23, "001")
            .Set(35, Token.Reveal() + "D30062200000000000")
            .Set(55, Convert.FromHexString("9F2608A1A2A3A4A5A6A7A89F270180"));
        return pin ? message.Set(26, "06").Set(52, TerminalKeys.EncryptPin("pik", Pin, Token)).Set(53, Field53.TripleDesWithNumber.Format()) : message;
    }

    private IsoMessage Pos(Mti mti, string processing, string type, string stan, long amount, string entry) => new IsoMessage(mti)
        .Set(2, Token.Reveal()).Set(3, processing).SetNumber(4, amount, 12).Set(11, stan).Set(22, entry).Set(25, "00").Set(41, Terminal).Set(42, Merchant).Set(49, "156")
        .Set(60, Field60Pos.Payment(type, Batch).Format());

    public IsoMessage Void(IsoMessage saleAnswer, string stan = "000002", long amount = 8800) => Pos(Mti.FinancialRequest, "200000", "23", stan, amount, "072")
        .Set(37, saleAnswer.Text(37))
        .Set(38, saleAnswer.Text(38))
        .Set(61, new Field61Pos(Batch, saleAnswer.Text(11)!).Format());

    public IsoMessage Reversal(IsoMessage original, string reason = "98") =>
        new IsoMessage(Mti.ReversalRequest).Take(original, 2, 3, 4, 11, 14, 22, 23, 25, 41, 42, 49, 60, 61).Set(39, reason);

    public byte[] PosFrameOf(IsoMessage message) => PosFrame.Write(Tpdu, Header, IsoSealing.Seal(Dialect.Pos, message, block => TerminalKeys.Mac("mak", MacAlgorithm.UnionPayEcb, block)));

    public async Task<(byte[] Frame, IsoMessage Message)> TapAsync(IIsoServer acquirer, IsoMessage message) => ReadPos(await acquirer.HandleAsync(PosFrameOf(message), TestContext.Current.CancellationToken));

    /// <summary>An answer with its MAC right, TPDU turned round, and the fields that its row of the matrix wants.</summary>
    public (byte[] Frame, IsoMessage Message) ReadPos(ReadOnlyMemory<byte> frame, bool signed = true)
    {
        Assert.True(PosFrame.TryRead(frame, out var tpdu, out var header, out var body, out var error), error.ToString());
        Assert.Equal("6000000003", Convert.ToHexString(tpdu.Span));
        Assert.Equal(Header, header.ToArray());
        Assert.True(IsoCodec.TryRead(Dialect.Pos, body, out var message, out error), error.ToString());
        if (signed)
        {
            Assert.True(IsoSealing.Verify(Dialect.Pos, body, message, (block, mac) => TerminalKeys.VerifyMac("mak", MacAlgorithm.UnionPayEcb, block, mac)));
            Assert.Null(MessageMatrix.Check(Dialect.Pos, message));
        }

        return (frame.ToArray(), message);
    }

    // ---- switch line, as the acquirer ----

    /// <summary>A 0200 of an acquirer.</summary>
    public IsoMessage Purchase(string stan = "000001", long amount = 8800, bool pin = false)
    {
        var message = new IsoMessage(Mti.FinancialRequest)
            .Set(2, Token.Reveal()).Set(3, "000000").SetNumber(4, amount, 12).Set(7, "0304130607").Set(11, stan).Set(12, "130607").Set(13, "0304").Set(14, "3006").Set(18, "5942")
            .Set(22, pin ? "071" : "072").Set(23, "001").Set(25, "00").Set(32, Acquirer).Set(33, Acquirer).Set(35, Token.Reveal() + "D30062200000000000").Set(37, $"606313{stan}")
            .Set(41, Terminal).Set(42, Merchant).Set(43, "CHNMorning Light Books").Set(49, "156").Set(55, Convert.FromHexString("9F2608A1A2A3A4A5A6A7A8")).Set(60, new Field60Switch().Format());
        return pin ? message.Set(26, "06").Set(52, ZonePad.EncryptPin("zpk.network", Pin, Token)).Set(53, Field53.TripleDesWithNumber.Format()) : message;
    }

    /// <summary>A 0420 of an acquirer.</summary>
    public static IsoMessage ReversalAdvice(IsoMessage original, Mti mti)
    {
        Assert.True(Field90.TryNaming(original, out var named, out _));
        return new IsoMessage(mti).Take(original, 2, 3, 4, 18, 25, 32, 33, 37, 41, 42, 49).Set(7, "0304130700").Set(11, "900001").Set(39, "98").Set(90, named.Format());
    }

    /// <summary>As another institution sends it: its own F32, F33 and key.</summary>
    public byte[] SwitchFrameOf(IsoMessage message, string institution) => SwitchFrame.Write(
        Switch, institution, IsoSealing.Seal(Dialect.Switch, message.Set(32, institution).Set(33, institution), block => NetworkKeys.Mac($"zak.{institution}", MacAlgorithm.UnionPayEcb, block)));

    /// <summary>F39 of the answer to another institution.</summary>
    public static string? CodeOf(ReadOnlyMemory<byte> frame)
    {
        Assert.True(SwitchFrame.TryRead(frame, out _, out _, out var body, out var error), error.ToString());
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body, out var message, out error), error.ToString());
        return message.Text(39);
    }

    public byte[] SwitchFrameOf(IsoMessage message) =>
        SwitchFrame.Write(Switch, Acquirer, IsoSealing.Seal(Dialect.Switch, message, block => AcquirerKeys.Mac("zak.network", MacAlgorithm.UnionPayEcb, block)));

    public async Task<(byte[] Frame, IsoMessage Message)> SwitchAsync(IIsoServer network, IsoMessage message) => ReadSwitch(await network.HandleAsync(SwitchFrameOf(message), TestContext.Current.CancellationToken));

    public (byte[] Frame, IsoMessage Message) ReadSwitch(ReadOnlyMemory<byte> frame)
    {
        Assert.True(SwitchFrame.TryRead(frame, out var destination, out var source, out var body, out var error), error.ToString());
        Assert.Equal((Acquirer, Switch), (destination, source));
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body, out var message, out error), error.ToString());
        Assert.True(IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => AcquirerKeys.VerifyMac("zak.network", MacAlgorithm.UnionPayEcb, block, mac)));
        Assert.Null(MessageMatrix.Check(Dialect.Switch, message));
        return (frame.ToArray(), message);
    }

    /// <summary>Neither as characters nor packed, at either nibble, nor masked with its last four.</summary>
    public void AssertNoPan(ReadOnlySpan<byte> bytes, string where)
    {
        var hex = Convert.ToHexString(bytes);
        var text = string.Create(bytes.Length, bytes, static (span, from) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = (char)from[i];
            }
        });

        // Digits 6 to 17 are the plastic's own; its BIN and its last digits are in no message of an acquirer either.
        var account = Pan.Reveal()[4..^1];
        Assert.False(hex.Contains(account, StringComparison.Ordinal), $"PAN packed in {where}");
        Assert.False(text.Contains(account, StringComparison.Ordinal), $"PAN in {where}");
        Assert.False(text.Contains(Pan.LastFour, StringComparison.Ordinal), $"last four of the plastic in {where}");
    }

    private static string WithCheckDigit(string digits) => digits + Luhn.CheckDigit(digits).ToString(CultureInfo.InvariantCulture);

    private static void Share((KeyModule Module, string Name) one, (KeyModule Module, string Name) other, KeyUsage usage, CipherAlgorithm algorithm, KeyUsage? usageOfOne = null)
    {
        var entropy = new SeededEntropy(9, other.Name);
        byte[][] parts = [entropy.Bytes(algorithm == CipherAlgorithm.Aes ? 32 : 16), entropy.Bytes(algorithm == CipherAlgorithm.Aes ? 32 : 16)];
        one.Module.Form(one.Name, usageOfOne ?? usage, algorithm, parts, test: true);
        other.Module.Form(other.Name, usage, algorithm, parts, test: true);
    }
}

/// <summary>The far end of a switch line: checks frame and MAC, answers by a rule, null for silence.</summary>
internal sealed class FakePeer(KeyModule keys, string macKey, Func<IsoMessage, IsoMessage?> answer) : IIsoLink
{
    public Func<IsoMessage, IsoMessage?> Answer { get; set; } = answer;

    public List<IsoMessage> Got { get; } = [];

    public List<byte[]> Frames { get; } = [];

    /// <summary>Its answers bear a wrong MAC.</summary>
    public bool SpoilsMacs { get; set; }

    /// <summary>Answers not given yet, in order.</summary>
    public List<Action> Held { get; } = [];

    public bool Holds { get; set; }

    public async Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        Assert.True(SwitchFrame.TryRead(frame, out var destination, out var source, out var body, out var error), error.ToString());
        Assert.True(IsoCodec.TryRead(Dialect.Switch, body, out var message, out error), error.ToString());
        Assert.True(IsoSealing.Verify(Dialect.Switch, body, message, (block, mac) => keys.VerifyMac(macKey, MacAlgorithm.UnionPayEcb, block, mac)));
        Assert.Null(MessageMatrix.Check(Dialect.Switch, message));
        Got.Add(message);
        Frames.Add(frame.ToArray());
        if (Answer(message) is not { } reply)
        {
            return await new TaskCompletionSource<ReadOnlyMemory<byte>>().Task.WaitAsync(cancellation);
        }

        var sealedBody = IsoSealing.Seal(Dialect.Switch, reply, block => SpoilsMacs ? "00000000"u8.ToArray() : keys.Mac(macKey, MacAlgorithm.UnionPayEcb, block));
        var answerFrame = SwitchFrame.Write(source, destination, sealedBody);
        if (Holds)
        {
            var later = new TaskCompletionSource();
            Held.Add(later.SetResult);
            await later.Task;
        }

        return answerFrame;
    }
}

/// <summary>A line in memory that remembers its frames.</summary>
internal sealed class DirectLine(IIsoServer server) : IIsoLink
{
    public List<byte[]> Frames { get; } = [];

    public async Task<ReadOnlyMemory<byte>> ExchangeAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        Frames.Add(frame.ToArray());
        var answer = await server.HandleAsync(frame, cancellation);
        Frames.Add(answer.ToArray());
        return answer.IsEmpty ? await new TaskCompletionSource<ReadOnlyMemory<byte>>().Task.WaitAsync(cancellation) : answer;
    }
}

internal sealed class RecordingTrace : ITrace
{
    public List<TraceEvent> Rows { get; } = [];

    public List<(string, string)> Pairs { get; } = [];

    public void Record(TraceEvent row) => Rows.Add(row);

    public void Same(string reference, string other) => Pairs.Add((reference, other));
}
