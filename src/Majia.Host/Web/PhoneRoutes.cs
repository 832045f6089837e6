using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Seed;
using Majia.Phone;

namespace Majia.Host.Web;

/// <summary>What the owner's hands do with a handset. A refusal is an answer (200, its reasons); an unknown handset or card is 404.</summary>
internal static class PhoneRoutes
{
    /// <summary>The one finger of the person at the page.</summary>
    private const string Finger = "right thumb";

    private sealed record SignIn(string Account, string Password);

    private sealed record Switch(bool On);

    /// <param name="Card">Id of a seeded test card, which the host types in; or null, and then the rest is what the owner typed.</param>
    /// <param name="AtTheBack">The test card is not typed in: it lies at the phone's back, and the phone reads its number out of its chip (R5).</param>
    private sealed record AddCard(string? Card, string? Number, string? Expiry, string? Cvn2, string? HolderName, string? IdNumber, string? MobileNumber, bool AtTheBack = false)
    {
        /// <summary>What is printed by default shows every member.</summary>
        public override string ToString() => nameof(AddCard);
    }

    private sealed record CardChosen(string CardReference);

    private sealed record PlasticLaid(string Card);

    private sealed record Code(string CardReference, string Digits)
    {
        public override string ToString() => nameof(Code);
    }

    /// <summary>How it went: <c>ok</c>, or every reason why not. For adding a card also how far it came.</summary>
    /// <param name="Number">Of a plastic that was read: masked.</param>
    private sealed record Said(bool Ok, IReadOnlyList<Refusal> Reasons, EnrolmentStep? Step = null, string? CardReference = null, int? TriesLeft = null, string? Number = null, string? Expiry = null)
    {
        public static Said Of(PlasticReading reading) =>
            reading.Number is { } number ? new(true, [], Number: number.Masked, Expiry: number.Expiry) : new(false, [reading.Why!]);

        public static Said Of(IReadOnlyList<Refusal> reasons) => new(reasons.Count == 0, reasons);

        public static Said Of(VerifyOutcome outcome) => Of(outcome.Reasons);

        public static Said Of(EnrolmentOutcome outcome) => new(outcome.Step is EnrolmentStep.Added or EnrolmentStep.CodeNeeded, outcome.Reasons, outcome.Step, outcome.CardReference, outcome.TriesLeft);
    }

    public static void Map(RouteGroupBuilder api, MajiaSystem system, Changes changes)
    {
        var routes = api.MapGroup("/phones/{id}");

        // Every operation: find the handset, act, tell the pages.
        void Post<T>(string name, Func<PhoneDevice, T, Task<Said>> act) => routes.MapPost(name, async (string id, T body) => await ActAsync(id, phone => act(phone, body)));
        void Press(string name, Func<PhoneDevice, Task<Said>> act) => routes.MapPost(name, async (string id) => await ActAsync(id, act));

        async Task<IResult> ActAsync(string id, Func<PhoneDevice, Task<Said>> act)
        {
            if (!system.Phones.TryGetValue(id, out var phone))
            {
                return Results.NotFound();
            }

            var said = await act(phone);
            await system.Trace.FlushAsync();
            changes.Say();
            return Results.Json(said, PageJson.Written);
        }

        Post<SignIn>("/sign-in", async (phone, body) => Said.Of(await phone.SignInAsync(body.Account, body.Password)));
        Press("/sign-out", async phone =>
        {
            await phone.SignOutAsync();
            return Said.Of([]);
        });
        Post<Switch>("/find-device", async (phone, body) => Said.Of(await phone.SetFindDeviceAsync(body.On)));
        Post<Switch>("/aeroplane", async (phone, body) =>
        {
            phone.SetAeroplaneMode(body.On);
            if (!body.On)
            {
                await phone.PumpAsync(); // what waited for the network goes now
            }

            return Said.Of([]);
        });
        Post<Switch>("/fingerprints", async (phone, body) =>
        {
            await (body.On ? phone.EnrolFingerprintAsync(Finger) : phone.RemoveFingerprintAsync(Finger));
            return Said.Of([]);
        });
        Post<AddCard>("/cards", async (phone, body) =>
        {
            if (Typed(body) is not { } typed)
            {
                return Said.Of([NoSuchTestCard]);
            }

            if (!body.AtTheBack || body.Card is null)
            {
                return Said.Of(await phone.AddCardAsync(typed));
            }

            var reading = await system.Plastics.ReadAtBackAsync(phone, body.Card);
            return reading.Number is { } number ? Said.Of(await phone.AddCardAsync(number, typed.Cvn2, typed.HolderName, typed.IdNumber, typed.MobileNumber)) : Said.Of(reading);
        });
        Post<PlasticLaid>("/read", async (phone, body) => SeedData.Find(body.Card) is null ? Said.Of([NoSuchTestCard]) : Said.Of(await system.Plastics.ReadAtBackAsync(phone, body.Card)));
        Press("/resume", async phone =>
        {
            var outcomes = await phone.ResumeAsync();
            return outcomes.Count == 0 ? Said.Of([]) : Said.Of(outcomes[^1]);
        });
        Post<Code>("/code", async (phone, body) => Said.Of(await phone.EnterCodeAsync(body.CardReference, body.Digits)));
        Post<CardChosen>("/resend", async (phone, body) => Said.Of(await phone.ResendCodeAsync(body.CardReference)));
        Post<CardChosen>("/delete", async (phone, body) => Said.Of(await phone.DeleteCardAsync(body.CardReference) ? [] : [PhoneRules.CardNotLive]));
        Post<CardChosen>("/choose", async (phone, body) => Said.Of(await phone.ChooseAsync(body.CardReference)));
        Press("/finger", async phone => Said.Of(await phone.VerifyFingerprintAsync(Finger)));
        Press("/wrong-finger", async phone => Said.Of(await phone.VerifyFingerprintAsync("a stranger's finger")));
        Press("/cancel", async phone =>
        {
            await phone.CancelAsync();
            return Said.Of([]);
        });
    }

    private static Refusal NoSuchTestCard { get; } = new("NO_SUCH_TEST_CARD", new Text("There is no such test card.", "没有这张测试卡。"));

    /// <summary>A test card's number never comes to the page: its id goes to the host, which types the card in.</summary>
    private static CardToEnrol? Typed(AddCard body)
    {
        if (body.Card is { } id)
        {
            return SeedData.Find(id) is { } seeded ? SeedData.AsTyped(seeded) : null;
        }

        return new CardToEnrol(Digits(body.Number) ?? "", Digits(body.Expiry), Digits(body.Cvn2), Filled(body.HolderName), Filled(body.IdNumber), Digits(body.MobileNumber));
    }

    private static string? Digits(string? typed) => Filled(typed is null ? null : string.Concat(typed.Where(static letter => !char.IsWhiteSpace(letter) && letter is not '-' and not '/')));

    private static string? Filled(string? typed) => string.IsNullOrWhiteSpace(typed) ? null : typed.Trim();
}
