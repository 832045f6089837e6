using Majia.Core.Primitives;
using Majia.Host.Keys;
using Majia.Hsm;
using Majia.Storage;
using Majia.TokenService.Vault;

namespace Majia.Host.Operations;

/// <param name="Area">ledger, payments, audit, cards, transit, chips, files.</param>
/// <param name="Where">Folder and party.</param>
public sealed record Finding(string Area, string Where, Text Says);

/// <param name="Folder">A data folder: keys, chips, and without a store the parties' rows.</param>
/// <param name="Store">Connection string of a PostgreSQL that has the rows.</param>
public sealed record DataPlace(string Folder, string? Store = null);

/// <param name="Checked">What was looked at, one line each, with how much of it there was.</param>
public sealed record VerificationReport(IReadOnlyList<Finding> Findings, IReadOnlyList<Text> Checked);

/// <summary>Looks whether the books of all parties agree with themselves and with each other. It reads committed rows only, so it runs beside a process as well as on a stopped folder.</summary>
/// <remarks>What is on its way between parties (an enrolment, a notice in an outbox) is no finding; a deleted device card that its chip still holds is not one either: the phone hears of it later (R24).</remarks>
public static partial class Verification
{
    /// <param name="places">Where the parties are; parties apart are given together, else what a party says of another cannot be compared.</param>
    /// <exception cref="StoreException">A folder has no database, or it cannot be read.</exception>
    public static VerificationReport Run(IReadOnlyList<DataPlace> places, Entropy entropy)
    {
        var (findings, looked) = (new List<Finding>(), new List<Text>());
        var folders = places.Select(static place => place.Folder).ToList();
        var parties = new SortedDictionary<string, PartyRows>(StringComparer.Ordinal);
        var databases = new List<Snapshots.SettledDatabase>();
        try
        {
            OfFolders(places.Where(static place => place.Store is null).Select(static place => place.Folder), databases, parties, findings);
            Run(places, folders, parties, entropy, findings, looked);
        }
        finally
        {
            databases.ForEach(static database => database.Dispose());
        }

        return new VerificationReport(findings, looked);
    }

    private static void Run(IReadOnlyList<DataPlace> places, List<string> folders, SortedDictionary<string, PartyRows> parties, Entropy entropy, List<Finding> findings, List<Text> looked)
    {
        OfPostgres(places.Select(static place => place.Store).OfType<string>().Distinct(StringComparer.Ordinal), parties);
        if (parties.TryGetValue("issuer", out var bank))
        {
            bank.Look(session => Ledger(session, bank.Where, findings, looked));
        }

        if (parties.TryGetValue("acquirer", out var acquirer) && parties.TryGetValue("issuer", out var issuer) && parties.TryGetValue("network", out var network))
        {
            Payments(acquirer, network, issuer, findings, looked);
        }

        if (parties.TryGetValue("token", out var vault))
        {
            var keys = vault.Folder ?? folders.FirstOrDefault(static folder => File.Exists(VaultKeys(folder))) ?? folders[0];
            var tokens = vault.Look(session =>
            {
                Audit(session, keys, entropy, findings, looked);
                return Vault(session, vault.Where, findings, looked);
            });
            if (parties.TryGetValue("wallet", out var wallet))
            {
                wallet.Look(session => Wallet(session, wallet.Where, tokens, findings, looked));
            }

            if (parties.TryGetValue("issuer", out var cards))
            {
                cards.Look(session => Banks(session, cards.Where, tokens, findings, looked));
            }

            foreach (var folder in folders)
            {
                Chips(folder, tokens, entropy, findings, looked);
            }
        }

        if (parties.TryGetValue("transit", out var transit))
        {
            Transit(transit, folders, entropy, findings, looked);
        }
    }

    /// <summary>One party's committed rows, in whichever database.</summary>
    /// <param name="folder">Where its file is; null on PostgreSQL.</param>
    /// <param name="place">Its file, or the database.</param>
    private sealed class PartyRows(string party, string? folder, string place)
    {
        public string? Folder => folder;

        /// <summary>For findings.</summary>
        public string Where => folder ?? $"schema {party}";

        public T Look<T>(Func<Session, T> query) => folder is null ? PostgresStore.Peek(place, party, query) : SqliteStore.Peek(place, query);
    }

