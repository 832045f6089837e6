using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Majia.Storage;

namespace Majia.Issuer;

/// <summary>Something that the token service has to be told of a plastic; written in the unit that made it necessary.</summary>
/// <param name="Request">The request id, the same however often it is sent.</param>
/// <param name="Operation">Of <see cref="IssuerToken.Operations"/>.</param>
/// <param name="NewCard">Of accountUpdate: the card that the device cards move to.</param>
/// <param name="Payload">The JWE that is sent, once it was made: a repeat must be the same to the byte.</param>
/// <param name="DoneAt">When the token service had answered; null while it waits.</param>
/// <param name="Answer">OK, or the code of its refusal.</param>
public sealed record Errand(
    long Sequence, string Request, string Operation, string Card, string? NewCard, string Reason, string? Payload, int Attempts, DateTimeOffset NextAt, DateTimeOffset At, DateTimeOffset? DoneAt, string? Answer)
{
    private const string Columns = "sequence, request, operation, card, new_card, reason, payload, attempts, next_at, at, done_at, answer";

    internal static void Add(Session session, string institution, string request, string operation, string card, string? newCard, string reason, DateTimeOffset now)
    {
        session.Lock($"issuer/errands/{institution}");
        session.Execute(
            """
            INSERT INTO issuer_errands (institution, sequence, request, operation, card, new_card, reason, attempts, next_at, at)
            VALUES ($1, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM issuer_errands WHERE institution = $1), $2, $3, $4, $5, $6, 0, $7, $7)
            """,
            institution, request, operation, card, newCard, reason, now);
    }

    /// <summary>The oldest that waits: none is sent before the ones that came before it.</summary>
    internal static Errand? First(Session session, string institution) =>
        session.One($"SELECT {Columns} FROM issuer_errands WHERE institution = $1 AND done_at IS NULL ORDER BY sequence LIMIT 1", Map, institution);

    internal static List<Errand> Of(Session session, string institution, string card) =>
        session.Query($"SELECT {Columns} FROM issuer_errands WHERE institution = $1 AND (card = $2 OR new_card = $2) ORDER BY sequence", Map, institution, card);

    private static Errand Map(System.Data.Common.DbDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.IsDBNull(4) ? null : row.GetString(4), row.GetString(5), row.IsDBNull(6) ? null : row.GetString(6),
        (int)row.GetInt64(7), row.Instant(8), row.Instant(9), row.IsDBNull(10) ? null : row.Instant(10), row.IsDBNull(11) ? null : row.GetString(11));
}

/// <summary>The bank's end of its line to the token service: at least once, in order, each with one request id (docs/decisions/0027-plastic-replaced.md).</summary>
internal sealed class Errands(IssuerOptions options, Store store, KeyModule keys, TimeProvider time, Entropy entropy, IssuerTrace trace)
{
    private const string Ok = "OK";

    public IJsonLink? Line { get; set; }

    /// <summary>Sends what waits, oldest first, until one cannot be delivered.</summary>
    public async Task PumpAsync(CancellationToken cancellation)
    {
        while (Line is { } line && await store.WriteAsync(session => Errand.First(session, options.Institution)) is { } errand && errand.NextAt <= time.GetUtcNow())
        {
            ApiError? refused;
            try
            {
                var payload = errand.Payload ?? await SealAsync(line, errand, cancellation);

                // What is told must have happened (decisions.md 22).
                await store.DurableAsync();
                refused = payload is null ? Passing : await TellAsync(line, errand, payload, cancellation);
            }
            catch (PartyUnreachableException)
            {
                refused = Passing;
            }

            if (refused?.ErrorCode is "UNREACHABLE" or "ISSUER_UNREACHABLE" or JsonEndpoint.InternalError or "CRYPTOGRAPHY_ERROR")
            {
                await LaterAsync(errand, forget: refused.ErrorCode == "CRYPTOGRAPHY_ERROR");
                return;
            }

            await DoneAsync(errand, refused);
        }
    }

    private static readonly ApiError Passing = new("UNREACHABLE", "The token service cannot be reached.");

    private static async Task<ApiError?> TellAsync(IJsonLink line, Errand errand, string payload, CancellationToken cancellation) => errand.Operation switch
    {
        IssuerToken.Operations.AccountUpdate => (await line.CallAsync<IssuerToken.AccountUpdateRequest, IssuerToken.TokensReply>(errand.Operation, new(errand.Request, payload), cancellation)).Error,
        IssuerToken.Operations.ExpiryUpdate => (await line.CallAsync<IssuerToken.ExpiryUpdateRequest, IssuerToken.TokensReply>(errand.Operation, new(errand.Request, payload), cancellation)).Error,
        _ => (await line.CallAsync<IssuerToken.AccountClosedRequest, IssuerToken.TokensReply>(errand.Operation, new(errand.Request, payload, errand.Reason), cancellation)).Error,
    };

