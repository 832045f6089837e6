using System.Text.Json;
using Majia.Wallet;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Majia.Host.Web.Owner;

/// <summary>An account as ASP.NET Core Identity sees it.</summary>
/// <param name="Handle">What authenticators call it.</param>
internal sealed record OwnerUser(string Account, string Handle);

/// <summary>Passkeys of the wallet's accounts: Identity's own WebAuthn over the wallet's own tables (decisions.md 38).</summary>
internal sealed class OwnerPasskeys : IDisposable
{
    private readonly OwnerAccounts owners;
    private readonly UserManager<OwnerUser> users;
    private readonly PasskeyHandler<OwnerUser> handler;

    public OwnerPasskeys(OwnerAccounts owners, IServiceProvider services)
    {
        this.owners = owners;
        users = new UserManager<OwnerUser>(
            new UserStore(owners), Options.Create(new IdentityOptions()), new PasswordHasher<OwnerUser>(), [], [], new UpperInvariantLookupNormalizer(), new IdentityErrorDescriber(), services,
            NullLogger<UserManager<OwnerUser>>.Instance);
        handler = new PasskeyHandler<OwnerUser>(users, Options.Create(new IdentityPasskeyOptions { ResidentKeyRequirement = "required", UserVerificationRequirement = "required" }));
    }

    /// <summary>What the browser hands to its authenticator, and the name of the ceremony that it brings back with the answer.</summary>
    public sealed record Ceremony(string Name, JsonElement Options);

    public async Task<Ceremony> BeginAddingAsync(string account, HttpContext context)
    {
        var handle = await owners.UserHandleAsync(account) ?? throw new InvalidOperationException("a session of no account");
        var made = await handler.MakeCreationOptionsAsync(new PasskeyUserEntity { Id = handle, Name = account, DisplayName = account }, context);
        return new(await owners.BeginCeremonyAsync(account, made.AttestationState ?? ""), JsonDocument.Parse(made.CreationOptionsJson).RootElement);
    }

    /// <summary>False: the answer is not one to this account's open ceremony.</summary>
    public async Task<bool> AddAsync(string account, string ceremony, JsonElement credential, string name, HttpContext context)
    {
        if (await owners.TakeCeremonyAsync(account, ceremony) is not { } state)
        {
            return false;
        }

        var result = await handler.PerformAttestationAsync(new PasskeyAttestationContext { CredentialJson = credential.GetRawText(), HttpContext = context, AttestationState = state });
        if (!result.Succeeded || result.UserEntity.Id != await owners.UserHandleAsync(account))
        {
            return false;
        }

        result.Passkey.Name = name;
        return (await users.AddOrUpdatePasskeyAsync(new OwnerUser(account, result.UserEntity.Id), result.Passkey)).Succeeded;
    }

    public async Task<Ceremony> BeginSignInAsync(HttpContext context)
    {
        // No account is named: the authenticator shows what it has, and nobody learns who has a passkey here.
        var made = await handler.MakeRequestOptionsAsync(null, context);
        return new(await owners.BeginCeremonyAsync("", made.AssertionState ?? ""), JsonDocument.Parse(made.RequestOptionsJson).RootElement);
    }

    /// <summary>Whose passkey signed the open ceremony's challenge; null: nobody's.</summary>
    public async Task<string?> SignInAsync(string ceremony, JsonElement credential, HttpContext context)
    {
        if (await owners.TakeCeremonyAsync("", ceremony) is not { } state)
        {
            return null;
        }

        var result = await handler.PerformAssertionAsync(new PasskeyAssertionContext { CredentialJson = credential.GetRawText(), HttpContext = context, AssertionState = state });
        if (!result.Succeeded)
        {
            return null;
        }

        await users.AddOrUpdatePasskeyAsync(result.User, result.Passkey); // its signature counter moved
        return result.User.Account;
    }

    public void Dispose() => users.Dispose();

    /// <summary>Identity's door to the wallet's tables: look-ups and passkeys, nothing that would make accounts past the wallet.</summary>
    private sealed class UserStore(OwnerAccounts owners) : IUserPasskeyStore<OwnerUser>
    {
        public async Task<OwnerUser?> FindByIdAsync(string userId, CancellationToken cancellationToken) =>
            await owners.AccountOfHandleAsync(userId) is { } account ? new OwnerUser(account, userId) : null;

