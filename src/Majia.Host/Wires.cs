using Majia.Core.Primitives;
using Majia.Host.Links;

namespace Majia.Host;

/// <summary>One wire with what may befall it.</summary>
/// <param name="Name">Of its <see cref="Line"/>.</param>
public sealed record Wire(string Name, Text Says, LinkFaults Faults);

/// <summary>The wires of one process, by the names of their lines: each can be cut, or made to lose requests or answers.</summary>
public sealed class Wires(TimeProvider time)
{
    /// <summary>In the order of their ports.</summary>
    public IReadOnlyList<Wire> All { get; } = [.. Line.All.Select(line => new Wire(line.Name, line.Says, new LinkFaults(time)))];

    public Wire? Find(string name) => All.FirstOrDefault(wire => wire.Name == name);

    public LinkFaults PosLine => Of(Line.Pos.Name);

    public LinkFaults AcquirerNetwork => Of(Line.AcquirerNetwork.Name);

    public LinkFaults NetworkToken => Of(Line.NetworkToken.Name);

    public LinkFaults NetworkIssuer => Of(Line.NetworkIssuer.Name);

    public LinkFaults PhoneWallet => Of(Line.PhoneWallet.Name);

    public LinkFaults PhoneTransit => Of(Line.PhoneTransit.Name);

    public LinkFaults GateTransit => Of(Line.GateTransit.Name);

    public LinkFaults WalletToken => Of(Line.WalletToken.Name);

    public LinkFaults TokenIssuer => Of(Line.TokenIssuer.Name);

    public LinkFaults BankDesk => Of(Line.BankDesk.Name);

    public LinkFaults TokenNetwork => Of(Line.TokenNetwork.Name);

    public LinkFaults TokenWallet => Of(Line.TokenWallet.Name);

    public LinkFaults IssuerToken => Of(Line.IssuerToken.Name);

    private LinkFaults Of(string name) => Find(name)!.Faults;
}
