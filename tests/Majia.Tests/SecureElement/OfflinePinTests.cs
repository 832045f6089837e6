using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

/// <summary>VERIFY and PIN CHANGE/UNBLOCK over the contacts (EMV Book 3 §6.5.12, §6.5.10; protocols.md 3.5). A card that has a PIN keeps these rules.</summary>
public sealed class OfflinePinTests
{
    private const string Right = "0020008008246135FFFFFFFFFF", Wrong = "0020008008246136FFFFFFFFFF", Changed = "0020008008247890FFFFFFFFFF";

    [Fact]
    public void Three_wrong_ones_close_it_and_the_right_one_gives_the_tries_back()
    {
        var bench = WithPin();
        Assert.Equal("6985", bench.Send(ChipPort.Contact, Right).Status.ToString()); // nothing has begun
        bench.Begin();
        Assert.Equal("63C2", bench.Send(ChipPort.Contact, Wrong).Status.ToString());
        Assert.Equal("9000", bench.Send(ChipPort.Contact, Right).Status.ToString());
        Assert.Equal("9F170103", Convert.ToHexString(bench.Send(ChipPort.Contact, "80CA9F1700").Data.Span));
        Assert.Equal("63C2", bench.Send(ChipPort.Contact, Wrong).Status.ToString());
        bench.Restart(); // power does not give tries back
        bench.Begin();
        Assert.Equal("63C1", bench.Send(ChipPort.Contact, Wrong).Status.ToString());
        Assert.Equal("63C0", bench.Send(ChipPort.Contact, Wrong).Status.ToString());
        Assert.Equal("6983", bench.Send(ChipPort.Contact, Right).Status.ToString());
        Assert.Equal("6983", bench.Send(ChipPort.Contact, Wrong).Status.ToString());
    }

    [Fact]
    public void What_came_of_it_stands_in_the_CVR()
    {
        var bench = WithPin();
        bench.Begin();
        bench.Send(ChipPort.Contact, Right);
        Assert.Equal("A4", Results(bench.Generate(0x80, PlasticBench.FirstData))[2..4]); // performed
        bench.Begin();
        bench.Send(ChipPort.Contact, Wrong);
        Assert.Equal("A6", Results(bench.Generate(0x80, PlasticBench.FirstData))[2..4]); // performed and failed
        bench.Begin();
        bench.Send(ChipPort.Contact, Wrong);
        bench.Send(ChipPort.Contact, Wrong);
        Assert.Equal(0x40, Convert.FromHexString(Results(bench.Generate(0x80, PlasticBench.FirstData)))[2] & 0x40); // no try is left
    }

    [Theory]
    [InlineData("0020008007246135FFFFFFFF", "6700")]
    [InlineData("0020000008246135FFFFFFFFFF", "6A86")]
    [InlineData("0020018008246135FFFFFFFFFF", "6A86")]
    public void A_command_of_another_form_spends_no_try(string command, string status)
    {
        var bench = WithPin();
        bench.Begin();
        Assert.Equal(status, bench.Send(ChipPort.Contact, command).Status.ToString());
        Assert.Equal("9F170103", Convert.ToHexString(bench.Send(ChipPort.Contact, "80CA9F1700").Data.Span));
    }

    [Fact]
    public void Enciphered_for_the_chip_it_is_good_for_one_challenge()
    {
        var bench = WithPin();
        bench.Begin();
        var enciphered = Enciphered(bench, "246135FFFFFFFFFF");
        Assert.Equal("9000", bench.Send(ChipPort.Contact, enciphered).Status.ToString());
        Assert.Equal("6985", bench.Send(ChipPort.Contact, enciphered).Status.ToString()); // its challenge is spent
        bench.Send(ChipPort.Contact, "0084000000");
        Assert.Equal("63C2", bench.Send(ChipPort.Contact, enciphered).Status.ToString()); // another challenge: a replay is a wrong PIN
        Assert.Equal("9000", bench.Send(ChipPort.Contact, Enciphered(bench, "246135FFFFFFFFFF")).Status.ToString());
        Assert.Equal("63C2", bench.Send(ChipPort.Contact, Enciphered(bench, "246136FFFFFFFFFF")).Status.ToString());
        Assert.Equal("63C1", bench.Send(ChipPort.Contact, Enciphered(bench, "246135FFFFFFFFFF", header: 0x6A)).Status.ToString());
        bench.Send(ChipPort.Contact, "0084000000");
        Assert.Equal("63C0", bench.Send(ChipPort.Contact, CommandApdu.Of(0x00, 0x20, 0x00, 0x88, [.. Enumerable.Repeat((byte)0xFF, 144)])).Status.ToString()); // not below the modulus
        bench.Send(ChipPort.Contact, "0084000000");
        Assert.Equal("6983", bench.Send(ChipPort.Contact, Enciphered(bench, "246135FFFFFFFFFF")).Status.ToString());
    }

