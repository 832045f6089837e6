using System.CommandLine;
using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Demo;
using Majia.Host.Seed;
using Majia.Host.SmartCards;
using Majia.Phone;
using Majia.SecureElement;
using Majia.Storage;

namespace Majia.Cli.Commands;

/// <summary><c>majia card</c>: holds a phone's chip, or a plastic card, to a virtual PC/SC reader. What passes is a transcript on stdout (<c>&gt;</c> command, <c>&lt;</c> answer), without what must not be kept.</summary>
public static class CardCommand
{
    private const string FreshPhone = "mi5", FreshCard = "mingyue-02";

    public static Command Create()
    {
        var vpcd = new Option<string>("--vpcd") { Description = $"HOST:PORT of the virtual reader's port (Debian: vsmartcard-vpcd, localhost:{VirtualReader.DefaultPort})", Required = true };
        var phone = new Option<string?>("--phone") { Description = $"{string.Join(" | ", SeedData.Handsets.Where(handset => handset.Supported).Select(handset => handset.Id))}, of the data folder; without it a {FreshPhone} with a fresh demo card" };
        phone.AcceptOnlyFromAmong([.. SeedData.Handsets.Select(handset => handset.Id)]);
        var plastic = new Option<string?>("--plastic") { Description = "a plastic card of the test cards, such as mingyue-14 (docs/test-cards.md), made by its bank when it is first asked for" };
        var data = new Option<string?>("--data") { Description = "data folder (default: data, or MAJIA_DATA; for a fresh phone a temporary one)" };
        var ready = new Option<bool>("--ready") { Description = "the owner's finger is on the sensor for each tap, so that the card answers GET PROCESSING OPTIONS" };
        var atr = new Option<string>("--atr") { Description = "contactless | contact: which kind of card the reader sees", DefaultValueFactory = _ => "contactless" };
        atr.AcceptOnlyFromAmong("contactless", "contact");
        var language = Languages.Option();
        var command = new Command("card", "Holds a phone's chip or a plastic card to a virtual PC/SC reader (pcscd with vsmartcard-vpcd). Enter takes it away and back; Ctrl-C ends.") { vpcd, phone, plastic, data, ready, atr, language };
        command.SetAction(async (parse, cancellation) =>
        {
            var (host, port) = AddressOf(parse.GetValue(vpcd)!);
            var side = parse.GetValue(atr) == "contact" ? CardInterface.Contact : CardInterface.Contactless;
            if (parse.GetValue(plastic) is { } id)
            {
                return parse.GetValue(phone) is null
                    ? await RunPlasticAsync(new Address(host, port), id, parse.GetValue(data) ?? Environment.GetEnvironmentVariable("MAJIA_DATA") ?? "data", side, Languages.Of(parse.GetValue(language)), cancellation)
                    : throw new UsageException("--phone and --plastic: one of the two");
            }

            return await RunAsync(host, port, parse.GetValue(phone), parse.GetValue(data), parse.GetValue(ready), side, Languages.Of(parse.GetValue(language)), cancellation);
        });
        return command;
    }

    private readonly record struct Address(string Host, int Port);

    private static async Task<int> RunPlasticAsync(Address reader, string id, string folder, CardInterface side, Language language, CancellationToken cancellation)
    {
        var seeded = SeedData.Find(id) ?? throw new UsageException($"--plastic: there is no test card {id} (docs/test-cards.md lists them)");
        if (OfferedPlastic.Missing(seeded, side) is { } missing)
        {
            throw new UsageException($"--plastic {id}: {missing.In(language)}");
        }

        if (!LonePlastic.Exists(folder, id))
        {
            // Its bank makes it, with keys of its own module; then the card is alone.
            await using var system = await Running.OpenAsync(new SystemOptions(folder, TimeProvider.System, new SystemEntropy()));
            await system.Plastics.OpenAsync(id);
        }

        try
        {
            using var lone = LonePlastic.Open(folder, id, new SystemEntropy());
            await HoldAsync(new VirtualReader(reader.Host, reader.Port, new OfferedPlastic(lone.Chip, side), TimeProvider.System), $"{reader.Host}:{reader.Port}", language, cancellation);
            return ExitCode.Ok;
        }
        catch (Exception error) when (error is StoreException or ChipMemoryException)
        {
            throw new EnvironmentException(error.Message);
        }
    }

    private static (string Host, int Port) AddressOf(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && int.TryParse(text.AsSpan(colon + 1), out var port) && port is > 0 and < 65536
            ? (text[..colon].Trim('[', ']'), port)
            : throw new UsageException($"--vpcd: expected HOST:PORT, as in localhost:{VirtualReader.DefaultPort}, got '{text}'");
    }

