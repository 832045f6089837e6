using System.Globalization;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Issuer;

namespace Majia.Host.Seed;

/// <summary>docs/test-cards.md, written from the seed data: one card per outcome, in both languages. A test keeps the file equal to this.</summary>
public static class TestCardsDocument
{
    public static string Write()
    {
        var page = new StringBuilder();
        Line(page, "# Test cards · 测试卡");
        Line(page);
        Line(page, "Written from the seed data (`src/Majia.Host/Seed`); do not edit by hand. Banks, people and numbers are invented: the ranges 6299xx belong to nobody, and 411111 and 400000 stand for a dual-brand and a VISA-only card.");
        Line(page);
        Line(page, "本页由种子数据生成（`src/Majia.Host/Seed`），请勿手工修改。银行、人名、卡号均为虚构：6299xx 不属于任何机构，411111、400000 分别代表双标卡与仅 VISA 卡。");
        Line(page);
        Line(page, $"Every card has the PIN {SeedData.TestPin}. The SMS code is in the bank's outbox. · 所有测试卡密码均为 {SeedData.TestPin}，短信验证码见银行发件箱。");
        foreach (var bank in SeedData.Banks)
        {
            Line(page);
            Line(page, $"## {bank.Name.En} · {bank.Name.Zh}");
            Line(page);
            Line(page, "| card · 卡 | number · 卡号 | kind · 种类 | plastic · 实体卡 | expiry · 有效期 | CVN2 | holder · 持卡人 | what it shows · 用途 |");
            Line(page, "|---|---|---|---|---|---|---|---|");
            foreach (var card in bank.Cards)
            {
                var holder = SeedData.CustomerOf(card);
                Row(page, card, $"{holder.Name} {holder.Pinyin}");
            }

            Line(page);
            Line(page, "| holder · 持卡人 | ID number · 证件号码 | mobile · 手机号 | document good until · 证件有效期至 | bank's app · 银行应用 |");
            Line(page, "|---|---|---|---|---|");
            foreach (var customer in bank.Customers)
            {
                Line(page, $"| {customer.Name} {customer.Pinyin} | {customer.IdNumber} | {customer.Mobile ?? "none · 未预留"} | {customer.DocumentExpires} | {(customer.AppPassword is { } app ? $"{customer.Id}, {app}" : "none · 未开通")} |");
            }
        }

        Line(page);
        Line(page, "## Not UnionPay · 非银联卡");
        Line(page);
        Line(page, "| card · 卡 | number · 卡号 | kind · 种类 | plastic · 实体卡 | expiry · 有效期 | CVN2 | holder · 持卡人 | what it shows · 用途 |");
        Line(page, "|---|---|---|---|---|---|---|---|");
        Row(page, SeedData.VisaOnly, "");
        Line(page);
        Line(page, "## Handsets · 手机");
        Line(page);
        Line(page, "| model · 型号 | system · 系统版本 | what it shows · 用途 |");
        Line(page, "|---|---|---|");
        foreach (var handset in SeedData.Handsets)
        {
            Line(page, $"| {handset.Model} | {handset.Version} {handset.Track} | {Both(handset.Outcome)} |");
        }

        Line(page);
        Line(page, "## Shops · 商户");
        Line(page);
        Line(page, "| shop · 商户 | merchant number · 商户编号 | terminal · 终端编号 | PIN · 密码 | by the card alone, up to · 脱机限额 |");
        Line(page, "|---|---|---|---|---|");
        foreach (var merchant in SeedData.Merchants)
        {
            Line(page, $"| {Both(merchant.Name)} | {merchant.Merchant} | {merchant.Terminal} | {(merchant.AlwaysAsksPin ? "always · 每笔验密" : "over the limit · 超限验密")} | {(merchant.OfflineLimit == 0 ? "never · 一律联机" : Amount.Cny(merchant.OfflineLimit).ToString())} |");
        }

        Line(page);
        Line(page, "## Hotline agents · 客服人员");
        Line(page);
        Line(page, "| bank · 银行 | agent · 工号 | secret · 口令 |");
        Line(page, "|---|---|---|");
        foreach (var bank in SeedData.Banks)
        {
            foreach (var agent in bank.Agents)
            {
                Line(page, $"| {Both(bank.Name)} | {agent.Id} | {agent.Secret} |");
            }
        }

        Line(page);
        Line(page, "## Wallet accounts · 钱包帐号");
        Line(page);
        Line(page, "| account · 帐号 | password · 口令 | holder · 持有人 |");
        Line(page, "|---|---|---|");
        foreach (var account in SeedData.WalletAccounts)
        {
            Line(page, $"| {account.Account} | {account.Password} | {Both(account.Holder)} |");
        }

        return page.ToString();
    }

    private static void Row(StringBuilder page, SeedCard card, string holder) => Line(page, string.Create(
        CultureInfo.InvariantCulture,
        $"| {card.Id} | {Grouped(card.Pan)} | {Both(card.Kind.Name())} | {Both(Body(card))} | {card.Expiry[2..]}/{card.Expiry[..2]} | {card.Cvn2} | {holder} | {Both(card.Outcome)} |"));

    private static Text Body(SeedCard card) => !card.HasChip ? new("stripe", "磁条") : card.Contactless ? new("chip and antenna", "芯片、闪付") : new("chip, contacts alone", "芯片、仅接触");

    // Test numbers of invented ranges: the one page that shows them whole.
    private static string Grouped(Pan pan) => string.Join(' ', pan.Reveal().Chunk(4).Select(group => new string(group)));

    private static string Both(Text text) => $"{text.En} · {text.Zh}";

    private static void Line(StringBuilder page, string text = "") => page.Append(text).Append('\n');
}