    [Fact]
    public void Without_challenge_key_or_its_length_nothing_is_compared_and_no_try_spent()
    {
        var bench = WithPin();
        bench.Begin();
        var block = Enumerable.Repeat((byte)0x11, 144).ToArray();
        Assert.Equal("6985", bench.Send(ChipPort.Contact, CommandApdu.Of(0x00, 0x20, 0x00, 0x88, block)).Status.ToString());
        bench.Send(ChipPort.Contact, "0084000000");
        Assert.Equal("6700", bench.Send(ChipPort.Contact, CommandApdu.Of(0x00, 0x20, 0x00, 0x88, block[..143])).Status.ToString());
        bench.Begin(); // a new transaction: the challenge was the old one's
        Assert.Equal("6985", bench.Send(ChipPort.Contact, CommandApdu.Of(0x00, 0x20, 0x00, 0x88, block)).Status.ToString());
        Assert.Equal("9F170103", Convert.ToHexString(bench.Send(ChipPort.Contact, "80CA9F1700").Data.Span));
        var sm2 = WithPin(new PlasticBench(sm2: true));
        sm2.Begin();
        sm2.Send(ChipPort.Contact, "0084000000");
        Assert.Equal("6985", sm2.Send(ChipPort.Contact, CommandApdu.Of(0x00, 0x20, 0x00, 0x88, block)).Status.ToString());
    }

    [Fact]
    public void A_card_without_a_PIN_and_the_field_know_none()
    {
        var bench = new PlasticBench();
        bench.Begin();
        Assert.Equal("6A88", bench.Send(ChipPort.Contact, Right).Status.ToString());
        var field = WithPin();
        field.Tap();
        Assert.Equal("6985", field.Send(ChipPort.Contactless, Right).Status.ToString());
    }

    [Fact]
    public void The_bank_changes_it_under_both_keys_and_opens_it_again()
    {
        var bench = WithPin();
        var (atc, cryptogram) = Online(bench);
        Assert.Equal("9000", bench.Send(ChipPort.Contact, bench.Script(0x84, 0x24, 0x00, 0x02, Sealed(bench, atc, "247890FFFFFFFFFF"), atc, cryptogram)).Status.ToString());
        bench.Begin();
        Assert.Equal("63C2", bench.Send(ChipPort.Contact, Right).Status.ToString());
        Assert.Equal("9000", bench.Send(ChipPort.Contact, Changed).Status.ToString());

        for (var i = 0; i < 3; i++)
        {
            bench.Send(ChipPort.Contact, Wrong);
        }

        Assert.Equal("6983", bench.Send(ChipPort.Contact, Changed).Status.ToString());
        (atc, cryptogram) = Online(bench);
        Assert.Equal("9000", bench.Send(ChipPort.Contact, bench.Script(0x84, 0x24, 0x00, 0x00, [], atc, cryptogram)).Status.ToString()); // unblock alone
        bench.Begin();
        Assert.Equal("9000", bench.Send(ChipPort.Contact, Changed).Status.ToString());
    }

    [Fact]
    public void A_change_that_is_not_the_banks_or_holds_no_PIN_changes_nothing()
    {
        var bench = WithPin();
        var (atc, cryptogram) = Online(bench);
        Assert.Equal("6987", bench.Send(ChipPort.Contact, "8024000200").Status.ToString()); // no MAC at all
        var otherCounter = bench.Script(0x84, 0x24, 0x00, 0x02, Sealed(bench, (ushort)(atc + 1), "247890FFFFFFFFFF"), atc, cryptogram);
        Assert.Equal("6A80", bench.Send(ChipPort.Contact, otherCounter).Status.ToString()); // deciphers to no PIN block
        Assert.Equal("6700", bench.Send(ChipPort.Contact, bench.Script(0x84, 0x24, 0x00, 0x02, Sealed(bench, atc, "247890FFFFFFFFFF").AsSpan(0, 8), atc, cryptogram)).Status.ToString());
        var forged = bench.Script(0x84, 0x24, 0x00, 0x02, Sealed(bench, atc, "247890FFFFFFFFFF"), atc, cryptogram).ToBytes();
        forged[6] ^= 1;
        Assert.Equal("6988", Convert.ToHexString(bench.Device.Transmit(ChipPort.Contact, forged)));
        bench.Begin();
        Assert.Equal("9000", bench.Send(ChipPort.Contact, Right).Status.ToString());
    }

