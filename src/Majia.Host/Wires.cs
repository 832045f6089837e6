using Majia.Host.Links;

namespace Majia.Host;

/// <summary>The wires of one process, by name: each can be cut, or made to lose requests or answers.</summary>
public sealed class Wires(TimeProvider time)
{
    public LinkFaults PosLine { get; } = new(time);

    public LinkFaults AcquirerNetwork { get; } = new(time);

    public LinkFaults NetworkToken { get; } = new(time);

    public LinkFaults NetworkIssuer { get; } = new(time);

    public LinkFaults PhoneWallet { get; } = new(time);

    public LinkFaults PhoneTransit { get; } = new(time);

    public LinkFaults GateTransit { get; } = new(time);

    public LinkFaults WalletToken { get; } = new(time);

    public LinkFaults TokenIssuer { get; } = new(time);

    public LinkFaults BankDesk { get; } = new(time);

    public LinkFaults TokenNetwork { get; } = new(time);

    public LinkFaults TokenWallet { get; } = new(time);

    public LinkFaults IssuerToken { get; } = new(time);
}
