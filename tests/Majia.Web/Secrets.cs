using System.Text;
using Majia.Host.Seed;

namespace Majia.Web;

/// <summary>What may never reach a page.</summary>
internal static class Secrets
{
    public static void AssertNoPan(string text)
    {
        foreach (var card in SeedData.Banks.SelectMany(bank => bank.Cards).Append(SeedData.VisaOnly))
        {
            Assert.DoesNotContain(card.Pan.Reveal(), text, StringComparison.Ordinal);

            // On the switch line the digits are ASCII inside the hex.
            Assert.DoesNotContain(Convert.ToHexString(Encoding.ASCII.GetBytes(card.Pan.Reveal())), text, StringComparison.Ordinal);
        }
    }
}
