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
        void Post<T>(string name, string summary, Func<PhoneDevice, T, Task<Said>> act) =>
            routes.MapPost(name, async (string id, T body) => await ActAsync(id, phone => act(phone, body))).WithSummary(summary).Produces<Said>();
        void Press(string name, string summary, Func<PhoneDevice, Task<Said>> act) =>
            routes.MapPost(name, async (string id) => await ActAsync(id, act)).WithSummary(summary).Produces<Said>();

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

        Post<SignIn>("/sign-in", "Signs the phone in to an account. / 手机登录帐号。", async (phone, body) => Said.Of(await phone.SignInAsync(body.Account, body.Password)));
        Press("/sign-out", "Signs out: every bank card leaves the phone, transit cards stay. / 退出登录：移除全部银行卡，保留公交卡。", async phone =>
        {
            await phone.SignOutAsync();
            return Said.Of([]);
        });
        Post<Switch>("/find-device", "Find Device on or off; off takes every bank card away. / 开关查找手机，关闭将移除全部银行卡。", async (phone, body) => Said.Of(await phone.SetFindDeviceAsync(body.On)));
        Post<Switch>("/aeroplane", "Aeroplane mode on or off. / 开关飞行模式。", async (phone, body) =>
        {
            phone.SetAeroplaneMode(body.On);
            if (!body.On)
            {
                await phone.PumpAsync(); // what waited for the network goes now
            }

            return Said.Of([]);
        });
        Post<Switch>("/fingerprints", "Enrols a fingerprint, or removes it. / 录入或移除指纹。", async (phone, body) =>
        {
            await (body.On ? phone.EnrolFingerprintAsync(Finger) : phone.RemoveFingerprintAsync(Finger));
            return Said.Of([]);
        });
        Post<AddCard>("/cards", "Adds a card: a test card by its id, or what the owner typed. / 添加银行卡：测试卡编号或手动输入。", async (phone, body) =>
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
        Post<PlasticLaid>("/read", "Reads a test card's plastic at the phone's back. / 在手机背面读取实体卡。", async (phone, body) => SeedData.Find(body.Card) is null ? Said.Of([NoSuchTestCard]) : Said.Of(await system.Plastics.ReadAtBackAsync(phone, body.Card)));
        Press("/resume", "Goes on with a card whose adding was interrupted. / 继续被中断的添加。", async phone =>
        {
            var outcomes = await phone.ResumeAsync();
            return outcomes.Count == 0 ? Said.Of([]) : Said.Of(outcomes[^1]);
        });
        Post<Code>("/code", "The bank's code for a card that waits for it. / 输入银行验证码。", async (phone, body) => Said.Of(await phone.EnterCodeAsync(body.CardReference, body.Digits)));
        Post<CardChosen>("/resend", "Asks the bank for a new code. / 重新获取验证码。", async (phone, body) => Said.Of(await phone.ResendCodeAsync(body.CardReference)));
        Post<CardChosen>("/delete", "Removes a card from this phone. / 从本机移除银行卡。", async (phone, body) => Said.Of(await phone.DeleteCardAsync(body.CardReference) ? [] : [PhoneRules.CardNotLive]));
        Post<CardChosen>("/choose", "Chooses the card to pay with. / 选择付款卡。", async (phone, body) => Said.Of(await phone.ChooseAsync(body.CardReference)));
        Press("/finger", "The owner's finger on the sensor: the chosen card becomes ready. / 按指纹，所选卡就绪。", async phone => Said.Of(await phone.VerifyFingerprintAsync(Finger)));
        Press("/wrong-finger", "A stranger's finger on the sensor. / 他人指纹。", async phone => Said.Of(await phone.VerifyFingerprintAsync("a stranger's finger")));
        Press("/cancel", "Stops paying. / 取消付款。", async phone =>
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
