using Majia.Core.Contracts;
using Majia.Core.Iso8583;

namespace Majia.Host.Links;

/// <summary>Several institutions behind one port: the header says whom a frame is for. One for nobody here is dropped.</summary>
public sealed class IsoRouter(IReadOnlyDictionary<string, IIsoServer> byInstitution) : IMessageServer
{
    public Task<IsoMessage?> AnswerAsync(string destination, string source, IsoMessage request, CancellationToken cancellation) =>
        byInstitution.TryGetValue(destination, out var server) && server is IMessageServer party
            ? party.AnswerAsync(destination, source, request, cancellation)
            : Task.FromResult<IsoMessage?>(null);

    public Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation) =>
        SwitchFrame.TryRead(frame, out var destination, out _, out _, out _) && byInstitution.TryGetValue(destination, out var server)
            ? server.HandleAsync(frame, cancellation)
            : Task.FromResult(ReadOnlyMemory<byte>.Empty);
}
