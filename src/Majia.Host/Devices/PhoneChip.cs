using Majia.Core.Contracts;
using Majia.Phone;
using Majia.SecureElement;

namespace Majia.Host.Devices;

/// <summary>The solder between a handset and its chip: the two projects do not know each other.</summary>
public sealed class PhoneChip : IChip, IDisposable
{
    private readonly ChipDevice chip;

    public PhoneChip(ChipDevice chip)
    {
        this.chip = chip;
        chip.Paid += paid => Paid?.Invoke(new ChipPayment(paid.Instance.ToString(), paid.Amount, paid.Currency, paid.Atc, paid.Declined));
    }

    public event Action<ChipPayment>? Paid;

    public string Seid => chip.Seid;

    public ICardChannel Wired => chip.Wired;

    public ICardChannel Trusted => chip.Trusted;

    public ICardChannel Contactless => chip.Contactless;

    public void FieldReset() => chip.FieldReset();

    public void PowerOn() => chip.PowerOn();

    public void PowerOff() => chip.PowerOff();

    public void Dispose() => chip.Dispose();
}
