using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

public sealed record AgentSignIn(string Agent, string Secret)
{
    public override string ToString() => nameof(AgentSignIn);
}

/// <param name="Session">What every other call of this agent brings along.</param>
public sealed record AgentSession(string Session, string Agent, DateTimeOffset Until)
{
    public override string ToString() => nameof(AgentSession);
}

/// <summary>Why an agent does not get in.</summary>
public static class HotlineErrors
{
    public const string NotSignedIn = "NOT_SIGNED_IN", WrongSecret = "WRONG_SECRET", Locked = "LOCKED", TestAgent = "TEST_AGENT";
}

/// <summary>A person at the bank's hotline, with a secret of his own: what he does stands under his name in the book, and nobody else can put it there (docs/decisions/0036).</summary>
internal sealed class HotlineAgents(IssuerOptions options, Store store, TimeProvider time, Entropy entropy)
{
    private static readonly ApiError
        SignInFirst = new(HotlineErrors.NotSignedIn, "Sign in as an agent first.", null, new("Sign in as an agent first.", "请先以客服人员身份登录。")),
        Wrong = new(HotlineErrors.WrongSecret, "Agent or secret is wrong.", null, new("Agent or secret is wrong.", "客服工号或口令错误。")),
        LockedOut = new(HotlineErrors.Locked, "Too many wrong secrets.", null, new("Too many wrong secrets. Wait half an hour.", "口令错误次数过多，请半小时后再试。")),
        Test = new(HotlineErrors.TestAgent, "A seeded agent does not work in production mode.", null, new("A seeded agent does not work in production mode: its secret is public.", "生产模式不允许使用内置测试客服帐号，其口令是公开的。"));

    private readonly SignIns people = new(options, store, time, entropy, "agent", "agent", options.AgentSession);

    internal static readonly string Migration = $"""
        -- The hotline's agents, and who of them is at work. test: seeded, with a secret that everybody can read.
        {SignIns.Migration("agent", "agent")}
        ALTER TABLE issuer_agent_users ADD COLUMN test BIGINT NOT NULL DEFAULT 0;
        """;

    public async Task<ApiReply<AgentSession>> SignInAsync(AgentSignIn request)
    {
        var (outcome, opened, until) = await people.OpenAsync(request.Agent, request.Secret, session => options.RefusesTestAgents
            && session.Number("SELECT test FROM issuer_agent_users WHERE institution = $1 AND agent = $2", options.Institution, request.Agent) == 1);
        return outcome switch
        {
            SignInOutcome.Open => new AgentSession(opened, request.Agent, until),
            SignInOutcome.Locked => LockedOut,
            SignInOutcome.TestRefused => Test,
            _ => Wrong,
        };
    }

    /// <summary>Who is at the telephone; null and the error when nobody is.</summary>
    public async Task<(string? Agent, ApiError? Error)> AtWorkAsync(string opened) =>
        await store.WriteAsync(session => people.WhoIs(session, opened)) is { } agent ? (agent, null) : (null, SignInFirst);

    /// <summary>Gives an agent a secret, once.</summary>
    internal static void Register(Session session, string institution, string agent, PasswordHash secret, bool test) => session.Execute(
        "INSERT INTO issuer_agent_users (institution, agent, salt, iterations, hash, failures, locked_until, test) VALUES ($1, $2, $3, $4, $5, 0, 0, $6) ON CONFLICT (institution, agent) DO NOTHING",
        institution, agent, secret.Salt, secret.Iterations, secret.Hash, test);
}
