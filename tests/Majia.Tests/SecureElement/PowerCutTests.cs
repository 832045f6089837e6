using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

/// <summary>Power goes at every write of a chip's life, before the image stands or after it, before its answer leaves: what comes back is the one or the other, and counts on.</summary>
public sealed class PowerCutTests
{
    private static readonly Aid TransitDomain = Aid.Parse("A0000001510000004D4A5452"), Transit = Aid.Parse("F04D4A545201");

    [Fact]
    [Rule("R8")]
    public void A_phones_chip_comes_back_whole_from_a_cut_at_any_write()
    {
        var whole = new ChipBench();
        var answered = new List<ushort>();
        Life(whole, answered);
        var images = ((RamMemory)whole.Memory).Images;
        Assert.True(images.Count > 25, $"{images.Count} writes");
        Check(images);
        for (var cut = 2; cut <= images.Count; cut++)
        {
            foreach (var after in (bool[])[false, true])
            {
                var bench = new ChipBench(new RamMemory { CutAt = cut, CutAfter = after });
                answered.Clear();
                Assert.Throws<CardRemovedException>(() => Life(bench, answered));
                Assert.False(bench.Device.IsPowered);
                bench.Restart();
                Assert.Equal(images[after ? cut - 1 : cut - 2], bench.Memory.Load());
                Continue(bench, answered, $"write {cut}, {(after ? "after" : "before")}");
            }
        }
    }

    [Fact]
    public void A_plastic_card_comes_back_whole_from_a_cut_at_any_write()
    {
        var whole = new PlasticBench(rsaBits: 1024, electronicCash: 20_000);
        var before = whole.Memory.Images.Count;
        PlasticLife(whole);
        var images = whole.Memory.Images;
        Check(images);
        for (var cut = before + 1; cut <= images.Count; cut++)
        {
            foreach (var after in (bool[])[false, true])
            {
                var bench = new PlasticBench(rsaBits: 1024, electronicCash: 20_000);
                (bench.Memory.CutAt, bench.Memory.CutAfter) = (cut, after);
                Assert.Throws<CardRemovedException>(() => PlasticLife(bench));
                bench.Restart();
                Assert.Equal(images[after ? cut - 1 : cut - 2], bench.Memory.Load());
                var atc = bench.State.Payments[0].Atc;
                if (bench.State.Life == CardLife.Secured)
                {
                    var next = PlasticBench.Find(bench.Tap("26800080"), 0x9F36);
                    Assert.Equal(atc + 1, (next[0] << 8) | next[1]);
                }
            }
        }
    }

    /// <summary>Domain, two cards, taps, a half personalisation, transit with top-up and ride, retire, purge, delete.</summary>
    private static void Life(ChipBench bench, List<ushort> answered)
    {
        bench.CreateTokenDomain();
        bench.AddCard(ChipBench.Debit1);
        Pay(bench, ChipBench.Debit1, answered);
        bench.AddCard(ChipBench.Debit2);
        Pay(bench, ChipBench.Debit2, []);
        Pay(bench, ChipBench.Debit1, answered);
        var host = bench.TokenHost();
        var third = Aid.Parse("A0000003330101010003");
        foreach (var command in ChipBench.PersonalisationScript(host, third).SkipLast(1))
        {
            host.Send(command);
        }

        AddTransit(bench);
        TopUp(bench, 5_000);
        Ride(bench, 300);
        bench.Prove(0x30, BindingApplet.RetirePurpose, ChipBench.Debit2.Bytes);
        Pay(bench, ChipBench.Debit1, answered);
        bench.Purge();
        bench.TokenHost().Send(0xE4, 0x00, 0x00, BerTlv.Encode(0x4F, third.Bytes));
        bench.TokenHost().Send(0xE4, 0x00, 0x00, BerTlv.Encode(0x4F, ChipBench.Debit2.Bytes));
    }

