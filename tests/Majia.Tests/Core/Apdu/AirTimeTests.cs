using Majia.Core.Apdu;

namespace Majia.Tests.Core.Apdu;

public sealed class AirTimeTests
{
    [Fact]
    public void A_byte_at_106_is_nine_bits_of_9_44_microseconds()
    {
        // 5 + 2 bytes and two blocks of 3 more: 13 bytes, 117 bits, and two frame delays of 91.15 µs.
        Assert.Equal((117 * 128 / 13.56e3) + (2 * 1_236 / 13.56e3), AirTime.Milliseconds(5, 2, 106), precision: 9);
    }

    [Fact]
    public void Each_next_rate_halves_the_bits_and_leaves_the_delays()
    {
        const double Delays = 2 * 1_236 / 13.56e3;
        var times = AirTime.Rates.Select(rate => AirTime.Milliseconds(41, 89, rate) - Delays).ToList();
        Assert.All(times.Zip(times.Skip(1)), pair => Assert.Equal(pair.First / 2, pair.Second, precision: 9));
    }

    [Fact]
    public void A_long_answer_is_chained_and_pays_for_each_block()
    {
        var (one, two) = (AirTime.Milliseconds(5, 253, 106), AirTime.Milliseconds(5, 254, 106));
        Assert.True(two - one > 1_236 / 13.56e3, $"{one} {two}");
        Assert.Throws<ArgumentOutOfRangeException>(() => AirTime.Milliseconds(5, 2, 107));
    }
}
