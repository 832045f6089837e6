using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.TokenService.Enrolment;

/// <summary>A token's state, and who holds it back (ordinal order, no one twice).</summary>
public sealed record TokenStatus(TokenState State, IReadOnlyList<string> SuspendedBy)
{
    public static readonly TokenStatus Inactive = new(TokenState.Inactive, []), Active = new(TokenState.Active, []), Deactivated = new(TokenState.Deactivated, []);

    /// <summary>As the audit trail writes it: <c>SUSPENDED ISSUER+CARDHOLDER</c>.</summary>
    public override string ToString() => SuspendedBy.Count == 0 ? State.ToString().ToUpperInvariant() : $"{State.ToString().ToUpperInvariant()} {string.Join('+', SuspendedBy)}";
}

public enum LifecycleStep
{
    Activate,
    Suspend,
    Unsuspend,
    Delete,
}

/// <summary>INACTIVE → ACTIVE ⇄ SUSPENDED → DEACTIVATED, nothing else. The caller reads before it and writes after it.</summary>
public static class TokenLifecycle
{
    /// <param name="who">One of <see cref="SuspendedBy"/>; ignored for Activate and Delete.</param>
    /// <returns>The state after the step (the same one when it already took effect), or why not.</returns>
    public static (TokenStatus? Next, Refusal? Why) Decide(TokenStatus now, LifecycleStep step, string who = "") => (step, now.State) switch
    {
        (LifecycleStep.Delete, _) => (TokenStatus.Deactivated, null),
        (_, TokenState.Deactivated) => (null, Gone),
        (LifecycleStep.Activate, TokenState.Inactive) => (TokenStatus.Active, null),
        (LifecycleStep.Activate, TokenState.Active) => (now, null),
        (LifecycleStep.Activate, _) => (null, Held),
        (_, TokenState.Inactive) => (null, NotYet),
        (LifecycleStep.Suspend, _) => (new(TokenState.Suspended, [.. now.SuspendedBy.Append(who).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]), null),
        (LifecycleStep.Unsuspend, TokenState.Active) => (now, null),
        _ => Lift(now, who),
    };

    /// <summary>Each lifts its own hold only: what the bank holds, neither owner nor wallet frees.</summary>
    private static (TokenStatus? Next, Refusal? Why) Lift(TokenStatus now, string who)
    {
        if (!now.SuspendedBy.Contains(who, StringComparer.Ordinal))
        {
            return (null, Held);
        }

        var left = now.SuspendedBy.Where(other => other != who).ToList();
        return (left.Count == 0 ? TokenStatus.Active : new(TokenState.Suspended, left), null);
    }

    /// <summary>A later order of the same party over the same device card has come before this one.</summary>
    public static readonly Refusal OutOfOrder = new(Ineligible.OutOfOrder, new("A later order for this card has been carried out already: this one changes nothing.", "该卡已执行更晚的指令，本指令不再生效。"));

    private static readonly Refusal
        Gone = new(Ineligible.InvalidState, new("This device card was deleted; add the card again.", "该设备卡已删除，请重新添加。")),
        NotYet = new(Ineligible.InvalidState, new("This device card is not active yet.", "该设备卡尚未激活。")),
        Held = new(Ineligible.InvalidState, new("This device card is suspended by another party, which alone can resume it.", "该设备卡由其他方暂停，只能由其恢复。"));
}
