using Majia.Core.Contracts;
using Majia.Tests.TokenService;
using Majia.Wallet;

namespace Majia.Tests.Wallet;

/// <summary>The owner's accounts and sessions, and what a handset is told.</summary>
public class OwnerTests
{
    private const string Account = Bench.Account, Password = Bench.Password;

    private static async Task<Bench> WithAccountAsync()
    {
        var bench = new Bench();
        await bench.Wallet.AddAccountAsync(Account, Password);
        return bench;
    }

    [Fact]
    public async Task Ten_wrong_passwords_lock_for_half_an_hour_even_when_they_come_all_at_once_and_even_the_right_one()
    {
        await using var bench = await WithAccountAsync();
        var owners = bench.Wallet.Owners;
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(guess => owners.CheckPasswordAsync(Account, $"guess {guess}")));
        Assert.Equal(10, answers.Count(answer => answer!.Code == OwnerAccounts.WrongPassword));
        Assert.Equal(30, answers.Count(answer => answer!.Code == OwnerAccounts.Locked));
        Assert.Equal(OwnerAccounts.Locked, (await owners.SignInAsync(Account, Password, null)).Why!.Code);
        bench.Clock.Advance(TimeSpan.FromMinutes(30) - TimeSpan.FromSeconds(1));
        Assert.Equal(OwnerAccounts.Locked, (await owners.CheckPasswordAsync(Account, Password))!.Code);
        bench.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(await owners.CheckPasswordAsync(Account, Password));

