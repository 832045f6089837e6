using System.Globalization;
using Majia.Core.Apdu;
using Majia.Core.Contracts;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Phone;

/// <summary>A plastic's number as its chip told it: in the phone's RAM until the card is added, and in no store (R5). It prints masked.</summary>
/// <remarks>A class, not a record: records print their members.</remarks>
public sealed class PlasticNumber
{
    private readonly AccountNumber number;

    internal PlasticNumber(AccountNumber number, string? expiry) => (this.number, Expiry) = (number, expiry);

    /// <summary>First six, stars, last four: so that the holder sees which card was read.</summary>
    public string Masked => number.Masked;

    /// <summary>YYMM; null when the chip told none.</summary>
    public string? Expiry { get; }

    /// <summary>With what the chip does not tell and the holder types: the request that is encrypted to the token service.</summary>
    public CardToEnrol With(string? cvn2, string? holderName, string? idNumber, string? mobileNumber, string? expiry = null) => new(number.Reveal(), expiry ?? Expiry, cvn2, holderName, idNumber, mobileNumber);

    public override string ToString() => Masked;
}

/// <summary>What came of holding a card to the phone's back: its number, or why not.</summary>
public sealed record PlasticReading(PlasticNumber? Number, Refusal? Why)
{
    internal static PlasticReading No(Refusal why) => new(null, why);
}

/// <summary>The phone as a reader: a plastic's number and expiry out of its contactless chip (R5), by the commands that any terminal sends.</summary>
/// <remarks>
/// The card is asked for a cryptogram over an amount of zero, for only with it does it tell its track 2 (protocols.md 2.3); nobody keeps that cryptogram.
/// Whatever a card answers, the result is a reading: nothing a card sends can throw here.
/// </remarks>
internal static class PlasticReader
{
    /// <summary>No honest card has more; a hostile one does not keep the phone busy.</summary>
    private const int MaxApplications = 8, MaxRecords = 32;

    private static readonly byte[] UnionPay = [0xA0, 0x00, 0x00, 0x03, 0x33];

    /// <summary>TTQ: qPBOC, no CVM, an online cryptogram: the card approves nothing.</summary>
    private static readonly byte[] Qualifiers = [0x20, 0x80, 0x00, 0x00];

    /// <param name="unpredictable">9F37, 4 bytes.</param>
    internal static async Task<PlasticReading> ReadAsync(ICardChannel card, DateTimeOffset now, byte[] unpredictable, CancellationToken cancellation)
    {
        if (await SendAsync(card, CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, "2PAY.SYS.DDF01"u8), cancellation) is not { Status.IsOk: true } directory)
        {
            return PlasticReading.No(PhoneRules.PlasticUnreadable);
        }

        foreach (var application in Applications(directory))
        {
            if (await SendAsync(card, CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, application), cancellation) is not { Status.IsOk: true } selected
                || Options(selected.Data.Span, now, unpredictable) is not { } options
                || await SendAsync(card, options, cancellation) is not { Status.IsOk: true } answer
                || !BerTlv.TryFind(answer.Data.Span, Tags.ResponseFormat2, out var content))
            {
                continue;
            }

            var told = content.ToArray();
            if (NumberIn(told) is { } number)
            {
                return new PlasticReading(number, null);
            }