    private static void PlasticLife(PlasticBench bench)
    {
        bench.Tap();
        bench.Begin();
        var first = bench.Generate(0x80, PlasticBench.FirstData);
        var counter = PlasticBench.Find(first, 0x9F36);
        bench.Generate(0x40, PlasticBench.SecondData);
        var cryptogram = PlasticBench.Find(first, 0x9F26);
        var atc = (ushort)((counter[0] << 8) | counter[1]);
        bench.Send(ChipPort.Contact, bench.Script(0x04, 0xDA, 0x9F, 0x79, Convert.FromHexString("000000010000"), atc, cryptogram));
        bench.Send(ChipPort.Contact, bench.Script(0x84, 0x1E, 0, 0, [], atc, cryptogram));
        bench.Send(ChipPort.Contact, bench.Script(0x84, 0x18, 0, 0, [], atc, cryptogram));
        bench.Tap();
        bench.Begin();
        first = bench.Generate(0x80, PlasticBench.FirstData);
        counter = PlasticBench.Find(first, 0x9F36);
        bench.Send(ChipPort.Contact, bench.Script(0x84, 0x16, 0, 0, [], (ushort)((counter[0] << 8) | counter[1]), PlasticBench.Find(first, 0x9F26)));
    }

    /// <summary>After the cut the chip goes on: no counter repeats, no money is lost or made, and a clean start works.</summary>
    private static void Continue(ChipBench bench, List<ushort> answered, string where)
    {
        var state = bench.State;
        if (state.Payment(ChipBench.Debit1) is { } card && state.CanBeSelected(card))
        {
            var next = new List<ushort>();
            Pay(bench, ChipBench.Debit1, next);
            Assert.True(answered.Count == 0 || next[0] > answered[^1], $"{where}: ATC {next[0]} after {answered.LastOrDefault()}");
            Assert.DoesNotContain(next[0], answered);
        }

        if (state.Transit(Transit) is { Profile: not null, Selectable: true } transit)
        {
            Assert.Equal(transit.LoadNumber * 5_000u - transit.PurchaseNumber * 300u, transit.Balance);
            TopUp(bench, 5_000);
            Ride(bench, 300);
            var after = bench.State.Transit(Transit)!;
            Assert.Equal(transit.Balance + 4_700, after.Balance);
        }
    }

    /// <summary>Every image that ever stood: readable, and no card in it half.</summary>
    private static void Check(List<byte[]> images)
    {
        var counters = new Dictionary<(string, PaymentProfile?), ushort>();
        foreach (var image in images)
        {
            Assert.True(ChipImage.TryRead(image, out var state, out var error), error);
            Assert.All(state.Payments.Where(state.CanBeSelected), payment => Assert.True(payment is { Selectable: true, Profile: { CryptogramKey.Length: 16 } }));
            Assert.All(state.Transits.Where(static transit => transit.Selectable), static transit => Assert.NotNull(transit.Profile));
            foreach (var payment in state.Payments)
            {
                var last = counters.GetValueOrDefault((payment.Aid.ToString(), null));
                Assert.True(payment.Atc >= last);
                counters[(payment.Aid.ToString(), null)] = payment.Atc;
            }
        }
    }

    private static void Pay(ChipBench bench, Aid card, List<ushort> answered)
    {
        var answer = bench.Pay(card);
        Assert.True(BerTlv.TryFind(answer.Data.Span, 0x9F36, out var counter));
        answered.Add((ushort)((counter[0] << 8) | counter[1]));
    }

    // ---- transit, with keys of the bench's own ----

    private static readonly byte[] Purchase = [.. Enumerable.Range(0xA0, 16).Select(i => (byte)i)], LoadKey = [.. Enumerable.Range(0xB0, 16).Select(i => (byte)i)], Tac = [.. Enumerable.Range(0xC0, 16).Select(i => (byte)i)];

    private static readonly byte[] Terminal = [0, 0, 0x99, 0, 1, 1], When = Convert.FromHexString("20261125103000");

    internal static void AddTransit(ChipBench bench)
    {
        var issuer = bench.Open(Chip.IssuerDomain, ChipBench.IssuerKeys, 0x01)!;
        issuer.Ok(0xE6, 0x0C, 0x00, ChipBench.Install("A000000151", "A000000151000000", TransitDomain, "80", "C9074F05F04D4A5452"));
        issuer.Ok(0xE6, 0x20, 0x00, ChipBench.Install("", "", TransitDomain, "", ""));
        issuer.Ok(0xD8, 0x00, 0x81, issuer.KeyData(0x01, ChipBench.InitialKeys));
        var host = bench.Open(TransitDomain, ChipBench.InitialKeys, 0x01)!;
        Assert.Equal("6985", host.Send(0xE6, 0x04, 0x00, ChipBench.Install("A0000003330101", "A000000333010100", Aid.Parse("A0000003330101010009"), "10", "C900")).Status.ToString()); // transit was granted, payment was not
        host.Ok(0xE6, 0x04, 0x00, ChipBench.Install("F04D4A5452", "F04D4A545200", Transit, "00", "C900"));
        host.Ok(0xE6, 0x20, 0x00, ChipBench.Install("", "", Transit, "", ""));
        byte[] all = [.. Purchase, .. LoadKey, .. Tac];
        byte[] checks = [.. ((byte[][])[Purchase, LoadKey, Tac]).SelectMany(key => Cipher.KeyCheckValue(CipherAlgorithm.Sm4, key, 3))];
        host.Ok(0xE2, 0xE8, 0x00, [.. ChipBench.Group(0x8000, host.Session.EncryptSensitive(all)), .. ChipBench.Group(0x9000, checks), .. ChipBench.Group(0x0015, [0, 1, 0, 0x99, 0, 0, 0, 1, 0x20, 0x26])]);
        Assert.Equal("6A82", bench.Select(ChipPort.Contactless, Transit).Status.ToString());
        host.Ok(0xE6, 0x08, 0x00, ChipBench.Install("", "", Transit, "", ""));
    }

