using CsCheck;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

public sealed class CardManagementTests
{
    private static ChipBench WithDomain()
    {
        var bench = new ChipBench();
        bench.CreateTokenDomain();
        return bench;
    }

    [Fact]
    public void The_issuer_creates_the_token_services_domain_and_loses_sight_of_its_keys()
    {
        var bench = new ChipBench();
        var issuer = bench.Open(Chip.IssuerDomain, ChipBench.IssuerKeys, 0x01)!;
        Assert.Equal("6A88", issuer.Send(0xF2, 0x40, 0x00, BerTlv.Encode(0x4F, ChipBench.TokenDomain.Bytes)).Status.ToString());
        issuer.Ok(0xE6, 0x0C, 0x00, ChipBench.Install("A000000151", "A000000151000000", ChipBench.TokenDomain, "80", "C900"));
        Assert.Equal("0CA0000001510000004D4A54530780", Convert.ToHexString(issuer.Ok(0xF2, 0x40, 0x00, BerTlv.Encode(0x4F, ChipBench.TokenDomain.Bytes)).Data.Span));
        issuer.Ok(0xE4, 0x00, 0x00, BerTlv.Encode(0x4F, ChipBench.TokenDomain.Bytes)); // an unkeyed one goes, and the next try starts clean
        bench.CreateTokenDomain();

        issuer = bench.Open(Chip.IssuerDomain, ChipBench.IssuerKeys, 0x01)!;
        Assert.Equal("0CA0000001510000004D4A54530F80", Convert.ToHexString(issuer.Ok(0xF2, 0x40, 0x00, BerTlv.Encode(0x4F, ChipBench.TokenDomain.Bytes)).Data.Span));
        Assert.Equal("6985", issuer.Send(0xE6, 0x20, 0x00, ChipBench.Install("", "", ChipBench.TokenDomain, "", "")).Status.ToString());
        Assert.Equal("6985", issuer.Send(0xE6, 0x04, 0x00, ChipBench.Install("A0000003330101", "A000000333010100", ChipBench.Debit1, "10", "C900")).Status.ToString());
        Assert.Null(bench.Open(ChipBench.TokenDomain, ChipBench.InitialKeys, 0x01));
        Assert.NotNull(bench.Open(ChipBench.TokenDomain, ChipBench.TokenKeys, 0x02));
    }

