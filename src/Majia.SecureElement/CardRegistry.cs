using System.Collections.Immutable;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>What the card says of itself and of what it holds, and the life cycle states that its owners set (GlobalPlatform Card Specification 2.3 §5, §11.3, §11.4, §11.10).</summary>
internal static class CardRegistry
{
    private const byte KeyTypeAes = 0x88, Locked = 0x80;

    internal static byte[] Fci(ChipState state, Aid domain) => BerTlv.Encode(0x6F,
        BerTlv.Encode(0x84, domain.Bytes),
        BerTlv.Encode(0xA5, Recognition(state), BerTlv.Encode(0x9F65, [0xFF])));

    // ---- SET STATUS, GP §11.10 ----

    internal static ChipStep SetStatus(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu)
    {
        var name = apdu.Data.Length <= 16 ? apdu.Data.Span : [];
        switch (apdu.P1)
        {
            case 0x80:
                return SetCard(state, session, domain, apdu.P2);
            case 0x60 when ContentManagement.CreatedDomain(state, domain, name) is { } created:
                var isLocked = (apdu.P2 & Locked) != 0;
                return Chip.Answer(created.Locked == isLocked ? state : state.With(created with { Locked = isLocked }), session, Sw.Ok);
            case 0x40 when ContentManagement.OwnTransit(state, domain, name) is { } transit:
                var closed = (apdu.P2 & Locked) != 0;
                return Chip.Answer(transit.Locked == closed ? state : state.With(transit with { Locked = closed }), session, Sw.Ok);
            case 0x40 when ContentManagement.OwnPayment(state, domain, name) is { } payment:
                var blocked = (apdu.P2 & Locked) != 0;
                if (!blocked && payment.Atc == ushort.MaxValue)
                {
                    return Chip.Answer(state, session, Sw.NotSatisfied); // no cryptogram is left in it
                }

                return Chip.Answer(payment.Blocked == blocked ? state : state.With(payment with { Blocked = blocked }), session, Sw.Ok);
            case 0x40 or 0x60:
                return Chip.Answer(state, session, Sw.Unreferenced);
            default:
                return Chip.Answer(state, session, Sw.WrongP1P2);
        }
    }

    /// <summary>The card's life goes forward; from CARD_LOCKED back to SECURED alone (GP figure 5-1).</summary>
    private static ChipStep SetCard(ChipState state, ChipSession session, SecurityDomain domain, byte wanted)
    {
        if (!ContentManagement.IsIssuer(state, domain))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (wanted is not ((byte)CardLife.OpReady or (byte)CardLife.Initialized or (byte)CardLife.Secured or (byte)CardLife.Locked or (byte)CardLife.Terminated))
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        var next = (CardLife)wanted;
        return next == state.Life ? Chip.Answer(state, session, Sw.Ok)
            : next > state.Life || (state.Life == CardLife.Locked && next == CardLife.Secured) ? Chip.Answer(state with { Life = next }, session, Sw.Ok)
            : Chip.Answer(state, session, Sw.NotSatisfied);
    }

    // ---- GET STATUS, GP §11.4 ----

    internal static ChipStep GetStatus(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P1 is not (0x80 or 0x40 or 0x20 or 0x10) || (apdu.P2 & ~0x03) != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!TryReadSearch(apdu.Data.Span, out var name, out var wanted))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        var prefix = name.ToArray();
        var entries = Entries(state, domain, apdu.P1).Where(entry => entry.Aid.StartsWith(prefix)).ToImmutableArray();
        var from = (apdu.P2 & 0x01) != 0 ? channel.StatusCursor : 0;
        var answer = new List<byte>();
        var at = from;
        for (; at < entries.Length; at++)
        {
            var entry = Encode(entries[at], tlv: (apdu.P2 & 0x02) != 0, wanted);
            if (answer.Count + entry.Length > 220)
            {
                break; // what fits a response under R-ENC and R-MAC
            }

            answer.AddRange(entry);
        }

