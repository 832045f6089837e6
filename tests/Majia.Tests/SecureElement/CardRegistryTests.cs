using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

/// <summary>GET STATUS in all its forms, names in part and none, GET DATA of every object, and what INSTALL [registry update] and SET STATUS change (GP 2.3 §11.2 to 11.5, 11.10).</summary>
public sealed class CardRegistryTests
{
    private const string Instances = "4F00", WithDomains = "4F005C054F9F70C5CC";

    [Fact]
    public void The_issuer_domain_answers_to_its_whole_name_to_its_beginning_and_to_none()
    {
        var bench = new ChipBench();
        var whole = Convert.ToHexString(bench.Send(ChipPort.Wired, "00A4040008A00000015100000000").Data.Span);
        Assert.StartsWith("6F", whole, StringComparison.Ordinal);
        Assert.Contains("8408A000000151000000", whole, StringComparison.Ordinal);
        foreach (var select in (string[])["00A4040005A00000015100", "00A4040007A0000001510000" + "00", "00A4040000", "00A40400"])
        {
            var answer = bench.Send(ChipPort.Wired, select);
            if (select.Length == 8)
            {
                Assert.Equal(0x61, answer.Status.Value >> 8); // without Le the answer waits
                answer = bench.Send(ChipPort.Wired, $"00C00000{answer.Status.Value & 0xFF:X2}");
            }

            Assert.Equal(whole, Convert.ToHexString(answer.Data.Span));
        }

        Assert.Equal("6A82", bench.Send(ChipPort.Wired, "00A4040005A00000015200").Status.ToString());
    }

    [Fact]
    public void A_list_that_is_longer_than_an_answer_goes_on_where_it_stopped()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        var names = Enumerable.Range(1, 8).Select(number => Aid.Parse($"A000000333010101{number:X4}")).ToList();
        foreach (var name in names)
        {
            bench.AddCard(name);
        }

        var host = bench.TokenHost();
        var seen = new List<string>();
        var answer = host.Send(0xF2, 0x40, 0x02, Convert.FromHexString(WithDomains));
        Assert.Equal("6310", answer.Status.ToString());
        while (true)
        {
            for (ReadOnlySpan<byte> rest = answer.Data.Span; BerTlv.TryRead(rest, out var tag, out var entry, out var used, out _); rest = rest[used..])
            {
                Assert.Equal(0xE3, tag.Value);
                Assert.True(BerTlv.TryFind(entry, 0x4F, out var name) && BerTlv.TryFind(entry, 0x9F70, out var life) && life.SequenceEqual((byte[])[0x0F]));
                seen.Add(Convert.ToHexString(name));
            }

            if (answer.Status.IsOk)
            {
                break;
            }

            answer = host.Send(0xF2, 0x40, 0x03, Convert.FromHexString(WithDomains));
        }

