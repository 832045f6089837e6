using System.Security.Cryptography;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Wallet;

/// <summary>A passkey as it is kept: everything but its private half, which never leaves the authenticator.</summary>
/// <param name="Record">What the verifier of passkeys wants to see again, as it wrote it.</param>
public sealed record PasskeyRow(byte[] CredentialId, string Account, string Name, byte[] Record, DateTimeOffset CreatedAt);

/// <summary>How a sign-in went: a session for the cookie, or why not.</summary>
public sealed record OwnerSignIn(string? Session, Refusal? Why);

/// <summary>Who may speak for an account on the owner's site: password with lock-out, passkeys, sessions that end (requirements 27 and 30).</summary>
public sealed class OwnerAccounts(WalletOptions options, Store store, TimeProvider clock, Entropy entropy)
{
    public const string WrongPassword = "WRONG_PASSWORD", Locked = "ACCOUNT_LOCKED", Taken = "ACCOUNT_TAKEN", Weak = "PASSWORD_TOO_SHORT", BadName = "ACCOUNT_NAME";

    private const int PasswordLength = 8, NameLength = 128;

    private static readonly TimeSpan CeremonyLife = TimeSpan.FromMinutes(5);

    public const string Migration = """
        -- The owner's site. A session is known by the hash of what its cookie says; a passkey by its credential id.
        ALTER TABLE wallet_account ADD COLUMN user_handle TEXT NOT NULL DEFAULT '';
        CREATE TABLE wallet_attempt (account TEXT NOT NULL PRIMARY KEY, failures INTEGER NOT NULL, locked_until INTEGER, at INTEGER NOT NULL);
        CREATE TABLE wallet_session (hash BLOB NOT NULL PRIMARY KEY, account TEXT NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER NOT NULL);
        CREATE TABLE wallet_passkey (credential_id BLOB NOT NULL PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL, created_at INTEGER NOT NULL);
        CREATE INDEX wallet_passkey_account ON wallet_passkey (account);
        -- A passkey's challenge between its two messages; account is empty while nobody is signed in.
        CREATE TABLE wallet_ceremony (hash BLOB NOT NULL PRIMARY KEY, account TEXT NOT NULL, state TEXT NOT NULL, at INTEGER NOT NULL);
        """;

    // ---- password ----

    /// <summary>Adds an account, or gives it another password. Repeating it changes nothing that a person sees.</summary>
    public async Task SetPasswordAsync(string account, string password)
    {
        var hash = PasswordHash.Of(password, options.PasswordIterations, entropy);
        var handle = entropy.NewId();
        await store.WriteAsync(session => Write(session, account, hash, handle));
    }

    /// <summary>A new account; null when it is made.</summary>
    public async Task<Refusal?> RegisterAsync(string account, string password)
    {
        account = account.Trim();
        if (account.Length is < 3 or > NameLength || account.Any(char.IsControl))
        {
            return new(BadName, new("An account's name has 3 to 128 characters.", "帐号名须为 3 至 128 个字符。"));
        }

        if (password.Length < PasswordLength)
        {
            return TooShort;
        }

        var hash = PasswordHash.Of(password, options.PasswordIterations, entropy);
        var handle = entropy.NewId();
        return await store.WriteAsync(session =>
        {
            if (session.Number("SELECT 1 FROM wallet_account WHERE account = $1", account) is not null)
            {
                return new Refusal(Taken, new("This account name is taken.", "该帐号名已被使用。"));
            }

            Write(session, account, hash, handle);
            return null;
        });
    }

    private void Write(Session session, string account, PasswordHash hash, string handle) => session.Execute(
        """
        INSERT INTO wallet_account (account, salt, iterations, password_hash, created_at, user_handle) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (account) DO UPDATE SET salt = excluded.salt, iterations = excluded.iterations, password_hash = excluded.password_hash
        """,
        account, hash.Salt, hash.Iterations, hash.Hash, clock.GetUtcNow(), handle);

