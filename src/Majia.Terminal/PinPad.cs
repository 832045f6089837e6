using Majia.Core.Primitives;
using Majia.Hsm;

namespace Majia.Terminal;

/// <summary>The holder's hand on this PIN pad.</summary>
public interface IKeypad
{
    /// <summary>Asks for the PIN and returns the keys pressed until <i>confirm</i>: empty for confirm alone, null for <i>cancel</i>.</summary>
    /// <remarks>The PIN pad overwrites the array it gets; keep no copy.</remarks>
    ValueTask<char[]?> EnterPinAsync(PinPrompt prompt, CancellationToken cancellation);
}

/// <summary>What stands on the PIN pad while it waits.</summary>
/// <param name="Why">Why a PIN is asked (R15).</param>
/// <param name="Again">The digits before were not six, or the bank said they were wrong.</param>
public sealed record PinPrompt(Amount Amount, Text Why, Text? Again);

/// <summary>The PIN entry device: digits become an encrypted block in the key module at once and exist nowhere else (ISO 9564-1; decisions.md 11).</summary>
internal sealed class PinPad(KeyModule keys, string pinKey, TimeSpan window, TimeProvider clock)
{
    public const int PinLength = 6;

    private const int MaxEntries = 3;

    public enum Verdict
    {
        Entered,

        /// <summary>Confirm without digits: the holder has no PIN to give.</summary>
        Bypassed,
        Cancelled,
    }

    /// <param name="Block">8 bytes under the PIK; empty unless entered.</param>
    public readonly record struct Entry(Verdict Verdict, byte[] Block);

    public async Task<Entry> AskAsync(IKeypad holder, AccountNumber number, Amount amount, Text why, bool again, CancellationToken cancellation)
    {
        using var expiry = new CancellationTokenSource(window, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(expiry.Token, cancellation);
        var hint = again ? new Text("The bank says the PIN was wrong or missing.", "发卡行提示密码错误或未输入。") : null;
        for (var entry = 0; entry < MaxEntries; entry++)
        {
            char[]? digits;
            try
            {
                digits = await holder.EnterPinAsync(new PinPrompt(amount, why, hint), either.Token);
            }
            catch (OperationCanceledException)
            {
                return new Entry(Verdict.Cancelled, []);
            }

            if (digits is null)
            {
                return new Entry(Verdict.Cancelled, []);
            }

            try
            {
                if (digits.Length == 0)
                {
                    return new Entry(Verdict.Bypassed, []);
                }

                if (digits.Length == PinLength && digits.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0)
                {
                    return new Entry(Verdict.Entered, keys.EncryptPin(pinKey, digits, number));
                }
            }
            finally
            {
                Array.Clear(digits);
            }

            hint = new Text("A PIN has six digits.", "密码为六位数字。");
        }

        return new Entry(Verdict.Cancelled, []);
    }
}
