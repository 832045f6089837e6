using System.Globalization;
using Majia.Core.Iso8583;

namespace Majia.Acquirer;

/// <summary>Answers of the POS line (protocols.md 6.4). They are built from the request and the stored row alone, so a repeat gets the same bytes.</summary>
internal static class PosAnswers
{
    /// <param name="local">F12 and F13.</param>
    /// <param name="acquirer">F32.</param>
    /// <param name="institutions">F44, when the issuer is known.</param>
    public static IsoMessage Refusal(IsoMessage request, ResponseCode code, DateTimeOffset local, string acquirer, string? rrn = null, string? institutions = null)
    {
        var answer = new IsoMessage(request.Mti.Response, 24)
            .Take(request, 2, 3, 4, 11)
            .Set(12, local.ToString("HHmmss", CultureInfo.InvariantCulture))
            .Set(13, local.ToString("MMdd", CultureInfo.InvariantCulture))
            .Take(request, 25)
            .Set(32, acquirer)
            .Set(37, rrn)
            .Set(39, code.Value)
            .Take(request, 41, 42)
            .Set(44, request.Mti == Mti.SettlementRequest ? null : institutions ?? new Field44(string.Empty, acquirer).Format())
            .Take(request, 49, 60);
        return request.Mti == Mti.ReversalRequest ? answer.Take(request, 61) : answer;
    }

    /// <summary>0210 of an answered row.</summary>
    public static IsoMessage Financial(IsoMessage request, PosTransaction row, DateTimeOffset local, string acquirer)
    {
        var answer = Refusal(request, new ResponseCode(row.Code!), local, acquirer, row.Rrn, row.Institutions)
            .Set(15, row.SettlementDate)
            .Set(38, row.IsOffline ? null : row.Authorisation)
            .Set(63, "CUP");
        return row.ChipData is { } chip && row.Undoes is null ? answer.Set(55, chip) : answer;
    }
}