    private static void OfFolders(IEnumerable<string> folders, List<Snapshots.SettledDatabase> databases, SortedDictionary<string, PartyRows> parties, List<Finding> findings)
    {
        foreach (var folder in folders)
        {
            // A folder that nobody closed is copied once, with what waits in its log.
            var database = Path.Combine(folder, "majia.db");
            var settled = new Snapshots.SettledDatabase(database);
            databases.Add(settled);
            foreach (var party in Snapshots.Versions(settled.Path).Select(row => row.Split('=')[0]))
            {
                parties.TryAdd(party, new PartyRows(party, folder, settled.Path));
            }

            findings.AddRange(Snapshots.Refused(database).Select(row => new Finding("files", database, new($"an acknowledged row was not taken in from the log and is kept in redo_refused: {row}", $"一行已确认的数据未能从日志写入，保存在 redo_refused：{row}"))));
            findings.AddRange(Snapshots.Damage(database).Select(damage => new Finding("files", database, new($"the file is damaged: {damage}", $"数据库文件已损坏：{damage}"))));
        }
    }

    private static void OfPostgres(IEnumerable<string> stores, SortedDictionary<string, PartyRows> parties)
    {
        foreach (var store in stores)
        {
            var there = PostgresDatabase.Parties(store);
            if (there.Count == 0)
            {
                throw new StoreException("the database has no schema of a party, or none that this login may read");
            }

            foreach (var party in there)
            {
                parties.TryAdd(party, new PartyRows(party, null, store));
            }
        }
    }

    private static string VaultKeys(string folder) => Path.Combine(folder, "keys", KeyTable.TokenService + ".lmk");

    private sealed record Token(string Tur, string Last, string Seid, string InstanceAid, string State, string Stage, string SuspendedBy, int High, bool Telling);

    /// <summary>Money: every transaction and every currency sums to zero, and what an account shows is what its entries say.</summary>
    private static int Ledger(Session session, string folder, List<Finding> findings, List<Text> looked)
    {
        void Find(IEnumerable<Text> says) => findings.AddRange(says.Select(one => new Finding("ledger", folder, one)));

        Find(session.Query(
            "SELECT institution, currency, SUM(amount) FROM issuer_ledger GROUP BY institution, currency HAVING SUM(amount) <> 0 ORDER BY institution",
            static row => new Text($"bank {row.GetString(0)}: the entries in currency {row.GetInt64(1)} sum to {row.GetInt64(2)}, not zero", $"银行 {row.GetString(0)}：币种 {row.GetInt64(1)} 的分录合计为 {row.GetInt64(2)}，应为零")));
        Find(session.Query(
            "SELECT institution, transaction_key, currency, SUM(amount) FROM issuer_ledger GROUP BY institution, transaction_key, currency HAVING SUM(amount) <> 0 ORDER BY institution, transaction_key",
            static row => new Text($"bank {row.GetString(0)}: transaction {row.GetString(1)} in currency {row.GetInt64(2)} sums to {row.GetInt64(3)}, not zero", $"银行 {row.GetString(0)}：交易 {row.GetString(1)} 在币种 {row.GetInt64(2)} 的合计为 {row.GetInt64(3)}，应为零")));
        Find(session.Query(
            """
            SELECT a.institution, a.account, a.balance, COALESCE(l.booked, 0) FROM issuer_accounts a
            LEFT JOIN (SELECT institution, account, SUM(amount) AS booked FROM issuer_ledger GROUP BY institution, account) l ON l.institution = a.institution AND l.account = a.account
            WHERE a.balance <> COALESCE(l.booked, 0) ORDER BY a.institution, a.account
            """,
            static row => new Text($"bank {row.GetString(0)}: account {row.GetString(1)} shows {row.GetInt64(2)}, its entries say {row.GetInt64(3)}", $"银行 {row.GetString(0)}：账户 {row.GetString(1)} 余额为 {row.GetInt64(2)}，分录合计为 {row.GetInt64(3)}")));
        var (entries, accounts) = (session.Number("SELECT count(*) FROM issuer_ledger"), session.Number("SELECT count(*) FROM issuer_accounts"));
        looked.Add(new($"ledger: {entries} entries, {accounts} accounts", $"账本：{entries} 条分录，{accounts} 个账户"));
        return 0;
    }