    [Fact]
    public void A_record_is_updated_as_long_as_it_keeps_its_form()
    {
        var bench = new PlasticBench();
        var (atc, cryptogram) = Online(bench);
        var record = bench.Send(ChipPort.Contact, "00B2010C00").Data.ToArray(); // SFI 1, record 1: track 2 and name
        var renamed = record.ToArray();
        var name = renamed.AsSpan().IndexOf("LIN/XIAOYUN"u8);
        "YE/ZHIQIU  "u8.CopyTo(renamed.AsSpan(name));
        Assert.Equal("6A83", bench.Send(ChipPort.Contact, bench.Script(0x04, 0xDC, 0x09, 0x0C, renamed, atc, cryptogram)).Status.ToString());
        Assert.Equal("6A80", bench.Send(ChipPort.Contact, bench.Script(0x04, 0xDC, 0x01, 0x0C, renamed.AsSpan(0, renamed.Length - 1), atc, cryptogram)).Status.ToString());
        Assert.Equal("9000", bench.Send(ChipPort.Contact, bench.Script(0x04, 0xDC, 0x01, 0x0C, renamed, atc, cryptogram)).Status.ToString());
        Assert.Equal(renamed, bench.Send(ChipPort.Contact, "00B2010C00").Data.ToArray());
    }

    /// <summary>A card that was personalised with 246135's first digits as its PIN (format 2: 24 61 35), three tries.</summary>
    private static PlasticBench WithPin(PlasticBench? made = null)
    {
        var bench = made ?? new PlasticBench();
        var state = bench.State;
        var payment = state.Payments[0];
        var profile = payment.Profile!;
        var inside = new List<byte>();
        foreach (var item in BerTlv.Objects(profile.InternalData.Span))
        {
            if (item.Tag != 0x9F17)
            {
                inside.AddRange(BerTlv.Encode(item.Tag, item.Value));
            }
        }

        inside.AddRange(BerTlv.Encode(0x9F17, [0x03]));
        bench.Memory.Save(ChipImage.Write(state.With(payment with { Profile = profile with { Pin = Convert.FromHexString("03246135FFFFFFFFFF"), InternalData = inside.ToArray() } })));
        bench.Restart();
        return bench;
    }

    /// <summary>VERIFY of header ‖ block ‖ a challenge asked for now ‖ padding, under the chip's public key.</summary>
    private static CommandApdu Enciphered(PlasticBench bench, string block, byte header = 0x7F)
    {
        var key = CardRsaPrivate.FromParts([.. bench.State.Payments[0].Profile!.Signer!.Parts.Select(static part => part.ToArray())])!.Public;
        var challenge = bench.Send(ChipPort.Contact, "0084000000").Data.ToArray();
        byte[] clear = [header, .. Convert.FromHexString(block), .. challenge, .. Enumerable.Repeat((byte)0x5C, key.Length - 17)];
        return CommandApdu.Of(0x00, 0x20, 0x00, 0x88, key.Recover(clear)!);
    }

    /// <summary>Length ‖ block, padded, under the session ENC key.</summary>
    private static byte[] Sealed(PlasticBench bench, ushort atc, string block) =>
        Cipher.EncryptEcb(CipherAlgorithm.TripleDes, PlasticBench.SessionKey(bench.State.Payments[0].Profile!, 'e', atc), Cipher.Pad80([0x08, .. Convert.FromHexString(block)], 8));

    private static string Results(ResponseApdu answer) => Convert.ToHexString(PlasticBench.Find(answer, 0x9F10))[6..14];

    private static (ushort Atc, byte[] Cryptogram) Online(PlasticBench bench)
    {
        bench.Begin();
        var answer = bench.Generate(0x80, PlasticBench.FirstData);
        var counter = PlasticBench.Find(answer, 0x9F36);
        return ((ushort)((counter[0] << 8) | counter[1]), PlasticBench.Find(answer, 0x9F26));
    }
}
