using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Phone;
using Majia.TokenService.Directory;

namespace Majia.Simulation.Scenarios;

/// <summary>The owner with a phone in hand, and on the web site when it is not.</summary>
public sealed partial class Stage
{
    private const string OtherFinger = "somebody's finger";

    /// <summary>Signed in, Find Device on, a finger enrolled.</summary>
    internal StepResult GetReady(Arguments said)
    {
        var (phone, owner) = (Phone(said), Owner(said));
        return world.Do(phone.Process, async () =>
        {
            var device = phone.Device;
            IReadOnlyList<Refusal> missing = device.State.SignedIn ? [] : await device.SignInAsync(owner.Account, owner.Password);
            if (missing.Count == 0 && !device.State.FindDeviceOn)
            {
                missing = await device.SetFindDeviceAsync(true);
            }

            if (!device.Trusted.HasFingerprint)
            {
                await device.EnrolFingerprintAsync(SmallWorld.Finger);
            }

            return missing.Count == 0 ? StepResult.Done : StepResult.Of("refused", missing);
        });
    }

    /// <summary>Ready, and the card added with all that the bank wants.</summary>
    internal StepResult Hold(Arguments said)
    {
        var ready = GetReady(said);
        if (ready.Outcome != "done")
        {
            return ready;
        }

        var added = Add(said);
        added = added.Outcome == "code-needed" ? Verify(said) : added;
        return added.Outcome == "added" ? StepResult.Done : added with { Outcome = "refused" };
    }

    internal StepResult Add(Arguments said)
    {
        var phone = Phone(said);
        var card = Cast.Card(said["card"]!)!;
        var typed = Cast.AsTyped(card);
        if (said.Is("plastic", "new") && replaced.TryGetValue(card.Id, out var next))
        {
            var embossing = next.Embossing;
            typed = typed with { Pan = embossing.Pan.Reveal(), Expiry = typed.Expiry is null ? null : embossing.Expiry, Cvn2 = typed.Cvn2 is null ? null : embossing.Cvn2 };
        }

        typed = typed with
        {
            Pan = said["bank"] is { } bank ? NumberOf(bank, said["kind"] ?? "credit")
                : said["number"] switch
                {
                    "mistyped" => typed.Pan[..^1] + (char)('0' + ((typed.Pan[^1] - '0' + 1) % 10)),
                    "unknown" => Checked("62999900000000"),
                    _ => typed.Pan,
                },
            HolderName = said["name"] ?? typed.HolderName,
            IdNumber = said["id-number"] ?? typed.IdNumber,
            MobileNumber = said["mobile"] ?? typed.MobileNumber,
            Expiry = said["expiry"] is { } expiry ? (expiry == "none" ? null : expiry) : typed.Expiry,
            Cvn2 = said["cvn2"] is { } value ? (value == "none" ? null : value) : typed.Cvn2,
        };
        if (said.Is("by", "nfc"))
        {
            return Named(said, AddByNfc(phone, card.Id, typed));
        }

        var source = said["by"] switch { "camera" => PhoneDevice.Photographed, _ => PhoneDevice.Typed };
        return Named(said, world.Do(phone.Process, () => phone.Device.AddCardAsync(typed, source)));
    }

    internal StepResult ResumeAdding(Arguments said)
    {
        var phone = Phone(said);
        var outcomes = world.Do(phone.Process, () => phone.Device.ResumeAsync());
        return outcomes.Count == 0 ? new StepResult("nothing", new("Nothing was unfinished.", "没有未完成的添加。"), []) : Named(said, outcomes[^1]);
    }

    internal StepResult Verify(Arguments said)
    {
        var phone = Phone(said);
        if (Reference(said["card"]!, PhoneName(said)) is not { } reference)
        {
            return new StepResult("refused", new("This card is not being added.", "该卡未在添加中。"), []);
        }

        var right = LastCode(said["card"]!);
        var code = said["code"] switch { "wrong" => right == "000000" ? "000001" : "000000", "empty" => "", _ => right };
        return Named(said, world.Do(phone.Process, () => phone.Device.EnterCodeAsync(reference, code)));
    }

    internal StepResult Resend(Arguments said)
    {
        var phone = Phone(said);
        return Reference(said["card"]!, PhoneName(said)) is { } reference
            ? Named(said, world.Do(phone.Process, () => phone.Device.ResendCodeAsync(reference)))
            : new StepResult("refused", new("This card is not being added.", "该卡未在添加中。"), []);
    }

    internal StepResult SignIn(Arguments said)
    {
        var (phone, owner) = (Phone(said), Owner(said));
        return Reasons(world.Do(phone.Process, () => phone.Device.SignInAsync(owner.Account, owner.Password)));
    }

    internal StepResult SignOut(Arguments said) => OnPhone(said, static async phone => await phone.SignOutAsync());

    internal StepResult FindDevice(Arguments said)
    {
        var phone = Phone(said);
        return Reasons(world.Do(phone.Process, () => phone.Device.SetFindDeviceAsync(said.Is("set", "on"))));
    }

    internal StepResult EnrolFinger(Arguments said) => OnPhone(said, static phone => phone.EnrolFingerprintAsync(SmallWorld.Finger));

