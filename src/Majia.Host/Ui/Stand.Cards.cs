using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Desk;
using Majia.Host.Seed;
using Majia.Issuer;
using Majia.Phone;

namespace Majia.Host.Ui;

/// <summary>A bank's message, as the phone of its customer shows it.</summary>
/// <param name="Code">The digits in it that the phone offers to fill in; null when it holds none.</param>
public sealed record ShortMessage(string Id, Text From, string To, Text Body, string? Code, DateTimeOffset At);

/// <summary>Adding cards, and living with them.</summary>
public sealed partial class Stand
{
    private const int MessagesShown = 12;

    /// <summary>The card whose code the bank has sent; null when none waits.</summary>
    public PhoneCard? Waiting => Phone.State.Cards.FirstOrDefault(card => card.State == EnrolmentState.VerificationRequired);

    public IEnumerable<PhoneCard> Cards => Phone.State.Cards.OrderBy(card => card.Position);

    /// <summary>How the last card that was added went; null before the first.</summary>
    public EnrolmentOutcome? LastAdded { get; private set; }

    /// <summary>Newest first: what the banks wrote to their customers. The demonstration's people all read this one phone.</summary>
    public IReadOnlyList<ShortMessage> Messages() => SeedData.Banks
        .Where(bank => system.Issuers.ContainsKey(bank.Institution))
        .SelectMany(bank => bank.Customers.SelectMany(customer => system.Issuers[bank.Institution].Desk.Messages(customer.Id).Select(message => (bank.Name, Message: new DeskMessage(message.Id, message.Mobile, message.Body, message.At)))))
        .Concat(system.Letters.SelectMany(bank => bank.Value.Select(message => (SeedData.Bank(bank.Key).Name, Message: message))))
        .OrderByDescending(row => row.Message.At).ThenByDescending(row => row.Message.Id, StringComparer.Ordinal)
        .Take(MessagesShown)
        .Select(row => new ShortMessage(row.Message.Id, row.Name, row.Message.Mobile, row.Message.Body, CodeIn(row.Message.Body.En), row.Message.At))
        .ToList();

    /// <summary>A test card, typed in by the host: its number never comes to the page.</summary>
    public Task AddTestCardAsync(string id) => AddAsync(SeedData.AsTyped(SeedData.Card(id)), PhoneDevice.Typed);

    /// <summary>What the phone read out of the card at its back; null before the first, and when the reading was used.</summary>
    public PlasticReading? AtTheBack { get; private set; }

    /// <summary>The test card whose plastic lies at the phone's back; null: none does.</summary>
    public SeedCard? Laid { get; private set; }

    /// <summary>The plastic goes back into the drawer.</summary>
    public void TakePlasticAway()
    {
        (AtTheBack, Laid) = (null, null);
        Say([]);
    }

    /// <summary>Lays a test card's plastic on the phone's back (R5). What was read stays in <see cref="AtTheBack"/>.</summary>
    public Task LayOnBackAsync(string id) => WorkAsync(new("Hold the card to the phone's back", "请将卡片贴住手机背面"), async () =>
    {
        (AtTheBack, Laid) = (null, SeedData.Find(id));
        Tell();
        AtTheBack = await system.Plastics.ReadAtBackAsync(Phone, id);
        Say(AtTheBack.Why is { } why ? [why] : []);
    });

    /// <summary>Adds the card that was read, with what its holder typed beside it.</summary>
    public Task AddReadAsync(string? cvn2, string? holderName, string? idNumber, string? mobileNumber)
    {
        var number = AtTheBack?.Number;
        (AtTheBack, Laid) = (null, null);
        return number is null ? Task.CompletedTask : AddAsync(number.With(cvn2, holderName, idNumber, mobileNumber), PhoneDevice.TappedAtTheBack);
    }

    /// <summary>A test card read at the phone's back, and what its holder knows typed in by the host.</summary>
    public async Task AddTestCardByNfcAsync(string id)
    {
        await LayOnBackAsync(id);
        var holder = SeedData.AsTyped(SeedData.Card(id));
        await AddReadAsync(holder.Cvn2, holder.HolderName, holder.IdNumber, holder.MobileNumber);
    }

