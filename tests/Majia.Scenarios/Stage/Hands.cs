using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Phone;
using Majia.Terminal;

namespace Majia.Scenarios.Stage;

/// <summary>What a holder types, prompt after prompt; the last PIN again when there are more prompts than PINs. Null is the cancel key.</summary>
public sealed class Fingers(params string?[] pins) : IKeypad
{
    public List<PinPrompt> Prompts { get; } = [];

    public ValueTask<char[]?> EnterPinAsync(PinPrompt prompt, CancellationToken cancellation)
    {
        Prompts.Add(prompt);
        return ValueTask.FromResult(pins[Math.Min(Prompts.Count, pins.Length) - 1]?.ToCharArray());
    }
}

/// <summary>What happens in a terminal's field, poll after poll. When nothing more happens the terminal waits until its clock or the merchant ends it.</summary>
public sealed class Visit(params Func<Task<ICardChannel>>[] taps) : ICardField
{
    public int Polls { get; private set; }

    public async ValueTask<ICardChannel> PollAsync(CancellationToken cancellation)
    {
        if (Polls < taps.Length)
        {
            return await taps[Polls++]();
        }

        Polls++;
        await Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
        throw new OperationCanceledException(cancellation);
    }
}

/// <summary>A phone that leaves the field at one command: before the command is heard, or after it and before its answer.</summary>
public sealed class TornTap(PhoneTap tap, int at, bool afterwards) : ICardChannel
{
    private int commands;

    public byte LastInstruction { get; private set; }

    public async ValueTask<ReadOnlyMemory<byte>> TransmitAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation)
    {
        LastInstruction = command.Span[1];
        if (++commands < at)
        {
            return await tap.TransmitAsync(command, cancellation);
        }

        if (afterwards)
        {
            await tap.TransmitAsync(command, cancellation);
        }

        tap.TakeAway();
        throw new CardRemovedException();
    }
}

/// <summary>A reader of nobody's: sends what it likes.</summary>
public static class Reader
{
    /// <summary>SELECT PPSE: true when a payment card shows itself.</summary>
    public static async Task<bool> FindsCardAsync(PhoneDevice phone)
    {
        var answer = await phone.Tap().TransmitAsync(Convert.FromHexString("00A404000E325041592E5359532E444446303100"), CancellationToken.None);
        return ResponseApdu.TryParse(answer, out var response, out _) && response.Status.IsOk;
    }
}
