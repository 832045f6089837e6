using Majia.Core.Iso8583;

namespace Majia.Tests.Core.Iso8583;

public sealed class ResponseCodeTests
{
    [Fact]
    public void Three_codes_approve_and_four_more_accept_an_advice()
    {
        Assert.Equal(["00", "10", "11"], ResponseCodes.All.Where(static row => new ResponseCode(row.Code).IsApproval).Select(static row => row.Code));
        Assert.Equal(["00", "10", "11", "A2", "A4", "A5", "A6"], ResponseCodes.All.Where(static row => new ResponseCode(row.Code).IsAcceptance).Select(static row => row.Code));
    }

    [Fact]
    public void Every_code_is_there_once_and_in_order() =>
        Assert.Equal(ResponseCodes.All.Select(static row => row.Code).Distinct().Order(StringComparer.Ordinal), ResponseCodes.All.Select(static row => row.Code));

    [Fact]
    public void A_code_has_its_meaning_in_both_languages_and_an_unknown_one_says_so()
    {
        Assert.Equal("资金不足", ResponseCode.InsufficientFunds.Meaning.Zh);
        Assert.Equal("unknown response code ZZ", new ResponseCode("ZZ").Meaning.En);
        Assert.False(new ResponseCode("ZZ").IsApproval);
        Assert.False(default(ResponseCode).IsApproval);
        Assert.Equal(TerminalAction.Decline, default(ResponseCode).Action);
        Assert.Equal(TerminalAction.AskPinAgain, ResponseCode.WrongPin.Action);
    }
}
