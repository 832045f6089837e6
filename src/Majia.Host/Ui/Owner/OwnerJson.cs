using System.Text.Json;
using System.Text.Json.Serialization;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.Ui.Owner;

/// <summary>How a change went, as the owner's API says it.</summary>
public sealed record OwnerAnswer(bool Ok, IReadOnlyList<Refusal>? Reasons);

public sealed record OwnerMe(string Account, int Passkeys);

/// <summary>A handset as its owner sees it.</summary>
/// <param name="SeenAt">When it last asked the cloud; null: never.</param>
/// <param name="Waiting">What it has still to be told.</param>
public sealed record HandsetView(
    string DeviceId, string Model, Text Name, string Track, string Version, bool SignedIn, bool FindDevice, bool LostMode, DateTimeOffset? SeenAt, IReadOnlyList<HandsetCard> Cards, IReadOnlyList<HandsetNews> Waiting);

public sealed record HandsetCard(string CardReference, EnrolmentState State, CardFace Face, string Nickname, DateTimeOffset AddedAt, IReadOnlyList<HandsetCardEvent>? History);

public sealed record HandsetCardEvent(DateTimeOffset At, EnrolmentState State, Text Why);

public sealed record HandsetNews(string Kind);

/// <summary>The owner's API as the page reads it: the browser asks, for the session is a cookie that no script sees.</summary>
internal static class OwnerJson
{
    private static readonly JsonSerializerOptions Written = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } };

    /// <summary>The owner's API is served here: it is where the wallet cloud is.</summary>
    public static bool IsServed(EndpointDataSource endpoints) => endpoints.Endpoints.OfType<RouteEndpoint>().Any(static endpoint => endpoint.RoutePattern.RawText == "/api/owner/me");

    /// <summary>Null: not that, a refusal by status perhaps.</summary>
    public static T? Read<T>(string text)
        where T : class
    {
        try
        {
            return text.Length == 0 ? null : JsonSerializer.Deserialize<T>(text, Written);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
