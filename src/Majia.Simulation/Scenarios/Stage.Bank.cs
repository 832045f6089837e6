using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;
using Majia.Phone;
using Majia.TokenService.Enrolment;

namespace Majia.Simulation.Scenarios;

/// <summary>The bank's counter and hotline, the token service's life of a device card, the network and the power.</summary>
public sealed partial class Stage
{
    internal StepResult Suspend(Arguments said) => Change(said, LifecycleStep.Suspend);

    internal StepResult Resume(Arguments said) => Change(said, LifecycleStep.Unsuspend);

    internal StepResult ReportLost(Arguments said) => AtTheServer(async () => StepResult.When(await DeskOf(said).ReportLostAsync(said["card"]!, said.Is("how", "stolen"))));

    internal StepResult Lift(Arguments said) => AtTheServer(async () => StepResult.When(await DeskOf(said).LiftReportAsync(said["card"]!)));

    internal StepResult CloseAccount(Arguments said) => AtTheServer(async () =>
    {
        await DeskOf(said).CloseAccountAsync(Cast.Card(said["card"]!)!.Account);
        return StepResult.Done;
    });

    internal StepResult UnlockPin(Arguments said) => AtTheServer(async () =>
    {
        await DeskOf(said).UnlockPinAsync(said["card"]!);
        return StepResult.Done;
    });

    /// <summary>The phone asks for it; the holder, or somebody else of the bank's customers, signs in to the bank and confirms, or refuses.</summary>
    internal StepResult BankApp(Arguments said)
    {
        var card = Cast.Card(said["card"]!)!;
        var bank = Cast.BankOf(card)!;
        if (!said.Is("ask", "no") && Reference(said["card"]!, PhoneName(said)) is { } reference)
        {
            var phone = Phone(said);
            var asked = world.Do(phone.Process, () => phone.Device.ResendCodeAsync(reference, Issuer.BankApp.Method));
            if (asked.Step != EnrolmentStep.CodeNeeded)
            {
                return StepResult.Of("refused", [.. asked.Reasons]);
            }
        }

        var tur = Tur(said["card"]!, PhoneName(said));
        var customer = bank.Customers.First(one => one.AppPassword is not null && one.Id == card.Customer != said.Is("customer", "other"));
        return AtTheServer(async () =>
        {
            var app = world.NodeOf($"issuer-{bank.Institution}").Issuers[bank.Institution].App;
            var opened = await app.SignInAsync(new(customer.Id, said.Is("password", "wrong") ? "wrong" : customer.AppPassword!));
            if (opened.Value is not { } session)
            {
                return new StepResult(opened.Error!.ErrorCode == "LOCKED" ? "locked" : "wrong-password", opened.Error.Why!, []);
            }

            var refuses = said.Is("answer", "refuse");
            var done = refuses ? await app.RefuseAsync(new(session.Session, tur), CancellationToken.None) : await app.ConfirmAsync(new(session.Session, tur), CancellationToken.None);
            return done.Value is { } answered ? new StepResult(refuses ? "turned-down" : "confirmed", answered.Says, [])
                : new StepResult(done.Error!.ErrorCode == "UNREACHABLE" ? "unreachable" : "refused", done.Error.Why ?? new(done.Error.ErrorDescription, done.Error.ErrorDescription), [done.Error.ErrorCode]);
        });
    }

    internal StepResult Limit(Arguments said) => AtTheServer(async () =>
    {
        var (desk, tur) = (DeskOf(said), Tur(said["card"]!, PhoneName(said)));
        return StepResult.When(desk.DeviceCards(Latest(said["card"]!)).FirstOrDefault(device => device.TokenUniqueReference == tur) is { } meant
            && await desk.LimitDeviceCardAsync(meant.Card, meant.TokenUniqueReference, new(said.Money("payment")?.Minor, said.Money("day")?.Minor), LimitAuthor.Counter));
    });

