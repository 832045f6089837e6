using Majia.Core.Contracts;
using Majia.TokenService.Vault;

namespace Majia.Tests.TokenService;

/// <summary>Requirement 32: a trail that somebody with the database touched names the row.</summary>
public class AuditTrailTests
{
    private static readonly string[] Steps = [WalletToken.Operations.Suspend, WalletToken.Operations.Unsuspend, WalletToken.Operations.Suspend];

    private static async Task<(Bench Bench, string Tur)> LivedAsync()
    {
        var bench = new Bench();
        var (tur, _, _, _) = await bench.EnrolAsync(Bench.Debit());
        foreach (var step in Steps)
        {
            Assert.Null((await bench.CallAsync<WalletToken.ChangeStateRequest, WalletToken.TokenReply>(step, new(bench.Entropy.NewId(), tur, SuspendedBy.Cardholder, "OTHER"))).Error);
            bench.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Empty(await bench.Party.VerifyAuditAsync());
        return (bench, tur);
    }

    [Fact]
    public async Task Every_change_stands_there_with_who_what_why_and_when()
    {
        var (bench, tur) = await LivedAsync();
        await using var _ = bench;
        Assert.Null((await bench.IssuerAsync<IssuerToken.ChangeStateRequest, IssuerToken.TokenView>(IssuerToken.Operations.Suspend, new("hold", tur, SuspendedBy.Issuer, "STOLEN"))).Error);
        var seen = (await bench.IssuerAsync<IssuerToken.GetTokenRequest, IssuerToken.TokenView>(IssuerToken.Operations.GetToken, new(tur))).Value!;
        Assert.Equal(
            [
                $"{Bench.Trid} digitize:  → INACTIVE ISSUER_APPROVED",
                "TOKEN_SERVICE activate: INACTIVE → ACTIVE ISSUER_APPROVED",
                $"{Bench.Trid} suspend CARDHOLDER: ACTIVE → SUSPENDED CARDHOLDER OTHER",
                $"{Bench.Trid} unsuspend CARDHOLDER: SUSPENDED CARDHOLDER → ACTIVE OTHER",
                $"{Bench.Trid} suspend CARDHOLDER: ACTIVE → SUSPENDED CARDHOLDER OTHER",
                "63990100 suspend ISSUER: SUSPENDED CARDHOLDER → SUSPENDED CARDHOLDER+ISSUER STOLEN",
            ],
            seen.History.Select(change => $"{change.Actor} {change.Action}: {change.Before} → {change.After} {change.ReasonCode}"));
        Assert.Equal(seen.History.Select(change => change.At).Order(), seen.History.Select(change => change.At));
        Assert.Equal(TimeSpan.FromMinutes(3), seen.History[^1].At - seen.History[2].At);
    }

    public static TheoryData<string, AuditDamage, long> Touched => new()
    {
        { "UPDATE token_audit SET reason = 'FOUND' WHERE sequence = 3", AuditDamage.Altered, 3 },
        { "UPDATE token_audit SET actor = '63990100' WHERE sequence = 5", AuditDamage.Altered, 5 },
        { "UPDATE token_audit SET at = at + 1 WHERE sequence = 1", AuditDamage.Altered, 1 },
        { "DELETE FROM token_audit WHERE sequence = 3", AuditDamage.Deleted, 3 },
        { "DELETE FROM token_audit WHERE sequence = 1", AuditDamage.Deleted, 1 },
        { "DELETE FROM token_audit WHERE sequence = 3; UPDATE token_audit SET sequence = sequence - 1 WHERE sequence > 3", AuditDamage.Deleted, 3 },
        { "DELETE FROM token_audit WHERE sequence = 5", AuditDamage.Truncated, 5 },
        { "DELETE FROM token_audit WHERE sequence >= 4", AuditDamage.Truncated, 4 },
        { "DELETE FROM token_audit", AuditDamage.Truncated, 1 },
        { "DELETE FROM token_audit; DELETE FROM token_audit_end", AuditDamage.Truncated, 0 },
        { "DELETE FROM token_audit_end", AuditDamage.Truncated, 0 },
        { "INSERT INTO token_audit SELECT tur, 6, at, actor, action, state_before, state_after, reason, previous, hash FROM token_audit WHERE sequence = 4", AuditDamage.Inserted, 6 },
        { "INSERT INTO token_audit SELECT tur, 6, at, '63990100', 'suspend ISSUER', state_before, state_after, reason, hash, hash FROM token_audit WHERE sequence = 5", AuditDamage.Inserted, 6 },
        {
            "UPDATE token_audit SET sequence = -sequence WHERE sequence > 2; UPDATE token_audit SET sequence = 1 - sequence WHERE sequence < 0; "
            + "INSERT INTO token_audit SELECT tur, 3, at, '63990100', 'suspend ISSUER', state_before, state_after, reason, previous, hash FROM token_audit WHERE sequence = 2",
            AuditDamage.Inserted, 3
        },
        { "UPDATE token_audit SET sequence = 99 WHERE sequence = 3; UPDATE token_audit SET sequence = 3 WHERE sequence = 4; UPDATE token_audit SET sequence = 4 WHERE sequence = 99", AuditDamage.Reordered, 4 },
        { "UPDATE token_token SET state = 'Active', suspended_by = ''", AuditDamage.StateWithoutRow, 5 },
        { "DELETE FROM token_audit WHERE sequence = 5; UPDATE token_audit_end SET sequence = 4, hash = (SELECT hash FROM token_audit WHERE sequence = 4)", AuditDamage.StateWithoutRow, 4 },
    };

    [Theory]
    [MemberData(nameof(Touched))]
    public async Task A_row_altered_deleted_inserted_reordered_or_cut_off_is_named(string sql, AuditDamage damage, long row)
    {
        var (bench, tur) = await LivedAsync();
        await using var _ = bench;
        await bench.Store.WriteAsync(session =>
        {
            foreach (var statement in sql.Split("; "))
            {
                session.Execute(statement);
            }
        });
        var faults = await bench.Party.VerifyAuditAsync();
        Assert.Equal((damage, tur, row), (faults[0].Damage, faults[0].Tur, faults[0].Sequence));
        Assert.All(faults, fault => Assert.Equal(damage, fault.Damage));
    }

    [Fact]
    public async Task Without_the_key_nobody_writes_a_row_that_counts()
    {
        var (bench, tur) = await LivedAsync();
        await using var _ = bench;
        var forger = Majia.Hsm.KeyModule.InMemory("forger", bench.Entropy);
        forger.Generate(AuditTrail.Key, Majia.Hsm.KeyUsage.KeyedHash, Majia.Core.Cryptography.CipherAlgorithm.Aes, test: true);
        await bench.Store.WriteAsync(session =>
        {
            new AuditTrail(forger).Append(session, bench.Clock.GetUtcNow(), tur, "63990100", "unsuspend CARDHOLDER", "SUSPENDED CARDHOLDER", "ACTIVE", "FOUND");
            session.Execute("UPDATE token_token SET state = 'Active', suspended_by = ''");
        });
        Assert.Equal((AuditDamage.Altered, 6L), (await bench.Party.VerifyAuditAsync()) is [var only] ? (only.Damage, only.Sequence) : default);
    }
}