    internal static string TopUp(ChipBench bench, uint amount, bool wrong = false)
    {
        Assert.True(bench.Select(ChipPort.Wired, Transit).Status.IsOk);
        var begun = bench.Send(ChipPort.Wired, CommandApdu.Of(0x80, 0x50, 0x00, 0x02, [0x01, .. Number(amount), .. Terminal]));
        Assert.Equal(16, begun.Data.Length);
        var data = begun.Data.Span;
        var key = TransitPurse.SessionKey(LoadKey, data[8..12], (ushort)((data[4] << 8) | data[5]), 0x8000);
        var grant = TransitPurse.Mac(key, TransitPurse.LoadGrant(amount, Terminal, When));
        grant[0] ^= wrong ? (byte)1 : (byte)0;
        return bench.Send(ChipPort.Wired, CommandApdu.Of(0x80, 0x52, 0x00, 0x00, [.. When, .. grant])).Status.ToString();
    }

    internal static string Ride(ChipBench bench, uint amount, bool wrong = false)
    {
        Assert.True(bench.Select(ChipPort.Contactless, Transit).Status.IsOk);
        var begun = bench.Send(ChipPort.Contactless, CommandApdu.Of(0x80, 0x50, 0x03, 0x02, [0x01, .. Number(amount), .. Terminal]));
        if (!begun.Status.IsOk)
        {
            return begun.Status.ToString();
        }

        byte[] journey = [0x02, .. new byte[31]];
        Assert.True(bench.Send(ChipPort.Contactless, CommandApdu.Of(0x80, 0xDC, 0x00, 0x00, journey)).Status.IsOk);
        var data = begun.Data.Span;
        var key = TransitPurse.SessionKey(Purchase, data[8..12], (ushort)((data[4] << 8) | data[5]), 7);
        var mac = TransitPurse.Mac(key, TransitPurse.DebitRequest(amount, Terminal, When, journey));
        mac[0] ^= wrong ? (byte)1 : (byte)0;
        return bench.Send(ChipPort.Contactless, CommandApdu.Of(0x80, 0x54, 0x01, 0x00, [0, 0, 0, 7, .. When, .. mac])).Status.ToString();
    }

    [Fact]
    public void Without_the_right_MAC_no_money_moves_and_each_random_number_is_good_for_one_try()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        AddTransit(bench);
        Assert.Equal("9302", TopUp(bench, 1_000, wrong: true));
        Assert.Equal("6985", bench.Send(ChipPort.Wired, CommandApdu.Of(0x80, 0x52, 0x00, 0x00, new byte[11])).Status.ToString());
        Assert.Equal("9000", TopUp(bench, 1_000));
        Assert.Equal("9302", Ride(bench, 300, wrong: true));
        Assert.Equal("9401", Ride(bench, 1_001));
        Assert.Equal("9000", Ride(bench, 300));
        Assert.Equal("000002BC", Convert.ToHexString(bench.Send(ChipPort.Contactless, "805C000200").Data.Span));
        Assert.Equal("9406", bench.Send(ChipPort.Contactless, "805A000902000100").Status.ToString());
        Assert.Equal(8, bench.Send(ChipPort.Contactless, "805A000902000000").Data.Length);
        bench.Purge();
        Assert.Equal("9000", Ride(bench, 300)); // no purge touches it
        Assert.Equal("9401", Ride(bench, 401));
    }

    private static byte[] Number(uint value) => [(byte)(value >> 24), (byte)((value >> 16) & 0xFF), (byte)((value >> 8) & 0xFF), (byte)(value & 0xFF)];
}
