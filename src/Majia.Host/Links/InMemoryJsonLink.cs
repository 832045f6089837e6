using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Storage;

namespace Majia.Host.Links;

/// <summary>A JSON line inside one process: requests and replies are the bytes that HTTP would carry.</summary>
/// <param name="leaves">As for <see cref="InMemoryIsoLink"/>.</param>
public sealed class InMemoryJsonLink(JsonEndpoint endpoint, LinkFaults faults, Store? leaves = null) : IJsonLink
{
    public async Task<ApiReply<TResponse>> CallAsync<TRequest, TResponse>(string operation, TRequest request, CancellationToken cancellation)
        where TRequest : notnull
        where TResponse : notnull
    {
        var fault = faults.Take();
        var body = JsonSerializer.SerializeToUtf8Bytes(request, JsonEndpoint.Json);
        if (fault is LinkFault.DropRequest or LinkFault.Cut)
        {
            faults.Lose(body);
            throw new PartyUnreachableException(endpoint.Party);
        }

        // A party whose database is away for now is a party that cannot be reached: nothing was done, and a repeat is good.
        if (leaves?.Failure is StoreUnavailableException)
        {
            throw new PartyUnreachableException(endpoint.Party);
        }

        var since = leaves?.Mark() ?? default;
        var reply = await faults.PassAsync(fault, () => endpoint.HandleAsync(operation, body, cancellation), cancellation);
        if (leaves is not null)
        {
            await leaves.DurableAsync(since);
        }

        if (fault == LinkFault.DropAnswer)
        {
            faults.Lose(body);
            throw new PartyUnreachableException(endpoint.Party);
        }

        return JsonSerializer.Deserialize<ApiReply<TResponse>>(reply, JsonEndpoint.Json)
            ?? throw new PartyUnreachableException(endpoint.Party);
    }
}
