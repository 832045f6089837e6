using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Host.Links;

/// <summary>The calling end of a JSON line over HTTP. No answer in time, no connection, a reply that is none: the party cannot be reached, and whether the request took effect is unknown.</summary>
public sealed class HttpJsonLink : IJsonLink, IDisposable
{
    private readonly string party;
    private readonly TimeProvider time;
    private readonly TimeSpan patience;
    private readonly Store? leaves;
    private readonly HttpClient client;

    /// <param name="address">Of the server; the party's name and the operation become the path.</param>
    /// <param name="tls">Who we are, and who the other side must be; null: plain HTTP.</param>
    /// <param name="leaves">Durable before a request leaves (decisions.md 22); null where the caller sees to it.</param>
    public HttpJsonLink(Uri address, string party, TimeProvider time, TimeSpan? patience = null, SslClientAuthenticationOptions? tls = null, Store? leaves = null)
    {
        (this.party, this.time, this.patience, this.leaves) = (party, time, patience ?? TimeSpan.FromSeconds(30), leaves);
        var handler = new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(3) };
        if (tls is not null)
        {
            handler.SslOptions = tls;
        }

        client = new HttpClient(handler)
        {
            BaseAddress = new Uri(address, party + "/"),
            // The clock is ours.
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = 4 * HttpJsonServer.MaxBody,
        };
    }

    public async Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
        where TRequest : notnull
        where TResponse : notnull
    {
        if (leaves is not null)
        {
            await leaves.DurableAsync();
        }

        using var late = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
        using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        try
        {
            using var response = await client.PostAsync(new Uri(operation, UriKind.Relative), content, either.Token);
            return response.StatusCode == HttpStatusCode.OK
                && JsonSerializer.Deserialize<ApiReply<TResponse>>(await response.Content.ReadAsByteArrayAsync(either.Token), JsonEndpoint.Json) is { } reply
                    ? reply
                    : throw new PartyUnreachableException(party);
        }
        catch (Exception lost) when (lost is HttpRequestException or JsonException or IOException || (lost is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new PartyUnreachableException(party);
        }
    }

    public void Dispose() => client.Dispose();
}
