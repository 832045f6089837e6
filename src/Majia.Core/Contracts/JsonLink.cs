using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>One JSON line (phone–wallet, wallet–token service, token service–issuer) as its client sees it.</summary>
public interface IJsonLink
{
    /// <summary>Calls <paramref name="operation"/>. A refusal is a value; an unreachable party is a <see cref="PartyUnreachableException"/>.</summary>
    Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
        where TRequest : notnull
        where TResponse : notnull;
}

/// <summary>The line is cut, or no answer came in time. Whether the request took effect is unknown: repeat it with the same requestId.</summary>
public sealed class PartyUnreachableException(string party) : Exception($"{party} cannot be reached")
{
    private readonly SortedDictionary<string, (Type Request, Type Reply)> types = new(StringComparer.Ordinal);

    public string Party { get; } = party;

    /// <summary>What each operation takes and gives, for whoever describes the table.</summary>
    public IReadOnlyDictionary<string, (Type Request, Type Reply)> Types => types;
}

/// <summary>The party itself cannot go on, its store for one: it answers nothing any more, and whoever runs it has to look.</summary>
public abstract class PartyFailedException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>An error as it stands on the wire: a code for programs, a sentence for people, the fields in question.</summary>
/// <param name="Why">The sentence in both languages, where the error is a refusal that its person should understand.</param>
public sealed record ApiError(string ErrorCode, string ErrorDescription, IReadOnlyList<FieldError>? Errors = null, Text? Why = null);

/// <summary>What is wrong with one field: where, what was expected, what came (masked where the field is sensitive).</summary>
public sealed record FieldError(string Field, string Expected, string Got);

/// <summary>Either a value or an error, never both.</summary>
public sealed record ApiReply<T>(T? Value = default, ApiError? Error = null)
    where T : notnull
{
    public static implicit operator ApiReply<T>(T value) => new(value, null);

    public static implicit operator ApiReply<T>(ApiError error) => new(default, error);
}

/// <summary>The operations that one party offers on one JSON line, by name. In memory and over HTTP the same table answers.</summary>
public sealed class JsonEndpoint(string party)
{
    /// <summary>An operation failed in a way that its party did not foresee: the party knows no more than whoever asked, and the same request may be sent again.</summary>
    public const string InternalError = "INTERNAL_ERROR";

    /// <summary>camelCase, enums as strings, absent when null. Refused at the door: unknown members, and a member that is null or absent where the contract has no <c>?</c>, in lists too.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { RequireWhatIsNotNullable } },
        Converters = { new JsonStringEnumConverter() },
    };

    private static void RequireWhatIsNotNullable(JsonTypeInfo type)
    {
        if (type.Kind == JsonTypeInfoKind.Enumerable)
        {
            type.OnDeserialized = static list =>
            {
                foreach (var item in (IEnumerable)list)
                {
                    _ = item ?? throw new JsonException("A list holds no null.");
                }
            };
            return;
        }

        foreach (var property in type.Properties)
        {
            property.IsRequired |= property.AssociatedParameter is { HasDefaultValue: false, IsNullable: false };
        }
    }

    private readonly SortedDictionary<string, Func<ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>>> operations = new(StringComparer.Ordinal);

    private readonly SortedDictionary<string, (Type Request, Type Reply)> types = new(StringComparer.Ordinal);

    public string Party { get; } = party;

    /// <summary>What each operation takes and gives, for whoever describes the table.</summary>
    public IReadOnlyDictionary<string, (Type Request, Type Reply)> Types => types;

    public IReadOnlyCollection<string> Operations => operations.Keys;

    /// <summary>An operation threw. The exception may hold what must not be kept: its type is all that a trace may show.</summary>
    public event Action<string, Exception>? Failed;

    public JsonEndpoint Map<TRequest, TResponse>(string operation, Func<TRequest, CancellationToken, Task<ApiReply<TResponse>>> handler)
        where TRequest : notnull
        where TResponse : notnull
    {
        types.Add(operation, (typeof(TRequest), typeof(TResponse)));
        operations.Add(operation, async (body, cancellation) =>
        {
            if (!TryRead<TRequest>(body, out var request, out var wrong))
            {
                return Written<TResponse>(wrong);
            }

            try
            {
                return Written(await handler(request, cancellation));
            }
#pragma warning disable CA1031 // the last line of a party's wire: no exception of one party is another's
            catch (Exception failure) when (failure is not (PartyFailedException or OperationCanceledException))
#pragma warning restore CA1031
            {
                Failed?.Invoke(operation, failure);
                return Written<TResponse>(new ApiError(InternalError, "The service failed in a way that it did not foresee; the same request may be sent again.", null, new("Something went wrong at the service. Please try again.", "服务出现异常，请稍后重试。")));
            }
        });
        return this;
    }

    /// <summary>A request as the contract says, or what is wrong with it.</summary>
    public static bool TryRead<TRequest>(ReadOnlyMemory<byte> body, [NotNullWhen(true)] out TRequest? request, [NotNullWhen(false)] out ApiError? wrong)
        where TRequest : notnull
    {
        (request, wrong) = (default, null);
        try
        {
            request = JsonSerializer.Deserialize<TRequest>(body.Span, Json);
        }
        catch (JsonException malformed)
        {
            wrong = Malformed(typeof(TRequest), body, malformed);
            return false;
        }

        wrong = request is null ? new ApiError("INVALID_JSON", "The request body is null.") : null;
        return request is not null;
    }

    /// <summary>What is wrong with a body: the members that are missing by name, else the place. The message of a JsonException may quote the input; contract, path and position do not.</summary>
    private static ApiError Malformed(Type request, ReadOnlyMemory<byte> body, JsonException malformed)
    {
        var missing = Missing(request, body);
        var place = malformed.Path is { Length: > 2 } path && path.StartsWith("$.", StringComparison.Ordinal) ? path[2..].Split('[')[0] : "$";
        return missing.Count > 0
            ? new("MISSING_REQUIRED_FIELD", $"Missing: {string.Join(", ", missing)}.", [.. missing.Select(name => new FieldError(name, "a value", "nothing"))])
            : new("INVALID_JSON", $"The request body is not valid at {malformed.Path ?? "$"}, line {malformed.LineNumber ?? 0}, byte {malformed.BytePositionInLine ?? 0}.", [new FieldError(place, "what the contract says", "something else")]);
    }

    private static List<string> Missing(Type request, ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind != JsonValueKind.Object ? []
                : [.. Json.GetTypeInfo(request).Properties
                    .Where(property => property.IsRequired && (!document.RootElement.TryGetProperty(property.Name, out var value) || value.ValueKind == JsonValueKind.Null))
                    .Select(property => property.Name)];
        }
        catch (JsonException)
        {
            return [];
        }
    }

    private static byte[] Written<TResponse>(ApiReply<TResponse> reply)
        where TResponse : notnull => JsonSerializer.SerializeToUtf8Bytes(reply, Json);

    /// <summary>Answers one request body with one reply body (<see cref="ApiReply{T}"/> as JSON).</summary>
    public Task<byte[]> HandleAsync(string operation, ReadOnlyMemory<byte> body, CancellationToken cancellation) =>
        operations.TryGetValue(operation, out var handle)
            ? handle(body, cancellation)
            : Task.FromResult(JsonSerializer.SerializeToUtf8Bytes(new { error = new ApiError("NOT_FOUND", "No such operation.") }, Json));
}
