using System.Globalization;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Hsm;

namespace Majia.Host.Load;

/// <summary>Who exists in a load world: numbers follow from the counts, so that the generator knows every card and terminal without being told.</summary>
/// <param name="Cards">Device cards, each with a plastic card behind it; by turns of the three banks.</param>
/// <param name="HotCards">More device cards, all of whose plastics draw on one account.</param>
/// <param name="Terminals">Virtual terminals, all at one merchant.</param>
public sealed record LoadPlan(long Seed, int Cards, int HotCards, int Terminals)
{
    public const string Merchant = "990031058120001", CategoryCode = "5942", TokenExpiry = "3012", PanExpiry = "3012", Sequence = "01", Requestor = "99900000001", Batch = "000001";

    public const string CryptogramMaster = "imk.ac";

    /// <summary>Fen of each sale.</summary>
    public const long Amount = 8_800;

    public LoadKeys Keys { get; } = new(Seed);

    /// <summary>Hot cards stand behind the others.</summary>
    public int AllCards => Cards + HotCards;

    public bool IsHot(int card) => card >= Cards;

    public static string Terminal(int terminal) => (20_000_000 + terminal).ToString(CultureInfo.InvariantCulture);

    public static string MacKeyOf(string terminal) => $"mak.{terminal}";

    public string Bank(int card) => SeedData.Banks[IsHot(card) ? 0 : card % SeedData.Banks.Count].Institution;

    public PaymentToken Token(int card) => PaymentToken.Parse(Digits($"81990{BankDigit(card)}", card));

    public Pan Pan(int card) => Core.Primitives.Pan.Parse(Digits($"62990{BankDigit(card)}", card));

    /// <summary>Card key of a device card, as its chip would hold it.</summary>
    public byte[] CardKey(int card) => Cryptogram.DeriveCardKey(CipherAlgorithm.TripleDes, Keys.Value(CryptogramMaster, CipherAlgorithm.TripleDes), Token(card).Reveal(), Sequence);

    private char BankDigit(int card) => Bank(card)[5];

    private static string Digits(string bin, int card)
    {
        var payload = bin + card.ToString("D9", CultureInfo.InvariantCulture);
        return payload + Luhn.CheckDigit(payload).ToString(CultureInfo.InvariantCulture);
    }
}