    /// <summary>What the acquirer has as paid, the bank has charged, and the other way round. While reversals are on their way the two may differ.</summary>
    private static void Payments(PartyRows acquirer, PartyRows network, PartyRows issuer, List<Finding> findings, List<Text> looked)
    {
        var waiting = acquirer.Look(session => session.Number("SELECT count(*) FROM acquirer_outbox WHERE why IS NULL") + session.Number("SELECT count(*) FROM acquirer_transaction WHERE code IS NULL"))
            + network.Look(session => session.Number("SELECT count(*) FROM network_outbox WHERE why IS NULL") + session.Number("SELECT count(*) FROM network_transaction WHERE code IS NULL"));
        if (waiting > 0)
        {
            looked.Add(new($"payments: not compared, {waiting} messages are on their way", $"交易：未比对，尚有 {waiting} 条报文在途"));
            return;
        }

        var paid = acquirer.Look(session => session.Query(
            "SELECT rrn, amount FROM acquirer_transaction WHERE undoes IS NULL AND kind = '000000/22' AND code = '00' AND reversed_at IS NULL AND undone_by IS NULL AND rrn IS NOT NULL ORDER BY rrn",
            static row => (Rrn: row.GetString(0), Amount: row.GetInt64(1))));
        var charged = issuer.Look(session => session.Query(
            "SELECT rrn, amount FROM issuer_authorisations WHERE operation = 'Sale' AND state = 'Approved' ORDER BY rrn", static row => (Rrn: row.GetString(0), Amount: row.GetInt64(1))));
        findings.AddRange(paid.Except(charged).Select(sale => new Finding("payments", acquirer.Where, new($"the acquirer has {sale.Rrn} as paid, {sale.Amount} fen; the bank has not charged it", $"收单机构记 {sale.Rrn} 已支付 {sale.Amount} 分，发卡行未扣款"))));
        findings.AddRange(charged.Except(paid).Select(sale => new Finding("payments", acquirer.Where, new($"the bank has charged {sale.Rrn}, {sale.Amount} fen; the acquirer has it not as paid", $"发卡行已扣 {sale.Rrn}，{sale.Amount} 分，收单机构未记为已支付"))));
        looked.Add(new($"payments: {paid.Count} at the acquirer, {charged.Count} at the banks", $"交易：收单 {paid.Count} 笔，发卡 {charged.Count} 笔"));
    }

    private static void Audit(Session session, string folder, Entropy entropy, List<Finding> findings, List<Text> looked)
    {
        var keys = Path.Combine(folder, "keys");
        if (!File.Exists(VaultKeys(folder)))
        {
            findings.Add(new Finding("audit", folder, new("the key module of the token service is not here: the trail cannot be checked", "此处没有标记服务的密钥模块，无法核对审计记录")));
            return;
        }

        findings.AddRange(new AuditTrail(KeyModule.Open(keys, KeyTable.TokenService, entropy)).Verify(session).Select(fault => new Finding("audit", folder, new($"{fault.Tur} row {fault.Sequence}: {fault.Damage}: {fault.Says}", $"{fault.Tur} 第 {fault.Sequence} 行：{Words(fault.Damage)}"))));
        var rows = session.Number("SELECT count(*) FROM token_audit");
        looked.Add(new($"audit: {rows} rows", $"审计记录：{rows} 行"));
    }

    /// <summary>Each live device card holds one place on its chip and one of its plastic, and nobody else holds any (R9, R10).</summary>
    private static List<Token> Vault(Session session, string folder, List<Finding> findings, List<Text> looked)
    {
        var tokens = session.Query(
            """
            SELECT t.tur, t.token, t.seid, t.instance_aid, t.state, t.stage, t.suspended_by, t.atc_high,
              (SELECT count(*) FROM token_outbox o WHERE o.reference = t.tur AND o.why IS NULL) FROM token_token t ORDER BY t.tur
            """,
            static row => new Token(row.GetString(0), row.GetString(1)[^4..], row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6), row.GetInt32(7), row.GetInt64(8) > 0));
        foreach (var (table, what) in ((string, Text)[])[("token_device_slot", new("its chip", "手机芯片")), ("token_card_slot", new("its plastic", "实体卡"))])
        {
            findings.AddRange(session.Query(
                $"SELECT t.tur, t.token FROM token_token t WHERE t.state <> 'Deactivated' AND NOT EXISTS (SELECT 1 FROM {table} s WHERE s.tur = t.tur) ORDER BY t.tur",
                row => new Finding("cards", folder, new($"device card {row.GetString(0)}, ending {row.GetString(1)[^4..]}, holds no place of {what.En}", $"设备卡 {row.GetString(0)}（尾号 {row.GetString(1)[^4..]}）未占用{what.Zh}名额"))));
            findings.AddRange(session.Query(
                $"SELECT s.tur FROM {table} s WHERE NOT EXISTS (SELECT 1 FROM token_token t WHERE t.tur = s.tur AND t.state <> 'Deactivated') AND NOT EXISTS (SELECT 1 FROM token_request r WHERE r.tur = s.tur AND r.reply IS NULL) ORDER BY s.tur",
                row => new Finding("cards", folder, new($"a place of {what.En} is held for {row.GetString(0)}, which is no live device card", $"{row.GetString(0)} 并非有效设备卡，却占用{what.Zh}名额"))));
        }