    private readonly List<(SeedCard Of, Replacement Done)> sent = [];

    /// <summary>New plastics that a bank has sent since this page was opened: its own id, and what a person reads on it.</summary>
    public IReadOnlyList<(string Card, Text Bank, string LastFour)> NewPlastics => [.. sent.Select(one => (one.Done.New.Card, BankOf(one.Of).Name, one.Done.Embossing.Pan.LastFour))];

    /// <summary>The letter with the new plastic has come. Its number stays with the host, as the test cards' do.</summary>
    public void Receive(string old, Replacement done)
    {
        if ((SeedData.Find(old) ?? sent.Find(one => one.Done.New.Card == old).Of) is { } seeded)
        {
            sent.RemoveAll(one => one.Done.New.Card == old);
            sent.Add((seeded, done));
        }
    }

    /// <summary>Adds it as its holder would.</summary>
    public Task AddNewPlasticAsync(string card)
    {
        var (of, done) = sent.First(one => one.Done.New.Card == card);
        var holder = SeedData.AsTyped(of);
        return AddAsync(
            new CardToEnrol(done.Embossing.Pan.Reveal(), holder.Expiry is null ? null : done.Embossing.Expiry, holder.Cvn2 is null ? null : done.Embossing.Cvn2, holder.HolderName, holder.IdNumber, holder.MobileNumber),
            PhoneDevice.Typed);
    }

    private static SeedBank BankOf(SeedCard card) => SeedData.Banks.First(bank => bank.Cards.Any(one => one.Id == card.Id));

    public Task AddAsync(CardToEnrol card, string source) => WorkAsync(new("Adding the card: bank, token service and chip are at work", "正在添加：银行、标记服务与芯片处理中"), async () =>
    {
        LastAdded = await Phone.AddCardAsync(card, source);
        Say(LastAdded.Reasons);
        FollowCard(LastAdded);
    });

    public Task ResumeAsync() => WorkAsync(new("Going on where it stopped", "正在从中断处继续"), async () =>
    {
        var outcomes = await Phone.ResumeAsync();
        LastAdded = outcomes.Count > 0 ? outcomes[^1] : LastAdded;
        Say(outcomes.Count > 0 ? outcomes[^1].Reasons : []);
    });

    public Task EnterCodeAsync(string code) => WorkAsync(new("The bank checks the code", "银行正在核对验证码"), async () =>
    {
        if (Waiting is { } card)
        {
            LastAdded = await Phone.EnterCodeAsync(card.CardReference, code);
            Say(LastAdded.Reasons);
            FollowCard(LastAdded);
        }
    });

    public Task ResendCodeAsync() => WorkAsync(new("Asking for a new code", "正在重新获取验证码"), async () =>
    {
        if (Waiting is { } card)
        {
            Say((await Phone.ResendCodeAsync(card.CardReference)).Reasons);
        }
    });

    public Task DeleteCardAsync(string reference) => WorkAsync(new("Removing the card", "正在移除银行卡"), async () =>
    {
        await Phone.DeleteCardAsync(reference);
        Say([]);
    });

    public async Task SetDefaultAsync(string? reference)
    {
        await Phone.SetDefaultAsync(reference);
        Say([]);
    }

    public async Task MoveFirstAsync(string reference)
    {
        await Phone.MoveCardAsync(reference, 0);
        Say([]);
    }

    private void FollowCard(EnrolmentOutcome outcome)
    {
        if (outcome.CardReference is { } reference)
        {
            Follow(TraceReference.Card(reference));
        }
    }

    /// <summary>The six digits that stand alone in a message.</summary>
    private static string? CodeIn(string body) => body.Split(' ').Select(static word => word.Trim('.', ',')).FirstOrDefault(static word => word.Length == 6 && word.All(char.IsAsciiDigit));
}
