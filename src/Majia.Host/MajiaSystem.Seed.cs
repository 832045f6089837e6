using Majia.Acquirer;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Desk;
using Majia.Host.Devices;
using Majia.Host.Keys;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;
using Majia.SecureElement;
using Majia.Storage;
using Majia.Terminal;

namespace Majia.Host;

/// <content>What a system begins with: banks, shops and people of the seed, and their terminals and handsets.</content>
public sealed partial class MajiaSystem
{
    private async Task SeedAsync(int passwordIterations)
    {
        foreach (var bank in SeedData.Banks.Where(bank => issuers.ContainsKey(bank.Institution)))
        {
            await IssuerSeed.ApplyAsync(bank, books.Of(IssuerParty.Schema), modules[KeyTable.Issuer(bank.Institution)], Time, passwordIterations);
        }

        if (acquirer is not null)
        {
            await acquirer.SeedAsync(new AcquirerSeed([.. SeedData.Merchants.Select(merchant => new Merchant(merchant.Merchant, merchant.Name, merchant.CategoryCode, [merchant.Terminal]))]));
        }

        foreach (var account in SeedData.WalletAccounts)
        {
            if (wallet is not null && !await wallet.HasAccountAsync(account.Account))
            {
                await wallet.AddAccountAsync(account.Account, account.Password);
            }
        }

        await Store.DurableAsync();
    }

    private void AddTerminal(SeedMerchant merchant)
    {
        var own = SqliteStore.Open(Path.Combine(folder.Terminals, $"{merchant.Terminal}.db"), [TerminalDevice.Schema], Time);
        deviceStores.Add(own);
        var parameters = TerminalParameters.Default.WithFloor(Amount.Cny(merchant.OfflineLimit)) with
        {
            PinRule = merchant.AlwaysAsksPin ? MerchantPinRule.Always : MerchantPinRule.OverLimit,
            RetapForVoid = merchant.VoidNeedsTap,
        };
        var line = posLine(new(merchant.Terminal, "acquirer"));
        posLines.Add(merchant.Terminal, line);
        var device = new TerminalDevice(
            new TerminalOptions(merchant.Terminal, merchant.Merchant, merchant.Name) { Parameters = parameters, Authorities = async _ => await Plastics.AuthoritiesAsync() },
            own,
            modules[KeyTable.Terminal(merchant.Terminal)],
            line,
            Time,
            entropy,
            Trace);
        devices.Add(device);
        terminals.Add(merchant.Terminal, device);
        fields.Add(merchant.Terminal, new CounterField());
    }

    /// <summary>A handset, made on its first start: chip and trusted side get their keys in the factory.</summary>
    private async Task AddPhoneAsync(SeedHandset handset)
    {
        var memory = HandsetFactory.OpenChip(folder, handset, modules.GetValueOrDefault(KeyTable.SeIssuer), entropy, out var bindingKey);
        devices.Add(memory);
        var chip = new PhoneChip(new ChipDevice(memory, entropy));
        devices.Insert(0, chip);
        var own = HandsetFactory.OpenStore(folder, handset, Time);
        deviceStores.Add(own);
        var phone = new PhoneDevice(
            HandsetFactory.OptionsOf(folder, handset, entropy),
            own,
            chip,
            Lines.Json(Line.PhoneWallet, "wallet", null, wallet?.Endpoint, Wires.PhoneWallet, Store, innerHop: false),
            Time,
            entropy,
            Trace,
            Lines.Json(Line.PhoneTransit, "transit", null, transit?.Endpoint, Wires.PhoneTransit, Store, innerHop: false));
        devices.Insert(0, phone);
        phones.Add(handset.Id, phone);
        if (bindingKey is not null)
        {
            await phone.Trusted.PairAsync(bindingKey);
        }
    }
}
