using System.CommandLine;
using System.Net.Http.Headers;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Issuer;

namespace Majia.Cli.Commands;

/// <summary><c>majia hotline ACTION CARD</c>: what an agent at a bank's hotline does, at a system that runs (<c>majia up</c>). It has taken effect when the answer is printed.</summary>
public static class HotlineCommand
{
    public static Command Create()
    {
        var action = new Argument<string>("action") { Description = string.Join(" | ", [.. Hotline.Actions, "history", "limits"]) };
        action.AcceptOnlyFromAmong([.. Hotline.Actions, "history", "limits"]);
        var card = new Argument<string>("card") { Description = "the bank's name of the plastic, such as mingyue-01" };
        var agent = new Option<string?>("--agent") { Description = "who is at the telephone, such as li-na of the demonstration's Mingyue Bank (default: MAJIA_AGENT)" };
        var secret = new Option<FileInfo?>("--secret-file") { Description = "a file with the agent's secret (default: MAJIA_AGENT_SECRET, else it is asked for)" };
        var reason = new Option<string?>("--reason") { Description = "why, in one sentence; wanted by all but history and limits" };
        var comment = new Option<string?>("--comment") { Description = "anything more for the book" };
        var device = new Option<string?>("--device") { Description = "last four digits of the device card, where the plastic has several" };
        var payment = new Option<string?>("--per-payment") { Description = "limit: yuan that the device card may pay at once; left out: any amount" };
        var day = new Option<string?>("--per-day") { Description = "limit: yuan that it may pay in a day; left out: any amount" };
        var url = new Option<string>("--url") { Description = "where majia up runs", DefaultValueFactory = _ => "http://127.0.0.1:7080" };
        var data = new Option<string?>("--data") { Description = "its data folder, for the bank's secret (default: data, or MAJIA_DATA)" };
        var json = new Option<bool>("--json") { Description = "one JSON object a line" };
        var language = Languages.Option();
        var command = new Command("hotline", "A bank's hotline: report lost and lift, hold, release or delete a device card, resend a code, activate, limit a device card, replace or renew the plastic; comment; history. Under the agent's own name.")
            { action, card, agent, secret, reason, comment, device, payment, day, url, data, json, language };
        command.SetAction(async (parse, cancellation) =>
        {
            var what = parse.GetValue(action)!;
            if (what is not ("history" or "limits") && string.IsNullOrWhiteSpace(parse.GetValue(reason)))
            {
                throw new UsageException("--reason: expected why, in one sentence; got nothing / --reason：请说明原因");
            }

            if (!Uri.TryCreate(parse.GetValue(url), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            {
                throw new UsageException($"--url: expected http://HOST:PORT, got '{parse.GetValue(url)}'");
            }

            // A card that came later carries its first name: mingyue-01.2.
            var plastic = parse.GetValue(card)!;
            var bank = SeedData.Banks.FirstOrDefault(bank => bank.Cards.Any(one => one.Id == plastic.Split('.')[0]))
                ?? throw new UsageException($"card: expected a bank's card, such as {SeedData.Banks[0].Cards[0].Id}; got '{plastic}' / 没有这张卡");
            var folder = parse.GetValue(data) ?? Environment.GetEnvironmentVariable("MAJIA_DATA") ?? "data";
            var who = parse.GetValue(agent) ?? Environment.GetEnvironmentVariable("MAJIA_AGENT") ?? throw new UsageException("--agent: expected who is at the telephone; got nothing / --agent：请说明客服工号");
            var own = AgentSecret(parse.GetValue(secret), who);
            var door = Secret(folder, bank.Institution);
            var (opened, refused) = await AskAsync(new Uri(address, "/hotline/sign-in"), door, new AgentSignIn(who, own), cancellation);
            if (refused is not null)
            {
                return Tell(what, opened, refused, parse.GetValue(json), Languages.Of(parse.GetValue(language)));
            }

            var session = JsonSerializer.Deserialize<AgentSession>(opened, JsonEndpoint.Json)!.Session;
            object request = what is "history" or "limits" ? new HotlineHistoryRequest(session, plastic)
                : new HotlineRequest(session, parse.GetValue(reason)!, plastic, parse.GetValue(device), parse.GetValue(comment), parse.GetValue(payment), parse.GetValue(day));
            var (value, error) = await AskAsync(new Uri(address, $"/hotline/{what}"), door, request, cancellation);
            return Tell(what, value, error, parse.GetValue(json), Languages.Of(parse.GetValue(language)));
        });
        return command;
    }

    /// <summary>From a file, from the environment, or typed unseen; never from the command line, which others can read.</summary>
    private static string AgentSecret(FileInfo? file, string agent)
    {
        if (file is not null)
        {
            try
            {
                return File.ReadLines(file.FullName).FirstOrDefault()?.Trim() ?? "";
            }
            catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
            {
                throw new UsageException($"--secret-file: {file.FullName} cannot be read / 无法读取该文件");
            }
        }

        if (Environment.GetEnvironmentVariable("MAJIA_AGENT_SECRET") is { Length: > 0 } secret)
        {
            return secret;
        }

        if (Console.IsInputRedirected)
        {
            throw new UsageException("--secret-file: expected a file with the agent's secret, or MAJIA_AGENT_SECRET; got neither / 请用 --secret-file 或 MAJIA_AGENT_SECRET 提供客服口令");
        }

        Console.Error.Write($"secret of {agent} / {agent} 的口令: ");
        var typed = new System.Text.StringBuilder();
        for (var key = Console.ReadKey(intercept: true); key.Key != ConsoleKey.Enter; key = Console.ReadKey(intercept: true))
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                typed.Length = Math.Max(0, typed.Length - 1);
            }
            else if (key.KeyChar != '\0')
            {
                typed.Append(key.KeyChar);
            }
        }

        Console.Error.WriteLine();
        return typed.ToString();
    }

