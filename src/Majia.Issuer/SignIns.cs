using System.Security.Cryptography;
using System.Text;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>What came of a sign-in: a session, or why not.</summary>
internal enum SignInOutcome
{
    Open,
    Wrong,
    Locked,

    /// <summary>A seeded one, whose secret everybody knows, where none of those may work.</summary>
    TestRefused,
}

/// <summary>People with a name and a secret: customers at the bank's app, agents at its hotline. Each kind has its own tables.</summary>
/// <remarks>
/// A try is counted before it is compared, so that guesses at once are counted like guesses in turn. Nobody learns from the answer, or from the time that it takes, whether there is such a name.
/// </remarks>
/// <param name="kind">Begins the tables' names, <c>issuer_{kind}_users</c> and <c>issuer_{kind}_sessions</c>.</param>
/// <param name="name">The column with the name.</param>
internal sealed class SignIns(IssuerOptions options, Store store, TimeProvider time, Entropy entropy, string kind, string name, TimeSpan length)
{
    public static string Migration(string kind, string name) => $"""
        CREATE TABLE issuer_{kind}_users (
          institution TEXT NOT NULL, {name} TEXT NOT NULL, salt BYTEA NOT NULL, iterations BIGINT NOT NULL, hash BYTEA NOT NULL,
          failures BIGINT NOT NULL, locked_until BIGINT NOT NULL, PRIMARY KEY (institution, {name}));
        CREATE TABLE issuer_{kind}_sessions (
          institution TEXT NOT NULL, hash BYTEA NOT NULL, {name} TEXT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (institution, hash));
        """;

    private readonly string
        find = $"SELECT salt, iterations, hash, failures, locked_until FROM issuer_{kind}_users WHERE institution = $1 AND {name} = $2 FOR UPDATE",
        count = $"UPDATE issuer_{kind}_users SET failures = $3, locked_until = $4 WHERE institution = $1 AND {name} = $2",
        forget = $"DELETE FROM issuer_{kind}_sessions WHERE institution = $1 AND until <= $2",
        open = $"INSERT INTO issuer_{kind}_sessions (institution, hash, {name}, until) VALUES ($1, $2, $3, $4)",
        who = $"SELECT {name} FROM issuer_{kind}_sessions WHERE institution = $1 AND hash = $2 AND until > $3";

    /// <param name="refused">A reason not to let this one in although the secret is right, read in the same unit; null: none.</param>
    public async Task<(SignInOutcome Outcome, string Session, DateTimeOffset Until)> OpenAsync(string person, string secret, Func<Session, bool>? refused = null)
    {
        var now = time.GetUtcNow();
        var (known, locked) = await store.CommitAsync(session =>
        {
            var user = session.One(find, static row => Tuple.Create(new PasswordHash(row.Bytes(0), (int)row.GetInt64(1), row.Bytes(2)), row.GetInt64(3), row.Instant(4)), options.Institution, person);
            if (user is null || user.Item3 > now)
            {
                return ((PasswordHash?)null, user is not null);
            }

            var failures = user.Item2 + 1;
            var last = failures >= options.AppPasswordTries;
            session.Execute(count, options.Institution, person, last ? 0 : failures, last ? now + options.AppLockOut : DateTimeOffset.UnixEpoch);
            return (user.Item1, false);
        });
        if (locked)
        {
            return (SignInOutcome.Locked, "", now);
        }

        var matches = (known ?? new PasswordHash(new byte[16], options.PasswordIterations, new byte[32])).Matches(secret);
        if (known is null || !matches)
        {
            return (SignInOutcome.Wrong, "", now);
        }

        var opened = Convert.ToHexStringLower(entropy.Bytes(32));
        var until = now + length;
        return await store.CommitAsync(session =>
        {
            session.Execute(count, options.Institution, person, 0L, DateTimeOffset.UnixEpoch);
            session.Execute(forget, options.Institution, now);
            if (refused?.Invoke(session) == true)
            {
                return (SignInOutcome.TestRefused, "", now);
            }

            session.Execute(open, options.Institution, HashOf(opened), person, until);
            return (SignInOutcome.Open, opened, until);
        });
    }

    /// <summary>Whose session it is; null when it is none, or over.</summary>
    public string? WhoIs(Session session, string opened) => session.Text(who, options.Institution, HashOf(opened ?? ""), time.GetUtcNow());

    private static byte[] HashOf(string opened) => SHA256.HashData(Encoding.UTF8.GetBytes(opened));
}
