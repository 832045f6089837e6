using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Issuer;

namespace Majia.Host.Ui;

/// <summary>Plastic at the counter: held to the reader, or put into the slot (R12, R15).</summary>
public sealed partial class Stand
{
    private static readonly Text
        NoAmount = new("The cashier has not asked for an amount yet.", "收银员尚未输入金额。"),
        UnderWay = new("A transaction is under way: cancel it first.", "交易进行中，请先取消。"),
        NoAntenna = new("Nothing happens: this card has no contactless chip. Insert it.", "没有反应：该卡没有闪付芯片，请插卡。");

    /// <summary>Why the plastic at the counter came to nothing; null when it did not.</summary>
    public Text? PlasticSays { get; private set; }

    /// <summary>The plastic in the customer's hand at the counter, by its test card's id.</summary>
    public string PlasticInHand { get; private set; } = PlasticsAtCounter[0];

    /// <summary>One for each thing that plastic can be: an ordinary one, electronic cash, a PIN of the chip's own, no antenna, a stripe alone, two brands, SM2.</summary>
    public static IReadOnlyList<string> PlasticsAtCounter { get; } = ["mingyue-01", "mingyue-16", "mingyue-10", "mingyue-14", "mingyue-15", "shahu-03", "beishan-03"];

    public void TakeInHand(string id)
    {
        (PlasticInHand, PlasticSays) = (PlasticsAtCounter.Contains(id) ? id : PlasticInHand, null);
        Tell();
    }

    /// <summary>Held to the reader; the cashier asks for the amount first, where she has not.</summary>
    public Task HoldPlasticAsync() => WorkAsync(new("The card is held to the reader", "正在挥实体卡"), async () =>
    {
        var card = await system.Plastics.InFieldAsync(PlasticInHand);
        if (!Counter.Now.Busy && card is not null)
        {
            Sell();
        }

        PlasticSays = card is null ? NoAntenna : Counter.HoldCard(card, Pace) ? null : NoAmount;
    });

    /// <summary>Put into the slot, which begins the sale.</summary>
    public Task InsertPlasticAsync() => WorkAsync(new("The card is inserted", "正在插卡"), async () =>
    {
        PlasticSays = Counter.Now.Busy ? UnderWay
            : Amount == 0 ? NoAmount
            : Counter.TrySellInserted(Core.Primitives.Amount.Cny(Amount), await system.Plastics.InSlotAsync(PlasticInHand), Pace) ? null : UnderWay;
    });

    /// <summary>What stands on it, and what it is for.</summary>
    public static SeedCard PlasticOf(string id) => SeedData.Card(id);
}
