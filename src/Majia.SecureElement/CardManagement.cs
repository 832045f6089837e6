using System.Collections.Immutable;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>The security domains' commands (GlobalPlatform Card Specification 2.3, Amendment D). What changes the card needs a secure channel of level 33; there is one at a time.</summary>
public static class CardManagement
{
    /// <summary>C-MAC, C-ENC, R-MAC and R-ENC: the only level this card opens.</summary>
    public const byte Level = 0x33;

    /// <summary>SCP03 with pseudo-random challenge, R-MAC and R-ENC (Amendment D §5.1).</summary>
    private const byte ScpNumber = 0x03, ScpOption = 0x70;

    private const byte KeyTypeAes = 0x88;

    private enum ModuleKind
    {
        SecurityDomain,
        Payment,
    }

    /// <summary>What the factory put into ROM. A domain may instantiate the modules of its own row; the transit module's row comes with it.</summary>
    private sealed record Module(Aid Package, Aid Name, ModuleKind Kind);

    private static readonly ImmutableArray<Module> Modules =
    [
        new(Aid.Parse("A000000151"), Aid.Parse("A000000151000000"), ModuleKind.SecurityDomain), // by the issuer domain
        new(Aid.Parse("A0000003330101"), Aid.Parse("A000000333010100"), ModuleKind.Payment), // by a domain it created
    ];

    /// <summary>RID of UnionPay: a payment instance is named below it.</summary>
    private static ReadOnlySpan<byte> PaymentRid => [0xA0, 0x00, 0x00, 0x03, 0x33];

    internal static byte[] Fci(Aid domain) => BerTlv.Encode(0x6F,
        BerTlv.Encode(0x84, domain.Bytes),
        BerTlv.Encode(0xA5, CardRecognition(), BerTlv.Encode(0x9F65, [0xFF])));

    internal static ChipSession CloseChannel(ChipSession session)
    {
        session.Channel?.Session.End();
        return session with { Channel = null };
    }

    internal static ChipStep Step(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu is { Cla: 0x80, Ins: 0x50 })
        {
            return InitializeUpdate(state, CloseChannel(session), domain, apdu);
        }

        if (session.Channel is not { } channel || !channel.Domain.Equals(domain.Aid))
        {
            return Unsecured(state, session, domain, apdu);
        }

        if (!channel.Open)
        {
            return apdu.Ins == 0x82 ? ExternalAuthenticate(state, session, channel, domain, apdu) : Unsecured(state, CloseChannel(session), domain, apdu);
        }

        // Everything inside an open channel is protected by it; a wrong MAC closes it (Amendment D §5.1).
        if (!channel.Session.TryUnwrap(apdu, out var plain))
        {
            return Chip.Answer(state, CloseChannel(session), Sw.Security);
        }

