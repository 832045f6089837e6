using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;

namespace Majia.Host.Demo;

/// <summary>What the owner of a demonstration's phone does to have a card in it.</summary>
public sealed class DemoOwner(MajiaSystem system, string handset)
{
    public const string Finger = "right thumb";

    private PhoneDevice Phone => system.Phones[handset];

    /// <summary>Account and Find Device (R4); empty when both are on.</summary>
    public async Task<IReadOnlyList<Refusal>> SignInAsync(SeedWalletAccount account)
    {
        var missing = await Phone.SignInAsync(account.Account, account.Password);
        return missing.Count > 0 ? missing : await Phone.SetFindDeviceAsync(true);
    }

    /// <summary>Adds a seeded card from typing its number to the bank's code, the first fingerprint included (R7).</summary>
    public async Task<EnrolmentOutcome> AddAsync(SeedCard plastic)
    {
        var outcome = await Phone.AddCardAsync(SeedData.AsTyped(plastic));
        if (outcome.Step == EnrolmentStep.FingerprintNeeded)
        {
            await Phone.EnrolFingerprintAsync(Finger);
            outcome = await Phone.AddCardAsync(SeedData.AsTyped(plastic));
        }

        return outcome.Step == EnrolmentStep.CodeNeeded ? await Phone.EnterCodeAsync(outcome.CardReference!, await CodeFromTheBankAsync(plastic)) : outcome;
    }

    /// <summary>The customer reads the last message of the bank, as on any phone.</summary>
    private async Task<string> CodeFromTheBankAsync(SeedCard plastic)
    {
        var bank = system.Windows[SeedData.Banks.First(bank => bank.Cards.Contains(plastic)).Institution];
        var message = (await bank.MessagesAsync(plastic.Customer))[^1].Body.En;
        return string.Concat(message.SkipWhile(letter => letter != ']').SkipWhile(letter => !char.IsAsciiDigit(letter)).TakeWhile(char.IsAsciiDigit));
    }
}
