using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

/// <summary>A plastic card as its bank makes it: tapped, put into a reader, and written to by its bank.</summary>
public sealed class PlasticTests
{
    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexString(bytes);

    private static string Find(ResponseApdu answer, Tag tag) => Hex(PlasticBench.Find(answer, tag));

    [Fact]
    public void A_tap_goes_online_with_the_banks_cryptogram_and_asks_no_finger()
    {
        var bench = new PlasticBench();
        var answer = bench.Tap();
        Assert.Equal("9000", answer.Status.ToString());
        Assert.Equal("0001", Find(answer, 0x9F36));
        Assert.Equal("07010103A0000001", Find(answer, 0x9F10));
        Assert.Equal("0000", Find(answer, 0x9F6C)); // no CDCVM: there is no finger on plastic
        var profile = bench.State.Payments[0].Profile!;
        var input = new CryptogramInput(Bytes("000000001234"), new byte[6], Bytes("0156"), new byte[5], Bytes("0156"), Bytes("261125"), 0, Bytes("A1B2C3D4"), Bytes("7C00"), 1, Bytes("03A00000"));
        Assert.Equal(Hex(Cryptogram.Compute(CipherAlgorithm.TripleDes, PlasticBench.SessionKey(profile, 'a', 1), input.Bytes(CryptogramVersion.Full))), Find(answer, 0x9F26));
        Assert.Equal("0002", Find(bench.Tap(), 0x9F36));
    }

    [Theory]
    [InlineData(PinPolicy.OverLimit, "26000080", "000000100001", "8000")] // over the bank's limit: online PIN
    [InlineData(PinPolicy.OverLimit, "22000080", "000000100001", "4000")] // the reader has no PIN pad: signature
    [InlineData(PinPolicy.OverLimit, "20000080", "000000100001", "")] // neither: not here
    [InlineData(PinPolicy.Always, "26000080", "000000000001", "8000")]
    [InlineData(PinPolicy.Never, "26400080", "000000000001", "4000")]
    public void The_holder_is_verified_as_bank_and_reader_can(PinPolicy policy, string ttq, string amount, string ctq)
    {
        var bench = new PlasticBench(policy: policy);
        var answer = bench.Tap(ttq, amount);
        Assert.Equal(ctq.Length == 0 ? "6985" : "9000", answer.Status.ToString());
        Assert.Equal(ctq, Find(answer, 0x9F6C));
        Assert.Equal(ctq.Length == 0 ? 0 : 1, bench.State.Payments[0].Atc);
    }

    [Theory]
    [InlineData(false, 1152)]
    [InlineData(false, 1024)]
    [InlineData(true, 0)]
    public void Offline_approved_with_a_signature_that_stands_under_the_authority(bool sm2, int bits)
    {
        var bench = new PlasticBench(sm2, bits, electronicCash: 20_000);
        var answer = bench.Tap();
        Assert.Equal("9000", answer.Status.ToString());
        Assert.Equal("03900000", Find(answer, 0x9F10)[6..14]);
        Assert.Equal("000000018766", Find(answer, 0x9F5D)); // what is left
        var afl = PlasticBench.Find(answer, 0x94);
        Assert.Equal(bits == 1152 ? "10010501" : "10010401", Hex(afl));
        var key = bench.ChipKey(ChipPort.Contactless, afl, PlasticBench.Find(answer, 0x82));
        var signature = bits == 1152 ? PlasticBench.Find(bench.Send(ChipPort.Contactless, "00B2051400"), 0x9F4B) : PlasticBench.Find(answer, 0x9F4B);
        var related = PlasticBench.Find(answer, 0x9F69);
        Assert.Equal("01", Hex(related)[..2]);
        Assert.Equal("000000", Hex(related)[10..]);
        Assert.True(bench.Verifies(key, signature, [.. Bytes("A1B2C3D4"), .. Bytes("000000001234"), .. Bytes("0156"), .. related]));
        Assert.False(bench.Verifies(key, signature, [.. Bytes("A1B2C3D4"), .. Bytes("000000001235"), .. Bytes("0156"), .. related]));
    }

