using System.Globalization;
using Majia.Core.Cryptography;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Hsm;
using Majia.Issuer;

namespace Majia.Tests.Issuer;

/// <summary>The bank and its own plastic's cryptogram: what counts, what does not, and what goes back into the chip.</summary>
public sealed class PlasticCheckTests
{
    /// <summary>The bank's master key, in two custodians' halves.</summary>
    private static readonly byte[] Half = new SeededEntropy(1, "custodian").Bytes(16), Other = new SeededEntropy(2, "custodian").Bytes(16);

    private static readonly byte[] Master = Cryptogram.SetOddParity([.. Half.Zip(Other, (left, right) => (byte)(left ^ right))]);

    private static async Task<IssuerBench> OpenAsync()
    {
        var bench = await IssuerBench.OpenAsync();
        bench.Keys.Form("imk.ac", KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes, [Half, Other], test: true);
        return bench;
    }

    /// <param name="Sequence">Of the plastic whose chip answers.</param>
    /// <param name="Amount">What the chip was asked for.</param>
    private sealed record Tap(ushort Atc, string Results = "03A00000", string Sequence = "02", long Amount = 8_800, byte Version = 0x01, bool Forged = false);

    private static byte[] Field55(SeedCard card, Tap tap)
    {
        byte[] amount = Convert.FromHexString(tap.Amount.ToString("D12", CultureInfo.InvariantCulture)), results = Convert.FromHexString(tap.Results), counter = [(byte)(tap.Atc >> 8), (byte)(tap.Atc & 0xFF)];
        var input = new CryptogramInput(amount, new byte[6], new byte[] { 0x01, 0x56 }, new byte[5], new byte[] { 0x01, 0x56 }, new byte[] { 0x26, 0x11, 0x23 }, 0x00, new byte[] { 1, 2, 3, 4 }, new byte[] { 0x7C, 0x00 }, tap.Atc, results);
        var key = Cryptogram.DeriveCardKey(CipherAlgorithm.TripleDes, Master, card.Pan.Reveal(), tap.Sequence);
        var cryptogram = Cryptogram.Compute(CipherAlgorithm.TripleDes, Cryptogram.DeriveSessionKey(CipherAlgorithm.TripleDes, key, tap.Atc), input.Bytes((CryptogramVersion)tap.Version));
        cryptogram[7] ^= (byte)(tap.Forged ? 1 : 0);
        return
        [
            .. BerTlv.Encode(0x9F26, cryptogram), .. BerTlv.Encode(0x9F10, [0x07, 0x01, tap.Version, .. results, 0x01]), .. BerTlv.Encode(0x9F37, [1, 2, 3, 4]), .. BerTlv.Encode(0x9F36, counter), .. BerTlv.Encode(0x95, new byte[5]),
            .. BerTlv.Encode(0x9A, [0x26, 0x11, 0x23]), .. BerTlv.Encode(0x9C, [0x00]), .. BerTlv.Encode(0x9F02, amount), .. BerTlv.Encode(0x5F2A, [0x01, 0x56]), .. BerTlv.Encode(0x82, [0x7C, 0x00]),
            .. BerTlv.Encode(0x9F1A, [0x01, 0x56]), .. BerTlv.Encode(0x9F03, new byte[6]),
        ];
    }

    /// <summary>As the switch passes a plastic's payment on: no token data, the chip data as they came.</summary>
    private static IsoMessage Sale(IssuerBench bench, Tap tap, long minor = 8_800, string sequence = "002", SeedCard? card = null) =>
        bench.Sale(card ?? IssuerBench.Debit, minor).Remove(61).Remove(63).Set(23, sequence).Set(55, Field55(card ?? IssuerBench.Debit, tap));

    private static IsoMessage Advice(IssuerBench bench, Tap tap, long minor = 8_800) => Sale(bench, tap, minor).Copy(Mti.FinancialAdvice);

