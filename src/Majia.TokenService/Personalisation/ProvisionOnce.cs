using Majia.Core.Contracts;

namespace Majia.TokenService;

/// <summary>
/// Each request of a script once: its answers that arrive a second time would be unwrapped against the wrong step, and end the script. The answer stands in the
/// store beside the others (token_reply), so that a repeat gets it after a restart too. Its commands are for a channel that is gone then; what the chip says to
/// them begins the script again.
/// </summary>
public sealed partial class TokenServiceParty
{
    /// <summary>Under way: a repeat that comes meanwhile waits for the one answer.</summary>
    private readonly Dictionary<string, (WalletToken.ProvisionRequest Request, Task<ApiReply<WalletToken.ProvisionReply>> Reply)> provisions = new(StringComparer.Ordinal);

    private Task<ApiReply<WalletToken.ProvisionReply>> ProvisionAsync(string caller, WalletToken.ProvisionRequest request)
    {
        var key = $"{caller}/{request.RequestId}";
        TaskCompletionSource<ApiReply<WalletToken.ProvisionReply>> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (channelGate)
        {
            if (provisions.TryGetValue(key, out var other))
            {
                return IsSame(other.Request, request) ? other.Reply : Task.FromResult<ApiReply<WalletToken.ProvisionReply>>(OtherRequest);
            }

            provisions.Add(key, (request, answer.Task));
        }

        return AnswerAsync();

        async Task<ApiReply<WalletToken.ProvisionReply>> AnswerAsync()
        {
            try
            {
                var reply = await OnceAsync(caller, WalletToken.Operations.Provision, request.RequestId, request.TokenUniqueReference, request, () => ProvisionOnceAsync(caller, request));
                answer.SetResult(reply);
                return reply;
            }
            catch (Exception failure)
            {
                answer.SetException(failure);
                _ = answer.Task.Exception; // whoever waits for it sees it; nobody has to
                throw;
            }
            finally
            {
                lock (channelGate)
                {
                    provisions.Remove(key); // answered: the store knows it. Failed: the same request may try again
                }
            }
        }
    }

    private static bool IsSame(WalletToken.ProvisionRequest one, WalletToken.ProvisionRequest other) =>
        one.TokenUniqueReference == other.TokenUniqueReference && one.DomainKeys == other.DomainKeys && one.Responses.SequenceEqual(other.Responses, StringComparer.Ordinal);
}
