using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Host;
using Majia.Host.Devices;
using Majia.Host.Seed;
using Majia.Host.Web;
using Majia.Phone;

namespace Majia.Web;

/// <summary>The whole system with its page, in this process, on a folder and a port of its own.</summary>
public sealed class RunningPage : IAsyncDisposable
{
    private readonly string folder;
    private readonly WebHost host;

    private RunningPage(string folder, MajiaSystem system, WebHost host)
    {
        (this.folder, System, this.host) = (folder, system, host);
        Http = new HttpClient { BaseAddress = new Uri(Address) };
    }

    public MajiaSystem System { get; }

    /// <summary>Its data.</summary>
    public string Folder => folder;

    public HttpClient Http { get; }

    /// <summary>Every route that is served, with its method.</summary>
    public IReadOnlyList<(string Method, string Pattern)> Routes => host.Routes;

    public string Address => $"http://localhost:{host.Port}";

    public static async Task<RunningPage> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("majia-web-").FullName;
        var system = await MajiaSystem.OpenAsync(new SystemOptions(folder, new MovableTime(TimeProvider.System), new SystemEntropy()) { PasswordIterations = 1000 });
        return new RunningPage(folder, system, await WebHost.StartAsync(system, [0], new WebOptions()));
    }

    /// <summary>What R4 wants, done by the phone's own hands, for a test whose subject is something else.</summary>
    public async Task<PhoneDevice> ReadyAsync(string phone = "mi5")
    {
        var (device, account) = (System.Phones[phone], SeedData.WalletAccounts[0]);
        if (!device.State.SignedIn)
        {
            Assert.Empty(await device.SignInAsync(account.Account, account.Password));
            Assert.Empty(await device.SetFindDeviceAsync(true));
            await device.EnrolFingerprintAsync("right thumb");
        }

        return device;
    }

    /// <summary>A live card on the phone; the bank's code, where it wants one, is read out of the bank's own message.</summary>
    public async Task<PhoneCard> WithCardAsync(string card = "mingyue-02", string phone = "mi5")
    {
        var device = await ReadyAsync(phone);
        var outcome = await device.AddCardAsync(SeedData.AsTyped(SeedData.Card(card)));
        Assert.Empty(outcome.Reasons);
        if (outcome.Step == EnrolmentStep.CodeNeeded)
        {
            outcome = await device.EnterCodeAsync(outcome.CardReference!, LastCode());
        }

        Assert.Equal(EnrolmentStep.Added, outcome.Step);
        return device.State.Card(outcome.CardReference!)!;
    }

    /// <summary>The six digits in the newest of the banks' messages.</summary>
    public string LastCode()
    {
        var message = SeedData.Banks.SelectMany(bank => bank.Customers.SelectMany(customer => System.Issuers[bank.Institution].Desk.Messages(customer.Id))).MaxBy(one => (one.At, one.Id));
        return message!.Body.En.Split(' ').Select(word => word.Trim('.', ',')).Last(word => word.Length == 6 && word.All(char.IsAsciiDigit));
    }

    /// <summary>The same plastic in other phones, as a token requestor's own programs would put it there: its device cards at the token service, and no handset.</summary>
    /// <returns>The last answer's error; null when it was taken.</returns>
    public async Task<string?> DigitizeElsewhereAsync(string card, int phones)
    {
        const string Requestor = "99900000001";
        string? error = null;
        for (var phone = 1; phone <= phones && error is null; phone++)
        {
            var seid = phone.ToString("X20", global::System.Globalization.CultureInfo.InvariantCulture);
            var key = await AskAsync<WalletToken.GetPublicKeyRequest, WalletToken.GetPublicKeyReply>(WalletToken.Operations.GetPublicKey, new());
            var sealedCard = Jwe.Encrypt(key.Value!.Jwk, JsonSerializer.SerializeToUtf8Bytes(SeedData.AsTyped(SeedData.Card(card)), JsonEndpoint.Json));
            var eligible = await AskAsync<WalletToken.CheckEligibilityRequest, WalletToken.CheckEligibilityReply>(WalletToken.Operations.CheckEligibility, new($"check-{phone}", Requestor, seid, sealedCard, "MANUAL"));
            error = eligible.Error?.ErrorCode ?? (await AskAsync<WalletToken.DigitizeRequest, WalletToken.DigitizeReply>(
                WalletToken.Operations.Digitize, new($"digitize-{phone}", Requestor, seid, eligible.Value!.EligibilityReceipt, sealedCard, 0, "Mi 5", "MANUAL"))).Error?.ErrorCode;
        }

        await System.Store.DurableAsync();
        return error;

        async Task<ApiReply<TReply>> AskAsync<TRequest, TReply>(string operation, TRequest request)
            where TReply : notnull =>
            JsonSerializer.Deserialize<ApiReply<TReply>>(await System.TokenService.EndpointFor(Requestor).HandleAsync(operation, JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json), CancellationToken.None), JsonEndpoint.Json)!;
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await host.DisposeAsync();
        await System.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