    /// <summary>Whatever the rules are: phone and plastic held to the same terminal earn the same, and what is taken back is what was given.</summary>
    [Fact, Rule("R18")]
    public async Task The_plastics_tap_earns_what_the_phones_does_under_rules_of_the_banks_own()
    {
        await using var bench = await OpenAsync();
        bench.Restart(new IssuerOptions(IssuerBench.Institution, IssuerBench.Bank.Name) { Rewards = RewardRules.Parse("r", "institution,bin,kind,category,channel,points,per\n*,629901,Debit,5940-5949,TAP,3,20.00\n*,*,*,*,*,1,1.00") });
        async Task<long> AfterAsync(IsoMessage message)
        {
            Assert.Equal("00", await bench.CodeAsync(message));
            await bench.Store.DurableAsync();
            return bench.Desk.Points(IssuerBench.Debit.Account);
        }

        var (phone, plastic) = (bench.Sale(IssuerBench.Debit, 8_800), Sale(bench, new Tap(7)));
        Assert.Equal(12, await AfterAsync(phone));
        Assert.Equal(24, await AfterAsync(plastic));
        Assert.Equal(24 + 88, await AfterAsync(Sale(bench, new Tap(8)).Set(22, "052"))); // into the slot: another row
        Assert.Equal(12 + 88, await AfterAsync(bench.Reversal(plastic)));
        Assert.Equal(88, await AfterAsync(bench.Void(IssuerBench.Debit, phone)));
    }

    [Fact]
    public async Task A_genuine_cryptogram_pays_and_the_answer_bears_the_banks_own()
    {
        await using var bench = await OpenAsync();
        var sale = Sale(bench, new Tap(7));
        var answer = await bench.SendAsync(sale);
        Assert.Equal("00", answer.Text(39));
        Assert.True(BerTlv.TryFind(sale.Binary(55).Span, 0x9F26, out var request));
        var key = Cryptogram.DeriveCardKey(CipherAlgorithm.TripleDes, Master, IssuerBench.Debit.Pan.Reveal(), "02");
        var expected = Cryptogram.ResponseCryptogram(CipherAlgorithm.TripleDes, Cryptogram.DeriveSessionKey(CipherAlgorithm.TripleDes, key, 7), request, "00"u8);
        Assert.Equal(Convert.ToHexString([.. BerTlv.Encode(0x91, [.. expected, 0x30, 0x30])]), Convert.ToHexString(answer.Binary(55).Span));

        var again = await bench.SendAsync(sale);
        Assert.Equal((answer.Text(38), Convert.ToHexString(answer.Binary(55).Span)), (again.Text(38), Convert.ToHexString(again.Binary(55).Span)));
        await bench.Store.DurableAsync();
        Assert.Equal(500_000 - 8_800, bench.Desk.AccountOf("lin-debit").Balance.Minor);
    }

    [Fact]
    public async Task What_is_not_this_cards_word_is_59_and_moves_nothing()
    {
        await using var bench = await OpenAsync();
        (string What, IsoMessage Message)[] rows =
        [
            ("no chip data", Sale(bench, new Tap(1)).Remove(55)),
            ("chip data that are none", Sale(bench, new Tap(1)).Set(55, [0x9F, 0x26, 0x08, 0x00])),
            ("a forged cryptogram", Sale(bench, new Tap(1, Forged: true))),
            ("another plastic of this number, its key right", Sale(bench, new Tap(1, Sequence: "01"), sequence: "001")),
            ("another plastic's sequence number", Sale(bench, new Tap(1), sequence: "001")),
            ("another amount", Sale(bench, new Tap(1, Amount: 1))),
            ("a card that declined", Sale(bench, new Tap(1, "03800000"))),
            ("a card that approved by itself", Sale(bench, new Tap(1, "03900000"))),
            ("an unknown version", Sale(bench, new Tap(1, Version: 0x01)).Set(55, Convert.FromHexString(Convert.ToHexString(Field55(IssuerBench.Debit, new Tap(1))).Replace("9F1008070101", "9F1008070102", StringComparison.Ordinal)))),
        ];
        foreach (var (what, message) in rows)
        {
            Assert.True(await bench.CodeAsync(message) == "59", what);
        }

        await bench.Store.DurableAsync();
        Assert.Equal(500_000, bench.Desk.AccountOf("lin-debit").Balance.Minor);
        Assert.Equal("00", await bench.CodeAsync(Sale(bench, new Tap(1)))); // none of them has spent the counter
        Assert.Equal("00", await bench.CodeAsync(Sale(bench, new Tap(2, Version: 0x17))));
    }