    private static async Task<int> RunAsync(string host, int port, string? handset, string? data, bool ready, CardInterface side, Language language, CancellationToken cancellation)
    {
        var folder = data ?? (handset is null ? null : Environment.GetEnvironmentVariable("MAJIA_DATA") ?? "data");
        var temporary = folder is null ? Directory.CreateTempSubdirectory("majia-card-").FullName : null;
        try
        {
            if (handset is null)
            {
                await AddFreshCardAsync(folder ?? temporary!, language);
            }

            await using var lone = Open(folder ?? temporary!, SeedData.Handsets.Single(one => one.Id == (handset ?? FreshPhone)));
            if (OfferedPhone.Missing(lone.Phone) is { } missing && await lone.Phone.TransitAsync(cancellation) is null)
            {
                var how = new Text($"{missing.En}: add one with ./majia up, or leave --phone out for a fresh one", $"{missing.Zh}：请用 ./majia up 添加，或去掉 --phone 使用新的演示卡");
                throw new UsageException(how.In(language));
            }

            using var card = new OfferedPhone(lone.Phone, side, ready);
            await HoldAsync(new VirtualReader(host, port, card, TimeProvider.System), $"{host}:{port}", language, cancellation);
            return ExitCode.Ok;
        }
        finally
        {
            if (temporary is not null)
            {
                Directory.Delete(temporary, recursive: true);
            }
        }
    }

    /// <summary>The whole system runs once, for its phone to get a card; then the phone is alone. A phone that has one keeps it.</summary>
    private static async Task AddFreshCardAsync(string folder, Language language)
    {
        await using var system = await Running.OpenAsync(new SystemOptions(folder, TimeProvider.System, new SystemEntropy()));
        var owner = new DemoOwner(system, FreshPhone);
        if (OfferedPhone.Missing(system.Phones[FreshPhone]) is null)
        {
            return;
        }

        var missing = await owner.SignInAsync(SeedData.WalletAccounts[0]);
        var reasons = missing.Count > 0 ? missing : await owner.AddAsync(SeedData.Card(FreshCard)) is { Step: EnrolmentStep.Added } ? [] : [PhoneRules.CardNotLive];
        await system.PumpAsync(CancellationToken.None);
        if (reasons.Count > 0)
        {
            throw new EnvironmentException(string.Join(' ', reasons.Select(reason => reason.Why.In(language))));
        }
    }

    private static LonePhone Open(string folder, SeedHandset handset)
    {
        try
        {
            return LonePhone.Open(folder, handset, TimeProvider.System, new SystemEntropy());
        }
        catch (Exception error) when (error is StoreException or ChipMemoryException)
        {
            throw new EnvironmentException(error.Message);
        }
    }

    /// <summary>In the field until Enter; out of it until Enter again.</summary>
    private static async Task HoldAsync(VirtualReader reader, string name, Language language, CancellationToken cancellation)
    {
        var unreachable = false;
        reader.Happened += happened =>
        {
            // Said once, not each second.
            if (happened != ReaderEvent.Unreachable || !unreachable)
            {
                Console.Error.WriteLine($"majia: {Words(happened, name).In(language)}");
            }

            unreachable = happened == ReaderEvent.Unreachable;
        };
        reader.Exchanged += exchange =>
        {
            Console.Out.WriteLine($"> {Convert.ToHexString(Redaction.Command(exchange.Command.Span))}");
            Console.Out.WriteLine($"< {Convert.ToHexString(Redaction.Response(exchange.Command.Span, exchange.Answer.Span))}");
        };
        while (!cancellation.IsCancellationRequested)
        {
            using var away = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var held = reader.HoldAsync(away.Token);
            await EnterAsync(cancellation);
            await away.CancelAsync();
            await held;
            await EnterAsync(cancellation);
        }
    }

    private static async Task EnterAsync(CancellationToken cancellation)
    {
        try
        {
            // The console cannot be waited for with a token: the wait is given up, the read ends with the process.
            if (await Task.Run(Console.In.ReadLine, CancellationToken.None).WaitAsync(cancellation) is null)
            {
                await Task.Delay(Timeout.Infinite, cancellation); // nobody at the keyboard: in the field until the end
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private static Text Words(ReaderEvent happened, string name) => happened switch
    {
        ReaderEvent.Unreachable => new($"no virtual reader at {name}; tried again each second (is pcscd running, with vsmartcard-vpcd?)", $"{name} 没有虚拟读卡器，每秒重试（pcscd 与 vsmartcard-vpcd 是否在运行？）"),
        ReaderEvent.Inserted => new($"held to the reader at {name}", $"已靠近读卡器 {name}"),
        ReaderEvent.PowerOn => new("power on", "上电"),
        ReaderEvent.PowerOff => new("power off", "下电"),
        ReaderEvent.Reset => new("reset", "复位"),
        ReaderEvent.Removed => new("out of the field", "已离开感应区"),
        _ => new("the reader sent what is no message of its protocol", "读卡器发来了协议之外的数据"),
    };
}
