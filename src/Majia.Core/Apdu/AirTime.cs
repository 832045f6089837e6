namespace Majia.Core.Apdu;

/// <summary>How long APDUs are on the air between card and reader (ISO/IEC 14443-3 type A, 14443-4): computed, not measured.</summary>
/// <remarks>
/// A byte is 9 bits with its parity at 106 kbit/s, a bit is 128 / 13.56 MHz there and half of that at each next rate. A block has 3 bytes of its own (PCB and CRC),
/// a command and its answer are one block each way and 2 frame delays; blocks longer than 256 bytes are chained. The card's own work comes on top.
/// </remarks>
public static class AirTime
{
    private const int BlockOverhead = 3, BlockBytes = 256 - BlockOverhead, BitsOfByte = 9;

    private const double CarrierHertz = 13_560_000;

    /// <summary>The least delay between frames: 1 236 carrier periods (14443-3 §6.2.1.1).</summary>
    private const double FrameDelaySeconds = 1_236 / CarrierHertz;

    /// <summary>Bit rates in kbit/s, slowest first.</summary>
    public static IReadOnlyList<int> Rates { get; } = [106, 212, 424, 848];

    /// <summary>Milliseconds for one exchange.</summary>
    /// <param name="command">Bytes of the command APDU.</param>
    /// <param name="answer">Bytes of the answer, status word included.</param>
    /// <param name="rate">One of <see cref="Rates"/>.</param>
    public static double Milliseconds(int command, int answer, int rate)
    {
        var divisor = rate switch { 106 => 128, 212 => 64, 424 => 32, 848 => 16, _ => throw new ArgumentOutOfRangeException(nameof(rate), rate, "106, 212, 424 or 848 kbit/s") };
        var blocks = Blocks(command) + Blocks(answer);
        var bits = (command + answer + (blocks * BlockOverhead)) * BitsOfByte;
        return 1_000 * ((bits * divisor / CarrierHertz) + (blocks * FrameDelaySeconds));
    }

    private static int Blocks(int bytes) => Math.Max(1, (bytes + BlockBytes - 1) / BlockBytes);
}
