using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.SecureElement;
using Majia.Terminal;
using Majia.Terminal.EntryPoint;
using Majia.Terminal.Kernel;
using Majia.Tests.SecureElement;
using Microsoft.Extensions.Time.Testing;

namespace Majia.Tests.Terminal;

/// <summary>Offline data authentication against a public card's certificates, and against our own plastic.</summary>
public sealed class OfflineAuthenticationTests
{
    private static readonly DateOnly Day = new(2024, 6, 1);

    // ---- a real card's chain (oda.txt) ----

    [Fact]
    public void The_whole_rsa_chain_of_a_public_card_verifies()
    {
        var card = new PublicCard();
        var issuer = card.Issuer(Day);
        Assert.True(issuer.Good, issuer.Why.En);
        Assert.Equal(1408, issuer.Value!.Value.Length * 8);
        var chip = card.Chip(issuer.Value, Day);
        Assert.True(chip.Good, chip.Why.En);
        Assert.Equal(1152, chip.Value!.Value.Length * 8);
        Assert.Equal("BD331F9996A490B33C13441066A09AD3FEB5F66C", Convert.ToHexString(card.Authority.CheckSum()));
    }

    [Fact]
    public void The_sm2_certificate_of_a_public_chip_verifies_with_the_aip_and_not_without()
    {
        var values = PublicCard.Read();
        var issuer = new CertifiedKey(values["SM2_ISSUER_CERT_90"][14..78], []);
        var number = PublicCard.NumberOf(values);
        var data = values["SM2_STATIC_DATA_INCL_AIP"];
        var chip = PublicKeyChain.Chip(issuer, values["SM2_ICC_CERT_9F46"], [], [], data, number, Day);
        Assert.True(chip.Good, chip.Why.En);
        Assert.Equal(values["SM2_ICC_CERT_9F46"][20..84], chip.Value!.Value);
        Assert.False(PublicKeyChain.Chip(issuer, values["SM2_ICC_CERT_9F46"], [], [], data.AsSpan(0, data.Length - 2), number, Day).Good);
    }

