using System.CommandLine;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Demo;
using Majia.Host.Devices;
using Majia.Host.Seed;
using Majia.Host.SmartCards;
using Majia.Phone;
using Majia.Storage;
using Majia.Transit;

namespace Majia.Cli.Commands;

/// <summary><c>majia gate</c>: the transit card of a phone at the gates of the line (enter, leave), topped up (top-up), looked at (show), and the gates' takings handed in (settle).</summary>
public static class GateCommand
{
    private const string In = "in-1", Out = "out-8";

    public static Command Create()
    {
        var action = new Argument<string>("action") { Description = "top-up | enter | leave | show | settle" };
        action.AcceptOnlyFromAmong("top-up", "enter", "leave", "show", "settle");
        var phone = new Option<string>("--phone") { Description = string.Join(" | ", SeedData.Handsets.Where(handset => handset.Supported).Select(handset => handset.Id)), DefaultValueFactory = _ => "mi5" };
        phone.AcceptOnlyFromAmong([.. SeedData.Handsets.Select(handset => handset.Id)]);
        var amount = new Option<string>("--amount") { Description = "of top-up: CNY, as in 50.00", DefaultValueFactory = _ => "50.00" };
        var pcsc = new Option<string?>("--pcsc") { Description = "of enter and leave: the gate's reader is a PC/SC reader, and the phone is elsewhere (majia card)", Arity = ArgumentArity.ZeroOrOne, HelpName = "READER" };
        var data = new Option<string?>("--data") { Description = "the data folder (default: data, or MAJIA_DATA)" };
        var language = Languages.Option();
        var command = new Command("gate", "The transit card in a phone: top it up, enter and leave through the line's gates (station 1 in, station 8 out). No fingerprint, no network.") { action, phone, amount, pcsc, data, language };
        command.SetAction(async (parse, cancellation) =>
        {
            if (!Amount.TryParse(parse.GetValue(amount), Currency.Cny, out var money, out var error))
            {
                throw new UsageException($"--amount: expected {error.Expected}, got {error.Got}");
            }

            var (what, folder, words) = (parse.GetValue(action)!, parse.GetValue(data) ?? Environment.GetEnvironmentVariable("MAJIA_DATA") ?? "data", Languages.Of(parse.GetValue(language)));
            if (parse.GetResult(pcsc) is not null)
            {
                return what is "enter" or "leave"
                    ? await AtReaderAsync(parse.GetValue(pcsc), what == "enter" ? In : Out, folder, words, cancellation)
                    : throw new UsageException($"--pcsc: expected enter or leave, got {what}");
            }

            return await HereAsync(what, parse.GetValue(phone)!, money, folder, words, cancellation);
        });
        return command;
    }

    /// <summary>Phone, operator and gates in this process.</summary>
    private static async Task<int> HereAsync(string what, string handset, Amount money, string folder, Language language, CancellationToken cancellation)
    {
        await using var system = await Running.OpenAsync(new SystemOptions(folder, TimeProvider.System, new SystemEntropy()));
        var phone = system.Phones[handset];
        switch (what)
        {
            case "top-up":
                if (await TopUpAsync(system, handset, money, cancellation) is { Count: > 0 } reasons)
                {
                    return Refused(reasons, language);
                }

                break;
            case "enter" or "leave":
                if (await phone.TransitAsync(cancellation) is null)
                {
                    throw NoCard(handset, language);
                }

                return Tell(await system.Gates.Gate(what == "enter" ? In : Out).TapAsync(phone.Tap(), cancellation), language);
            case "settle":
                var taken = await system.Gates.SettleAsync(cancellation);
                Console.Out.WriteLine(new Text($"{taken} {(taken == 1 ? "ride" : "rides")} handed in and booked by the operator", $"已向运营方提交并入账 {taken} 笔乘车记录").In(language));
                return ExitCode.Ok;
        }

        return Show(await phone.TransitAsync(cancellation) ?? throw NoCard(handset, language), language);
    }

    /// <summary>The card is added when there is none: that wants an account (R4), riding does not.</summary>
    private static async Task<IReadOnlyList<Refusal>> TopUpAsync(MajiaSystem system, string handset, Amount money, CancellationToken cancellation)
    {
        var phone = system.Phones[handset];
        if (await phone.TransitAsync(cancellation) is null)
        {
            var missing = phone.State.SignedIn ? [] : await new DemoOwner(system, handset).SignInAsync(SeedData.WalletAccounts[0]);
            missing = missing.Count > 0 ? missing : await phone.AddTransitCardAsync(cancellation);
            if (missing.Count > 0)
            {
                return missing;
            }
        }

        return await phone.TopUpTransitAsync(money.Minor, cancellation);
    }

    /// <summary>A gate alone, its antenna a PC/SC reader; whoever holds a phone there rides.</summary>
    private static async Task<int> AtReaderAsync(string? reader, string gate, string folder, Language language, CancellationToken cancellation)
    {
        try
        {
            using var field = PcscField.Open(reader);
            await using var lone = LoneGate.Open(folder, gate, TimeProvider.System, new SystemEntropy());
            Console.Error.WriteLine($"majia: {new Text("hold the phone to the gate", "请将手机贴近闸机读卡区").In(language)}");
            return Tell(await lone.Gate.TapAsync(await field.PollAsync(cancellation), cancellation), language);
        }
        catch (PcscException error)
        {
            throw new EnvironmentException(error.Why.In(language));
        }
        catch (StoreException error)
        {
            throw new EnvironmentException(error.Message);
        }
    }

    private static int Tell(GateResult result, Language language)
    {
        Console.Out.WriteLine($"{(result.Opens ? new Text("Open", "放行") : new Text("Closed", "未放行")).In(language)}: {result.Says.In(language)}");
        Console.Out.WriteLine(new Text($"{result.Commands} commands, {result.Bytes} bytes", $"{result.Commands} 条指令，{result.Bytes} 字节").In(language));
        return result.Opens ? ExitCode.Ok : ExitCode.ExpectationFailed;
    }

    private static int Show(TransitCardView card, Language language)
    {
        Console.Out.WriteLine(new Text($"Transit card {card.Number}, balance {card.Balance}", $"公交卡 {card.Number}，余额 {card.Balance} 元").In(language));
        Console.Out.WriteLine((card.Inside ? new Text($"inside since station {card.Station}", $"已从 {card.Station} 号站进站") : new Text("not inside", "未进站")).In(language));
        foreach (var entry in card.Log)
        {
            Console.Out.WriteLine($"  {entry.When}  {(entry.Kind == "TOP_UP" ? new Text("top-up", "充值") : new Text("ride", "乘车")).In(language)}  {entry.Amount}");
        }

        return ExitCode.Ok;
    }

    private static int Refused(IReadOnlyList<Refusal> reasons, Language language)
    {
        foreach (var reason in reasons)
        {
            Console.Error.WriteLine($"majia: {reason.Why.In(language)}");
        }

        return ExitCode.ExpectationFailed;
    }

    private static UsageException NoCard(string handset, Language language) =>
        new(new Text($"phone {handset} has no transit card: ./majia gate top-up --phone {handset} --amount 50.00 adds one", $"手机 {handset} 没有公交卡：先用 ./majia gate top-up --phone {handset} --amount 50.00 添加").In(language));
}