    [Theory]
    [InlineData("26000000", "000000001234", "A0")] // the reader knows no fDDA 01
    [InlineData("26800080", "000000001234", "A0")] // online cryptogram required
    [InlineData("26000080", "000000020001", "A0")] // more than the balance
    [InlineData("28000080", "000000020001", "80")] // and the reader is offline only
    public void What_may_not_be_approved_offline_is_not(string ttq, string amount, string results)
    {
        var bench = new PlasticBench(rsaBits: 1024, electronicCash: 20_000);
        Assert.Equal(results, Find(bench.Tap(ttq, amount), 0x9F10)[8..10]);
        Assert.Equal("000000020000", Hex(PlasticBench.Find(bench.Send(ChipPort.Contactless, "80CA9F7900"), 0x9F79)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Over_the_contacts_from_directory_to_second_cryptogram(bool sm2)
    {
        var bench = new PlasticBench(sm2);
        var pse = bench.Send(ChipPort.Contact, "00A404000E315041592E5359532E444446303100");
        Assert.Equal("01", Find(pse, 0x88));
        Assert.Equal("A000000333010101", Find(bench.Send(ChipPort.Contact, "00B2010C00"), 0x4F));
        Assert.Equal("6A83", bench.Send(ChipPort.Contact, "00B2020C00").Status.ToString());
        var options = bench.Begin();
        Assert.Equal("7C00", Find(options, 0x82));
        var key = bench.ChipKey(ChipPort.Contact, PlasticBench.Find(options, 0x94), PlasticBench.Find(options, 0x82));
        var signature = PlasticBench.Find(bench.Send(ChipPort.Contact, "0088000004A1B2C3D400"), 0x9F4B);
        Assert.True(bench.Verifies(key, signature, Bytes("A1B2C3D4")));
        Assert.Equal("9F36020001", Hex(bench.Send(ChipPort.Contact, "80CA9F3600").Data.Span));

        var first = bench.Generate(0x40, PlasticBench.FirstData); // TC asked, online wanted: this bank approves nothing offline
        Assert.Equal("80", Find(first, 0x9F27));
        Assert.Equal("03A01002", Find(first, 0x9F10)[6..14]); // new card, DDA performed
        var arpc = Cryptogram.ResponseCryptogram(CipherAlgorithm.TripleDes, PlasticBench.SessionKey(bench.State.Payments[0].Profile!, 'a', 1), PlasticBench.Find(first, 0x9F26), "00"u8);
        Assert.Equal("9000", bench.Send(ChipPort.Contact, CommandApdu.Of(0x00, 0x82, 0, 0, [.. arpc, 0x30, 0x30])).Status.ToString());
        Assert.Equal("6985", bench.Send(ChipPort.Contact, CommandApdu.Of(0x00, 0x82, 0, 0, [.. arpc, 0x30, 0x30])).Status.ToString());
        var second = bench.Generate(0x40, PlasticBench.SecondData);
        Assert.Equal("40", Find(second, 0x9F27));
        Assert.Equal("0360", Find(second, 0x9F10)[6..10]);
        Assert.Equal("6985", bench.Generate(0x40, PlasticBench.SecondData).Status.ToString());
        Assert.Equal("9F13020001", Hex(bench.Send(ChipPort.Contact, "80CA9F1300").Data.Span)); // the last online ATC

        bench.Begin();
        Assert.Equal("03A00000", Find(bench.Generate(0x80, PlasticBench.FirstData), 0x9F10)[6..14]); // no new card any more
    }

    [Fact]
    public void A_false_issuer_is_remembered_and_an_unfinished_transaction_too()
    {
        var bench = new PlasticBench();
        bench.Begin();
        bench.Generate(0x80, PlasticBench.FirstData);
        Assert.Equal("6300", bench.Send(ChipPort.Contact, "008200000A0000000000000000303000").Status.ToString());
        Assert.Equal("00", Find(bench.Generate(0x40, PlasticBench.SecondData), 0x9F27)); // AAC
        bench.Begin();
        Assert.Equal("18", Find(bench.Generate(0x80, PlasticBench.FirstData), 0x9F10)[10..12]); // new card, issuer authentication failed on the last one
        bench.Restart();
        bench.Begin();
        Assert.Equal("98", Find(bench.Generate(0x80, PlasticBench.FirstData), 0x9F10)[10..12]); // and that one was never completed
    }

    [Fact]
    public void Without_a_phone_there_is_no_binding_applet_and_without_an_antenna_no_field()
    {
        var bench = new PlasticBench(contactless: false);
        Assert.Equal("6985", bench.Send(ChipPort.Contactless, "00A404000E325041592E5359532E444446303100").Status.ToString());
        Assert.Equal("6A82", bench.Select(ChipPort.Contact, Chip.Binding).Status.ToString());
        Assert.Equal("6985", bench.Select(ChipPort.Trusted, Chip.Binding).Status.ToString());
        Assert.Equal("9000", bench.Begin().Status.ToString());
    }

    [Fact]
    [Rule("R12")]
    public void A_dual_brand_card_lists_both_brands_and_a_VISA_card_only_its_own()
    {
        var dual = new PlasticBench(brands: "UNIONPAY+VISA");
        var ppse = Hex(dual.Send(ChipPort.Contactless, "00A404000E325041592E5359532E444446303100").Data.Span);
        Assert.Contains("4F08A000000333010101", ppse, StringComparison.Ordinal);
        Assert.Contains("4F07A0000000031010", ppse, StringComparison.Ordinal);
        var visa = new PlasticBench(brands: "VISA");
        ppse = Hex(visa.Send(ChipPort.Contactless, "00A404000E325041592E5359532E444446303100").Data.Span);
        Assert.DoesNotContain("A000000333", ppse, StringComparison.Ordinal);
    }

    [Fact]
    public void Script_commands_do_what_they_say()
    {
        var bench = new PlasticBench(electronicCash: 20_000);
        var (atc, cryptogram) = Online(bench);
        Assert.Equal("9000", bench.Send(ChipPort.Contact, bench.Script(0x04, 0xDA, 0x9F, 0x79, Bytes("000000100000"), atc, cryptogram)).Status.ToString());
        Assert.Equal("9F7906000000100000", Hex(bench.Send(ChipPort.Contact, "80CA9F7900").Data.Span));
        Assert.Equal("6A88", bench.Send(ChipPort.Contact, bench.Script(0x04, 0xDA, 0x9F, 0x36, Bytes("0000"), atc, cryptogram)).Status.ToString());
        Assert.Equal("9000", bench.Send(ChipPort.Contact, bench.Script(0x84, 0x1E, 0, 0, [], atc, cryptogram)).Status.ToString());
        Assert.Equal("6283", bench.Select(ChipPort.Contact, PlasticBench.Debit).Status.ToString());
        bench.Begin();
        var declined = bench.Generate(0x40, PlasticBench.FirstData);
        Assert.Equal("00", Find(declined, 0x9F27));
        Assert.Equal("30", Find(declined, 0x9F10)[12..13] + "0"); // three script commands came in
        Assert.Equal("9000", bench.Send(ChipPort.Contact, bench.Script(0x84, 0x18, 0, 0, [], 2, PlasticBench.Find(declined, 0x9F26))).Status.ToString());
        Assert.Equal("9000", bench.Select(ChipPort.Contact, PlasticBench.Debit).Status.ToString());

        (atc, cryptogram) = Online(bench);
        Assert.Equal("9000", bench.Send(ChipPort.Contact, bench.Script(0x84, 0x16, 0, 0, [], atc, cryptogram)).Status.ToString());
        bench.Restart();
        Assert.Equal("6A81", bench.Select(ChipPort.Contact, PlasticBench.Debit).Status.ToString());
        Assert.Equal("6A81", bench.Select(ChipPort.Contactless, Chip.Ppse).Status.ToString());
    }

    [Fact]
    public void A_script_with_any_bit_wrong_changes_nothing_and_ends_the_scripts_of_its_transaction()
    {
        var bench = new PlasticBench(rsaBits: 1024, electronicCash: 20_000);
        var (atc, cryptogram) = Online(bench);
        var good = bench.Script(0x04, 0xDA, 0x9F, 0x79, Bytes("000000100000"), atc, cryptogram).ToBytes();
        var length = good.Length - 1; // Le is under no MAC
        for (var bit = 0; bit < 8 * length; bit++)
        {
            if (bit is >= 8 * 4 and < 8 * 5)
            {
                continue; // Lc: no command any more
            }

            bench.Restart();
            (atc, cryptogram) = Online(bench);
            var before = ChipImage.Write(bench.State);
            var bad = bench.Script(0x04, 0xDA, 0x9F, 0x79, Bytes("000000100000"), atc, cryptogram).ToBytes();
            bad[bit / 8] ^= (byte)(0x80 >> (bit % 8));
            var answer = bench.Device.Transmit(ChipPort.Contact, bad);
            Assert.False(answer.AsSpan(answer.Length - 2).SequenceEqual((byte[])[0x90, 0x00]) && (bad[0] & 0x10) == 0, $"bit {bit}");
            Assert.Equal(before, ChipImage.Write(bench.State));
        }

        bench.Restart();
        (atc, cryptogram) = Online(bench);
        var script = bench.Script(0x84, 0x1E, 0, 0, [], atc, cryptogram).ToBytes();
        script[^2] ^= 1;
        Assert.Equal("6988", Hex(bench.Device.Transmit(ChipPort.Contact, script)));
        Assert.Equal("6985", bench.Send(ChipPort.Contact, bench.Script(0x84, 0x1E, 0, 0, [], atc, cryptogram)).Status.ToString());
    }

    private static (ushort Atc, byte[] Cryptogram) Online(PlasticBench bench)
    {
        bench.Begin();
        var answer = bench.Generate(0x80, PlasticBench.FirstData);
        var counter = PlasticBench.Find(answer, 0x9F36);
        return ((ushort)((counter[0] << 8) | counter[1]), PlasticBench.Find(answer, 0x9F26));
    }

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex);
}
