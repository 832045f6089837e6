using System.Globalization;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>What becomes of the device cards when their plastic is replaced (R22).</summary>
public enum ReplacementPolicy
{
    /// <summary>They are deleted; the new plastic is added again. What the FAQ says, and the default.</summary>
    DeleteAndAddAgain,

    /// <summary>They move to the new plastic with their numbers and their history.</summary>
    MoveTokens,
}

/// <summary>A plastic as it goes to the embosser, and to nobody else. Print only the masked form.</summary>
public sealed class Embossing(Pan pan, string expiry, string cvn2)
{
    public Pan Pan => pan;

    /// <summary>YYMM.</summary>
    public string Expiry => expiry;

    public string Cvn2 => cvn2;

    public override string ToString() => pan.Masked;
}

/// <param name="Old">As it is now: replaced; the same as <paramref name="New"/> when only the expiry is new.</param>
/// <param name="DeviceCards">Live device cards that move or go.</param>
public sealed record Replacement(CardView Old, CardView New, ReplacementPolicy Policy, int DeviceCards, Embossing Embossing);

/// <summary>The bank's own side of R22: one unit at the bank, and what the token service has to know of it in the same unit.</summary>
public sealed partial class IssuerDesk
{
    /// <summary>The policy of a card's range.</summary>
    public ReplacementPolicy PolicyOf(string masked) =>
        options.MovesTokensOf.Any(bin => masked.StartsWith(bin, StringComparison.Ordinal)) ? ReplacementPolicy.MoveTokens : ReplacementPolicy.DeleteAndAddAgain;

    /// <summary>
    /// A new plastic of the same account with a new number, expiry and CVN2 and the PIN of the old one. From the unit's end the old plastic declines for good;
    /// its device cards decline too, or belong to the new one, by the policy of the range.
    /// </summary>
    /// <param name="policy">Null: that of the card's range.</param>
    /// <returns>The replacement, or why there is none.</returns>
    public async Task<(Replacement? Done, Refusal? Why)> ReplaceAsync(string card, ReplacementPolicy? policy = null)
    {
        while (true)
        {
            var before = await store.WriteAsync(session => Card.ById(session, options.Institution, card) is { } found
                ? (Card: found, Plastic: PlasticRow.Find(session, options.Institution, card)!, Id: NextId(session, card), Faces: Faces(session, card)) : default);
            if (Objection(before.Card) is { } objection)
            {
                return (null, objection);
            }

            // Sealing, and moving the PIN, is the key module's work and stands before the unit.
            var now = time.GetUtcNow();
            var way = policy ?? PolicyOf(before.Card.Masked);
            var old = before.Plastic.Open(keys, options.Institution);
            var number = NewNumber(old, before.Faces);
            var index = keys.Index(IssuerKeys.Index, number);
            var embossing = new Embossing(number, BankTime.YearMonth(now.AddYears(options.PlasticYears)), entropy.Digits(3));
            var box = Seal(number.Reveal(), IssuerKeys.PanContext(options.Institution, before.Id));
            var cvn2 = Seal(embossing.Cvn2, IssuerKeys.Cvn2Context(options.Institution, before.Id));
            var offset = keys.MovePinOffset(IssuerKeys.PinVerification, old, before.Plastic.PinOffset, number);
            var (request, message) = (entropy.NewId(), entropy.NewId());
            var body = CustomerMessage.Seal(keys, options, message, CustomerMessage.CardReplaced(options, before.Card.Masked[^4..], number.LastFour, way));
            var (done, why, again) = await store.CommitAsync(session =>
            {
                var held = Card.Hold(session, options.Institution, card);
                if (Objection(held) is { } late) return ((Replacement?)null, (Refusal?)late, false);
                if (Card.ById(session, options.Institution, before.Id) is not null || Card.ByNumber(session, options.Institution, index) is not null || Faces(session, card).Contains(number.LastFour)) return (null, null, true);

                session.Execute(
                    """
                    INSERT INTO issuer_cards (institution, card, account, customer, pan_box, pan_index, masked, expiry, sequence_number, cvn2_box, kind, brands, state, contactless,
                      pin_offset, pin_locked, pin_policy, amount_limit, risk, identity_failures, identity_failed_at)
                    SELECT institution, $3, account, customer, $4, $5, $6, $7, sequence_number, $8, kind, brands, 'Normal', contactless,
                      $9, pin_locked, pin_policy, amount_limit, risk, 0, 0 FROM issuer_cards WHERE institution = $1 AND card = $2
                    """,
                    options.Institution, card, before.Id, box, index, number.Masked, embossing.Expiry, cvn2, offset);
                session.Execute(
                    "UPDATE issuer_cards SET state = 'Replaced', state_before = NULL, moved_to = $3 WHERE institution = $1 AND card = $2",
                    options.Institution, card, way == ReplacementPolicy.MoveTokens ? before.Id : null);
                var live = (int)session.Number("SELECT COUNT(*) FROM issuer_devices WHERE institution = $1 AND card = $2 AND state <> 'Deactivated'", options.Institution, card)!;
                if (way == ReplacementPolicy.MoveTokens)
                {
                    MoveDevices(session, card, before.Id);
                }

                Errand.Add(
                    session, options.Institution, request, way == ReplacementPolicy.MoveTokens ? IssuerToken.Operations.AccountUpdate : IssuerToken.Operations.AccountClosed,
                    card, way == ReplacementPolicy.MoveTokens ? before.Id : null, Reason(held!, now), now);
                CustomerMessage.Send(session, options.Institution, message, Customer.ById(session, options.Institution, held!.Customer)!, body, now);
                return (new Replacement(
                    View(session, Card.ById(session, options.Institution, card)!), View(session, Card.ById(session, options.Institution, before.Id)!), way, live, embossing), null, false);
            });
            if (!again)
            {
                return (done, why);
            }
        }
    }

