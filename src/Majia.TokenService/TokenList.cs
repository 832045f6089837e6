using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.TokenService.Directory;
using Majia.TokenService.Vault;

namespace Majia.TokenService;

/// <summary>A device card as the token service's own desk sees it: masked, and nothing of the plastic.</summary>
/// <param name="Counter">The highest ATC seen; -1 before the first tap.</param>
public sealed record TokenView(
    string Tur, string Masked, string Bank, CardKind Kind, string DeviceModel, TokenState State, IReadOnlyList<string> SuspendedBy, PersonalisationStage Stage, int Counter, DateTimeOffset CreatedAt);

/// <summary>What the desk may list.</summary>
public sealed partial class TokenServiceParty
{
    /// <summary>The last device cards, newest first, whatever has become of them.</summary>
    public IReadOnlyList<TokenView> Tokens(int limit) => store.Read(session => TokenRow.Latest(session, limit)).ConvertAll(static row => new TokenView(
        row.Tur, row.Token.Masked, row.Bank, row.Kind, row.DeviceModel, row.Status.State, row.Status.SuspendedBy, row.Stage, row.Atc.High, row.CreatedAt));
}
