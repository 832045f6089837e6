using Majia.Core.Cryptography;
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

    /// <summary>For the card in the slot: the digits go to it as a block of format 2, in clear or enciphered for its chip, and nowhere else (EMV Book 2 §7).</summary>
    /// <param name="present">Sends what is in the array to the card, and says how many tries are left; null: it was right.</param>
    /// <param name="encipher">For the chip's key; null: in clear.</param>
    public async Task<(Verdict Verdict, bool Right)> PresentAsync(
        IKeypad holder, Amount amount, Text why, Func<byte[], Task<byte[]?>>? encipher, Func<byte[], Task<int?>> present, CancellationToken cancellation)
    {
        Text? hint = null;
        while (true)
        {
            var (verdict, digits) = await EnterAsync(holder, amount, why, hint, cancellation);
            if (digits is null)
            {
                return (verdict, false);
            }

            var block = PinBlock.Format2(digits);
            Array.Clear(digits);
            var sent = block;
            try
            {
                if (encipher is not null)
                {
                    if (await encipher(block) is not { } enciphered)
                    {
                        return (Verdict.Entered, false);
                    }

                    sent = enciphered;
                }

                if (await present(sent) is not { } left)
                {
                    return (Verdict.Entered, true);
                }

                if (left == 0)
                {
                    return (Verdict.Entered, false);
                }

                hint = new($"Wrong PIN; {left} {(left == 1 ? "try" : "tries")} left.", $"密码错误，还可输入 {left} 次。");
            }
            finally
            {
                Array.Clear(block);
                Array.Clear(sent);
            }
        }
    }

    public async Task<Entry> AskAsync(IKeypad holder, AccountNumber number, Amount amount, Text why, bool again, CancellationToken cancellation)
    {
        var hint = again ? new Text("The bank says the PIN was wrong or missing.", "发卡行提示密码错误或未输入。") : null;
        var (verdict, digits) = await EnterAsync(holder, amount, why, hint, cancellation);
        if (digits is null)
        {
            return new Entry(verdict, []);
        }

        try
        {
            return new Entry(Verdict.Entered, keys.EncryptPin(pinKey, digits, number));
        }
        finally
        {
            Array.Clear(digits);
        }
    }

    /// <summary>Six digits, for the caller to clear; or none, and why.</summary>
    private async Task<(Verdict Verdict, char[]? Digits)> EnterAsync(IKeypad holder, Amount amount, Text why, Text? hint, CancellationToken cancellation)
    {
        using var expiry = new CancellationTokenSource(window, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(expiry.Token, cancellation);
        for (var entry = 0; entry < MaxEntries; entry++)
        {
            char[]? digits;
            try
            {
                digits = await holder.EnterPinAsync(new PinPrompt(amount, why, hint), either.Token);
            }
            catch (OperationCanceledException)
            {
                return (Verdict.Cancelled, null);
            }

            if (digits is null or { Length: 0 })
            {
                return (digits is null ? Verdict.Cancelled : Verdict.Bypassed, null);
            }

            if (digits.Length == PinLength && digits.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0)
            {
                return (Verdict.Entered, digits);
            }

            Array.Clear(digits);
            hint = new Text("A PIN has six digits.", "密码为六位数字。");
        }

        return (Verdict.Cancelled, null);
    }
}