    /// <summary>Null when the password is the account's. A try is counted before it is compared, so that guesses sent all at once are no more than guesses in a row; an unknown account is counted and costs as much.</summary>
    public async Task<Refusal?> CheckPasswordAsync(string account, string password)
    {
        var now = clock.GetUtcNow();
        var (known, locked) = await store.WriteAsync(session =>
        {
            var before = session.One("SELECT failures, locked_until, at FROM wallet_attempt WHERE account = $1", static row => Tuple.Create(row.GetInt64(0), row.IsDBNull(1) ? (DateTimeOffset?)null : row.Instant(1), row.Instant(2)), account);
            if (before?.Item2 > now)
            {
                return (null, true);
            }

            var failures = before is null || before.Item2 is not null || now - before.Item3 > options.LockOut ? 1 : before.Item1 + 1;
            DateTimeOffset? until = failures >= options.PasswordTries ? now + options.LockOut : null;
            session.Execute(
                "INSERT INTO wallet_attempt (account, failures, locked_until, at) VALUES ($1, $2, $3, $4) ON CONFLICT (account) DO UPDATE SET failures = excluded.failures, locked_until = excluded.locked_until, at = excluded.at",
                account, failures, until, now);
            return (session.One("SELECT salt, iterations, password_hash FROM wallet_account WHERE account = $1", static row => new PasswordHash(row.Bytes(0), row.GetInt32(1), row.Bytes(2)), account), false);
        });
        if (locked)
        {
            return new(Locked, new("Too many wrong passwords. Wait half an hour, or use a passkey.", "密码错误次数过多，请半小时后再试，或使用通行密钥。"));
        }

        var matches = (known ?? new PasswordHash(new byte[16], options.PasswordIterations, new byte[32])).Matches(password);
        if (known is null || !matches)
        {
            return new(WrongPassword, new("Account or password is wrong.", "帐号或密码错误。"));
        }

        await store.WriteAsync(session => session.Execute("DELETE FROM wallet_attempt WHERE account = $1", account));
        return null;
    }

    /// <summary>Another password, by one who knows the present one. Every session ends but the one that asks.</summary>
    public async Task<Refusal?> ChangePasswordAsync(string account, string present, string next, string keep)
    {
        if (next.Length < PasswordLength)
        {
            return TooShort;
        }

        if (await CheckPasswordAsync(account, present) is { } wrong)
        {
            return wrong;
        }

        await SetPasswordAsync(account, next);
        await store.WriteAsync(session => session.Execute("DELETE FROM wallet_session WHERE account = $1 AND hash <> $2", account, HashOf(keep)));
        return null;
    }

    private static Refusal TooShort => new(Weak, new("A password has at least 8 characters.", "密码至少 8 个字符。"));

    // ---- sessions ----

    public async Task<OwnerSignIn> SignInAsync(string account, string password, string? before) =>
        await CheckPasswordAsync(account, password) is { } why ? new(null, why) : new(await OpenSessionAsync(account, before), null);

    /// <summary>A new session; the one that the browser had before is ended, so that nobody can plant one.</summary>
    public async Task<string> OpenSessionAsync(string account, string? before)
    {
        var token = Convert.ToHexStringLower(entropy.Bytes(32));
        var now = clock.GetUtcNow();
        await store.WriteAsync(session =>
        {
            if (before is not null)
            {
                session.Execute("DELETE FROM wallet_session WHERE hash = $1", HashOf(before));
            }

            session.Execute("DELETE FROM wallet_session WHERE used_at < $1 OR created_at < $2", now - options.SessionIdle, now - options.SessionLife);
            session.Execute("INSERT INTO wallet_session (hash, account, created_at, used_at) VALUES ($1, $2, $3, $3)", HashOf(token), account, now);
        });
        return token;
    }

    /// <summary>Whose session it is; null when it has ended, was idle too long, or never was.</summary>
    public Task<string?> AccountOfAsync(string? token)
    {
        var now = clock.GetUtcNow();
        return token is not { Length: 64 } ? Task.FromResult<string?>(null) : store.WriteAsync(session =>
        {
            var hash = HashOf(token);
            var open = session.One("SELECT account, created_at, used_at FROM wallet_session WHERE hash = $1", static row => Tuple.Create(row.GetString(0), row.Instant(1), row.Instant(2)), hash);
            if (open is null)
            {
                return null;
            }

            if (now - open.Item3 > options.SessionIdle || now - open.Item2 > options.SessionLife)
            {
                session.Execute("DELETE FROM wallet_session WHERE hash = $1", hash);
                return null;
            }

            session.Execute("UPDATE wallet_session SET used_at = $2 WHERE hash = $1", hash, now);
            return open.Item1;
        });
    }