        looked.Add(new($"device cards: {tokens.Count} in the vault, {tokens.Count(Live)} live", $"设备卡：共 {tokens.Count} 张，有效 {tokens.Count(Live)} 张"));
        return tokens;
    }

    private static int Wallet(Session session, string folder, List<Token> tokens, List<Finding> findings, List<Text> looked)
    {
        var cards = session.Query("SELECT tur, state FROM wallet_card WHERE tur IS NOT NULL ORDER BY tur", static row => (Tur: row.GetString(0), State: row.GetString(1)));
        var vault = tokens.ToDictionary(token => token.Tur, StringComparer.Ordinal);
        foreach (var (tur, state) in cards.Where(card => card.State is "Active" or "Suspended"))
        {
            if (!vault.TryGetValue(tur, out var token))
            {
                findings.Add(new Finding("cards", folder, new($"the wallet shows {tur} as live, the vault does not know it", $"钱包云显示 {tur} 有效，标记服务没有该卡")));
            }
            else if (!Live(token))
            {
                findings.Add(new Finding("cards", folder, new($"the wallet shows {tur}, ending {token.Last}, as live, the vault says {token.State}", $"钱包云显示 {tur}（尾号 {token.Last}）有效，标记服务为 {token.State}")));
            }
        }

        var known = cards.Where(card => card.State is not ("Deleted" or "Failed")).Select(card => card.Tur).ToHashSet(StringComparer.Ordinal);
        foreach (var token in tokens.Where(token => Live(token) && !known.Contains(token.Tur)))
        {
            findings.Add(new Finding("cards", folder, new($"the vault has {token.Tur}, ending {token.Last}, as {token.State}, the wallet does not show it", $"标记服务中 {token.Tur}（尾号 {token.Last}）为 {token.State}，钱包云未显示")));
        }

        looked.Add(new($"wallet: {cards.Count} cards", $"钱包云：{cards.Count} 张卡"));
        return 0;
    }

    private static int Banks(Session session, string folder, List<Token> tokens, List<Finding> findings, List<Text> looked)
    {
        var devices = session.Query("SELECT token_reference, state FROM issuer_devices ORDER BY token_reference", static row => (Tur: row.GetString(0), State: row.GetString(1)));
        var vault = tokens.ToDictionary(token => token.Tur, StringComparer.Ordinal);
        foreach (var (tur, state) in devices)
        {
            if (!vault.TryGetValue(tur, out var token))
            {
                if (state is "Active" or "Suspended")
                {
                    findings.Add(new Finding("cards", folder, new($"the bank has {tur} as {state}, the vault does not know it", $"银行记 {tur} 为 {state}，标记服务没有该卡")));
                }
            }
            else if (token.State != state && !token.Telling && (Live(token) || state is "Active" or "Suspended"))
            {
                findings.Add(new Finding("cards", folder, new($"the bank has {tur}, ending {token.Last}, as {state}, the vault says {token.State}, and no notice is on its way", $"银行记 {tur}（尾号 {token.Last}）为 {state}，标记服务为 {token.State}，且无在途通知")));
            }
        }

        var known = devices.Select(device => device.Tur).ToHashSet(StringComparer.Ordinal);
        findings.AddRange(tokens.Where(token => Live(token) && !token.Telling && !known.Contains(token.Tur))
            .Select(token => new Finding("cards", folder, new($"the vault has {token.Tur}, ending {token.Last}, as {token.State}, the bank does not know it", $"标记服务中 {token.Tur}（尾号 {token.Last}）为 {token.State}，银行没有该卡"))));
        looked.Add(new($"banks: {devices.Count} device cards", $"银行：{devices.Count} 张设备卡"));
        return 0;
    }

    /// <summary>A chip's counter never falls behind what the vault has seen of it: one that does was put back to an earlier state.</summary>
    private static void Chips(string folder, List<Token> tokens, Entropy entropy, List<Finding> findings, List<Text> looked)
    {
        var chips = ChipCounters.Read(folder, entropy);
        findings.AddRange(chips.Faults.Select(fault => new Finding("chips", folder, fault)));
        findings.AddRange(
            from token in tokens
            where Live(token)
            from chip in chips.Counters
            where chip.Seid == token.Seid && chip.InstanceAid == token.InstanceAid && chip.Counter < token.High
            select new Finding("chips", folder, new($"chip of {chip.Handset}: the counter of {token.Tur}, ending {token.Last}, stands at {chip.Counter}, the vault has seen {token.High}: the chip was put back", $"{chip.Handset} 的芯片：{token.Tur}（尾号 {token.Last}）计数为 {chip.Counter}，标记服务已见 {token.High}，芯片曾被回退")));
        if (chips.Chips > 0)
        {
            looked.Add(new($"chips: {chips.Chips}", $"芯片：{chips.Chips} 枚"));
        }
    }

    private static string Words(AuditDamage damage) => damage switch
    {
        AuditDamage.Altered => "内容被改动",
        AuditDamage.Deleted => "被删除",
        AuditDamage.Inserted => "并非原有记录",
        AuditDamage.Reordered => "次序被调换",
        AuditDamage.Truncated => "末尾被截断",
        _ => "设备卡状态与记录不符",
    };

    private static bool Live(Token token) => token.State is "Active" or "Suspended";
}