    internal StepResult RemoveFinger(Arguments said) => OnPhone(said, static phone => phone.RemoveFingerprintAsync(SmallWorld.Finger));

    internal StepResult FingerprintFunction(Arguments said) => OnPhone(said, phone => phone.SetFingerprintFunctionAsync(said.Is("set", "on")));

    internal StepResult Delete(Arguments said)
    {
        var phone = Phone(said);
        return Reference(said["card"]!, PhoneName(said)) is { } reference
            ? StepResult.When(world.Do(phone.Process, () => phone.Device.DeleteCardAsync(reference)))
            : StepResult.When(false);
    }

    internal StepResult SetDefault(Arguments said)
    {
        var phone = Phone(said);
        return StepResult.When(world.Do(phone.Process, () => phone.Device.SetDefaultAsync(Reference(said["card"]!, PhoneName(said)))));
    }

    internal StepResult Offline(Arguments said) => OnPhone(said, static phone =>
    {
        phone.SetAeroplaneMode(true);
        return Task.CompletedTask;
    });

    internal StepResult Online(Arguments said) => OnPhone(said, static async phone =>
    {
        phone.SetAeroplaneMode(false);
        await phone.PumpAsync();
        await phone.ResumeAsync();
    });

    internal StepResult Power(Arguments said) => OnPhone(said, phone =>
    {
        if (said.Is("set", "on"))
        {
            phone.PowerOn();
        }
        else
        {
            phone.PowerOff();
        }

        return Task.CompletedTask;
    });

    // ---- the web site ----

    internal StepResult PaymentOff(Arguments said) => FromAfar(said, (wallet, device) => wallet.PaymentOffAsync(device));

    internal StepResult LostMode(Arguments said) => FromAfar(said, (wallet, device) => wallet.SetLostModeAsync(device, said.Is("set", "on")));

    internal StepResult RemoteSignOut(Arguments said) => FromAfar(said, (wallet, device) => wallet.RemoteSignOutAsync(device));

    internal StepResult RemoteFindDeviceOff(Arguments said) => FromAfar(said, (wallet, device) => wallet.RemoteFindDeviceOffAsync(device));

    private StepResult FromAfar(Arguments said, Func<Wallet.WalletParty, string, Task<ApiError?>> act)
    {
        var phone = Phone(said);
        return phone.Device.State.DeviceId is { } device
            ? AtTheServer(async () => StepResult.Of(await act(Server.Wallet!, device)))
            : new StepResult("refused", new("This handset has never signed in.", "该手机从未登录过。"), []);
    }

    private StepResult OnPhone(Arguments said, Func<PhoneDevice, Task> act)
    {
        var phone = Phone(said);
        world.Do(phone.Process, () => act(phone.Device));
        return StepResult.Done;
    }

    private OwnerSeed Owner(Arguments said) => Cast.Owners.First(owner => said["owner"] is not { } named || owner.Account == named);

    private static StepResult Reasons(IReadOnlyList<Refusal> reasons) => reasons.Count == 0 ? StepResult.Done : StepResult.Of("refused", reasons);

    /// <summary>Keeps the reference under card and phone, so that later steps can speak of it.</summary>
    private StepResult Named(Arguments said, EnrolmentOutcome outcome)
    {
        if (outcome.CardReference is { } reference && said["card"] is { } card)
        {
            references[$"{card}@{PhoneName(said)}"] = reference;
        }

        return StepResult.Of(outcome.Step switch
        {
            EnrolmentStep.Added => "added",
            EnrolmentStep.CodeNeeded => "code-needed",
            EnrolmentStep.FingerprintNeeded => "fingerprint-needed",
            EnrolmentStep.Interrupted => "interrupted",
            _ => "refused",
        }, outcome.Reasons);
    }

    /// <summary>A number as a bank of the directory might have given it out: its range, zeros, the check digit.</summary>
    private static string NumberOf(string bank, string kind)
    {
        var row = CardDirectory.Load().Bins.First(row => row.Bank == bank && row.Kind == CardKinds.Parse(kind));
        return Checked(row.Bin.PadRight(row.Length - 1, '0'));
    }

    private static string Checked(string payload) => payload + Luhn.CheckDigit(payload);

    /// <summary>The holder reads the newest code of the bank.</summary>
    private string LastCode(string card)
    {
        var plastic = Cast.Card(card)!;
        return Cast.BankOf(plastic) is null ? string.Empty
            : DeskOf(plastic).Messages(plastic.Customer).Select(message => CodeInIt().Match(message.Body.En)).LastOrDefault(match => match.Success)?.Groups[1].Value ?? string.Empty;
    }

    /// <summary>SELECT PPSE of a reader of nobody's.</summary>
    private bool FindsCard(Handset phone) => world.Do(phone.Process, async () =>
    {
        try
        {
            var answer = await phone.Device.Tap().TransmitAsync(Convert.FromHexString("00A404000E325041592E5359532E444446303100"), CancellationToken.None);
            return answer.Span.EndsWith([(byte)0x90, (byte)0x00]);
        }
        catch (CardRemovedException)
        {
            return false;
        }
    });
}
