using System.Globalization;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Issuer.Plastic;
using Majia.Phone;
using Majia.SecureElement;
using Majia.Terminal;

namespace Majia.Simulation.Scenarios;

/// <summary>The plastic itself: at a terminal, through the air or in its slot, and at a phone's back. Each card is made by its bank when it is first taken out of the drawer, certified in SM2.</summary>
public sealed partial class Stage
{
    /// <summary>MMYY of a bank's certificate, as on the wire.</summary>
    private static readonly byte[] CertifiedUntil = [0x12, 0x35];

    private readonly SortedDictionary<string, ChipDevice> plastics = new(StringComparer.Ordinal);

    internal StepResult TapPlastic(Arguments said, string? name)
    {
        var (counter, holder) = (At(said["shop"]!), new PlasticHolder(this, InField(said["card"]!)));
        var result = world.Do(counter.Process, () => counter.Device.SellAsync(said.Money("amount")!.Value, holder, holder, CancellationToken.None));
        return Remember(name, counter, result, holder);
    }

    internal StepResult InsertPlastic(Arguments said, string? name)
    {
        var (counter, holder) = (At(said["shop"]!), new PlasticHolder(this, null));
        var result = world.Do(counter.Process, () => counter.Device.SellInsertedAsync(said.Money("amount")!.Value, InSlot(said["card"]!), holder, CancellationToken.None));
        return Remember(name, counter, result, holder);
    }

    private StepResult Remember(string? name, Counter counter, SaleResult result, PlasticHolder holder)
    {
        if (name is not null)
        {
            payments[name] = new Remembered(counter.Till, result, FirstPhone, string.Empty);
        }

        return Told(result, [], holder.Asked);
    }

    /// <summary>Null: no antenna, or no chip at all.</summary>
    private ICardChannel? InField(string id)
    {
        if (Cast.Card(id) is not { Contactless: true, HasChip: true } card)
        {
            return null;
        }

        var chip = ChipOf(card);
        chip.PowerOn();
        chip.FieldReset();
        return chip.Contactless;
    }

    private ICardChannel? InSlot(string id)
    {
        if (Cast.Card(id) is not { HasChip: true } card)
        {
            return null;
        }

        var chip = ChipOf(card);
        chip.PowerOff();
        chip.PowerOn();
        return chip.Contact;
    }

    private ChipDevice ChipOf(SeedCard card)
    {
        world.Watch.Shown(card.Pan);
        if (plastics.TryGetValue(card.Id, out var made))
        {
            return made;
        }

        var bank = Cast.BankOf(card) ?? Cast.Banks[0];
        var (module, network) = (world.Keys[$"issuer-{bank.Institution}"], world.Keys["network"]);
        var body = OfflineCertificates.IssuerSm2(
            Convert.FromHexString(bank.Cards[0].Bin.PadRight(8, 'F')), CertifiedUntil, [0x00, .. Convert.FromHexString(bank.Institution[4..])], module.Sm2Public(PlasticIssuing.Certification));
        var certificate = new IssuerCertificate(AuthorityKey.TestSm2Index, [.. body, .. network.CertifySm2(KeyRing.Authority, body)], []);
        var seid = world.Entropy.Bytes(ChipState.SeidLength);
        var chip = new ChipDevice(
            new MemoryChip(ChipImage.Write(ChipFactory.ManufacturePlastic(seid, module.ClearKeysForChipFactory(PlasticIssuing.KeySet, seid), card.Contactless, world.Entropy))), world.Entropy);
        var holder = bank.Customers.FirstOrDefault(customer => customer.Id == card.Customer)?.Pinyin ?? "CARDHOLDER TEST";
        var order = new PlasticOrder(card.Pan, card.Expiry, card.SequenceNumber, card.Kind, holder, card.PinPolicy, card.Brands, card.Contactless, card.ElectronicCash);
        new PlasticIssuing(module, certificate, world.Entropy).IssueAsync(chip.Contact, seid, order).GetAwaiter().GetResult(); // in memory: done when it returns
        plastics.Add(card.Id, chip);
        return chip;
    }

    /// <summary>Reads the number at the phone's back, then adds the card with what its holder types beside it (R5).</summary>
    private EnrolmentOutcome AddByNfc(Handset phone, string id, CardToEnrol typed) => world.Do(phone.Process, async () =>
    {
        var reading = await phone.Device.ReadPlasticAsync(InField(id));
        return reading.Number is { } number
            ? await phone.Device.AddCardAsync(number.With(typed.Cvn2, typed.HolderName, typed.IdNumber, typed.MobileNumber, typed.Expiry), PhoneDevice.TappedAtTheBack)
            : new EnrolmentOutcome(EnrolmentStep.Refused, null, [reading.Why!], []);
    });

    /// <summary>Electronic cash in a bank's books, as <c>electronic-cash@card</c>.</summary>
    private string ElectronicCashOf(SeedCard card) => DeskOf(card).ElectronicCash.Minor is var minor ? (minor / 100m).ToString("F2", CultureInfo.InvariantCulture) : string.Empty;

    /// <summary>Holds the card there, types a PIN when asked; holds it there again, a few times.</summary>
    private sealed class PlasticHolder(Stage stage, ICardChannel? card) : ICardField, IKeypad
    {
        private const int Patience = 3;

        private int taps;

        public bool Asked { get; private set; }

        public async ValueTask<ICardChannel> PollAsync(CancellationToken cancellation)
        {
            if (card is null || ++taps > Patience)
            {
                var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await using var end = cancellation.Register(() => never.TrySetCanceled(cancellation));
                await never.Task;
            }

            return card!;
        }

        public ValueTask<char[]?> EnterPinAsync(PinPrompt prompt, CancellationToken cancellation)
        {
            Asked = true;
            return ValueTask.FromResult(stage.Typed());
        }
    }
}