            foreach (var command in Records(told))
            {
                if (await SendAsync(card, command, cancellation) is { Status.IsOk: true } record && BerTlv.TryFind(record.Data.Span, Tags.RecordTemplate, out var body) && NumberIn(body) is { } recorded)
                {
                    return new PlasticReading(recorded, null);
                }
            }
        }

        return PlasticReading.No(PhoneRules.PlasticUnreadable);
    }

    private static async ValueTask<ResponseApdu?> SendAsync(ICardChannel card, CommandApdu command, CancellationToken cancellation) =>
        ResponseApdu.TryParse(await card.TransmitAsync(command.ToBytes(), cancellation), out var answer, out _) ? answer : null;

    /// <summary>UnionPay's applications first, then the others: whether such a card can be added, the bank's directory says and not its chip (R12).</summary>
    private static IReadOnlyList<byte[]> Applications(ResponseApdu directory)
    {
        if (!BerTlv.TryFind(directory.Data.Span, Tags.FciTemplate, out var fci) || !BerTlv.TryFind(fci, Tags.FciProprietaryTemplate, out var proprietary) || !BerTlv.TryFind(proprietary, Tags.FciIssuerDiscretionaryData, out var rest))
        {
            return [];
        }

        var found = new List<(byte[] Name, int Priority)>();
        while (found.Count < MaxApplications && BerTlv.TryRead(rest, out var tag, out var entry, out var consumed, out _))
        {
            if (tag == Tags.ApplicationTemplate && BerTlv.TryFind(entry, Tags.ApplicationIdentifier, out var name) && name.Length is >= 5 and <= 16)
            {
                found.Add((name.ToArray(), BerTlv.TryFind(entry, Tags.ApplicationPriorityIndicator, out var value) && value.Length == 1 && (value[0] & 0x0F) != 0 ? value[0] & 0x0F : 16));
            }

            rest = rest[consumed..];
        }

        return [.. found.OrderByDescending(one => one.Name.AsSpan().StartsWith(UnionPay)).ThenBy(one => one.Priority).Select(one => one.Name)];
    }

    /// <summary>GET PROCESSING OPTIONS for this application's PDOL; null when it has none that can be answered.</summary>
    private static CommandApdu? Options(ReadOnlySpan<byte> selected, DateTimeOffset now, byte[] unpredictable)
    {
        if (!BerTlv.TryFind(selected, Tags.FciTemplate, out var fci) || !BerTlv.TryFind(fci, Tags.FciProprietaryTemplate, out var proprietary)
            || !BerTlv.TryFind(proprietary, Tags.ProcessingOptionsDol, out var pdol) || !Dol.TryParse(pdol, out var entries, out _) || Dol.DataLength(entries) > Dol.MaxBytes)
        {
            return null;
        }

        var date = Convert.FromHexString(now.ToString("yyMMdd", CultureInfo.InvariantCulture));
        return CommandApdu.Of(0x80, 0xA8, 0x00, 0x00, BerTlv.Encode(0x83, Dol.Build(entries, tag => tag.Value switch
        {
            0x9F66 => Qualifiers,
            0x9F1A or 0x5F2A => (byte[])[0x01, 0x56],
            0x9A => date,
            0x9F37 => unpredictable,
            _ => null, // amount, type and the rest: zeros
        })));
    }

    /// <summary>READ RECORD for each record that the answer's locator names.</summary>
    private static IEnumerable<CommandApdu> Records(byte[] told)
    {
        if (!BerTlv.TryFind(told, Tags.ApplicationFileLocator, out var found))
        {
            yield break;
        }

        var (locator, count) = (found.ToArray(), 0);
        for (var at = 0; at + 4 <= locator.Length; at += 4)
        {
            for (int record = locator[at + 1]; record <= locator[at + 2] && count < MaxRecords; record++, count++)
            {
                yield return CommandApdu.Of(0x00, 0xB2, (byte)record, (byte)((locator[at] & 0xF8) | 0x04), []);
            }
        }
    }

    /// <summary>Track 2, or number and expiry as elements of their own (tags 5A, 5F24).</summary>
    private static PlasticNumber? NumberIn(ReadOnlySpan<byte> objects)
    {
        if (BerTlv.TryFind(objects, Tags.TrackTwoEquivalent, out var track) && TrackTwoEquivalent.TryParse(track, out var read, out _))
        {
            return new PlasticNumber(read.Number, read.Expiry);
        }

        if (!BerTlv.TryFind(objects, Tags.Pan, out var compressed) || compressed.Length > AccountNumber.MaxLength)
        {
            return null;
        }

        var digits = Convert.ToHexString(compressed).TrimEnd('F');
        var expiry = BerTlv.TryFind(objects, Tags.ExpirationDate, out var day) && day.Length == 3 ? Convert.ToHexString(day)[..4] : null;
        return CardNumber.TryParse(digits, out var number, out _) ? new PlasticNumber(number, expiry is not null && expiry.All(char.IsAsciiDigit) ? expiry : null) : null;
    }
}

/// <summary>Reading the plastic at the phone's back, and adding it (R5).</summary>
public sealed partial class PhoneDevice
{
    /// <summary>How the number came, as the token service and the bank are told.</summary>
    public const string Typed = "MANUAL", TappedAtTheBack = "CONTACTLESS_TAP", Photographed = "CAMERA";

    /// <summary>Reads the number of the card that lies at the phone's back. Nothing of it is stored, and the network is not needed yet.</summary>
    /// <param name="atTheBack">A card in the phone's own field, activated; null when nothing answers there: no card, or one without a contactless chip.</param>
    public async Task<PlasticReading> ReadPlasticAsync(ICardChannel? atTheBack, CancellationToken cancellation = default)
    {
        var reading = !IsOn ? PlasticReading.No(PhoneRules.PoweredOff)
            : atTheBack is null ? PlasticReading.No(PhoneRules.NothingAtTheBack)
            : await TryReadAsync(atTheBack, cancellation);
        Note(string.Empty, TraceKind.Decision, TraceDirection.Inside, "plastic", "apdu", reading.Why?.Why ?? new Text("The number of the card at the back was read; it is not kept.", "已读取背面卡片的卡号，不保存。"));
        return reading;
    }

    /// <summary>Adds the card that was read at the back, with what its holder typed beside it.</summary>
    public Task<EnrolmentOutcome> AddCardAsync(PlasticNumber number, string? cvn2, string? holderName, string? idNumber, string? mobileNumber, CancellationToken cancellation = default) =>
        AddCardAsync(number.With(cvn2, holderName, idNumber, mobileNumber), TappedAtTheBack, cancellation);

    private async Task<PlasticReading> TryReadAsync(ICardChannel card, CancellationToken cancellation)
    {
        try
        {
            return await PlasticReader.ReadAsync(card, time.GetUtcNow().ToOffset(TimeSpan.FromHours(8)), entropy.Bytes(4), cancellation);
        }
        catch (CardRemovedException)
        {
            return PlasticReading.No(PhoneRules.PlasticMoved);
        }
    }
}
