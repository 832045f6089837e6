using Majia.Core.Primitives;
using Org.BouncyCastle.Security;

namespace Majia.Core.Cryptography;

/// <summary>The library's random source fed by ours, so that what it generates replays in the simulator.</summary>
internal sealed class EntropyRandom(Entropy entropy) : SecureRandom(null)
{
    public override byte[] GenerateSeed(int length) => entropy.Bytes(length);

    public override void GenerateSeed(Span<byte> seed) => entropy.Fill(seed);

    public override void SetSeed(byte[] seed)
    {
    }

    public override void SetSeed(Span<byte> seed)
    {
    }

    public override void SetSeed(long seed)
    {
    }

    public override int Next() => NextInt() & int.MaxValue;

    public override int Next(int maxValue) => maxValue < 2 ? 0 : entropy.Below(maxValue);

    public override int Next(int minValue, int maxValue) => minValue + Next(maxValue - minValue);

    public override void NextBytes(byte[] buf) => entropy.Fill(buf);

    public override void NextBytes(byte[] buf, int off, int len) => entropy.Fill(buf.AsSpan(off, len));

    public override void NextBytes(Span<byte> buffer) => entropy.Fill(buffer);

    public override double NextDouble() => (NextLong() >>> 11) * (1.0 / (1L << 53));

    public override int NextInt() => BitConverter.ToInt32(entropy.Bytes(4));

    public override long NextLong() => BitConverter.ToInt64(entropy.Bytes(8));
}