        var step = Secured(state, session, channel, domain, plain);
        return step.Session.Channel is null
            ? Chip.Answer(step.State, step.Session, step.Response.Status.Value)
            : step with { Response = channel.Session.WrapResponse(step.Response) };
    }

    private static ChipStep Unsecured(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu) => apdu.Ins switch
    {
        0xCA when apdu.Cla != 0x84 => GetData(state, session, domain, apdu),
        0x82 or 0xE6 or 0xD8 or 0xE2 or 0xE4 or 0xF0 or 0xF2 or 0xCA => Chip.Answer(state, session, Sw.Security),
        _ => Chip.Answer(state, session, Sw.UnknownIns),
    };

    private static ChipStep Secured(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu) => apdu.Ins switch
    {
        0xE6 => Install(state, session, channel, domain, apdu),
        0xD8 => PutKey(state, session, channel, domain, apdu),
        0xE2 => StoreData(state, session, channel, domain, apdu),
        0xE4 => Delete(state, session, domain, apdu),
        0xF0 => SetStatus(state, session, domain, apdu),
        0xF2 => GetStatus(state, session, channel, domain, apdu),
        0xCA => GetData(state, session, domain, apdu),
        _ => Chip.Answer(state, session, Sw.UnknownIns),
    };

    // ---- secure channel ----

    private static ChipStep InitializeUpdate(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.Data.Length != 8)
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        if (domain.Keys is not { } keys || (apdu.P1 != 0 && apdu.P1 != keys.Version) || apdu.P2 != 0)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (domain.Sequence >= SecurityDomain.LastSequence)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        // The counter moves when a host has proved itself: nobody without keys can wear it out (Amendment D §6.2.2.1).
        var sequence = domain.Sequence + 1;
        byte[] counter = [(byte)(sequence >> 16), (byte)((sequence >> 8) & 0xFF), (byte)(sequence & 0xFF)];
        var challenge = Scp03Session.CardChallenge(keys.Keys, counter, domain.Aid.Bytes);
        var scp = Scp03Session.Derive(keys.Keys, apdu.Data.Span, challenge);
        byte[] answer = [.. state.Seid.Span, keys.Version, ScpNumber, ScpOption, .. challenge, .. scp.CardCryptogram, .. counter];
        return Chip.Answer(state, session with { Channel = new SecureChannel(domain.Aid, scp, sequence, Open: false, Target: null, StatusCursor: 0) }, answer);
    }

    private static ChipStep ExternalAuthenticate(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P1 != Level)
        {
            return Chip.Answer(state, CloseChannel(session), Sw.WrongP1P2);
        }

        if (!channel.Session.TryAccept(apdu))
        {
            return Chip.Answer(state, CloseChannel(session), Sw.Security);
        }

        return Chip.Answer(state.With(domain with { Sequence = channel.Sequence }), session with { Channel = channel with { Open = true } }, Sw.Ok);
    }

    // ---- INSTALL, GP §11.5 ----

    private static ChipStep Install(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P2 != 0 || apdu.P1 is not (0x04 or 0x08 or 0x0C or 0x20))
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!TryReadFields(apdu.Data.Span, out var fields))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        return apdu.P1 switch
        {
            0x08 => MakeSelectable(state, session, domain, fields[2]),
            0x20 => ForPersonalisation(state, session, channel, domain, fields[2]),
            _ => ForInstall(state, session, domain, fields, makeSelectable: apdu.P1 == 0x0C),
        };
    }

    /// <summary>Six length-and-value fields: package, module, instance, privileges, parameters, token; AIDs empty or 5 to 16 bytes.</summary>
    private static bool TryReadFields(ReadOnlySpan<byte> data, out ImmutableArray<byte[]> fields)
    {
        var read = ImmutableArray.CreateBuilder<byte[]>(6);
        while (!data.IsEmpty && read.Count < 6)
        {
            int length = data[0];
            if (data.Length < 1 + length)
            {
                break;
            }

            read.Add(data.Slice(1, length).ToArray());
            data = data[(1 + length)..];
        }

        fields = read.ToImmutable();
        return fields.Length == 6 && data.IsEmpty && fields.Take(3).All(static aid => aid.Length is 0 or (>= 5 and <= 16));
    }

    private static ChipStep ForInstall(ChipState state, ChipSession session, SecurityDomain domain, ImmutableArray<byte[]> fields, bool makeSelectable)
    {
        var kind = domain.Aid.Equals(Chip.IssuerDomain) ? ModuleKind.SecurityDomain : ModuleKind.Payment;
        var module = Modules.FirstOrDefault(module => module.Package.Bytes.SequenceEqual(fields[0]) && module.Name.Bytes.SequenceEqual(fields[1]));
        if (module is null)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (fields[2].Length == 0)
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        // A payment instance becomes selectable after its personalisation, in a command of its own.
        var instance = Aid.From(fields[2]);
        if (module.Kind != kind || IsTaken(state, instance) || (module.Kind == ModuleKind.Payment && makeSelectable))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (module.Kind == ModuleKind.SecurityDomain)
        {
            if (fields[3].Length == 0 || (fields[3][0] & 0x80) == 0 || instance.StartsWith(PaymentRid))
            {
                return Chip.Answer(state, session, Sw.WrongData);
            }

            return state.Domains.Length >= ChipState.MaxDomains
                ? Chip.Answer(state, session, Sw.NoSpace)
                : Chip.Answer(state with { Domains = state.Domains.Add(new SecurityDomain(instance, null, 0)) }, session, [0x00]);
        }

        if (!instance.StartsWith(PaymentRid))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        return state.Payments.Length >= ChipState.MaxPayments
            ? Chip.Answer(state, session, Sw.NoSpace)
            : Chip.Answer(state with { Payments = state.Payments.Add(new PaymentInstance(instance, domain.Aid, false, false, false, default, 0, null)) }, session, [0x00]);
    }

    private static bool IsTaken(ChipState state, Aid aid) =>
        aid.Equals(Chip.Ppse) || aid.Equals(Chip.Binding) || state.Domain(aid) is not null || state.Payment(aid) is not null;

    private static ChipStep MakeSelectable(ChipState state, ChipSession session, SecurityDomain domain, byte[] name)
    {
        if (OwnPayment(state, domain, name) is not { } payment)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (!state.IsLive(payment))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        return payment.Selectable
            ? Chip.Answer(state, session, [0x00])
            : Chip.Answer(state.With(payment with { Selectable = true }), session, [0x00]);
    }

    private static ChipStep ForPersonalisation(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, byte[] name)
    {
        Aid target;
        if (OwnPayment(state, domain, name) is { } payment)
        {
            if (payment.Profile is not null)
            {
                return Chip.Answer(state, session, Sw.NotSatisfied);
            }

            target = payment.Aid;
        }
        else if (CreatedDomain(state, domain, name) is { } created)
        {
            if (created.Keys is not null)
            {
                return Chip.Answer(state, session, Sw.NotSatisfied); // its owner has taken it over
            }

            target = created.Aid;
        }
        else
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        return Chip.Answer(state, session with { Channel = channel with { Target = new PersonalisationTarget(target, 0, default) } }, [0x00]);
    }

    private static PaymentInstance? OwnPayment(ChipState state, SecurityDomain domain, ReadOnlySpan<byte> name) =>
        name.Length >= 5 && state.Payment(Aid.From(name)) is { } payment && payment.Domain.Equals(domain.Aid) ? payment : null;

    private static SecurityDomain? CreatedDomain(ChipState state, SecurityDomain domain, ReadOnlySpan<byte> name) =>
        domain.Aid.Equals(Chip.IssuerDomain) && name.Length >= 5 && state.Domain(Aid.From(name)) is { } created && !created.Aid.Equals(Chip.IssuerDomain) ? created : null;

    // ---- PUT KEY, GP §11.8 ----

    private static ChipStep PutKey(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P2 != 0x81)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        // Under INSTALL [for personalisation] of a created domain the keys are that domain's first ones; else the channel's own are replaced.
        var target = channel.Target is { } named && state.Domain(named.Aid) is { } created ? created : domain;
        var isFirst = !target.Aid.Equals(domain.Aid);
        if (isFirst ? apdu.P1 != 0 || target.Keys is not null : target.Keys is null || apdu.P1 != target.Keys.Version)
        {
            return Chip.Answer(state, session, isFirst && apdu.P1 == 0 ? Sw.NotSatisfied : Sw.Unreferenced);
        }

        const int block = 2 + 16 + 1 + 3;
        var data = apdu.Data.Span;
        if (data.Length != 1 + (3 * block) || data[0] is 0 or > 0x7F)
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        var keys = new byte[3][];
        byte[] answer = [data[0], .. new byte[9]];
        for (var i = 0; i < 3; i++)
        {
            var field = data.Slice(1 + (i * block), block);
            if (field[0] != KeyTypeAes || field[1] != 16 || field[18] != 3)
            {
                return Chip.Answer(state, session, Sw.WrongData);
            }

            keys[i] = channel.Session.DecryptSensitive(field.Slice(2, 16));
            var check = KeyCheckValue(keys[i]);
            if (!CryptographicOperations.FixedTimeEquals(check, field[19..]))
            {
                return Chip.Answer(state, session, Sw.WrongData);
            }

            check.CopyTo(answer, 1 + (3 * i));
        }

        // Counting goes on: another key set of the same version must not meet an old challenge again.
        var next = state.With((state.Domain(target.Aid) ?? target) with { Keys = new DomainKeys(data[0], new Scp03Keys(keys[0], keys[1], keys[2])) });
        return Chip.Answer(next, isFirst ? session with { Channel = channel with { Target = null } } : session, answer);
    }

    /// <summary>GP Amendment D §5.1: leftmost 3 bytes of encrypting sixteen bytes 01.</summary>
    private static byte[] KeyCheckValue(ReadOnlySpan<byte> key)
    {
        Span<byte> ones = stackalloc byte[16];
        ones.Fill(0x01);
        return Cipher.EncryptEcb(CipherAlgorithm.Aes, key, ones)[..3];
    }

    // ---- STORE DATA, GP §11.11 ----

    private static ChipStep StoreData(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        if (channel.Target is not { } target || OwnPayment(state, domain, target.Aid.Bytes) is not { Profile: null } payment)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        var without = session with { Channel = channel with { Target = null } };
        if ((apdu.P1 & 0x18) == 0x10 || apdu.P2 != target.NextBlock)
        {
            return Chip.Answer(state, without, Sw.WrongP1P2); // BER-TLV format is not ours; a block is missing
        }

        if (target.Data.Length + apdu.Data.Length > Personalisation.MaxBytes)
        {
            return Chip.Answer(state, without, Sw.NoSpace);
        }

        byte[] data = [.. target.Data.Span, .. apdu.Data.Span];
        if ((apdu.P1 & 0x80) == 0)
        {
            return Chip.Answer(state, session with { Channel = channel with { Target = new PersonalisationTarget(target.Aid, target.NextBlock + 1, data) } }, Sw.Ok);
        }

        // The last block: all of it becomes valid in one write, or none.
        var (profile, atc, status) = Personalisation.Read(data, channel.Session);
        if (profile is null)
        {
            return Chip.Answer(state, without, status);
        }

        var next = state.With(payment with { Profile = profile, Atc = atc, BindingValue = state.BindingValue });
        return ChipImage.Write(next).Length > ChipImage.MaxBytes
            ? Chip.Answer(state, without, Sw.NoSpace)
            : Chip.Answer(next, without, Sw.Ok);
    }

    // ---- DELETE, GP §11.2 ----

    private static ChipStep Delete(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P1 != 0 || apdu.P2 is not (0x00 or 0x80))
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!TryReadName(apdu.Data.Span, out var name))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        if (OwnPayment(state, domain, name) is { } payment)
        {
            return Chip.Answer(state with { Payments = state.Payments.Remove(payment), LastUsed = payment.Aid.Equals(state.LastUsed) ? null : state.LastUsed }, session, [0x00]);
        }

        if (CreatedDomain(state, domain, name) is not { } created)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        // A domain that still holds instances goes only with them (P2 80).
        var held = state.Payments.RemoveAll(payment => !payment.Domain.Equals(created.Aid));
        return held.Length > 0 && apdu.P2 != 0x80
            ? Chip.Answer(state, session, Sw.NotSatisfied)
            : Chip.Answer(state with
            {
                Domains = state.Domains.Remove(created),
                Payments = state.Payments.RemoveAll(payment => payment.Domain.Equals(created.Aid)),
                LastUsed = held.Any(payment => payment.Aid.Equals(state.LastUsed)) ? null : state.LastUsed,
            }, session, [0x00]);
    }

    private static bool TryReadName(ReadOnlySpan<byte> data, out ReadOnlySpan<byte> name) =>
        BerTlv.TryRead(data, out var tag, out name, out _, out _) && tag == 0x4F && name.Length is 0 or (>= 5 and <= 16);

    // ---- SET STATUS and GET STATUS, GP §11.10, §11.4 ----

    private static ChipStep SetStatus(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P1 != 0x40)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (OwnPayment(state, domain, apdu.Data.Span.Length <= 16 ? apdu.Data.Span : []) is not { } payment)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        var locked = (apdu.P2 & 0x80) != 0;
        if (!locked && payment.Atc == ushort.MaxValue)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied); // no cryptogram is left in it
        }

        return Chip.Answer(payment.Blocked == locked ? state : state.With(payment with { Blocked = locked }), session, Sw.Ok);
    }

    private static ChipStep GetStatus(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P1 is not (0x80 or 0x40 or 0x20 or 0x10) || (apdu.P2 & ~0x03) != 0)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!TryReadName(apdu.Data.Span, out var name))
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
            var entry = Encode(entries[at], tlv: (apdu.P2 & 0x02) != 0);
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

    private readonly record struct StatusEntry(Aid Aid, byte LifeCycle, byte Privileges);

    private static IEnumerable<StatusEntry> Entries(ChipState state, SecurityDomain domain, byte what)
    {
        var isIssuer = domain.Aid.Equals(Chip.IssuerDomain);
        switch (what)
        {
            case 0x80: // the issuer domain; 0F = card SECURED
                return isIssuer ? [new(Chip.IssuerDomain, 0x0F, 0x9E)] : [];
            case 0x40: // what this domain created; a domain says by 0F that it has keys
                return
                [
                    .. isIssuer ? state.Domains.Skip(1).Select(static created => new StatusEntry(created.Aid, created.Keys is null ? (byte)0x07 : (byte)0x0F, 0x80)) : [],
                    .. state.Payments.Where(payment => payment.Domain.Equals(domain.Aid)).Select(payment => new StatusEntry(payment.Aid, LifeCycle(state, payment), 0x00)),
                ];
            default: // load files
                return Modules.Select(static module => new StatusEntry(module.Package, 0x01, 0x00));
        }
    }

    /// <summary>03 installed or personalised and not selectable, 0F personalised and selectable, 83 or 8F when locked; dead ones answer as locked (GP table 11-4).</summary>
    private static byte LifeCycle(ChipState state, PaymentInstance payment)
    {
        var stage = payment.Selectable ? 0x0F : 0x03;
        return (byte)(payment.Blocked || (payment.Profile is not null && !state.IsLive(payment)) ? stage | 0x80 : stage);
    }

    private static byte[] Encode(StatusEntry entry, bool tlv) => tlv
        ? BerTlv.Encode(0xE3, BerTlv.Encode(0x4F, entry.Aid.Bytes), BerTlv.Encode(0x9F70, [entry.LifeCycle]), BerTlv.Encode(0xC5, [entry.Privileges, 0x00, 0x00]))
        : [(byte)entry.Aid.Bytes.Length, .. entry.Aid.Bytes, entry.LifeCycle, entry.Privileges];

    // ---- GET DATA, GP §11.3 ----

    private static ChipStep GetData(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu)
    {
        byte[]? data = ((apdu.P1 << 8) | apdu.P2) switch
        {
            0x0066 => BerTlv.Encode(0x66, CardRecognition()),
            0x00CF => BerTlv.Encode(0xCF, state.Seid.Span),
            0x00E0 when domain.Keys is { } keys => BerTlv.Encode(0xE0, [.. Enumerable.Range(1, 3).SelectMany(id => BerTlv.Encode(0xC0, [(byte)id, keys.Version, KeyTypeAes, 16]))]),
            _ => null,
        };
        return data is null ? Chip.Answer(state, session, Sw.Unreferenced) : Chip.Answer(state, session, data);
    }

    /// <summary>Card recognition data, GP §H.2: GlobalPlatform 2.3.1, SCP03 i=70. Object identifiers below 1.2.840.114283.</summary>
    private static byte[] CardRecognition() => BerTlv.Encode(0x73,
        BerTlv.Encode(0x06, [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x01]),
        BerTlv.Encode(0x60, BerTlv.Encode(0x06, [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x02, 0x02, 0x03, 0x01])),
        BerTlv.Encode(0x63, BerTlv.Encode(0x06, [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x03])),
        BerTlv.Encode(0x64, BerTlv.Encode(0x06, [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x04, ScpNumber, ScpOption])));
}