    private static string Secret(string folder, string institution)
    {
        var path = Path.Combine(folder, "keys", $"api-{institution}.secret");
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException($"{path}: expected the bank's secret, which 'majia up' makes; cannot be read / 无法读取该银行的接口密钥");
        }
    }

    private static async Task<(string Value, ApiError? Error)> AskAsync(Uri address, string secret, object request, CancellationToken cancellation)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false });
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", secret);
        using var body = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(request, request.GetType(), JsonEndpoint.Json));
        body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        try
        {
            using var answer = await client.PostAsync(address, body, cancellation);
            var said = await answer.Content.ReadAsStringAsync(cancellation);
            return answer.IsSuccessStatusCode ? (said, null) : (said, JsonSerializer.Deserialize<ApiError>(said, JsonEndpoint.Json));
        }
        catch (Exception away) when (away is HttpRequestException or JsonException)
        {
            throw new EnvironmentException($"{address.GetLeftPart(UriPartial.Authority)}: expected a running 'majia up', got no answer of one / 该地址没有运行中的 majia up");
        }
    }

    /// <summary>Actions and outcomes of the book, as people say them; a code that is none of them stands as it is.</summary>
    private static Text Words(string code) => new(code, code switch
    {
        "report-lost" => "挂失",
        "report-stolen" => "被盗挂失",
        "lift" => "解挂",
        "hold" => "暂停设备卡",
        "release" => "恢复设备卡",
        "delete" => "注销设备卡",
        "resend-code" => "重发验证码",
        "activate" => "核实后激活",
        "replace" => "换卡",
        "renew" => "到期换卡",
        "limit" => "设置设备卡限额",
        "comment" => "备注",
        "asked" => "受理",
        "done" => "完成",
        _ => code,
    });

    private static int Tell(string action, string value, ApiError? error, bool json, Language language)
    {
        if (error is not null)
        {
            if (json)
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(error, JsonEndpoint.Json));
            }

            Console.Error.WriteLine($"majia: {error.ErrorCode}: {(error.Why ?? new(error.ErrorDescription, error.ErrorDescription)).In(language)}");
            return error.ErrorCode.StartsWith("INVALID_FIELD", StringComparison.Ordinal) ? ExitCode.Usage : error.ErrorCode is "UNREACHABLE" or "NOT_AUTHENTICATED" ? ExitCode.Environment : ExitCode.ExpectationFailed;
        }

        if (action == "history")
        {
            foreach (var line in JsonSerializer.Deserialize<HotlineHistory>(value, JsonEndpoint.Json)!.Lines)
            {
                Console.Out.WriteLine(json
                    ? JsonSerializer.Serialize(line, JsonEndpoint.Json)
                    : $"{line.At:yyyy-MM-dd HH:mm:ss}  {line.Agent}  {Words(line.Action).In(language)}{(line.Device is { } device ? $" {device}" : "")}  {Words(line.Outcome).In(language)}  {line.Reason}{(line.Comment is { } more ? $" ({more})" : "")}");
            }

            return ExitCode.Ok;
        }

        if (action == "limits")
        {
            foreach (var change in JsonSerializer.Deserialize<LimitHistoryReply>(value, JsonEndpoint.Json)!.Changes)
            {
                Console.Out.WriteLine(json ? JsonSerializer.Serialize(change, JsonEndpoint.Json) : $"{change.Device}  {change.Words().In(language)}");
            }

            return ExitCode.Ok;
        }

        var reply = JsonSerializer.Deserialize<HotlineReply>(value, JsonEndpoint.Json)!;
        Console.Out.WriteLine(json ? value : $"{reply.Card}: {reply.Says.In(language)}");
        return ExitCode.Ok;
    }
}