    /// <summary>The same number with a new expiry and CVN2: for a plastic that has expired, or will. Its device cards stay as they are.</summary>
    public async Task<(Replacement? Done, Refusal? Why)> RenewAsync(string card)
    {
        var now = time.GetUtcNow();
        var before = await store.WriteAsync(session => (Card: Card.ById(session, options.Institution, card), Plastic: PlasticRow.Find(session, options.Institution, card)));
        if (NotRenewed(before.Card) is { } objection)
        {
            return (null, objection);
        }

        var embossing = new Embossing(before.Plastic!.Open(keys, options.Institution), BankTime.YearMonth(now.AddYears(options.PlasticYears)), entropy.Digits(3));
        var cvn2 = Seal(embossing.Cvn2, IssuerKeys.Cvn2Context(options.Institution, card));
        var request = entropy.NewId();
        return await store.CommitAsync(session =>
        {
            if (NotRenewed(Card.Hold(session, options.Institution, card)) is { } late) return ((Replacement?)null, (Refusal?)late);

            session.Execute(
                "UPDATE issuer_cards SET expiry = $3, cvn2_box = $4, state = CASE WHEN state = 'Expired' THEN 'Normal' ELSE state END WHERE institution = $1 AND card = $2",
                options.Institution, card, embossing.Expiry, cvn2);
            Errand.Add(session, options.Institution, request, IssuerToken.Operations.ExpiryUpdate, card, null, "EXPIRED", now);
            var view = View(session, Card.ById(session, options.Institution, card)!);
            var live = (int)session.Number("SELECT COUNT(*) FROM issuer_devices WHERE institution = $1 AND card = $2 AND state <> 'Deactivated'", options.Institution, card)!;
            return (new Replacement(view, view, ReplacementPolicy.MoveTokens, live, embossing), null);
        });
    }

    /// <summary>What the token service was told of a card, and what it still has to be, oldest first.</summary>
    public IReadOnlyList<Errand> ErrandsOf(string card) => store.Read(session => Errand.Of(session, options.Institution, card));

    private static Refusal? Objection(Card? card) => card?.State switch
    {
        null => new("CARD_NOT_FOUND", new("The bank has no such card.", "本行没有这张卡。")),
        CardState.Replaced => new("CARD_REPLACED", new("The card has been replaced already.", "该卡已换发新卡。")),
        CardState.Closed => new("CARD_CLOSED", new("The card is closed: there is no account for a new one.", "该卡已销卡，无法换卡。")),
        _ => null,
    };

    private static Refusal? NotRenewed(Card? card) => Objection(card) ?? (card!.State is CardState.Lost or CardState.Stolen
        ? new("NEW_NUMBER_WANTED", new("A card that was lost or stolen gets a new number.", "挂失的卡须更换卡号。"))
        : null);

    private static string Reason(Card card, DateTimeOffset now) => card.State switch
    {
        CardState.Lost => "LOST",
        CardState.Stolen => "STOLEN",
        _ when card.State == CardState.Expired || string.CompareOrdinal(card.Expiry, BankTime.YearMonth(now)) < 0 => "EXPIRED",
        _ => "REPLACED",
    };

    /// <summary>Last four digits of its device cards: the new plastic's differ from all of them (decisions.md 13).</summary>
    private HashSet<string> Faces(Session session, string card) => session.Query(
        "SELECT last_four FROM issuer_devices WHERE institution = $1 AND card = $2 ORDER BY last_four", static row => row.GetString(0), options.Institution, card).ToHashSet(StringComparer.Ordinal);

    /// <summary>Of the same range: all but the last seven digits stay.</summary>
    private Pan NewNumber(Pan old, HashSet<string> faces)
    {
        while (true)
        {
            var payload = old.Reveal()[..^7] + entropy.Digits(6);
            var made = Pan.Parse(payload + Luhn.CheckDigit(payload));
            if (made.LastFour != old.LastFour && !faces.Contains(made.LastFour))
            {
                return made;
            }
        }
    }

    /// <summary>mingyue-01 → mingyue-01.2 → mingyue-01.3.</summary>
    private string NextId(Session session, string card)
    {
        var root = card.Split('.')[0];
        var number = 2;
        while (Card.ById(session, options.Institution, string.Create(CultureInfo.InvariantCulture, $"{root}.{number}")) is not null)
        {
            number++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{root}.{number}");
    }

    private void MoveDevices(Session session, string from, string to)
    {
        session.Execute("UPDATE issuer_devices SET card = $3 WHERE institution = $1 AND card = $2", options.Institution, from, to);
        session.Execute("UPDATE issuer_enrolments SET card = $3 WHERE institution = $1 AND card = $2", options.Institution, from, to);
        foreach (var (face, left) in session.Query(
            "SELECT face, tries_left FROM issuer_pin_tries WHERE institution = $1 AND card = $2 AND face <> '' ORDER BY face", static row => (row.GetString(0), (int)row.GetInt64(1)), options.Institution, from))
        {
            PinTries.Set(session, options.Institution, to, face, left);
        }

        LimitRow.Move(session, options.Institution, from, to);
    }

    private byte[] Seal(string text, string context) => keys.Seal(IssuerKeys.Pan, Encoding.UTF8.GetBytes(text), context);
}
