using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

public sealed class PaymentTests
{
    private static ChipBench WithCard(byte version = 0x01, bool sm4 = false, string processes = "00008000", string limit = "000000100000")
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        bench.AddCard(ChipBench.Debit1, version, sm4, processes, limit);
        return bench;
    }

    private static string Hex(ResponseApdu answer) => Convert.ToHexString(answer.ToBytes());

    private static string Find(ResponseApdu answer, Tag tag) => BerTlv.TryFind(answer.Data.Span, tag, out var value) ? Convert.ToHexString(value) : string.Empty;

    [Fact]
    public void The_reader_finds_the_card_in_the_bytes_of_the_standard()
    {
        var bench = WithCard();
        Assert.Equal("9000", bench.Arm(ChipBench.Debit1).Status.ToString());
        var ppse = bench.Send(ChipPort.Contactless, "00A404000E325041592E5359532E444446303100");
        Assert.Equal(
            "6F36840E325041592E5359532E4444463031A524BF0C21611F4F0AA0000003330101010001500E556E696F6E50617920446562697487" + "0101" + "9000",
            Hex(ppse));
        var fci = bench.Send(ChipPort.Contactless, "00A404000AA000000333010101000100");
        Assert.Equal(
            "6F5D840AA0000003330101010001A54F500E556E696F6E5061792044656269748701019F38189F66049F02069F03069F1A0295055F2A029A039C019F37045F2D027A689F1101019F120E556E696F6E506179204465626974BF0C059F4D020B0A9000",
            Hex(fci));
    }

    [Theory]
    [InlineData(0x01, false, "3des.01")]
    [InlineData(0x17, false, "3des.17")]
    [InlineData(0x01, true, "sm4.01")]
    [InlineData(0x17, true, "sm4.17")]
    public void The_cryptogram_is_the_vectors(byte version, bool sm4, string name)
    {
        var answer = WithCard(version, sm4).Pay(ChipBench.Debit1);
        Assert.Equal("9000", answer.Status.ToString());
        Assert.Equal(ChipBench.Vector[name], Find(answer, 0x9F26));
        Assert.Equal("0001", Find(answer, 0x9F36));
        Assert.Equal($"0701{version:X2}03A00000{(sm4 ? "04" : "01")}", Find(answer, 0x9F10));
    }

    [Fact]
    public void The_GPO_answer_has_the_layout_of_the_standard()
    {
        var answer = WithCard().Pay(ChipBench.Debit1);
        var tags = new List<string>();
        Assert.True(BerTlv.TryRead(answer.Data.Span, out var template, out var body, out _, out _));
        Assert.Equal("77", template.ToString());
        foreach (var item in BerTlv.Objects(body))
        {
            tags.Add(item.Tag.ToString());
        }

        Assert.Equal(["82", "9F36", "57", "9F10", "9F26", "9F63", "5F34", "9F6C", "5F20"], tags);
    }

    [Theory]
    [InlineData("00008000", "000000000000", "26004080", "000000000001", "8080")] // always: any amount
    [InlineData("00008000", "000000100000", "26004080", "000000100000", "0080")] // over the limit: the limit itself asks no PIN
    [InlineData("00008000", "000000100000", "26004080", "000000100001", "8080")]
    [InlineData("00008000", "000000100000", "26404080", "000000000001", "8080")] // the terminal wants a CVM
    [InlineData("00000000", "000000000000", "26404080", "000009999999", "0080")] // never
    [InlineData("00008000", "000000000000", "22004080", "000000000001", "0080")] // the terminal has no online PIN
    public void The_issuers_setting_asks_the_PIN(string processes, string limit, string ttq, string amount, string ctq)
    {
        Assert.Equal(ctq, Find(WithCard(processes: processes, limit: limit).Pay(ChipBench.Debit1, ttq, amount), 0x9F6C));
    }

    [Fact]
    [Rule("R17")]
    public void Without_a_fingerprint_no_reader_moves_the_counter()
    {
        var bench = WithCard();
        bench.Pay(ChipBench.Debit1);
        var saves = ((RamMemory)bench.Memory).Saves;
        for (var i = 0; i < 1000; i++)
        {
            bench.Device.FieldReset();
            Assert.True(bench.Select(ChipPort.Contactless, Chip.Ppse).Status.IsOk);
            Assert.True(bench.Select(ChipPort.Contactless, ChipBench.Debit1).Status.IsOk);
            Assert.Equal("6986", bench.Gpo().Status.ToString());
        }

        Assert.Equal("9F36020001", Convert.ToHexString(bench.Send(ChipPort.Contactless, "80CA9F3600").Data.Span));
        Assert.Equal(saves, ((RamMemory)bench.Memory).Saves);
    }

    [Fact]
    [Rule("R17")]
    public void One_fingerprint_is_one_payment()
    {
        var bench = WithCard();
        Assert.Equal("9000", bench.Pay(ChipBench.Debit1).Status.ToString());
        Assert.Equal("6986", bench.Gpo().Status.ToString());
        bench.Arm(ChipBench.Debit1);
        Assert.Equal("0002", Find(bench.Gpo(), 0x9F36));
    }

    [Fact]
    public void The_armed_flag_survives_the_field_and_a_refused_GPO_but_not_CANCEL_nor_power_off()
    {
        var bench = WithCard();
        bench.Arm(ChipBench.Debit1);
        bench.Device.FieldReset();
        Assert.Equal("6985", bench.Gpo().Status.ToString()); // nothing selected after the reset
        bench.Select(ChipPort.Contactless, ChipBench.Debit1);
        Assert.Equal("6985", bench.Gpo(ttq: "06004080").Status.ToString()); // no qPBOC reader
        Assert.Equal("6700", bench.Send(ChipPort.Contactless, "80A8000002830000").Status.ToString());
        Assert.Equal("9000", bench.Gpo().Status.ToString());

        bench.Arm(ChipBench.Debit1);
        bench.Select(ChipPort.Trusted, Chip.Binding);
        Assert.Equal("9000", bench.Send(ChipPort.Trusted, "802C0000").Status.ToString());
        Assert.Equal("6986", bench.Gpo().Status.ToString());

        bench.Arm(ChipBench.Debit1);
        bench.Restart();
        bench.Select(ChipPort.Contactless, ChipBench.Debit1);
        Assert.Equal("6986", bench.Gpo().Status.ToString());
    }

    [Fact]
    public void A_replayed_or_foreign_authorisation_arms_nothing()
    {
        var bench = WithCard();
        var challenge = bench.Challenge();
        var good = CommandApdu.Of(0x80, 0x2A, 0, 0, [.. BindingApplet.Mac(ChipBench.BindingKey, 0x01, challenge, ChipBench.Debit1.Bytes), .. ChipBench.Debit1.Bytes]);
        Assert.Equal("9000", bench.Send(ChipPort.Trusted, good).Status.ToString());
        Assert.Equal("6982", bench.Send(ChipPort.Trusted, good).Status.ToString()); // the challenge is used up
        bench.Challenge();
        Assert.Equal("6982", bench.Send(ChipPort.Trusted, good).Status.ToString()); // another challenge
        var purge = bench.Challenge();
        Assert.Equal("6982", bench.Send(ChipPort.Trusted, CommandApdu.Of(0x80, 0x2E, 0, 0, BindingApplet.Mac(ChipBench.BindingKey, 0x01, purge, []))).Status.ToString()); // another purpose
        var foreign = bench.Challenge();
        Assert.Equal("6982", bench.Send(ChipPort.Trusted, CommandApdu.Of(0x80, 0x2A, 0, 0, [.. BindingApplet.Mac(new byte[16], 0x01, foreign, ChipBench.Debit1.Bytes), .. ChipBench.Debit1.Bytes])).Status.ToString());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Power_lost_around_the_write_repeats_no_counter(bool afterTheWrite)
    {
        var bench = WithCard();
        var memory = (RamMemory)bench.Memory;
        var seen = new HashSet<string>();
        for (var i = 0; i < 20; i++)
        {
            bench.Arm(ChipBench.Debit1);
            bench.Select(ChipPort.Contactless, ChipBench.Debit1);
            if (i % 3 == 1)
            {
                memory.FailAfter = afterTheWrite;
                memory.FailBefore = !afterTheWrite;
                Assert.Throws<CardRemovedException>(() => bench.Gpo()); // no cryptogram leaves
                Assert.Throws<CardRemovedException>(() => bench.Gpo()); // and the chip is silent until it has power again
                bench.Restart();
                continue;
            }

            var answer = bench.Gpo();
            Assert.True(answer.Status.IsOk);
            Assert.True(seen.Add(Find(answer, 0x9F36)));
            Assert.Equal(Find(answer, 0x9F36), bench.State.Payments[0].Atc.ToString("X4")); // durable before it left
        }
    }

    [Fact]
    [Rule("R24")]
    public void A_purge_kills_every_card_at_once_and_for_good()
    {
        var bench = WithCard();
        bench.AddCard(ChipBench.Debit2);
        bench.Arm(ChipBench.Debit1);
        bench.Select(ChipPort.Contactless, ChipBench.Debit1); // a reader is in the middle of it
        Assert.Equal("9000", bench.Purge().Status.ToString());
        Assert.Equal("6985", bench.Gpo().Status.ToString());
        for (var restarted = 0; restarted < 2; restarted++)
        {
            Assert.Equal("6A82", bench.Select(ChipPort.Contactless, Chip.Ppse).Status.ToString());
            Assert.Equal("6A82", bench.Select(ChipPort.Contactless, ChipBench.Debit1).Status.ToString());
            Assert.Equal("6A82", bench.Select(ChipPort.Contactless, ChipBench.Debit2).Status.ToString());
            Assert.Equal("6A88", bench.Arm(ChipBench.Debit2).Status.ToString());
            bench.Select(ChipPort.Trusted, Chip.Binding);
            Assert.Equal("0000000100", Convert.ToHexString(bench.Send(ChipPort.Trusted, "80CA000100").Data.Span));
            bench.Restart();
        }

        // Neither make selectable nor unlocking brings one back; a new card lives.
        var host = bench.TokenHost();
        Assert.Equal("6985", host.Send(0xE6, 0x08, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", "")).Status.ToString());
        host.Ok(0xE4, 0x00, 0x00, BerTlv.Encode(0x4F, ChipBench.Debit1.Bytes));
        bench.AddCard(ChipBench.Debit1);
        Assert.Equal("0001", Find(bench.Pay(ChipBench.Debit1), 0x9F36));
    }

    [Fact]
    public void A_retired_card_is_dead_and_the_others_live()
    {
        var bench = WithCard();
        bench.AddCard(ChipBench.Debit2);
        Assert.Equal("9000", bench.Prove(0x30, BindingApplet.RetirePurpose, ChipBench.Debit1.Bytes).Status.ToString());
        bench.Restart();
        Assert.Equal("6A88", bench.Arm(ChipBench.Debit1).Status.ToString());
        Assert.Equal("9000", bench.Pay(ChipBench.Debit2).Status.ToString());
    }

    [Fact]
    [Rule("R14")]
    public void The_reader_meets_the_armed_card_else_the_last_used_one()
    {
        var bench = WithCard();
        bench.AddCard(ChipBench.Debit2);
        string Listed() => Find(bench.Select(ChipPort.Contactless, Chip.Ppse), 0x4F);
        Assert.Equal(ChipBench.Debit1.ToString(), Listed()); // none used yet: the oldest, so that the terminal can say see phone
        bench.Pay(ChipBench.Debit2);
        Assert.Equal(ChipBench.Debit2.ToString(), Listed());
        bench.Arm(ChipBench.Debit1);
        Assert.Equal(ChipBench.Debit1.ToString(), Listed());
        Assert.Equal("6A82", bench.Select(ChipPort.Contactless, ChipBench.Debit2).Status.ToString());
        Assert.Equal(ChipBench.Debit1.ToString(), Find(bench.Send(ChipPort.Contactless, "00A4040008A00000033301010100"), 0x84)); // partial name
        bench.Restart();
        Assert.Equal(ChipBench.Debit2.ToString(), Listed());
    }

    [Fact]
    public void A_blocked_card_declines_with_an_AAC()
    {
        var bench = WithCard();
        bench.TokenHost().Ok(0xF0, 0x40, 0x83, ChipBench.Debit1.Bytes);
        bench.Arm(ChipBench.Debit1);
        Assert.Equal("6283", bench.Select(ChipPort.Contactless, ChipBench.Debit1).Status.ToString());
        var answer = bench.Gpo();
        Assert.Equal("0701010380000001", Find(answer, 0x9F10));
        Assert.Equal(ChipBench.Vector["3des.01.aac"], Find(answer, 0x9F26));
        bench.TokenHost().Ok(0xF0, 0x40, 0x0F, ChipBench.Debit1.Bytes);
        Assert.Equal("9000", bench.Pay(ChipBench.Debit1).Status.ToString());
    }

    [Fact]
    public void The_last_counter_blocks_the_card()
    {
        var bench = WithCard();
        bench.Memory.Save(ChipImage.Write(bench.State.With(bench.State.Payments[0] with { Atc = 0xFFFE })));
        bench.Restart();
        Assert.Equal("FFFF", Find(bench.Pay(ChipBench.Debit1), 0x9F36));
        Assert.Equal("6985", bench.Pay(ChipBench.Debit1).Status.ToString());
        Assert.True(bench.State.Payments[0].Blocked);
        Assert.Equal("6985", bench.TokenHost().Send(0xF0, 0x40, 0x0F, ChipBench.Debit1.Bytes).Status.ToString());
    }

    [Fact]
    public void A_payment_tells_the_phone_what_was_read()
    {
        var bench = WithCard();
        PaymentMade? told = null;
        bench.Device.Paid += made => told = made;
        bench.Gpo();
        Assert.Null(told);
        bench.Pay(ChipBench.Debit1);
        Assert.NotNull(told);
        Assert.Equal(ChipBench.Debit1, told.Instance);
        Assert.Equal(ChipBench.Vector["amount"], Convert.ToHexString(told.Amount.Span));
        bench.Select(ChipPort.Wired, Chip.Binding);
        Assert.Equal("4F0AA00000033301010100019F02060000000012345F2A0201569F360200019F6C020080", Convert.ToHexString(bench.Send(ChipPort.Wired, "80CA000200").Data.Span));
    }

    [Fact]
    public void Data_objects_are_read_and_the_wired_side_pays_nothing()
    {
        var bench = WithCard();
        bench.Arm(ChipBench.Debit1);
        bench.Select(ChipPort.Contactless, ChipBench.Debit1);
        Assert.Equal("9F680400008000", Convert.ToHexString(bench.Send(ChipPort.Contactless, "80CA9F6800").Data.Span));
        Assert.Equal("6A88", bench.Send(ChipPort.Contactless, "80CA9F2600").Status.ToString());
        Assert.Equal("6A82", bench.Send(ChipPort.Contactless, "00B2010C00").Status.ToString());
        Assert.Equal("6A82", bench.Select(ChipPort.Contactless, Chip.IssuerDomain).Status.ToString());
        Assert.Equal("6A82", bench.Select(ChipPort.Contactless, Chip.Binding).Status.ToString());
        bench.Select(ChipPort.Wired, ChipBench.Debit1);
        Assert.Equal("6985", bench.Send(ChipPort.Wired, $"80A80000238321260040800000000012340000000000000156{"0000000000"}0156{ChipBench.Vector["date"]}00{ChipBench.Vector["un"]}00").Status.ToString());
    }
}
