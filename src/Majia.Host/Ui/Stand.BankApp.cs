using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;

namespace Majia.Host.Ui;

/// <summary>The banks' own apps on this phone (R6): signing in as that bank's customer, and the holder's word on a card that is being added.</summary>
public sealed partial class Stand
{
    private readonly SortedDictionary<string, AppSession> signedIn = new(StringComparer.Ordinal);
    private string? asked;

    /// <summary>Banks whose customers have an app.</summary>
    public IReadOnlyList<SeedBank> BankApps => [.. SeedData.Banks.Where(bank => system.BankAppLines.ContainsKey(bank.Institution) && bank.Customers.Any(static customer => customer.AppPassword is not null))];

    /// <summary>The bank whose app was opened last; null before the first.</summary>
    public SeedBank? OpenBank { get; private set; }

    /// <summary>Who is signed in there; null: nobody.</summary>
    public AppSession? AppSession => OpenBank is { } bank ? signedIn.GetValueOrDefault(bank.Institution) : null;

    /// <summary>The holder's cards that wait for their word.</summary>
    public IReadOnlyList<AppWaiting> AppWaits { get; private set; } = [];

    /// <summary>What the app has just said.</summary>
    public Text? AppSays { get; private set; }

    /// <summary>And that it was no good news.</summary>
    public bool AppWrong { get; private set; }

    /// <summary>The bank of the card that waits for its code.</summary>
    public SeedBank? BankOfWaiting => Waiting is { } card ? BankApps.FirstOrDefault(bank => bank.Name == card.Face.Bank) : null;

    /// <summary>The card that waits was put to its bank's app.</summary>
    public bool AskedInApp => Waiting is { } card && asked == card.CardReference;

    /// <summary>In place of a code: the bank is to ask its customer in its own app.</summary>
    public Task AskBankAppAsync() => WorkAsync(new("Asking the bank", "正在通知银行"), async () =>
    {
        if (Waiting is { } card)
        {
            var outcome = await Phone.ResendCodeAsync(card.CardReference, BankApp.Method);
            Say(outcome.Reasons);
            asked = outcome.Step == EnrolmentStep.CodeNeeded ? card.CardReference : null;
        }
    });

    /// <summary>The holder would rather type the code, which is good still.</summary>
    public void AskForCodeAgain()
    {
        asked = null;
        Tell();
    }

    public async Task OpenBankAsync(string institution)
    {
        if (BankApps.FirstOrDefault(bank => bank.Institution == institution) is { } bank)
        {
            (OpenBank, AppSays, AppWrong, AppWaits) = (bank, null, false, []);
            await LookAtWaitingAsync();
            await OpenAsync(PhoneApp.Bank);
        }
    }

    public Task SignInToBankAsync(string customer, string password) => AtBankAsync(async line =>
    {
        var reply = await line.CallAsync<AppSignIn, AppSession>("sign-in", new(customer, password), CancellationToken.None);
        if (reply.Value is { } session)
        {
            signedIn[OpenBank!.Institution] = session;
            AppSays = null;
            await LookAtWaitingAsync();
        }

        return reply.Error;
    });

    public void SignOutOfBank()
    {
        if (OpenBank is { } bank && signedIn.Remove(bank.Institution))
        {
            (AppSays, AppWrong, AppWaits) = (null, false, []);
            Tell();
        }
    }

    /// <summary>The holder's word: it is my phone, or it is not.</summary>
    public Task AnswerBankAsync(string tokenUniqueReference, bool approves) => AtBankAsync(async line =>
    {
        var session = AppSession?.Session ?? "";
        var reply = approves
            ? await line.CallAsync<AppConfirm, AppDone>("confirm", new(session, tokenUniqueReference), CancellationToken.None)
            : await line.CallAsync<AppRefuse, AppDone>("refuse", new(session, tokenUniqueReference), CancellationToken.None);
        AppSays = reply.Value?.Says ?? AppSays;
        await LookAtWaitingAsync();
        return reply.Error;
    });

    private async Task LookAtWaitingAsync()
    {
        if (OpenBank is not { } bank || AppSession is not { } session)
        {
            return;
        }

        try
        {
            var reply = await system.BankAppLines[bank.Institution].CallAsync<AppWaitingRequest, AppWaitingReply>("waiting", new(session.Session), CancellationToken.None);
            AppWaits = reply.Value?.Waiting ?? [];
            if (reply.Error?.ErrorCode == BankApp.NotSignedIn)
            {
                signedIn.Remove(bank.Institution); // the session has run out
            }
        }
        catch (PartyUnreachableException)
        {
            AppWaits = [];
        }
    }

    private Task AtBankAsync(Func<IJsonLink, Task<ApiError?>> act) => WorkAsync(new("The bank is at work", "银行处理中"), async () =>
    {
        if (OpenBank is not { } bank)
        {
            return;
        }

        try
        {
            var error = await act(system.BankAppLines[bank.Institution]);
            await system.Store.DurableAsync(); // nothing is shown before it is on disk (decisions.md 22)
            (AppSays, AppWrong) = error is null ? (AppSays, false) : (error.Why ?? new(error.ErrorDescription, error.ErrorDescription), true);
        }
        catch (PartyUnreachableException)
        {
            (AppSays, AppWrong) = (new("The bank cannot be reached.", "无法连接该银行。"), true);
        }
    });
}