        // The phone's sign-in counts in the same book, and an unknown account looks like a known one.
        foreach (var name in (string[])[Account, "nobody@example.com"])
        {
            for (var wrong = 0; wrong < 10; wrong++)
            {
                Assert.Equal("WRONG_PASSWORD", (await SignInAsync(bench, name, "wrong")).Error!.ErrorCode);
            }

            Assert.Equal(OwnerAccounts.Locked, (await SignInAsync(bench, name, Password)).Error!.ErrorCode);
        }
    }

    [Fact]
    public async Task Nine_wrong_ones_and_a_right_one_start_the_count_again()
    {
        await using var bench = await WithAccountAsync();
        for (var round = 0; round < 3; round++)
        {
            for (var wrong = 0; wrong < 9; wrong++)
            {
                Assert.NotNull(await bench.Wallet.Owners.CheckPasswordAsync(Account, "wrong"));
            }

            Assert.Null(await bench.Wallet.Owners.CheckPasswordAsync(Account, Password));
        }
    }

    [Fact]
    public async Task A_session_ends_when_it_is_idle_when_it_is_old_and_when_another_takes_its_place()
    {
        await using var bench = await WithAccountAsync();
        var owners = bench.Wallet.Owners;
        var first = (await owners.SignInAsync(Account, Password, null)).Session!;
        bench.Clock.Advance(TimeSpan.FromMinutes(14));
        Assert.Equal(Account, await owners.AccountOfAsync(first));
        bench.Clock.Advance(TimeSpan.FromMinutes(14));
        Assert.Equal(Account, await owners.AccountOfAsync(first));
        bench.Clock.Advance(TimeSpan.FromMinutes(15) + TimeSpan.FromSeconds(1));
        Assert.Null(await owners.AccountOfAsync(first));

        // A session that was there before sign-in is not the one after it.
        var planted = (await owners.SignInAsync(Account, Password, null)).Session!;
        var rotated = (await owners.SignInAsync(Account, Password, planted)).Session!;
        Assert.Null(await owners.AccountOfAsync(planted));
        for (var hour = 0; hour < 12 * 6; hour++)
        {
            Assert.Equal(Account, await owners.AccountOfAsync(rotated));
            bench.Clock.Advance(TimeSpan.FromMinutes(10));
        }

        bench.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await owners.AccountOfAsync(rotated));
        Assert.Null(await owners.AccountOfAsync(new string('0', 64)));
        Assert.Null(await owners.AccountOfAsync(null));
        Assert.Equal(0, bench.Count($"SELECT count(*) FROM wallet_session WHERE instr(hex(hash), '{rotated.ToUpperInvariant()}') > 0"));
    }

    [Fact]
    public async Task Another_password_ends_the_other_sessions()
    {
        await using var bench = await WithAccountAsync();
        var owners = bench.Wallet.Owners;
        var (here, there) = ((await owners.SignInAsync(Account, Password, null)).Session!, (await owners.SignInAsync(Account, Password, null)).Session!);
        Assert.Equal(OwnerAccounts.Weak, (await owners.ChangePasswordAsync(Account, Password, "short", here))!.Code);
        Assert.Equal(OwnerAccounts.WrongPassword, (await owners.ChangePasswordAsync(Account, "not it", "a longer one", here))!.Code);
        Assert.Null(await owners.ChangePasswordAsync(Account, Password, "a longer one", here));
        Assert.Equal((Account, null), (await owners.AccountOfAsync(here), await owners.AccountOfAsync(there)));
        Assert.Null(await owners.CheckPasswordAsync(Account, "a longer one"));
        Assert.Equal(OwnerAccounts.Taken, (await owners.RegisterAsync(Account, "eight or more"))!.Code);
    }

    private static Task<ApiReply<PhoneWallet.SignInReply>> SignInAsync(Bench bench, string account, string password) =>
        bench.NewHandset().SignInAsync(account, password, new("Mi 5", "stable", "8.0.6.0", "0102030405060708090A"));

    private static async Task<(Bench Bench, string Device, HandsetLink Handset, string Card, string Tur)> WithCardAsync()
    {
        var bench = await WithAccountAsync();
        bench.HearNotices();
        var (tur, _, chip, _) = await bench.EnrolAsync(Bench.Debit());
        var handset = bench.NewHandset();
        var signedIn = (await handset.SignInAsync(Account, Password, new("Mi 5", "stable", "8.0.6.0", chip.Seid))).Value!;
        await bench.Store.WriteAsync(session =>
        {
            session.Execute("UPDATE wallet_device SET find_device = 1");
            session.Execute(
                "INSERT INTO wallet_card (card_reference, device_id, request_id, tur, state, face, methods, purge_epoch, created_at) VALUES ('card', $1, 'r', $2, 'Active', $3, $4, 0, 0)",
                signedIn.DeviceId, tur, """{"bank":{"en":"Mingyue Bank","zh":"明月银行"},"kind":{"en":"debit card","zh":"储蓄卡"},"deviceLastFour":"1","instanceAid":"","colour":"#123456"}"""u8.ToArray(), "[]"u8.ToArray());
        });
        await bench.Party.PumpAsync();
        return (bench, signedIn.DeviceId, handset, "card", tur);
    }

    private static async Task<IReadOnlyList<string>> FetchAsync(HandsetLink handset, long done = 0) =>
        [.. (await handset.CallAsync<PhoneWallet.FetchCommandsRequest, PhoneWallet.FetchCommandsReply>(PhoneWallet.Operations.FetchCommands, new(done), TestContext.Current.CancellationToken))
            .Value!.Commands.Select(command => $"{command.Sequence} {command.Kind} {command.CardReference} {command.ReasonCode}")];

    [Fact, Rule("R23")]
    public async Task What_becomes_of_a_card_elsewhere_waits_for_its_handset_in_order_until_it_is_done()
    {
        var (bench, device, handset, card, tur) = await WithCardAsync();
        await using var _ = bench;
        await bench.IssuerAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Suspend, new("hold", tur, SuspendedBy.Issuer, "STOLEN"));
        await bench.Party.PumpAsync();
        await bench.IssuerAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Unsuspend, new("lift", tur, SuspendedBy.Issuer, "FOUND"));
        await bench.Party.PumpAsync();
        Assert.Equal(["1 SUSPEND card STOLEN", "2 RESUME card FOUND"], await FetchAsync(handset));
        bench.Restart();
        Assert.Equal(["1 SUSPEND card STOLEN", "2 RESUME card FOUND"], await FetchAsync(handset));
        Assert.Equal(["2 RESUME card FOUND"], await FetchAsync(handset, done: 1));
        Assert.Equal(["2 RESUME card FOUND"], await FetchAsync(handset, done: 0));
        Assert.Empty(await FetchAsync(handset, done: 2));

        Assert.Null(await bench.Wallet.PaymentOffAsync(Account, device, TestContext.Current.CancellationToken));
        Assert.Equal([$"3 DELETE {card} PAYMENT_OFF"], await FetchAsync(handset, done: 2));
        await bench.Party.PumpAsync();
        Assert.Equal([$"3 DELETE {card} PAYMENT_OFF"], await FetchAsync(handset, done: 2));
    }

    [Fact, Rule("R23")]
    public async Task What_is_told_late_changes_nothing_whatever_the_order_it_comes_in()
    {
        var (bench, device, handset, card, tur) = await WithCardAsync();
        await using var _ = bench;
        List<TokenWallet.NotifyTokenUpdatedRequest> late = [];
        bench.Party.Requestors = new Dictionary<string, IJsonLink>
        {
            [Bench.Trid] = new EndpointLink(new JsonEndpoint("late").Map<TokenWallet.NotifyTokenUpdatedRequest, TokenWallet.Done>(TokenWallet.Operations.NotifyTokenUpdated, (notice, _) =>
            {
                late.Add(notice);
                return Task.FromResult<ApiReply<TokenWallet.Done>>(new TokenWallet.Done());
            })),
        };
        foreach (var operation in (string[])[WalletToken.Operations.Suspend, WalletToken.Operations.Unsuspend, WalletToken.Operations.Suspend, WalletToken.Operations.Unsuspend])
        {
            Assert.Null(await bench.Wallet.ChangeCardAsync(Account, device, card, operation, TestContext.Current.CancellationToken));
        }

        await bench.Party.PumpAsync();
        Assert.Equal([TokenState.Suspended, TokenState.Active, TokenState.Suspended, TokenState.Active], late.Select(notice => notice.State));
        Assert.Equal(late.Select(notice => notice.Version), late.Select(notice => notice.Version).Order());
        Assert.Equal(4, late.Select(notice => notice.Version).Distinct().Count());
        string[] told = ["1 SUSPEND card OTHER", "2 RESUME card OTHER", "3 SUSPEND card OTHER", "4 RESUME card OTHER"];
        foreach (var notice in (TokenWallet.NotifyTokenUpdatedRequest[])[late[0], late[2], late[1], late[3], late[0]])
        {
            await bench.NoticeAsync(notice);
            Assert.Equal(told, await FetchAsync(handset));
        }

        // What is new is heard in any order of arrival, and a card that is gone stays so.
        var next = late[3].Version!.Value;
        await bench.NoticeAsync(late[0] with { Version = next + 2 });
        await bench.NoticeAsync(late[1] with { Version = next + 1 });
        Assert.Equal(EnrolmentState.Suspended, (await bench.Wallet.HandsetsOfAsync(Account))[0].Cards[0].State);
        await bench.NoticeAsync(late[0] with { State = TokenState.Deactivated, Version = next });
        await bench.NoticeAsync(late[1] with { Version = next + 3 });
        Assert.Empty((await bench.Wallet.HandsetsOfAsync(Account))[0].Cards);
        Assert.Equal(
            ["Deleted", "Suspended", "Active", "Suspended", "Active", "Suspended"],
            await bench.Store.WriteAsync(session => session.Query("SELECT state FROM wallet_card_event WHERE card_reference = 'card' ORDER BY sequence DESC", static row => row.GetString(0))));
    }

    [Fact, Rule("R23")]
    public async Task Lost_mode_suspends_and_found_resumes_exactly_what_it_suspended()
    {
        var (bench, device, handset, card, tur) = await WithCardAsync();
        await using var _ = bench;
        bench.HearNotices();
        Assert.Null(await bench.Wallet.ChangeCardAsync(Account, device, card, WalletToken.Operations.Suspend, TestContext.Current.CancellationToken));
        Assert.Null(await bench.Wallet.SetLostModeAsync(Account, device, true, TestContext.Current.CancellationToken));
        Assert.Null(await bench.Wallet.SetLostModeAsync(Account, device, false, TestContext.Current.CancellationToken));
        Assert.Equal((TokenState.Suspended, "CARDHOLDER"), await StateAsync());
        Assert.Equal(EnrolmentState.Suspended, (await bench.Wallet.HandsetsOfAsync(Account))[0].Cards[0].State);
        Assert.Null(await bench.Wallet.ChangeCardAsync(Account, device, card, WalletToken.Operations.Unsuspend, TestContext.Current.CancellationToken));
        Assert.Equal((TokenState.Active, ""), await StateAsync());
        Assert.Equal(["1 SUSPEND card OTHER", "2 LOST  LOST", "3 FOUND  FOUND", "4 RESUME card OTHER"], await FetchAsync(handset));

        async Task<(TokenState, string)> StateAsync()
        {
            var token = (await bench.CallAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(tur))).Value!;
            return (token.State, string.Join('+', token.SuspendedBy));
        }
    }

    [Fact, Rule("R24")]
    public async Task A_sign_in_overtakes_the_remote_sign_out_that_its_handset_never_heard()
    {
        var (bench, device, handset, card, _) = await WithCardAsync();
        await using var _ = bench;
        Assert.Null(await bench.Wallet.RemoteSignOutAsync(Account, device, TestContext.Current.CancellationToken));
        Assert.Equal([$"1 DELETE {card} SIGNED_OUT_REMOTELY", "2 SIGN_OUT  SIGNED_OUT_REMOTELY"], await FetchAsync(handset));
        Assert.NotNull((await handset.SignInAsync(Account, Password, new("Mi 5", "stable", "8.0.6.0", await SeidAsync(bench)))).Value);
        Assert.Equal([$"1 DELETE {card} SIGNED_OUT_REMOTELY"], await FetchAsync(handset));
        Assert.True((await bench.Wallet.HandsetsOfAsync(Account))[0].SignedIn);
    }

    private static Task<string> SeidAsync(Bench bench) => bench.Store.WriteAsync(session => session.Text("SELECT seid FROM wallet_device")!);

    [Fact]
    public async Task A_handset_that_listens_hears_at_once_and_one_that_hears_nothing_is_let_go()
    {
        var (bench, device, handset, card, _) = await WithCardAsync();
        await using var _ = bench;
        Task<ApiReply<PhoneWallet.FetchCommandsReply>> Listen(long done) => handset.CallAsync<PhoneWallet.FetchCommandsRequest, PhoneWallet.FetchCommandsReply>(
            PhoneWallet.Operations.FetchCommands, new(done, 25), TestContext.Current.CancellationToken);

        var listening = Listen(0);
        Assert.False(listening.IsCompleted);
        Assert.Null(await bench.Wallet.ChangeCardAsync(Account, device, card, WalletToken.Operations.Suspend, TestContext.Current.CancellationToken));
        Assert.Equal("SUSPEND", (await listening.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken)).Value!.Commands.Single().Kind);
        Assert.Single((await Listen(0)).Value!.Commands);

        var idle = Listen(1);
        Assert.False(idle.IsCompleted);
        bench.Clock.Advance(TimeSpan.FromSeconds(26));
        Assert.Empty((await idle.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken)).Value!.Commands);
        Assert.Equal("NOT_AUTHENTICATED", (await bench.NewHandset().CallAsync<PhoneWallet.FetchCommandsRequest, PhoneWallet.FetchCommandsReply>(PhoneWallet.Operations.FetchCommands, new(0), TestContext.Current.CancellationToken)).Error!.ErrorCode);
    }

    [Fact]
    public async Task Another_accounts_handset_and_card_are_as_unknown_as_none()
    {
        var (bench, device, _, card, tur) = await WithCardAsync();
        await using var _ = bench;
        const string Thief = "thief@example.com";
        await bench.Wallet.AddAccountAsync(Thief, Password);
        var cancellation = TestContext.Current.CancellationToken;
        Assert.Empty(await bench.Wallet.HandsetsOfAsync(Thief));
        Assert.Equal(Ineligible.NotFound, (await bench.Wallet.PaymentOffAsync(Thief, device, cancellation))!.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await bench.Wallet.SetLostModeAsync(Thief, device, true, cancellation))!.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await bench.Wallet.RemoteSignOutAsync(Thief, device, cancellation))!.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await bench.Wallet.RemoteFindDeviceOffAsync(Thief, device, cancellation))!.ErrorCode);
        Assert.Equal(Ineligible.NotFound, (await bench.Wallet.NameCardAsync(Thief, device, card, "mine"))!.ErrorCode);
        foreach (var operation in (string[])[WalletToken.Operations.Suspend, WalletToken.Operations.Unsuspend, WalletToken.Operations.Delete])
        {
            Assert.Equal(Ineligible.NotFound, (await bench.Wallet.ChangeCardAsync(Thief, device, card, operation, cancellation))!.ErrorCode);
        }

        Assert.Equal(TokenState.Active, (await bench.CallAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(tur))).Value!.State);
        Assert.Null(await bench.Wallet.NameCardAsync(Account, device, card, "生活费"));
        Assert.Equal("生活费", (await bench.Wallet.HandsetsOfAsync(Account))[0].Cards[0].Nickname);
        Assert.Equal("nickname", (await bench.Wallet.NameCardAsync(Account, device, card, new string('x', 25)))!.Errors![0].Field);
    }

    private static async Task<IReadOnlyList<DifferenceKind>> ReportAsync(HandsetLink handset, long epoch, int live, params PhoneWallet.HeldCard[] held) =>
        [.. (await handset.CallAsync<PhoneWallet.ReportInventoryRequest, PhoneWallet.ReportInventoryReply>(
            PhoneWallet.Operations.ReportInventory, new(epoch, live, held), TestContext.Current.CancellationToken)).Value!.Differences.Select(each => each.Kind)];

    [Fact, Rule("R24")]
    public async Task A_purge_that_the_cloud_never_heard_of_takes_the_device_cards_of_before_with_it()
    {
        var (bench, device, handset, card, tur) = await WithCardAsync();
        await using var _ = bench;
        Assert.Empty(await ReportAsync(handset, 0, 1, new PhoneWallet.HeldCard(card, EnrolmentState.Active, true)));
        Assert.Equal([DifferenceKind.PurgeNotHeard], await ReportAsync(handset, 1, 0));
        Assert.Equal(TokenState.Deactivated, (await bench.CallAsync<WalletToken.GetTokenRequest, WalletToken.TokenReply>(WalletToken.Operations.GetToken, new(tur))).Value!.State);
        Assert.Empty((await bench.Wallet.HandsetsOfAsync(Account))[0].Cards);
        Assert.Empty(await ReportAsync(handset, 1, 0));
    }

    [Fact]
    public async Task A_card_that_the_phone_lost_sight_of_is_told_again_once()
    {
        var (bench, device, handset, card, _) = await WithCardAsync();
        await using var _ = bench;
        Assert.Equal([DifferenceKind.CardNotOnPhone], await ReportAsync(handset, 0, 0));
        Assert.Empty(await ReportAsync(handset, 0, 0)); // it is told already
        Assert.Equal([$"1 REFRESH {card} RECONCILED"], await FetchAsync(handset));
    }

    [Fact]
    public async Task What_a_deleted_card_left_in_the_chip_is_found_by_counting()
    {
        var (bench, device, handset, card, tur) = await WithCardAsync();
        await using var _ = bench;
        await bench.Store.WriteAsync(session => session.Execute("UPDATE wallet_card SET state = 'Deleted'"));
        await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(WalletToken.Operations.Delete, new("gone", tur, SuspendedBy.Cardholder, "OTHER"));
        Assert.Empty(await ReportAsync(handset, 0, 0));
        Assert.Equal([DifferenceKind.RemainsInChip], await ReportAsync(handset, 0, 1));
        Assert.Equal([$"1 DELETE {card} RECONCILED"], await FetchAsync(handset));
    }
}