    public Task EndSessionAsync(string token) => store.WriteAsync(session => session.Execute("DELETE FROM wallet_session WHERE hash = $1", HashOf(token)));

    private static byte[] HashOf(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));

    // ---- passkeys ----

    /// <summary>What an authenticator calls this account: random, so that it says nothing of its owner.</summary>
    public async Task<string?> UserHandleAsync(string account)
    {
        var fresh = entropy.NewId();
        return await store.WriteAsync(session =>
        {
            session.Execute("UPDATE wallet_account SET user_handle = $2 WHERE account = $1 AND user_handle = ''", account, fresh); // made before there were passkeys
            return session.Text("SELECT user_handle FROM wallet_account WHERE account = $1", account);
        });
    }

    public Task<string?> AccountOfHandleAsync(string handle) => store.WriteAsync(session => session.Text("SELECT account FROM wallet_account WHERE user_handle = $1 AND user_handle <> ''", handle));

    public Task<List<PasskeyRow>> PasskeysAsync(string account) => store.WriteAsync(session => session.Query(
        "SELECT credential_id, account, name, record, created_at FROM wallet_passkey WHERE account = $1 ORDER BY created_at, credential_id", Map, account));

    public Task<PasskeyRow?> PasskeyAsync(byte[] credentialId) => store.WriteAsync(session => session.One(
        "SELECT credential_id, account, name, record, created_at FROM wallet_passkey WHERE credential_id = $1", Map, credentialId));

    /// <summary>Another account's passkey is not overwritten.</summary>
    public Task WritePasskeyAsync(PasskeyRow passkey) => store.WriteAsync(session => session.Execute(
        """
        INSERT INTO wallet_passkey (credential_id, account, name, record, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (credential_id) DO UPDATE SET name = excluded.name, record = excluded.record WHERE wallet_passkey.account = excluded.account
        """,
        passkey.CredentialId, passkey.Account, passkey.Name, passkey.Record, clock.GetUtcNow()));

    public Task<bool> RemovePasskeyAsync(string account, byte[] credentialId) => store.WriteAsync(session =>
        session.Execute("DELETE FROM wallet_passkey WHERE credential_id = $1 AND account = $2", credentialId, account) == 1);

    /// <summary>Keeps a challenge until its answer comes; the name is the browser's to bring back, once.</summary>
    public async Task<string> BeginCeremonyAsync(string account, string state)
    {
        var name = Convert.ToHexStringLower(entropy.Bytes(32));
        var now = clock.GetUtcNow();
        await store.WriteAsync(session =>
        {
            session.Execute("DELETE FROM wallet_ceremony WHERE at < $1", now - CeremonyLife);
            session.Execute("INSERT INTO wallet_ceremony (hash, account, state, at) VALUES ($1, $2, $3, $4)", HashOf(name), account, state, now);
        });
        return name;
    }

    /// <summary>The state of a challenge that this account (empty: nobody) began; null when it is too late, another's, or was taken before.</summary>
    public Task<string?> TakeCeremonyAsync(string account, string name)
    {
        var earliest = clock.GetUtcNow() - CeremonyLife;
        return store.WriteAsync(session =>
        {
            var state = session.Text("SELECT state FROM wallet_ceremony WHERE hash = $1 AND account = $2 AND at >= $3", HashOf(name), account, earliest);
            session.Execute("DELETE FROM wallet_ceremony WHERE hash = $1", HashOf(name));
            return state;
        });
    }

    private static PasskeyRow Map(System.Data.Common.DbDataReader row) => new(row.Bytes(0), row.GetString(1), row.GetString(2), row.Bytes(3), row.Instant(4));
}