        public async Task<OwnerUser?> FindByNameAsync(string normalizedUserName, CancellationToken cancellationToken) =>
            await owners.UserHandleAsync(normalizedUserName) is { } handle ? new OwnerUser(normalizedUserName, handle) : null;

        public Task<string> GetUserIdAsync(OwnerUser user, CancellationToken cancellationToken) => Task.FromResult(user.Handle);

        public Task<string?> GetUserNameAsync(OwnerUser user, CancellationToken cancellationToken) => Task.FromResult<string?>(user.Account);

        public Task<string?> GetNormalizedUserNameAsync(OwnerUser user, CancellationToken cancellationToken) => Task.FromResult<string?>(user.Account);

        public Task SetUserNameAsync(OwnerUser user, string? userName, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task SetNormalizedUserNameAsync(OwnerUser user, string? normalizedName, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<IdentityResult> CreateAsync(OwnerUser user, CancellationToken cancellationToken) => throw new NotSupportedException("accounts are the wallet's to make");

        public Task<IdentityResult> UpdateAsync(OwnerUser user, CancellationToken cancellationToken) => Task.FromResult(IdentityResult.Success);

        public Task<IdentityResult> DeleteAsync(OwnerUser user, CancellationToken cancellationToken) => throw new NotSupportedException("accounts are the wallet's to end");

        public Task AddOrUpdatePasskeyAsync(OwnerUser user, UserPasskeyInfo passkey, CancellationToken cancellationToken) =>
            owners.WritePasskeyAsync(new PasskeyRow(passkey.CredentialId, user.Account, passkey.Name ?? "", JsonSerializer.SerializeToUtf8Bytes(Kept.Of(passkey)), passkey.CreatedAt));

        public async Task<IList<UserPasskeyInfo>> GetPasskeysAsync(OwnerUser user, CancellationToken cancellationToken) =>
            [.. (await owners.PasskeysAsync(user.Account)).Select(Kept.Read)];

        public async Task<OwnerUser?> FindByPasskeyIdAsync(byte[] credentialId, CancellationToken cancellationToken) =>
            await owners.PasskeyAsync(credentialId) is { } row && await owners.UserHandleAsync(row.Account) is { } handle ? new OwnerUser(row.Account, handle) : null;

        public async Task<UserPasskeyInfo?> FindPasskeyAsync(OwnerUser user, byte[] credentialId, CancellationToken cancellationToken) =>
            await owners.PasskeyAsync(credentialId) is { } row && row.Account == user.Account ? Kept.Read(row) : null;

        public Task RemovePasskeyAsync(OwnerUser user, byte[] credentialId, CancellationToken cancellationToken) => owners.RemovePasskeyAsync(user.Account, credentialId);

        public void Dispose()
        {
        }
    }

    /// <summary>A passkey's record as JSON.</summary>
    private sealed record Kept(
        byte[] PublicKey, DateTimeOffset CreatedAt, uint SignCount, string[]? Transports, bool IsUserVerified, bool IsBackupEligible, bool IsBackedUp, byte[] AttestationObject, byte[] ClientDataJson)
    {
        public static Kept Of(UserPasskeyInfo passkey) => new(
            passkey.PublicKey, passkey.CreatedAt, passkey.SignCount, passkey.Transports, passkey.IsUserVerified, passkey.IsBackupEligible, passkey.IsBackedUp, passkey.AttestationObject, passkey.ClientDataJson);

        public static UserPasskeyInfo Read(PasskeyRow row)
        {
            var kept = JsonSerializer.Deserialize<Kept>(row.Record) ?? throw new InvalidOperationException("a passkey's record is empty");
            return new UserPasskeyInfo(
                row.CredentialId, kept.PublicKey, kept.CreatedAt, kept.SignCount, kept.Transports, kept.IsUserVerified, kept.IsBackupEligible, kept.IsBackedUp, kept.AttestationObject, kept.ClientDataJson)
            {
                Name = row.Name,
            };
        }
    }
}