    /// <summary>Numbers travel as JWE to the token service's key. Whoever keeps one first has made it: two nodes send the same.</summary>
    private async Task<string?> SealAsync(IJsonLink line, Errand errand, CancellationToken cancellation)
    {
        if ((await line.CallAsync<TokenIssuer.GetPublicKeyRequest, TokenIssuer.GetPublicKeyReply>(IssuerToken.Operations.GetPublicKey, new(), cancellation)).Value is not { } key)
        {
            return null;
        }

        var (old, next) = await store.WriteAsync(session => (PlasticRow.Find(session, options.Institution, errand.Card)!, errand.NewCard is { } card ? PlasticRow.Find(session, options.Institution, card) : null));
        var current = next ?? old;
        var account = new IssuerToken.Account(
            old.Open(keys, options.Institution).Reveal(), next?.Open(keys, options.Institution).Reveal(),
            errand.Operation == IssuerToken.Operations.AccountClosed ? null : current.Expiry, errand.Operation == IssuerToken.Operations.AccountClosed ? null : current.SequenceNumber);
        var plain = JsonSerializer.SerializeToUtf8Bytes(account, JsonEndpoint.Json);
        if (!Jwe.TryEncrypt(key.Jwk, plain, out var made))
        {
            CryptographicOperations.ZeroMemory(plain);
            return null;
        }

        CryptographicOperations.ZeroMemory(plain);
        return await store.WriteAsync(session =>
        {
            session.Execute("UPDATE issuer_errands SET payload = $3 WHERE institution = $1 AND sequence = $2 AND payload IS NULL AND done_at IS NULL", options.Institution, errand.Sequence, made);
            return session.Text("SELECT payload FROM issuer_errands WHERE institution = $1 AND sequence = $2", options.Institution, errand.Sequence);
        });
    }

    /// <param name="forget">The payload did not open over there, its key may have changed: it is made again.</param>
    private Task LaterAsync(Errand errand, bool forget) => store.WriteAsync(session => session.Execute(
        "UPDATE issuer_errands SET attempts = $3, next_at = $4, payload = CASE WHEN $5 = 1 THEN NULL ELSE payload END WHERE institution = $1 AND sequence = $2 AND done_at IS NULL",
        options.Institution, errand.Sequence, errand.Attempts + 1, time.GetUtcNow() + Outbox.Wait(errand.Attempts), forget ? 1 : 0));

    private async Task DoneAsync(Errand errand, ApiError? refused)
    {
        var now = time.GetUtcNow();
        var again = entropy.NewId();
        var fallsBack = refused is not null && errand.Operation == IssuerToken.Operations.AccountUpdate;
        await store.WriteAsync(session =>
        {
            var first = session.Execute(
                "UPDATE issuer_errands SET done_at = $3, answer = $4, payload = NULL WHERE institution = $1 AND sequence = $2 AND done_at IS NULL",
                options.Institution, errand.Sequence, now, refused?.ErrorCode ?? Ok) == 1;

            // What cannot move goes: the FAQ's own way.
            if (first && fallsBack)
            {
                session.Execute("UPDATE issuer_cards SET moved_to = NULL WHERE institution = $1 AND card = $2", options.Institution, errand.Card);
                Errand.Add(session, options.Institution, again, IssuerToken.Operations.AccountClosed, errand.Card, null, errand.Reason, now);
            }
        });
        trace.Told(errand.Operation, refused is null
            ? new($"The token service has taken over what became of card {errand.Card} ({errand.Reason}).", $"标记服务已处理卡片 {errand.Card} 的变更（{errand.Reason}）。")
            : new($"The token service refused it for card {errand.Card}: {refused.ErrorCode}{(fallsBack ? "; its device cards are deleted instead" : "")}.", $"标记服务拒绝了卡片 {errand.Card} 的变更：{refused.ErrorCode}{(fallsBack ? "；改为删除其设备卡" : "")}。"));
    }
}

/// <summary>What stands on a plastic, sealed.</summary>
internal sealed record PlasticRow(string Card, byte[] PanBox, string Expiry, string SequenceNumber, string PinOffset)
{
    public static PlasticRow? Find(Session session, string institution, string card) => session.One(
        "SELECT card, pan_box, expiry, sequence_number, pin_offset FROM issuer_cards WHERE institution = $1 AND card = $2",
        static row => new PlasticRow(row.GetString(0), row.Bytes(1), row.GetString(2), row.GetString(3), row.GetString(4)), institution, card);

    public Pan Open(KeyModule keys, string institution)
    {
        if (!keys.TryUnseal(IssuerKeys.Pan, PanBox, IssuerKeys.PanContext(institution, Card), out var plain) || !Pan.TryParse(Encoding.UTF8.GetString(plain), out var pan, out _))
        {
            throw new InvalidOperationException("a sealed number does not open");
        }

        CryptographicOperations.ZeroMemory(plain);
        return pan;
    }
}