        if (answer.Count == 0)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        var more = at < entries.Length;
        return Chip.Answer(state, session with { Channel = channel with { StatusCursor = more ? at : 0 } }, [.. answer], more ? Sw.MoreData : Sw.Ok);
    }

    internal static bool TryReadName(ReadOnlySpan<byte> data, out ReadOnlySpan<byte> name) =>
        BerTlv.TryRead(data, out var tag, out name, out _, out _) && tag == 0x4F && name.Length is 0 or (>= 5 and <= 16);

    /// <summary>4F with the beginning of a name, then perhaps 5C with the tags that are wanted (GP table 11-36).</summary>
    private static bool TryReadSearch(ReadOnlySpan<byte> data, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> wanted)
    {
        wanted = default;
        if (!BerTlv.TryRead(data, out var tag, out name, out var used, out _) || tag != 0x4F || name.Length > 16)
        {
            return false;
        }

        var rest = data[used..];
        return rest.IsEmpty || (BerTlv.TryRead(rest, out var list, out wanted, out used, out _) && list == 0x5C && used == rest.Length);
    }

    private readonly record struct StatusEntry(Aid Aid, byte LifeCycle, byte Privileges, Aid? Domain);

    private static IEnumerable<StatusEntry> Entries(ChipState state, SecurityDomain domain, byte what)
    {
        var isIssuer = ContentManagement.IsIssuer(state, domain);
        switch (what)
        {
            case 0x80: // the issuer domain, with the card's own state
                return isIssuer ? [new(domain.Aid, (byte)state.Life, 0x9E, null)] : [];
            case 0x40: // what this domain created; a domain says by 0F that it has keys
                return
                [
                    .. isIssuer ? state.Domains.Skip(1).Select(created => new StatusEntry(created.Aid, (byte)((created.Keys is null ? 0x07 : 0x0F) | (created.Locked ? Locked : 0)), 0x80, domain.Aid)) : [],
                    .. state.Payments.Where(payment => payment.Domain.Equals(domain.Aid)).Select(payment => new StatusEntry(payment.Aid, LifeCycle(state, payment), 0x00, domain.Aid)),
                    .. state.Transits.Where(transit => transit.Domain.Equals(domain.Aid)).Select(transit => new StatusEntry(transit.Aid, (byte)((transit.Selectable ? 0x0F : 0x03) | (transit.Locked ? Locked : 0)), 0x00, domain.Aid)),
                ];
            default: // load files
                return ContentManagement.Modules.Select(static module => new StatusEntry(module.Package, 0x01, 0x00, null));
        }
    }

    /// <summary>03 installed or personalised and not selectable, 0F personalised and selectable, 83 or 8F when locked; dead ones answer as locked (GP table 11-4).</summary>
    internal static byte LifeCycle(ChipState state, PaymentInstance payment)
    {
        var stage = payment.Selectable ? 0x0F : 0x03;
        return (byte)(payment.Blocked || (payment.Profile is not null && !state.IsLive(payment)) ? stage | Locked : stage);
    }

    private static byte[] Encode(StatusEntry entry, bool tlv, ReadOnlySpan<byte> wanted)
    {
        if (!tlv)
        {
            return [(byte)entry.Aid.Bytes.Length, .. entry.Aid.Bytes, entry.LifeCycle, entry.Privileges];
        }

        // 4F and 9F70 always; C5 by default or when asked for; CC (associated domain) when asked for.
        var content = new List<byte>([.. BerTlv.Encode(0x4F, entry.Aid.Bytes), .. BerTlv.Encode(0x9F70, [entry.LifeCycle])]);
        if (wanted.IsEmpty || wanted.Contains((byte)0xC5))
        {
            content.AddRange(BerTlv.Encode(0xC5, [entry.Privileges, 0x00, 0x00]));
        }

        if (wanted.Contains((byte)0xCC) && entry.Domain is { } domain)
        {
            content.AddRange(BerTlv.Encode(0xCC, domain.Bytes));
        }

        return BerTlv.Encode(0xE3, content.ToArray());
    }

    // ---- GET DATA, GP §11.3, and STORE DATA of the issuer domain, GP §11.11 ----

    internal static ChipStep GetData(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu)
    {
        byte[]? data = ((apdu.P1 << 8) | apdu.P2) switch
        {
            0x0066 => BerTlv.Encode(0x66, Recognition(state)),
            0x00CF => BerTlv.Encode(0xCF, state.Seid.Span),
            0x0042 => Identity(state, 0x42),
            0x0045 => Identity(state, 0x45),
            0x00E0 when domain.Keys is { } keys => BerTlv.Encode(0xE0, [.. new[] { keys }.Concat(domain.MoreKeys).SelectMany(Describe)]),
            0x00C1 => BerTlv.Encode(0xC1, [(byte)(domain.Sequence >> 16), (byte)((domain.Sequence >> 8) & 0xFF), (byte)(domain.Sequence & 0xFF)]),
            0x9F7F => BerTlv.Encode(0x9F7F, LifeCycleData(state)),
            _ => null,
        };
        return data is null ? Chip.Answer(state, session, Sw.Unreferenced) : Chip.Answer(state, session, data);

        static IEnumerable<byte> Describe(DomainKeys set) => Enumerable.Range(1, 3).SelectMany(id => BerTlv.Encode(0xC0, [(byte)id, set.Version, KeyTypeAes, (byte)set.Keys.Encryption.Length]));
    }

    /// <summary>Objects 42 (issuer) and 45 (card image) in BER-TLV; with P1 bit 01 the answer to BF3E { 5C 5A }, the EID of a card that has one (SGP.02 §4.1.1.3).</summary>
    internal static ChipStep StoreData(ChipState state, ChipSession session, CommandApdu apdu)
    {
        if ((apdu.P1 & 0x80) == 0 || apdu.P2 != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        var data = apdu.Data.Span;
        if ((apdu.P1 & 0x01) != 0)
        {
            return data.SequenceEqual((byte[])[0xBF, 0x3E, 0x03, 0x5C, 0x01, 0x5A]) && BerTlv.TryFind(state.Identity.Span, 0x5A, out var eid)
                ? Chip.Answer(state, session, BerTlv.Encode(0xBF3E, BerTlv.Encode(0x5A, eid)))
                : Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (data.IsEmpty || !BerTlv.TryCheck(data, out _))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        var kept = new SortedDictionary<int, byte[]>();
        foreach (var item in BerTlv.Objects(state.Identity.Span))
        {
            kept[item.Tag.Value] = item.Value.ToArray();
        }

        foreach (var item in BerTlv.Objects(data))
        {
            if (item.Tag.Value is not (0x42 or 0x45) || item.Value.Length is 0 or > 16)
            {
                return Chip.Answer(state, session, Sw.WrongData);
            }

            kept[item.Tag.Value] = item.Value.ToArray();
        }

        return Chip.Answer(state with { Identity = (byte[])[.. kept.SelectMany(static item => BerTlv.Encode(item.Key, item.Value))] }, session, Sw.Ok);
    }

    private static byte[]? Identity(ChipState state, Tag tag) => BerTlv.TryFind(state.Identity.Span, tag, out var value) ? BerTlv.Encode(tag, value) : null;

    /// <summary>Card production life cycle data, 42 bytes (GP Card Specification annex H.4, Visa's layout): nothing of it is a secret, the serial number is the SEID's end.</summary>
    private static byte[] LifeCycleData(ChipState state)
    {
        var data = new byte[42];
        byte[] fabricator = [0x4D, 0x4A, 0x00, 0x01, 0x4D, 0x4A]; // IC fabricator, IC type, operating system: our own
        fabricator.CopyTo(data, 0);
        state.Seid.Span[^4..].CopyTo(data.AsSpan(12)); // IC serial number
        return data;
    }

    /// <summary>Card recognition data, GP §H.2: GlobalPlatform 2.3.1 and SCP03 with its i. Object identifiers below 1.2.840.114283.</summary>
    private static byte[] Recognition(ChipState state) => BerTlv.Encode(0x73,
        BerTlv.Encode(0x06, [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x01]),
        BerTlv.Encode(0x60, BerTlv.Encode(0x06, [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x02, 0x02, 0x03, 0x01])),
        BerTlv.Encode(0x63, BerTlv.Encode(0x06, [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x03])),
        BerTlv.Encode(0x64, BerTlv.Encode(0x06, [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x04, 0x03, state.ScpOption])));
}