    [Fact]
    public void A_card_is_personalised_end_to_end_and_is_not_selectable_before_it_is_made_so()
    {
        var bench = WithDomain();
        bench.AddCard(ChipBench.Debit1, selectable: false);
        Assert.Equal("6A82", bench.Select(ChipPort.Contactless, Chip.Ppse).Status.ToString());
        Assert.Equal("6A82", bench.Select(ChipPort.Contactless, ChipBench.Debit1).Status.ToString());
        Assert.Equal("6A88", bench.Arm(ChipBench.Debit1).Status.ToString());
        var host = bench.TokenHost();
        Assert.Equal("0AA00000033301010100010300", Convert.ToHexString(host.Ok(0xF2, 0x40, 0x00, [0x4F, 0x00]).Data.Span));
        host.Ok(0xE6, 0x08, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", ""));
        Assert.Equal("9000", bench.Pay(ChipBench.Debit1).Status.ToString());
    }

    [Fact]
    [Rule("R8")]
    public void Interrupted_at_any_command_nothing_can_be_selected_and_a_clean_start_works()
    {
        for (var cut = 0; ; cut++)
        {
            var bench = WithDomain();
            var host = bench.TokenHost();
            var script = ChipBench.PersonalisationScript(host, ChipBench.Debit1, blockLength: 40);
            foreach (var command in script.Take(cut))
            {
                Assert.True(host.Send(command).Status.IsOk);
            }

            bench.Restart();
            Assert.Equal("6A82", bench.Select(ChipPort.Contactless, Chip.Ppse).Status.ToString());
            Assert.Equal("6A82", bench.Select(ChipPort.Contactless, ChipBench.Debit1).Status.ToString());
            Assert.Equal("6A88", bench.Arm(ChipBench.Debit1).Status.ToString());
            host = bench.TokenHost();
            if (cut < script.Count)
            {
                Assert.False(host.Send(0xE6, 0x08, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", "")).Status.IsOk);
            }

            Assert.Equal(cut == 0 ? "6A88" : "9000", host.Send(0xE4, 0x00, 0x00, BerTlv.Encode(0x4F, ChipBench.Debit1.Bytes)).Status.ToString());
            bench.AddCard(ChipBench.Debit1);
            Assert.Equal(ChipBench.Vector["3des.01"], BerTlv.TryFind(bench.Pay(ChipBench.Debit1).Data.Span, 0x9F26, out var cryptogram) ? Convert.ToHexString(cryptogram) : "");
            if (cut == script.Count)
            {
                return;
            }
        }
    }

    [Fact]
    public void A_purge_in_the_middle_of_personalisation_ends_it()
    {
        var bench = WithDomain();
        var host = bench.TokenHost();
        var script = ChipBench.PersonalisationScript(host, ChipBench.Debit1);
        foreach (var command in script.Take(script.Count - 1))
        {
            host.Send(command);
        }

        bench.Purge();
        Assert.Equal("6982", bench.Send(ChipPort.Wired, host.Session.Wrap(script[^1])).Status.ToString());
        Assert.Null(bench.State.Payments[0].Profile);
    }

    [Fact]
    public void The_trusted_side_does_not_disturb_a_script()
    {
        var bench = WithDomain();
        bench.AddCard(ChipBench.Debit2);
        var host = bench.TokenHost();
        foreach (var command in ChipBench.PersonalisationScript(host, ChipBench.Debit1))
        {
            Assert.True(host.Send(command).Status.IsOk);
            Assert.Equal("9000", bench.Pay(ChipBench.Debit2).Status.ToString());
        }
    }

    [Fact]
    public void A_wrong_MAC_closes_the_channel()
    {
        var bench = WithDomain();
        var host = bench.TokenHost();
        var wrapped = host.Session.Wrap(CommandApdu.Of(0x80, 0xF2, 0x40, 0x00, [0x4F, 0x00])).ToBytes();
        wrapped[^2] ^= 0x01;
        Assert.Equal("6982", bench.Send(ChipPort.Wired, Convert.ToHexString(wrapped)).Status.ToString());
        Assert.Equal("6982", bench.Send(ChipPort.Wired, host.Session.Wrap(CommandApdu.Of(0x80, 0xF2, 0x40, 0x00, [0x4F, 0x00]))).Status.ToString());

        host = bench.TokenHost();
        Assert.Equal("6982", bench.Send(ChipPort.Wired, "80F24000024F0000").Status.ToString()); // unprotected inside a channel
        Assert.Equal("6982", bench.Send(ChipPort.Wired, host.Session.Wrap(CommandApdu.Of(0x80, 0xF2, 0x40, 0x00, [0x4F, 0x00]))).Status.ToString());
    }

    [Fact]
    public void A_replayed_command_or_session_is_refused()
    {
        var bench = WithDomain();
        var host = bench.TokenHost();
        var install = host.Session.Wrap(ChipBench.PersonalisationScript(host, ChipBench.Debit1)[0]);
        Assert.True(bench.Send(ChipPort.Wired, install).Status.IsOk);
        Assert.Equal("6982", bench.Send(ChipPort.Wired, install).Status.ToString());

        // The card's challenge is another one after each accepted session, so an old host challenge and cryptogram lead nowhere.
        bench.Select(ChipPort.Wired, ChipBench.TokenDomain);
        var first = bench.Send(ChipPort.Wired, "8050020008010203040506070800");
        var session = Scp03Session.Derive(ChipBench.TokenKeys, Convert.FromHexString("0102030405060708"), first.Data.Span[13..21]);
        var authenticate = session.ExternalAuthenticate(0x33);
        Assert.True(bench.Send(ChipPort.Wired, authenticate).Status.IsOk);
        bench.Select(ChipPort.Wired, ChipBench.TokenDomain);
        var second = bench.Send(ChipPort.Wired, "8050020008010203040506070800");
        Assert.False(first.Data.Span[13..].SequenceEqual(second.Data.Span[13..]));
        Assert.Equal("6982", bench.Send(ChipPort.Wired, authenticate).Status.ToString());
    }

    [Theory]
    [InlineData("80E60C0000")]
    [InlineData("80D8018100")]
    [InlineData("80E2800000")]
    [InlineData("80E4000000")]
    [InlineData("80F0408300")]
    [InlineData("80F2400000")]
    public void Without_a_channel_the_card_is_not_managed(string command)
    {
        var bench = WithDomain();
        bench.Select(ChipPort.Wired, Chip.IssuerDomain);
        Assert.Equal("6982", bench.Send(ChipPort.Wired, command).Status.ToString());
        bench.Select(ChipPort.Wired, ChipBench.TokenDomain);
        Assert.Equal("6982", bench.Send(ChipPort.Wired, command).Status.ToString());
    }

    [Fact]
    public void Authentication_alone_opens_nothing_and_payment_keys_come_in_under_full_protection_only()
    {
        var bench = WithDomain();
        Assert.Null(bench.Open(ChipBench.TokenDomain, ChipBench.TokenKeys, 0x02, level: 0x00));
        foreach (var level in (byte[])[0x01, 0x03, 0x11, 0x13])
        {
            var host = bench.Open(ChipBench.TokenDomain, ChipBench.TokenKeys, 0x02, level)!;
            var script = ChipBench.PersonalisationScript(host, ChipBench.Debit1);
            Assert.True(host.Send(script[0]).Status.IsOk);
            Assert.True(host.Send(script[1]).Status.IsOk);
            Assert.Equal("6982", host.Send(script[2]).Status.ToString());
            host.Ok(0xE4, 0x00, 0x00, BerTlv.Encode(0x4F, ChipBench.Debit1.Bytes));
        }
    }

    [Fact]
    public void Keys_with_a_wrong_check_value_are_not_taken()
    {
        var bench = WithDomain();
        var host = bench.TokenHost();
        var data = host.KeyData(0x03, ChipBench.IssuerKeys);
        data[^1] ^= 0xFF;
        Assert.Equal("6A80", host.Send(0xD8, 0x02, 0x81, data).Status.ToString());
        Assert.NotNull(bench.Open(ChipBench.TokenDomain, ChipBench.TokenKeys, 0x02));
    }

    [Fact]
    public void Broken_personalisation_leaves_nothing()
    {
        var bench = WithDomain();
        Action<byte[]>[] faults =
        [
            data => data[3] ^= 0x01, // a key
            data => data[2] = 0x2F, // a length
            data => data[0] = 0x77, // an unknown group
            data => data[^1] = 0x04, // SM4 announced, 3DES in the IAD
        ];
        foreach (var fault in faults)
        {
            var host = bench.TokenHost();
            host.Send(0xE4, 0x00, 0x00, BerTlv.Encode(0x4F, ChipBench.Debit1.Bytes));
            host.Ok(0xE6, 0x04, 0x00, ChipBench.Install("A0000003330101", "A000000333010100", ChipBench.Debit1, "10", "C900"));
            host.Ok(0xE6, 0x20, 0x00, ChipBench.Install("", "", ChipBench.Debit1, "", ""));
            var data = ChipBench.Groups(host.Session, 0x01, false, "00008000", "000000100000");
            fault(data);
            host.Ok(0xE2, 0x08, 0x00, data.AsSpan(0, 200));
            Assert.False(host.Send(0xE2, 0x88, 0x01, data.AsSpan(200)).Status.IsOk);
            Assert.Null(bench.State.Payments[0].Profile);
            Assert.Equal("6985", host.Send(0xE2, 0x88, 0x02, [0x00]).Status.ToString());
        }
    }

    [Fact]
    public void A_live_card_takes_a_new_profile_in_one_write_and_counts_on_and_a_purged_one_takes_none()
    {
        var bench = WithDomain();
        bench.AddCard(ChipBench.Debit1);
        bench.Arm(ChipBench.Debit1);
        Assert.True(bench.Pay(ChipBench.Debit1).Status.IsOk);
        var before = bench.State.Payments[0];
        Assert.Equal(1, before.Atc);
        var host = bench.TokenHost();
        var script = ChipBench.PersonalisationScript(host, ChipBench.Debit1, limit: "000000200000")[1..]; // without INSTALL [for install]
        foreach (var command in script)
        {
            Assert.Equal(Convert.ToHexString(before.Profile!.InternalData.Span), Convert.ToHexString(bench.State.Payments[0].Profile!.InternalData.Span)); // up to the last one it is what it was
            Assert.True(host.Send(command).Status.IsOk);
        }

        var after = bench.State.Payments[0];
        Assert.NotEqual(Convert.ToHexString(before.Profile!.InternalData.Span), Convert.ToHexString(after.Profile!.InternalData.Span));
        Assert.Equal((1, true), (after.Atc, after.Selectable));
        bench.Arm(ChipBench.Debit1);
        Assert.True(bench.Pay(ChipBench.Debit1).Status.IsOk);
        Assert.Equal(2, bench.State.Payments[0].Atc);

        bench.Purge();
        host = bench.TokenHost();
        Assert.Equal("6985", host.Send(script[0]).Status.ToString());
    }

    [Fact]
    public void No_key_byte_stands_in_any_answer()
    {
        var bench = WithDomain();
        var keys = new List<string>();
        foreach (var set in (Scp03Keys[])[ChipBench.IssuerKeys, ChipBench.InitialKeys, ChipBench.TokenKeys])
        {
            keys.AddRange([Convert.ToHexString(set.Encryption), Convert.ToHexString(set.Mac), Convert.ToHexString(set.DataEncryption)]);
        }

        bench.AddCard(ChipBench.Debit1);
        var profile = bench.State.Payments[0].Profile!;
        keys.AddRange([Convert.ToHexString(profile.CryptogramKey.Span), Convert.ToHexString(profile.IntegrityKey.Span), Convert.ToHexString(profile.ConfidentialityKey.Span), Convert.ToHexString(ChipBench.BindingKey)]);
        bench.Arm(ChipBench.Debit1);
        var answers = new List<string>();
        foreach (var (port, aid) in new[] { (ChipPort.Contactless, ChipBench.Debit1), (ChipPort.Wired, Chip.IssuerDomain), (ChipPort.Wired, ChipBench.TokenDomain), (ChipPort.Wired, Chip.Binding) })
        {
            answers.Add(Convert.ToHexString(bench.Select(port, aid).ToBytes()));
            for (var tag = 0; tag <= 0xFFFF; tag += tag < 0x9F00 && tag > 0x200 ? 0x100 : 1)
            {
                answers.Add(Convert.ToHexString(bench.Send(port, $"80CA{tag:X4}00").Data.Span));
            }
        }

        answers.Add(Convert.ToHexString(bench.Pay(ChipBench.Debit1).ToBytes()));
        var all = string.Join(',', answers);
        Assert.All(keys, key => Assert.DoesNotContain(key[..16], all));
        Assert.All(keys, key => Assert.DoesNotContain(key[16..], all));
    }

    [Fact]
    public void Random_commands_neither_throw_nor_change_the_card()
    {
        var bench = WithDomain();
        bench.AddCard(ChipBench.Debit1);
        var state = bench.State;
        var aids = new[] { "", Chip.Ppse.ToString(), Chip.IssuerDomain.ToString(), ChipBench.TokenDomain.ToString(), Chip.Binding.ToString(), ChipBench.Debit1.ToString() };
        var selects = Gen.Int[0, aids.Length - 1].Select(i => Convert.FromHexString($"00A40400{aids[i].Length / 2:X2}{aids[i]}00"));
        byte[] classes = [0x00, 0x80, 0x84], instructions = [0x50, 0x82, 0xE6, 0xD8, 0xE2, 0xE4, 0xF0, 0xF2, 0xCA, 0xA8, 0x84, 0x2A, 0x2C, 0x2E, 0x30, 0xB2, 0xA4];
        var heads = Gen.Select(Gen.Int[0, 2].Select(i => classes[i]), Gen.Int[0, instructions.Length - 1].Select(i => instructions[i]), Gen.Byte, Gen.Byte, Gen.Byte.Array[0, 60],
            (cla, ins, p1, p2, data) => data.Length == 0 ? (byte[])[cla, ins, p1, p2, 0x00] : [cla, ins, (byte)(p1 & 0x8F), (byte)(p2 & 0x81), (byte)data.Length, .. data]);
        Gen.Select(Gen.Enum<ChipPort>(), Gen.OneOf(selects, heads, Gen.Byte.Array[0, 20])).Array[1, 40].Sample(commands =>
        {
            var session = ChipSession.PoweredOn;
            var at = state;
            foreach (var (port, command) in commands)
            {
                // Wrong proofs are counted; nothing else of the card moves.
                var step = Chip.Step(at, session, port, command, bench.Entropy);
                Assert.Equal(ChipImage.Write(Uncounted(state)), ChipImage.Write(Uncounted(step.State)));
                (at, session) = (step.State, step.Session);
            }
        }, iter: 2000, threads: 1);

        static ChipState Uncounted(ChipState state) => state with { Domains = [.. state.Domains.Select(static domain => domain with { Failures = 0 })] };
    }
}
