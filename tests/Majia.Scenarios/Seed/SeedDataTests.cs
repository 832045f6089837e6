using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Tests;

namespace Majia.Scenarios.Seed;

public sealed class SeedDataTests
{
    private static readonly string Page = Path.Combine(Repository.Root, "docs", "test-cards.md");

    [Fact]
    public void The_page_of_test_cards_says_what_the_seed_data_say()
    {
        if (Environment.GetEnvironmentVariable("MAJIA_WRITE_DOCS") == "1")
        {
            File.WriteAllText(Page, TestCardsDocument.Write());
        }

        Assert.Equal(TestCardsDocument.Write(), File.ReadAllText(Page));
    }

    [Fact]
    public void Every_row_of_the_seed_data_finds_the_rows_that_it_names()
    {
        var numbers = new HashSet<string>(StringComparer.Ordinal);
        foreach (var bank in SeedData.Banks)
        {
            foreach (var card in bank.Cards)
            {
                var account = Assert.Single(bank.Accounts, a => a.Id == card.Account);
                Assert.Equal((card.Customer, card.Kind), (account.Customer, account.Kind));
                Assert.Single(bank.Customers, c => c.Id == card.Customer);
                Assert.True(Luhn.IsValid(card.Pan.Reveal()));
                Assert.Equal(card.Length, card.Pan.Length);
                Assert.Equal(card.Bin, card.Pan.Bin);
                Assert.True(numbers.Add(card.Pan.Reveal()));
            }
        }
    }

    [Fact]
    public void Debit_and_prepaid_cards_have_nineteen_digits_and_cards_with_a_credit_line_sixteen() =>
        Assert.All(SeedData.Banks.SelectMany(bank => bank.Cards), card => Assert.Equal(card.Kind is Majia.Issuer.CardKind.Debit or Majia.Issuer.CardKind.Prepaid ? 19 : 16, card.Length));

    [Fact]
    [Rule("R2")]
    public void There_is_a_handset_of_each_model_and_one_too_old() =>
        Assert.Equal(["Mi 5", "Mi 5S", "Mi 5S Plus", "Mi Note 2", "Mi MIX", "Mi 4"], SeedData.Handsets.Select(handset => handset.Model));

    [Fact]
    public void Every_seeded_card_is_known_by_its_bank_only() =>
        Assert.All(SeedData.Banks, bank => Assert.All(bank.Cards, card => Assert.Equal(SeedData.Card(card.Id), card)));
}
