using System.Globalization;
using Majia.Core.Primitives;

namespace Majia.Host.Ui;

/// <summary>An amount as people read it: ¥12,888.00, and −¥88.00 with a real minus.</summary>
public static class Money
{
    public static string Of(Amount amount) => Of(amount.Minor);

    public static string Of(long minor) => string.Create(CultureInfo.InvariantCulture, $"{(minor < 0 ? "\u2212" : "")}¥{Math.Abs((decimal)minor) / 100:#,0.00}");
}
