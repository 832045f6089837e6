using System.Globalization;

namespace Majia.Core.Iso8583;

/// <summary>Message type indicator, as its four digits: version, class, function, origin (ISO 8583:1987 §4.1).</summary>
public readonly record struct Mti(int Value)
{
    public static readonly Mti AuthorisationRequest = new(100), AuthorisationResponse = new(110), FinancialRequest = new(200), FinancialResponse = new(210),
        FinancialAdvice = new(220), FinancialAdviceResponse = new(230), BatchUpload = new(320), BatchUploadResponse = new(330), ReversalRequest = new(400), ReversalResponse = new(410), ReversalAdvice = new(420),
        ReversalAdviceRepeat = new(421), ReversalAdviceResponse = new(430), SettlementRequest = new(500), SettlementResponse = new(510), ScriptResult = new(620), ScriptResultResponse = new(630),
        NetworkRequest = new(800), NetworkResponse = new(810), NetworkAdvice = new(820), NetworkAdviceResponse = new(830);

    public string Digits => Value.ToString("D4", CultureInfo.InvariantCulture);

    /// <summary>The MTI that answers this one: function digit 0 becomes 1, 2 and its repeats become 3. A response stays what it is.</summary>
    public Mti Response => new((Value / 100 * 100) + (((Value / 10 % 10) | 1) * 10));

    /// <summary>True for an odd function digit: an answer, which is never itself answered.</summary>
    public bool IsResponse => ((Value / 10) & 1) == 1;

    /// <summary>The second digit: 1 authorisation, 2 financial, 3 file, 4 reversal, 5 settlement, 6 administration, 8 network.</summary>
    public int Class => Value / 100 % 10;

    public override string ToString() => Digits;
}
