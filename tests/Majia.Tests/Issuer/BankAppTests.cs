using Majia.Core.Contracts;
using Majia.Issuer;
using Majia.Storage;
using Majia.Tests.Storage;
using Majia.Tests.TokenService;

namespace Majia.Tests.Issuer;

/// <summary>The bank's own app, on both databases: its customer signs in, sees what waits, confirms it once.</summary>
public sealed class BankAppTests(PostgresServer server)
{
    private const string Password = "app-secret";

    public static TheoryData<StoreTests.Engine> Both => StoreTests.Both;

    private async Task<IssuerBench> OpenAsync(StoreTests.Engine engine) => await IssuerBench.OpenAsync(
        engine == StoreTests.Engine.Postgres ? PostgresStore.Open(await server.NewDatabaseAsync(), [IssuerParty.Schema], TimeProvider.System, PostgresServer.Options) : null, appPassword: Password);

    private static Task<ApiReply<AppSession>> SignInAsync(IssuerBench bench, string password = Password, string customer = "lin") => bench.AppAsync<AppSignIn, AppSession>("sign-in", new(customer, password));

    /// <summary>A token service that activates whatever it is asked to, and keeps by which request.</summary>
    private static (EndpointLink Line, List<IssuerToken.ActivateRequest> Asked) TokenService()
    {
        var asked = new List<IssuerToken.ActivateRequest>();
        return (new EndpointLink(new JsonEndpoint("token-service").Map<IssuerToken.ActivateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Activate, (request, _) =>
        {
            asked.Add(request);
            return Task.FromResult<ApiReply<IssuerToken.TokenView>>(new IssuerToken.TokenView(request.TokenUniqueReference, TokenState.Active, [], "99900000001", "Mi 5", "7771", "3012", "", "11", true, DateTimeOffset.UnixEpoch, []));
        })), asked);
    }

    [Theory, Rule("R6")]
    [MemberData(nameof(Both))]
    public async Task The_holder_sees_what_waits_and_confirms_it_once_though_the_line_was_away(StoreTests.Engine engine)
    {
        await using var bench = await OpenAsync(engine);
        var (line, asked) = TokenService();
        bench.Party.TokenService = line;
        var methods = (await bench.AuthorizeAsync(IssuerBench.Typed(IssuerBench.Debit))).Value!.Methods;
        Assert.Equal(["SMS", BankApp.Method], methods.Select(method => method.Id));
        var session = (await SignInAsync(bench)).Value!.Session;
        Assert.Empty((await bench.AppAsync<AppWaitingRequest, AppWaitingReply>("waiting", new(session))).Value!.Waiting);
        Assert.Equal(Ineligible.NotFound, (await bench.AppAsync<AppConfirm, AppDone>("confirm", new(session, "tur-1"))).Error!.ErrorCode);

        Assert.NotNull((await bench.CallAsync<TokenIssuer.DeliverActivationCodeRequest, TokenIssuer.DeliverActivationCodeReply>(TokenIssuer.Operations.DeliverActivationCode, new("r-1", "tur-1", BankApp.Method))).Value);
        var waits = Assert.Single((await bench.AppAsync<AppWaitingRequest, AppWaitingReply>("waiting", new(session))).Value!.Waiting);
        Assert.Equal(("tur-1", "Mi 5"), (waits.TokenUniqueReference, waits.DeviceModel));
        line.IsCut = true;
        Assert.Equal("UNREACHABLE", (await bench.AppAsync<AppConfirm, AppDone>("confirm", new(session, "tur-1"))).Error!.ErrorCode);
        line.IsCut = false;
        Assert.NotNull((await bench.AppAsync<AppConfirm, AppDone>("confirm", new(session, "tur-1"))).Value);
        Assert.Equal(("tur-1", "BANK_APP"), (Assert.Single(asked).TokenUniqueReference, asked[0].ReasonCode));
        Assert.Equal(Ineligible.NotFound, (await bench.AppAsync<AppConfirm, AppDone>("confirm", new(session, "tur-1"))).Error!.ErrorCode);
        Assert.Null((await bench.ActivatedAsync()).Error); // proven: the notice is taken
    }

    [Theory, Rule("R6")]
    [MemberData(nameof(Both))]
    public async Task Guesses_at_once_are_five_and_a_session_ends(StoreTests.Engine engine)
    {
        await using var bench = await OpenAsync(engine);
        var session = (await SignInAsync(bench)).Value!.Session;
        var guesses = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(() => SignInAsync(bench, $"guess-{i}"))));
        Assert.Equal((5, 11), (guesses.Count(guess => guess.Error!.ErrorCode == "WRONG_PASSWORD"), guesses.Count(guess => guess.Error!.ErrorCode == "LOCKED")));
        Assert.Equal("LOCKED", (await SignInAsync(bench)).Error!.ErrorCode);
        Assert.Equal("WRONG_PASSWORD", (await SignInAsync(bench, Password, "shen")).Error!.ErrorCode); // has no app

        // Who was in stays in, until the session ends.
        Assert.NotNull((await bench.AppAsync<AppWaitingRequest, AppWaitingReply>("waiting", new(session))).Value);
        bench.Time.Advance(TimeSpan.FromMinutes(15));
        Assert.Equal(BankApp.NotSignedIn, (await bench.AppAsync<AppWaitingRequest, AppWaitingReply>("waiting", new(session))).Error!.ErrorCode);
        bench.Time.Advance(TimeSpan.FromMinutes(15));
        Assert.NotNull((await SignInAsync(bench)).Value);
    }
}