    /// <summary>A new plastic in place of the old one. The people of a scenario go on calling the card by its first name; <c>plastic: new</c> is what came last.</summary>
    internal StepResult ReplacePlastic(Arguments said) => AtTheServer(async () =>
    {
        var desk = DeskOf(said);
        var card = said["card"]!;
        var (done, why) = said.Is("number", "same") ? await desk.RenewAsync(Latest(card))
            : await desk.ReplaceAsync(Latest(card), said["policy"] switch
            {
                "delete" => ReplacementPolicy.DeleteAndAddAgain,
                "move" => ReplacementPolicy.MoveTokens,
                _ => null,
            });
        if (done is null)
        {
            return StepResult.Of("refused", [why!]);
        }

        replaced[card] = (done.New.Card, done.Embossing);
        return StepResult.Done;
    });

    /// <summary>The bank's name of the newest plastic in the place of <paramref name="card"/>.</summary>
    private string Latest(string card) => replaced.TryGetValue(card, out var now) ? now.Card : card;

    /// <summary>The customer reads four digits off a slip; only the bank can tell whose they are.</summary>
    internal StepResult LookUp(Arguments said)
    {
        var sale = payments[said["sale"]!];
        var found = Cast.Banks.SelectMany(bank => Desk(bank).Resolve(sale.Result.LastFour ?? string.Empty, sale.Result.Rrn).Sales).FirstOrDefault(one => one.Rrn == sale.Result.Rrn);
        return found is null
            ? new StepResult("unknown", new("No bank finds a sale with these digits.", "没有银行查到与这四位数字对应的交易。"), [])
            : new StepResult("found", new(
                $"{found.DeviceLastFour} on the slip is the plastic {found.Plastic.Masked}. {found.HowToUndo.En}", $"签购单上的 {found.DeviceLastFour} 就是实体卡 {found.Plastic.Masked}。{found.HowToUndo.Zh}"), []);
    }

    private Issuer.IssuerDesk DeskOf(Arguments said) => DeskOf(Cast.Card(said["card"]!)!);

    /// <summary>The owner's hold, or the bank's.</summary>
    private StepResult Change(Arguments said, LifecycleStep step)
    {
        var tur = Tur(said["card"]!, PhoneName(said));
        return AtTheServer(async () =>
        {
            try
            {
                var id = world.Entropy.NewId();
                if (said.Is("by", "bank"))
                {
                    var line = world.IssuerLine(Server, Cast.BankOf(Cast.Card(said["card"]!)!)!.Institution);
                    return StepResult.Of((await line.CallAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(
                        step == LifecycleStep.Suspend ? IssuerToken.Operations.Suspend : IssuerToken.Operations.Unsuspend, new(id, tur, SuspendedBy.Issuer, "OTHER"), CancellationToken.None)).Error);
                }

                return StepResult.Of((await world.WalletLine(Server).CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(
                    step == LifecycleStep.Suspend ? WalletToken.Operations.Suspend : WalletToken.Operations.Unsuspend, new(id, tur, SuspendedBy.Cardholder, "OTHER"), CancellationToken.None)).Error);
            }
            catch (PartyUnreachableException)
            {
                return new StepResult("unreachable", new("The token service cannot be reached.", "无法连接标记服务。"), []);
            }
        });
    }

    // ---- network, power, time ----

    internal StepResult Link(Arguments said)
    {
        var wire = world.WireOf(said["wire"]!);
        if (said["drop"] is { } lost)
        {
            wire.Strike(lost == "request" ? Fault.DropRequest : Fault.DropAnswer, default);
        }

        if (said.Time("delay") is { } late)
        {
            wire.Strike(Fault.DelayAnswer, late);
        }

        if (said.Time("duplicate") is { } again)
        {
            wire.Strike(Fault.Duplicate, again);
        }

        if (said["cut"] is { } cut)
        {
            wire.IsCut = cut == "on";
        }

        return StepResult.Done;
    }

    internal StepResult After(Arguments said)
    {
        Pass(said.Time("time")!.Value);
        return StepResult.Done;
    }

    /// <summary>Power fails and comes back: of a server, a phone or a terminal. What was not on disk is gone.</summary>
    internal StepResult Restart(Arguments said)
    {
        var who = said["who"]!;
        if (who == "server")
        {
            world.Crash(Server);
            world.Restart(Server);
        }
        else if (Find(who) is { } phone)
        {
            world.Restart(phone);
            phone.Device.PowerOn();
        }
        else
        {
            var counter = At(who);
            world.Restart(counter);
            world.Do(counter.Process, () => counter.Device.ResolvePendingAsync(CancellationToken.None));
        }

        return StepResult.Done;
    }
}
