using Majia.Core.Primitives;
using Majia.Host.Keys;
using Majia.Hsm;
using Majia.Storage;
using Majia.TokenService.Vault;

namespace Majia.Host.Operations;

/// <param name="Area">ledger, payments, audit, cards, chips, files.</param>
/// <param name="Where">Folder and party.</param>
public sealed record Finding(string Area, string Where, string Says);

/// <param name="Checked">What was looked at, one line each, with how much of it there was.</param>
public sealed record VerificationReport(IReadOnlyList<Finding> Findings, IReadOnlyList<string> Checked);

/// <summary>Looks whether the books of all parties agree with themselves and with each other. It reads committed rows only, so it runs beside a process as well as on a stopped folder.</summary>
/// <remarks>What is on its way between parties (an enrolment, a notice in an outbox) is no finding; a deleted device card that its chip still holds is not one either: the phone hears of it later (R24).</remarks>
public static class Verification
{
    /// <param name="folders">Data folders; parties apart are given together, else what a party says of another cannot be compared.</param>
    /// <exception cref="StoreException">A folder has no database, or it cannot be read.</exception>
    public static VerificationReport Run(IReadOnlyList<string> folders, Entropy entropy)
    {
        var (findings, looked) = (new List<Finding>(), new List<string>());
        var parties = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var folder in folders)
        {
            var database = Path.Combine(folder, "majia.db");
            foreach (var party in Snapshots.Versions(database).Select(row => row.Split('=')[0]))
            {
                parties.TryAdd(party, folder);
            }

            findings.AddRange(Snapshots.Damage(database).Select(damage => new Finding("files", database, damage)));
        }

        string? Database(string party) => parties.TryGetValue(party, out var folder) ? Path.Combine(folder, "majia.db") : null;

        if (Database("issuer") is { } bank)
        {
            SqliteStore.Peek(bank, session => Ledger(session, parties["issuer"], findings, looked));
        }

        if (Database("acquirer") is { } acquirer && Database("issuer") is { } issuer && Database("network") is { } network)
        {
            Payments(acquirer, network, issuer, parties["acquirer"], findings, looked);
        }

        if (Database("token") is { } vault)
        {
            var tokens = SqliteStore.Peek(vault, session =>
            {
                Audit(session, parties["token"], entropy, findings, looked);
                return Vault(session, parties["token"], findings, looked);
            });
            if (Database("wallet") is { } wallet)
            {
                SqliteStore.Peek(wallet, session => Wallet(session, parties["wallet"], tokens, findings, looked));
            }

            if (Database("issuer") is { } cards)
            {
                SqliteStore.Peek(cards, session => Banks(session, parties["issuer"], tokens, findings, looked));
            }

            foreach (var folder in folders)
            {
                Chips(folder, tokens, entropy, findings, looked);
            }
        }