    [Fact]
    public async Task A_counter_counts_once_in_any_order_within_the_last_64()
    {
        await using var bench = await OpenAsync();
        foreach (var (atc, code) in ((ushort, string)[])[(5, "00"), (5, "59"), (3, "00"), (3, "59"), (4, "00"), (70, "00"), (7, "00"), (6, "59"), (71, "00")])
        {
            Assert.True(await bench.CodeAsync(Sale(bench, new Tap(atc, Amount: 100), 100)) == code, $"counter {atc}");
        }

        // Declined for another reason, and spent all the same.
        Assert.Equal("51", await bench.CodeAsync(Sale(bench, new Tap(80, Amount: 90_000_000), 90_000_000) is var much ? much.Set(26, "06").Set(52, bench.Keys.EncryptPin("zpk.pad", "123456", IssuerBench.Debit.Pan)) : null!));
        Assert.Equal("59", await bench.CodeAsync(Sale(bench, new Tap(80, Amount: 100), 100)));
    }

    [Fact]
    public async Task The_banks_own_rules_come_before_and_after_it_as_with_a_device_card()
    {
        await using var bench = await OpenAsync();
        Assert.Equal("41", await bench.CodeAsync(Sale(bench, new Tap(1, Sequence: "01", Forged: true), sequence: "001", card: IssuerBench.Lost)));
        Assert.Equal("54", await bench.CodeAsync(Sale(bench, new Tap(1, Sequence: "01"), sequence: "001", card: IssuerBench.Expired)));
        Assert.Equal("55", await bench.CodeAsync(Sale(bench, new Tap(1, Amount: 200_000), 200_000)));
        Assert.Equal("61", await bench.CodeAsync(Sale(bench, new Tap(1, Sequence: "01", Amount: 60_000), 60_000, "001", IssuerBench.Limited)));
    }

    [Fact]
    public async Task An_offline_approval_is_cleared_once_whatever_has_become_of_the_account()
    {
        await using var bench = await OpenAsync();
        await bench.Desk.CloseAccountAsync("lin-debit");
        var advice = Advice(bench, new Tap(9, "03900000"));
        Assert.Equal("00", await bench.CodeAsync(advice));
        Assert.Equal("00", await bench.CodeAsync(advice)); // the same again
        Assert.Equal("59", await bench.CodeAsync(Advice(bench, new Tap(9, "03900000")))); // the same approval under another key
        await bench.Store.DurableAsync();
        Assert.Equal(-8_800, bench.Desk.ElectronicCash.Minor);
        Assert.Equal(500_000, bench.Desk.AccountOf("lin-debit").Balance.Minor);
        Assert.Empty(bench.Desk.BrokenInvariants());
    }

    [Fact]
    public async Task An_offline_approval_that_the_chip_never_gave_is_no_money()
    {
        await using var bench = await OpenAsync();
        Assert.Equal("59", await bench.CodeAsync(Advice(bench, new Tap(1, "03900000", Forged: true))));
        Assert.Equal("59", await bench.CodeAsync(Advice(bench, new Tap(1)))); // a request is no approval
        Assert.Equal("59", await bench.CodeAsync(Advice(bench, new Tap(1, "03900000", Amount: 100)))); // of another amount
        var device = bench.Sale(IssuerBench.Debit, 8_800).Copy(Mti.FinancialAdvice);
        Assert.Equal("59", await bench.CodeAsync(device)); // a device card always asks
        await bench.Store.DurableAsync();
        Assert.Equal(0, bench.Desk.ElectronicCash.Minor);
    }

    [Fact]
    public async Task A_bank_without_plastic_keys_vouches_for_no_chip()
    {
        await using var bench = await IssuerBench.OpenAsync();
        Assert.Equal("59", await bench.CodeAsync(Sale(bench, new Tap(1))));
    }
}
