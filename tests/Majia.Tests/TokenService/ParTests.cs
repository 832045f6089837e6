using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Tlv;

namespace Majia.Tests.TokenService;

/// <summary>One payment account reference for each plastic account: on every device card, whatever becomes of them, and never a digit of the plastic.</summary>
public class ParTests
{
    private static string InChip(FakeChip.Instance instance)
    {
        Assert.True(BerTlv.TryFind(instance.Groups[0x0201], 0x9F24, out var par));
        return Encoding.ASCII.GetString(par);
    }

    private static async Task<IReadOnlyList<string>> AtTheBankAsync(Bench bench, CardToEnrol card) =>
        [.. (await bench.IssuerAsync<IssuerToken.SearchTokensRequest, IssuerToken.TokensReply>(IssuerToken.Operations.SearchTokens, new(bench.Encrypt(new IssuerToken.Account(card.Pan))))).Value!.Tokens.Select(token => token.PaymentAccountReference).Distinct()];

    private static async Task DeleteAsync(Bench bench, string tur) =>
        Assert.Null((await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, new(bench.Entropy.NewId(), tur, SuspendedBy.Cardholder, "SOLD"))).Error);

    [Fact, Rule("R13"), Rule("R18")]
    public async Task It_is_the_same_on_every_phone_and_after_every_device_card_was_deleted()
    {
        await using var bench = new Bench();
        var first = await bench.EnrolAsync(Bench.Debit());
        var second = await bench.EnrolAsync(Bench.Debit());
        var par = InChip(first.Instance);
        Assert.Equal(29, par.Length);
        Assert.Equal(par, InChip(second.Instance));
        Assert.DoesNotContain(Bench.Debit().Pan[^4..], par, StringComparison.Ordinal);

        await DeleteAsync(bench, first.Tur);
        await DeleteAsync(bench, second.Tur);
        bench.Clock.Advance(TimeSpan.FromDays(400));
        var again = await bench.EnrolAsync(Bench.Debit(), first.Chip);
        Assert.NotEqual(first.Token.Reveal(), again.Token.Reveal());
        Assert.Equal(par, InChip(again.Instance));
        Assert.Equal([par], await AtTheBankAsync(bench, Bench.Debit()));

        // Another plastic is another account; one that takes this one's place is not.
        Assert.NotEqual(par, InChip((await bench.EnrolAsync(Bench.Debit(2))).Instance));
        var moved = await bench.IssuerAsync<IssuerToken.AccountUpdateRequest, IssuerToken.TokensReply>(
            IssuerToken.Operations.AccountUpdate, new("moved", bench.Encrypt(new IssuerToken.Account(Bench.Debit().Pan, Bench.Debit(3).Pan, "3212", "02"))));
        Assert.Equal([par], moved.Value!.Tokens.Select(token => token.PaymentAccountReference).Distinct());
        Assert.Equal(par, InChip((await bench.EnrolAsync(Bench.Debit(3))).Instance));
    }
}