        return new VerificationReport(findings, looked);
    }

    private sealed record Token(string Tur, string Last, string Seid, string InstanceAid, string State, string Stage, string SuspendedBy, int High, bool Telling);

    /// <summary>Money: every transaction and every currency sums to zero, and what an account shows is what its entries say.</summary>
    private static int Ledger(Session session, string folder, List<Finding> findings, List<string> looked)
    {
        void Find(IEnumerable<string> says) => findings.AddRange(says.Select(one => new Finding("ledger", folder, one)));

        Find(session.Query(
            "SELECT institution, currency, SUM(amount) FROM issuer_ledger GROUP BY institution, currency HAVING SUM(amount) <> 0 ORDER BY institution",
            static row => FormattableString.Invariant($"bank {row.GetString(0)}: the entries in currency {row.GetInt64(1)} sum to {row.GetInt64(2)}, not zero")));
        Find(session.Query(
            "SELECT institution, transaction_key, currency, SUM(amount) FROM issuer_ledger GROUP BY institution, transaction_key, currency HAVING SUM(amount) <> 0 ORDER BY institution, transaction_key",
            static row => FormattableString.Invariant($"bank {row.GetString(0)}: transaction {row.GetString(1)} in currency {row.GetInt64(2)} sums to {row.GetInt64(3)}, not zero")));
        Find(session.Query(
            """
            SELECT a.institution, a.account, a.balance, COALESCE(l.booked, 0) FROM issuer_accounts a
            LEFT JOIN (SELECT institution, account, SUM(amount) AS booked FROM issuer_ledger GROUP BY institution, account) l ON l.institution = a.institution AND l.account = a.account
            WHERE a.balance <> COALESCE(l.booked, 0) ORDER BY a.institution, a.account
            """,
            static row => FormattableString.Invariant($"bank {row.GetString(0)}: account {row.GetString(1)} shows {row.GetInt64(2)}, its entries say {row.GetInt64(3)}")));
        looked.Add(FormattableString.Invariant($"ledger: {session.Number("SELECT count(*) FROM issuer_ledger")} entries, {session.Number("SELECT count(*) FROM issuer_accounts")} accounts"));
        return 0;
    }

    /// <summary>What the acquirer has as paid, the bank has charged, and the other way round. While reversals are on their way the two may differ.</summary>
    private static void Payments(string acquirer, string network, string issuer, string folder, List<Finding> findings, List<string> looked)
    {
        var waiting = SqliteStore.Peek(acquirer, session => session.Number("SELECT count(*) FROM acquirer_outbox WHERE why IS NULL") + session.Number("SELECT count(*) FROM acquirer_transaction WHERE code IS NULL"))
            + SqliteStore.Peek(network, session => session.Number("SELECT count(*) FROM network_outbox WHERE why IS NULL") + session.Number("SELECT count(*) FROM network_transaction WHERE code IS NULL"));
        if (waiting > 0)
        {
            looked.Add(FormattableString.Invariant($"payments: not compared, {waiting} messages are on their way"));
            return;
        }

        var paid = SqliteStore.Peek(acquirer, session => session.Query(
            "SELECT rrn, amount FROM acquirer_transaction WHERE undoes IS NULL AND kind = '000000/22' AND code = '00' AND reversed_at IS NULL AND undone_by IS NULL AND rrn IS NOT NULL ORDER BY rrn",
            static row => (Rrn: row.GetString(0), Amount: row.GetInt64(1))));
        var charged = SqliteStore.Peek(issuer, session => session.Query(
            "SELECT rrn, amount FROM issuer_authorisations WHERE operation = 'Sale' AND state = 'Approved' ORDER BY rrn", static row => (Rrn: row.GetString(0), Amount: row.GetInt64(1))));
        findings.AddRange(paid.Except(charged).Select(sale => new Finding("payments", folder, FormattableString.Invariant($"the acquirer has {sale.Rrn} as paid, {sale.Amount} fen; the bank has not charged it"))));
        findings.AddRange(charged.Except(paid).Select(sale => new Finding("payments", folder, FormattableString.Invariant($"the bank has charged {sale.Rrn}, {sale.Amount} fen; the acquirer has it not as paid"))));
        looked.Add(FormattableString.Invariant($"payments: {paid.Count} at the acquirer, {charged.Count} at the banks"));
    }

    private static void Audit(Session session, string folder, Entropy entropy, List<Finding> findings, List<string> looked)
    {
        var keys = Path.Combine(folder, "keys");
        if (!File.Exists(Path.Combine(keys, KeyTable.TokenService + ".lmk")))
        {
            findings.Add(new Finding("audit", folder, "the key module of the token service is not here: the trail cannot be checked"));
            return;
        }

        findings.AddRange(new AuditTrail(KeyModule.Open(keys, KeyTable.TokenService, entropy)).Verify(session).Select(fault => new Finding("audit", folder, $"{fault.Tur} row {fault.Sequence}: {fault.Damage}: {fault.Says}")));
        looked.Add(FormattableString.Invariant($"audit: {session.Number("SELECT count(*) FROM token_audit")} rows"));
    }

    /// <summary>Each live device card holds one place on its chip and one of its plastic, and nobody else holds any (R9, R10).</summary>
    private static List<Token> Vault(Session session, string folder, List<Finding> findings, List<string> looked)
    {
        var tokens = session.Query(
            """
            SELECT t.tur, t.token, t.seid, t.instance_aid, t.state, t.stage, t.suspended_by, t.atc_high,
              (SELECT count(*) FROM token_outbox o WHERE o.reference = t.tur AND o.why IS NULL) FROM token_token t ORDER BY t.tur
            """,
            static row => new Token(row.GetString(0), row.GetString(1)[^4..], row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6), row.GetInt32(7), row.GetInt64(8) > 0));
        foreach (var (table, what) in ((string, string)[])[("token_device_slot", "its chip"), ("token_card_slot", "its plastic")])
        {
            findings.AddRange(session.Query(
                $"SELECT t.tur, t.token FROM token_token t WHERE t.state <> 'Deactivated' AND NOT EXISTS (SELECT 1 FROM {table} s WHERE s.tur = t.tur) ORDER BY t.tur",
                row => new Finding("cards", folder, $"device card {row.GetString(0)}, ending {row.GetString(1)[^4..]}, holds no place of {what}")));
            findings.AddRange(session.Query(
                $"SELECT s.tur FROM {table} s WHERE NOT EXISTS (SELECT 1 FROM token_token t WHERE t.tur = s.tur AND t.state <> 'Deactivated') AND NOT EXISTS (SELECT 1 FROM token_request r WHERE r.tur = s.tur AND r.reply IS NULL) ORDER BY s.tur",
                row => new Finding("cards", folder, $"a place of {what} is held for {row.GetString(0)}, which is no live device card")));
        }

        looked.Add(FormattableString.Invariant($"device cards: {tokens.Count} in the vault, {tokens.Count(Live)} live"));
        return tokens;
    }

    private static int Wallet(Session session, string folder, List<Token> tokens, List<Finding> findings, List<string> looked)
    {
        var cards = session.Query("SELECT tur, state FROM wallet_card WHERE tur IS NOT NULL ORDER BY tur", static row => (Tur: row.GetString(0), State: row.GetString(1)));
        var vault = tokens.ToDictionary(token => token.Tur, StringComparer.Ordinal);
        foreach (var (tur, state) in cards.Where(card => card.State is "Active" or "Suspended"))
        {
            if (!vault.TryGetValue(tur, out var token))
            {
                findings.Add(new Finding("cards", folder, $"the wallet shows {tur} as live, the vault does not know it"));
            }
            else if (!Live(token))
            {
                findings.Add(new Finding("cards", folder, $"the wallet shows {tur}, ending {token.Last}, as live, the vault says {token.State}"));
            }
        }

        var known = cards.Where(card => card.State is not ("Deleted" or "Failed")).Select(card => card.Tur).ToHashSet(StringComparer.Ordinal);
        foreach (var token in tokens.Where(token => Live(token) && !known.Contains(token.Tur)))
        {
            findings.Add(new Finding("cards", folder, $"the vault has {token.Tur}, ending {token.Last}, as {token.State}, the wallet does not show it"));
        }

        looked.Add(FormattableString.Invariant($"wallet: {cards.Count} cards"));
        return 0;
    }

    private static int Banks(Session session, string folder, List<Token> tokens, List<Finding> findings, List<string> looked)
    {
        var devices = session.Query("SELECT token_reference, state FROM issuer_devices ORDER BY token_reference", static row => (Tur: row.GetString(0), State: row.GetString(1)));
        var vault = tokens.ToDictionary(token => token.Tur, StringComparer.Ordinal);
        foreach (var (tur, state) in devices)
        {
            if (!vault.TryGetValue(tur, out var token))
            {
                if (state is "Active" or "Suspended")
                {
                    findings.Add(new Finding("cards", folder, $"the bank has {tur} as {state}, the vault does not know it"));
                }
            }
            else if (token.State != state && !token.Telling && (Live(token) || state is "Active" or "Suspended"))
            {
                findings.Add(new Finding("cards", folder, $"the bank has {tur}, ending {token.Last}, as {state}, the vault says {token.State}, and no notice is on its way"));
            }
        }

        var known = devices.Select(device => device.Tur).ToHashSet(StringComparer.Ordinal);
        findings.AddRange(tokens.Where(token => Live(token) && !token.Telling && !known.Contains(token.Tur))
            .Select(token => new Finding("cards", folder, $"the vault has {token.Tur}, ending {token.Last}, as {token.State}, the bank does not know it")));
        looked.Add(FormattableString.Invariant($"banks: {devices.Count} device cards"));
        return 0;
    }

    /// <summary>A chip's counter never falls behind what the vault has seen of it: one that does was put back to an earlier state.</summary>
    private static void Chips(string folder, List<Token> tokens, Entropy entropy, List<Finding> findings, List<string> looked)
    {
        var chips = ChipCounters.Read(folder, entropy);
        findings.AddRange(chips.Faults.Select(fault => new Finding("chips", folder, fault)));
        findings.AddRange(
            from token in tokens
            where Live(token)
            from chip in chips.Counters
            where chip.Seid == token.Seid && chip.InstanceAid == token.InstanceAid && chip.Counter < token.High
            select new Finding("chips", folder, $"chip of {chip.Handset}: the counter of {token.Tur}, ending {token.Last}, stands at {chip.Counter}, the vault has seen {token.High}: the chip was put back"));
        if (chips.Chips > 0)
        {
            looked.Add(FormattableString.Invariant($"chips: {chips.Chips}"));
        }
    }

    private static bool Live(Token token) => token.State is "Active" or "Suspended";
}