        Assert.Equal(names.Select(name => name.ToString()), seen);
        Assert.Equal("6A88", host.Send(0xF2, 0x40, 0x02, Convert.FromHexString("4F08A000000333010199")).Status.ToString());
        var one = host.Ok(0xF2, 0x40, 0x02, [0x4F, 0x0A, .. names[3].Bytes, 0x5C, 0x03, 0x4F, 0x9F, 0xCC]);
        Assert.Contains("CC0C" + ChipBench.TokenDomain, Convert.ToHexString(one.Data.Span), StringComparison.Ordinal); // the associated domain, when asked for
    }

    [Fact]
    public void Card_domains_and_load_files_are_listed_apart()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        var issuer = bench.Open(Chip.IssuerDomain, ChipBench.IssuerKeys, 0x01)!;
        Assert.Equal("08A0000001510000000F9E", Convert.ToHexString(issuer.Ok(0xF2, 0x80, 0x00, Convert.FromHexString(Instances)).Data.Span));
        Assert.Equal("E3174F0CA0000001510000004D4A54539F70010FC503800000", Convert.ToHexString(issuer.Ok(0xF2, 0x40, 0x02, Convert.FromHexString(Instances)).Data.Span));
        foreach (var files in (byte[])[0x20, 0x10])
        {
            Assert.Contains("A0000003330101", Convert.ToHexString(issuer.Ok(0xF2, files, 0x02, Convert.FromHexString(Instances)).Data.Span), StringComparison.Ordinal);
        }

        Assert.Equal("6A86", issuer.Send(0xF2, 0x08, 0x02, Convert.FromHexString(Instances)).Status.ToString());
        Assert.Equal("6A80", issuer.Send(0xF2, 0x40, 0x02, [0x4F]).Status.ToString());

        // What is another domain's is not this one's to see.
        Assert.Equal("6A88", bench.TokenHost().Send(0xF2, 0x80, 0x02, Convert.FromHexString(Instances)).Status.ToString());
    }

    [Theory]
    [InlineData("0042", "42034D4A00")]
    [InlineData("0045", "450A4D4A0000000000000001")]
    [InlineData("0066", "6631732F06072A864886FC6B01600C060A2A864886FC6B02020301630906072A864886FC6B03640B06092A864886FC6B040370")]
    [InlineData("00E0", "E012C00401018810C00402018810C00403018810")]
    [InlineData("00C1", "C103000000")]
    [InlineData("00CF", "CF0A4D4A0000000000000001")]
    public void Every_object_of_the_card_is_read_in_both_classes(string tag, string expected)
    {
        var bench = new ChipBench();
        foreach (var cla in (string[])["80", "00"])
        {
            bench.Select(ChipPort.Wired, Chip.IssuerDomain);
            Assert.Equal(expected, Convert.ToHexString(bench.Send(ChipPort.Wired, $"{cla}CA{tag}00").Data.Span));
            var waiting = bench.Send(ChipPort.Wired, $"{cla}CA{tag}"); // no Le
            Assert.Equal(0x61, waiting.Status.Value >> 8);
            Assert.Equal(expected, Convert.ToHexString(bench.Send(ChipPort.Wired, $"00C00000{waiting.Status.Value & 0xFF:X2}").Data.Span));
        }
    }

    [Fact]
    public void The_production_data_have_their_length_and_the_chips_own_serial()
    {
        var bench = new ChipBench();
        bench.Select(ChipPort.Wired, Chip.IssuerDomain);
        var data = bench.Send(ChipPort.Wired, "80CA9F7F00").Data;
        Assert.Equal("9F7F2A", Convert.ToHexString(data.Span[..3]));
        Assert.Equal(45, data.Length);
    }

    [Fact]
    public void A_locked_instance_comes_back_a_locked_domain_opens_no_channel_and_the_registry_update_sets_only_what_it_may()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        bench.AddCard(ChipBench.Debit1);
        var token = bench.TokenHost();
        token.Ok(0xF0, 0x40, 0x8F, ChipBench.Debit1.Bytes);
        Assert.Equal("6283", bench.Select(ChipPort.Contactless, ChipBench.Debit1).Status.ToString());
        token = bench.TokenHost();
        token.Ok(0xF0, 0x40, 0x0F, ChipBench.Debit1.Bytes);
        Assert.Equal("9000", bench.Select(ChipPort.Contactless, ChipBench.Debit1).Status.ToString());
        token = bench.TokenHost();
        Assert.Equal("6A88", token.Send(0xF0, 0x40, 0x8F, ChipBench.Debit2.Bytes).Status.ToString());
        Assert.Equal("6A80", token.Send(0xE6, 0x40, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", "")).Status.ToString());
        Assert.Equal("6A88", token.Send(0xE6, 0x40, 0x00, ChipBench.Install("", "", ChipBench.Debit2, "", "EF03810100")).Status.ToString());
        token.Ok(0xE6, 0x40, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", "EF03810100")); // off at the contactless side (GP Amendment C §3.10)
        Assert.Equal("6A82", bench.Select(ChipPort.Contactless, Chip.Ppse).Status.ToString());
        token = bench.TokenHost();
        token.Ok(0xE6, 0x40, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", "EF03810101"));
        Assert.Equal("9000", bench.Select(ChipPort.Contactless, Chip.Ppse).Status.ToString());

        var issuer = bench.Open(Chip.IssuerDomain, ChipBench.IssuerKeys, 0x01)!;
        issuer.Ok(0xF0, 0x60, 0x8F, ChipBench.TokenDomain.Bytes);
        Assert.Null(bench.Open(ChipBench.TokenDomain, ChipBench.TokenKeys, 0x02));
        issuer = bench.Open(Chip.IssuerDomain, ChipBench.IssuerKeys, 0x01)!;
        issuer.Ok(0xF0, 0x60, 0x0F, ChipBench.TokenDomain.Bytes);
        Assert.NotNull(bench.Open(ChipBench.TokenDomain, ChipBench.TokenKeys, 0x02));
    }
}
