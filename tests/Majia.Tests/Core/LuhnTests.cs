using Majia.Core.Primitives;

namespace Majia.Tests.Core;

public class LuhnTests
{
    // ISO/IEC 7812-1 annex B's own example.
    [Fact]
    public void The_check_digit_of_the_standards_example_is_3() => Assert.Equal('3', Luhn.CheckDigit("7992739871"));

    [Fact]
    public void Every_single_wrong_digit_is_found()
    {
        const string Good = "79927398713";
        Assert.True(Luhn.IsValid(Good));
        for (var position = 0; position < Good.Length; position++)
        {
            for (var digit = '0'; digit <= '9'; digit++)
            {
                var changed = Good.ToCharArray();
                changed[position] = digit;
                Assert.Equal(digit == Good[position], Luhn.IsValid(changed));
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    public void What_is_too_short_has_no_check_digit(string digits) => Assert.False(Luhn.IsValid(digits));
}