    [Fact]
    public void Any_bit_of_the_chain_that_is_another_one_breaks_it()
    {
        var broken = 0;
        for (var at = 0; at < 176; at += 7)
        {
            var card = new PublicCard();
            card.ChipCertificate[at] ^= 0x10;
            Assert.False(card.Chip(card.Issuer(Day).Value!, Day).Good, $"byte {at} of 9F46");
            card = new PublicCard();
            card.IssuerCertificate[at] ^= 0x01;
            Assert.False(card.Issuer(Day).Good, $"byte {at} of 90");
            card = new PublicCard();
            card.StaticData[at % card.StaticData.Length] ^= 0x80;
            Assert.False(card.Chip(card.Issuer(Day).Value!, Day).Good, $"static byte {at}");
            broken++;
        }

        Assert.Equal(26, broken);
        var remainder = new PublicCard();
        remainder.ChipRemainder[0] ^= 1;
        Assert.Contains("hash", remainder.Chip(remainder.Issuer(Day).Value!, Day).Why.En, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2025-06-30", true)]
    [InlineData("2025-07-01", false)]
    public void A_certificate_is_good_to_the_last_day_of_its_month(string day, bool good)
    {
        var card = new PublicCard();
        var chip = card.Chip(card.Issuer(Day).Value!, DateOnly.Parse(day, System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(good, chip.Good);
        Assert.Equal(!good, chip.Why.En.Contains("expired in 2025-06", StringComparison.Ordinal));
    }

    [Fact]
    public void Another_number_and_an_authority_past_its_day_are_refused_with_their_reason()
    {
        var card = new PublicCard();
        Assert.Contains("another number", card.Chip(card.Issuer(Day).Value!, Day, number: card.Number[..^2] + "20").Why.En, StringComparison.Ordinal);
        Assert.Contains("authority's key 0B expired", card.Issuer(new DateOnly(2041, 1, 1)).Why.En, StringComparison.Ordinal);
        Assert.Contains("another number", PublicKeyChain.Issuer(card.Authority, card.IssuerCertificate, [], [0x03], "629" + card.Number[3..], Day).Why.En, StringComparison.Ordinal);
    }

    [Fact]
    public void An_issuers_certificate_is_opened_once_a_day_and_never_for_another_number()
    {
        var card = new PublicCard();
        var issuers = new VerifiedIssuers();
        var exponent = new byte[] { 0x03 };
        Verified<CertifiedKey> Open(byte[] certificate, DateOnly day, string? number = null, AuthorityKey? authority = null) =>
            issuers.Open(authority ?? card.Authority, certificate, [], exponent, number ?? card.Number, day);

        var first = Open(card.IssuerCertificate, Day);
        Assert.Same(first.Value, Open(card.IssuerCertificate, Day).Value);
        Assert.Equal(card.Issuer(Day).Value!.Value, first.Value!.Value);

        // Every byte of it counts, and the day, the number and the authority's key.
        Assert.Contains("another number", Open(card.IssuerCertificate, Day, "629" + card.Number[3..]).Why.En, StringComparison.Ordinal);
        Assert.Contains("expired", Open(card.IssuerCertificate, new DateOnly(2041, 1, 1)).Why.En, StringComparison.Ordinal);
        Assert.False(Open(card.IssuerCertificate, Day, authority: card.Authority with { Value = [.. card.Authority.Value[..^1], (byte)(card.Authority.Value[^1] ^ 2)] }).Good);
        for (var at = 0; at < card.IssuerCertificate.Length; at += 9)
        {
            var touched = card.IssuerCertificate.ToArray();
            touched[at] ^= 0x01;
            Assert.False(Open(touched, Day).Good, $"byte {at}");
        }
    }

    // ---- our plastic at our terminal ----

    [Theory]
    [InlineData(false, 1152)] // the signature stands in a record
    [InlineData(false, 1024)] // it comes with the answer to GPO
    [InlineData(true, 0)]
    public async Task A_plastic_card_that_approves_offline_is_verified_to_the_authority(bool sm2, int bits)
    {
        var outcome = await TapAsync(new PlasticBench(sm2, bits, electronicCash: 10_000));
        var approved = Assert.IsType<PresentationResult.Approved>(outcome);
        Assert.Equal(CryptogramKind.ApprovedOffline, approved.Card.Kind);
        Assert.Contains("signature holds", approved.Why.En, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Above_the_floor_limit_the_same_card_goes_online()
    {
        var outcome = await TapAsync(new PlasticBench(electronicCash: 10_000), floor: 10);
        Assert.Equal(CryptogramKind.OnlineRequest, Assert.IsType<PresentationResult.Read>(outcome).Card.Kind);
    }

    [Fact]
    [Rule("R20")]
    public async Task A_card_that_is_read_to_undo_a_payment_spends_nothing_of_its_electronic_cash()
    {
        var bench = new PlasticBench(electronicCash: 10_000);
        var before = bench.State.Payments[0].Profile!.InternalData.ToArray();
        var outcome = await TapAsync(bench, numberOnly: true);
        Assert.Equal(CryptogramKind.OnlineRequest, Assert.IsType<PresentationResult.Read>(outcome).Card.Kind);
        Assert.Equal(before, bench.State.Payments[0].Profile!.InternalData.ToArray());
    }

    [Fact]
    public async Task Without_the_authoritys_key_an_offline_approval_is_declined()
    {
        var outcome = await TapAsync(new PlasticBench(electronicCash: 10_000), authorities: []);
        Assert.Contains("no authority's key", Assert.IsType<Outcome.Declined>(Assert.IsType<PresentationResult.Ended>(outcome).Last).Why.En, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_expired_card_does_not_approve_offline()
    {
        var outcome = await TapAsync(new PlasticBench(electronicCash: 10_000), at: new DateTimeOffset(2031, 1, 1, 4, 0, 0, TimeSpan.Zero));
        Assert.Contains("expired", Assert.IsType<PresentationResult.Ended>(outcome).Why.En, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x9F4B)]
    [InlineData(0x9F46)]
    [InlineData(0x90)]
    [InlineData(0x9F69)]
    [InlineData(0x9F36)]
    public async Task A_card_whose_answer_was_touched_on_the_way_is_declined(int tag)
    {
        var outcome = await TapAsync(new PlasticBench(rsaBits: 1024, electronicCash: 10_000), touch: tag);
        Assert.IsType<Outcome.Declined>(Assert.IsType<PresentationResult.Ended>(outcome).Last);
    }

    [Theory]
    [InlineData(ProcessingRestrictions.Restriction.None, true, 0x0000, null)]
    [InlineData(ProcessingRestrictions.Restriction.None, false, 0x0000, OfflineFallback.Decline)]
    [InlineData(ProcessingRestrictions.Restriction.None, false, 0x2000, OfflineFallback.Online)]
    [InlineData(ProcessingRestrictions.Restriction.None, false, 0x1000, OfflineFallback.AnotherInterface)]
    [InlineData(ProcessingRestrictions.Restriction.None, false, 0x3000, OfflineFallback.Online)]
    [InlineData(ProcessingRestrictions.Restriction.Expired, true, 0x0800, OfflineFallback.Online)]
    [InlineData(ProcessingRestrictions.Restriction.Expired, true, 0x0000, OfflineFallback.Decline)]
    [InlineData(ProcessingRestrictions.Restriction.UsageNotAllowed, true, 0x0800, OfflineFallback.Decline)]
    public void Every_row_of_what_becomes_of_an_offline_approval(ProcessingRestrictions.Restriction restriction, bool authenticated, int ctq, OfflineFallback? expected) =>
        Assert.Equal(expected, CardActionAnalysis.Judge(restriction, authenticated, new CardTransactionQualifiers((ushort)ctq), canGoOnline: true));

    private static async Task<PresentationResult> TapAsync(PlasticBench bench, long floor = 50_000, IReadOnlyList<AuthorityKey>? authorities = null, DateTimeOffset? at = null, int? touch = null, bool numberOnly = false)
    {
        var parameters = TerminalParameters.Default with { Aids = [.. TerminalParameters.Default.Aids.Select(row => row with { FloorLimit = Amount.Cny(floor) })], Qualifiers = new TerminalTransactionQualifiers(0x26004080) };
        var options = new TerminalOptions("10000001", "990031058120001", new("Shop", "商店")) { Parameters = parameters, Authorities = _ => ValueTask.FromResult(authorities ?? PlasticBench.Authorities) };
        var clock = new FakeTimeProvider(at ?? new DateTimeOffset(2026, 7, 1, 4, 0, 0, TimeSpan.Zero));
        var reader = new ContactlessReader(options, clock, new SeededEntropy(5), new TerminalTrace(NoTrace.Instance, clock), new VerifiedIssuers(), static _ => { });
        var channel = new TouchedChannel(bench.Device.Contactless, touch);
        return await reader.ReadAsync(new Presentation(Amount.Cny(1_234), 0x00, numberOnly, BankAsked: false, "test"), new FakeField(channel), TestContext.Current.CancellationToken);
    }

    /// <summary>Somebody between card and reader who turns the last bit of one value.</summary>
    private sealed class TouchedChannel(ICardChannel card, int? tag) : ICardChannel
    {
        public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
        {
            var answer = (await card.TransmitAsync(command, cancellation)).ToArray();
            if (tag is { } wanted && answer.Length > 2 && Majia.Core.Tlv.BerTlv.TryFind(answer.AsSpan(0, answer.Length - 2), 0x77, out var body) | Majia.Core.Tlv.BerTlv.TryFind(answer.AsSpan(0, answer.Length - 2), 0x70, out var record))
            {
                var inside = body.IsEmpty ? record : body;
                if (Majia.Core.Tlv.BerTlv.TryFind(inside, wanted, out var value) && !value.IsEmpty && answer.AsSpan().IndexOf(value) is var place and >= 0)
                {
                    answer[place + value.Length - 1] ^= 0x01;
                }
            }

            return answer;
        }
    }

    /// <summary>Certificates of a public test card; skips where the file is not beside the checkout.</summary>
    private sealed class PublicCard
    {
        private readonly Dictionary<string, byte[]> values = Read();

        public PublicCard()
        {
            IssuerCertificate = values["ISSUER_CERT_90"];
            ChipCertificate = values["ICC_CERT_9F46"];
            ChipRemainder = values["ICC_REM_9F48"];
            StaticData = [.. values["STATIC_DATA"], .. values["AIP"]];
            Authority = new AuthorityKey("A000000333", values["CA_INDEX"][0], values["CA_MOD"], values["CA_EXP"], new DateOnly(2040, 12, 31));
        }

        public AuthorityKey Authority { get; }

        public string Number => NumberOf(values);

        public byte[] IssuerCertificate { get; }

        public byte[] ChipCertificate { get; }

        public byte[] ChipRemainder { get; }

        public byte[] StaticData { get; }

        public static Dictionary<string, byte[]> Read() => File.ReadLines(Repository.SharedVector("oda.txt"))
            .Where(line => line.Length > 0 && line[0] != '#')
            .Select(line => line.Split('=', 2))
            .Where(pair => pair[1].All(char.IsAsciiHexDigit))
            .ToDictionary(pair => pair[0], pair => Convert.FromHexString(pair[1]));

        public Verified<CertifiedKey> Issuer(DateOnly day) => PublicKeyChain.Issuer(Authority, IssuerCertificate, [], values["ISSUER_EXP_9F32"], Number, day);

        public Verified<CertifiedKey> Chip(CertifiedKey issuer, DateOnly day, string? number = null) =>
            PublicKeyChain.Chip(issuer, ChipCertificate, ChipRemainder, values["ICC_EXP_9F47"], StaticData, number ?? Number, day);

        /// <summary>Tag 5A of the signed data: the number stands beside the vectors alone.</summary>
        public static string NumberOf(Dictionary<string, byte[]> values)
        {
            var data = values["STATIC_DATA"].AsSpan();
            var at = data.IndexOf([(byte)0x5A, (byte)0x09]);
            return Convert.ToHexString(data.Slice(at + 2, 9)).TrimEnd('F');
        }
    }
}
