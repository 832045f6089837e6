using System.Collections.Immutable;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>What an open secure channel may have done: instances and keys come and go (GlobalPlatform Card Specification 2.3 §11).</summary>
/// <remarks>Every change is one new state, so one write: a cut before it leaves the old, after it the new, and nothing in between exists.</remarks>
internal static class ContentManagement
{
    private const byte KeyTypeAes = 0x88;

    /// <summary>The level at which payment keys and data may come in on a phone (decisions.md 2).</summary>
    private const byte PersonalisationLevel = 0x33;

    internal enum ModuleKind
    {
        SecurityDomain,
        Payment,
        Transit,
    }

    /// <summary>What the factory put into ROM. A domain may instantiate the modules of the package that its creator granted.</summary>
    internal sealed record Module(Aid Package, Aid Name, ModuleKind Kind);

    internal static readonly ImmutableArray<Module> Modules =
    [
        new(Aid.Parse("A000000151"), Aid.Parse("A000000151000000"), ModuleKind.SecurityDomain), // by the issuer domain
        new(Aid.Parse("A0000003330101"), Aid.Parse("A000000333010100"), ModuleKind.Payment), // by a domain it created
        new(Aid.Parse("F04D4A5452"), Aid.Parse("F04D4A545200"), ModuleKind.Transit), // by a domain it created
    ];

    /// <summary>RID of UnionPay: a payment instance is named below it. Transit: <c>MJTR</c>, proprietary.</summary>
    private static ReadOnlySpan<byte> PaymentRid => [0xA0, 0x00, 0x00, 0x03, 0x33];

    private static ReadOnlySpan<byte> TransitRid => [0xF0, 0x4D, 0x4A, 0x54, 0x52];

    internal static ChipStep Step(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu) => apdu.Ins switch
    {
        0xE6 => Install(state, session, channel, domain, apdu),
        0xD8 => PutKey(state, session, channel, domain, apdu),
        0xE2 => StoreData(state, session, channel, domain, apdu),
        0xE4 => Delete(state, session, domain, apdu),
        0xF0 => CardRegistry.SetStatus(state, session, domain, apdu),
        0xF2 => CardRegistry.GetStatus(state, session, channel, domain, apdu),
        0xCA => CardRegistry.GetData(state, session, domain, apdu),
        0x82 => Chip.Answer(state, session, Sw.NotSatisfied), // the channel is open
        _ => Chip.Answer(state, session, Sw.UnknownIns),
    };

    internal static PaymentInstance? OwnPayment(ChipState state, SecurityDomain domain, ReadOnlySpan<byte> name) =>
        name.Length is >= 5 and <= 16 && state.Payment(Aid.From(name)) is { } payment && payment.Domain.Equals(domain.Aid) ? payment : null;

    internal static TransitInstance? OwnTransit(ChipState state, SecurityDomain domain, ReadOnlySpan<byte> name) =>
        name.Length is >= 5 and <= 16 && state.Transit(Aid.From(name)) is { } transit && transit.Domain.Equals(domain.Aid) ? transit : null;

    internal static SecurityDomain? CreatedDomain(ChipState state, SecurityDomain domain, ReadOnlySpan<byte> name) =>
        IsIssuer(state, domain) && name.Length is >= 5 and <= 16 && state.Domain(Aid.From(name)) is { } created && !created.Aid.Equals(domain.Aid) ? created : null;

    internal static bool IsIssuer(ChipState state, SecurityDomain domain) => domain.Aid.Equals(state.IssuerDomain.Aid);

    // ---- INSTALL, GP §11.5 ----

    private static ChipStep Install(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P2 != 0 || apdu.P1 is not (0x04 or 0x08 or 0x0C or 0x20 or 0x40))
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        if (!TryReadFields(apdu.Data.Span, out var fields))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        if (state.Life >= CardLife.Locked)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        return apdu.P1 switch
        {
            0x08 => MakeSelectable(state, session, domain, fields[2]),
            0x20 => ForPersonalisation(state, session, channel, domain, fields[2]),
            0x40 => UpdateRegistry(state, session, domain, fields),
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
        if (Modules.FirstOrDefault(module => module.Package.Bytes.SequenceEqual(fields[0]) && module.Name.Bytes.SequenceEqual(fields[1])) is not { } module)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (fields[2].Length == 0)
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        var instance = Aid.From(fields[2]);
        if (!MayInstantiate(state, domain, module) || IsTaken(state, instance))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (module.Kind == ModuleKind.SecurityDomain)
        {
            return CreateDomain(state, session, instance, fields);
        }

        // An instance becomes selectable after its personalisation, in a command of its own.
        if (makeSelectable)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        // On a phone payment is UnionPay's; a plastic card may have another brand beside it (R12).
        if ((state.HasTrustedSide || module.Kind == ModuleKind.Transit) && !instance.StartsWith(module.Kind == ModuleKind.Payment ? PaymentRid : TransitRid))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        if (module.Kind == ModuleKind.Payment)
        {
            return state.Payments.Length >= ChipState.MaxPayments
                ? Chip.Answer(state, session, Sw.NoSpace)
                : Chip.Answer(state with { Payments = state.Payments.Add(new PaymentInstance(instance, domain.Aid, false, false, false, default, 0, null)) }, session, [0x00]);
        }

        return state.Transits.Length >= ChipState.MaxTransits
            ? Chip.Answer(state, session, Sw.NoSpace)
            : Chip.Answer(state with { Transits = state.Transits.Add(new TransitInstance(instance, domain.Aid, false, false, null, 0, 0, 0, new byte[TransitApplet.JourneyLength], [])) }, session, [0x00]);
    }

    /// <summary>On a phone the issuer domain makes domains and they make cards, one package each. A plastic card has one owner for all.</summary>
    private static bool MayInstantiate(ChipState state, SecurityDomain domain, Module module) =>
        !state.HasTrustedSide && IsIssuer(state, domain) ? true
        : IsIssuer(state, domain) ? module.Kind == ModuleKind.SecurityDomain
        : module.Package.Equals(domain.Package);

    /// <summary>Parameter C9 names the package that the new domain may instantiate (4F); an empty one is the payment package.</summary>
    private static ChipStep CreateDomain(ChipState state, ChipSession session, Aid instance, ImmutableArray<byte[]> fields)
    {
        if (fields[3].Length == 0 || (fields[3][0] & 0x80) == 0 || instance.StartsWith(PaymentRid) || instance.StartsWith(TransitRid))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        var package = Modules.First(static module => module.Kind == ModuleKind.Payment).Package;
        if (BerTlv.TryRead(fields[4], out var tag, out var parameters, out _, out _) && tag == 0xC9 && !parameters.IsEmpty)
        {
            if (!BerTlv.TryRead(parameters, out var inner, out var name, out var used, out _) || inner != 0x4F || used != parameters.Length
                || !Aid.TryFrom(name, out var granted) || !Modules.Any(module => module.Package.Equals(granted) && module.Kind != ModuleKind.SecurityDomain))
            {
                return Chip.Answer(state, session, Sw.WrongData);
            }

            package = granted;
        }

        return state.Domains.Length >= ChipState.MaxDomains
            ? Chip.Answer(state, session, Sw.NoSpace)
            : Chip.Answer(state with { Domains = state.Domains.Add(new SecurityDomain(instance, null, 0) { Package = package }) }, session, [0x00]);
    }

    private static bool IsTaken(ChipState state, Aid aid) =>
        aid.Equals(Chip.Ppse) || aid.Equals(Chip.Pse) || aid.Equals(Chip.Binding) || aid.Equals(Chip.Registry)
        || state.Domain(aid) is not null || state.Payment(aid) is not null || state.Transit(aid) is not null;

    private static ChipStep MakeSelectable(ChipState state, ChipSession session, SecurityDomain domain, byte[] name)
    {
        if (OwnTransit(state, domain, name) is { } transit)
        {
            return transit.Profile is null
                ? Chip.Answer(state, session, Sw.NotSatisfied)
                : Chip.Answer(transit.Selectable ? state : state.With(transit with { Selectable = true }), session, [0x00]);
        }

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
        var (found, isOpen) = OwnPayment(state, domain, name) is { } payment ? (payment.Aid, payment.Profile is null || IsRenewable(state, payment))
            : OwnTransit(state, domain, name) is { } transit ? (transit.Aid, transit.Profile is null)
            : CreatedDomain(state, domain, name) is { } created ? (created.Aid, created.Keys is null) // else its owner has taken it over
            : ((Aid?)null, false);
        if (found is null)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        return isOpen
            ? Chip.Answer(state, session with { Channel = channel with { Target = new PersonalisationTarget(found, 0, default) } }, [0x00])
            : Chip.Answer(state, session, Sw.NotSatisfied);
    }

    /// <summary>A live card of a phone takes a whole new profile in one write and goes on counting; what was purged stays dead, and a plastic's profile is final.</summary>
    private static bool IsRenewable(ChipState state, PaymentInstance payment) => state.HasTrustedSide && state.IsLive(payment);

    /// <summary>INSTALL [for registry update] with contactless parameters (Amendment C §8): EF { A0 { 81 priority and state } }: 01 activated, 00 deactivated.</summary>
    private static ChipStep UpdateRegistry(ChipState state, ChipSession session, SecurityDomain domain, ImmutableArray<byte[]> fields)
    {
        var isMine = OwnPayment(state, domain, fields[2]) is not null || OwnTransit(state, domain, fields[2]) is not null;
        if (!isMine)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        return BerTlv.TryRead(fields[4], out var tag, out var system, out _, out _) && tag == 0xEF && BerTlv.TryFind(system, 0x81, out var wanted) && wanted.Length == 1 && wanted[0] <= 1
            ? Chip.Answer(ContactlessRegistry.With(state, Aid.From(fields[2]), activated: wanted[0] == 1), session, [0x00])
            : Chip.Answer(state, session, Sw.WrongData);
    }

    // ---- PUT KEY, GP §11.8 ----

    private static ChipStep PutKey(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        if (apdu.P2 != 0x81)
        {
            return Chip.Answer(state, session, Sw.WrongP1P2);
        }

        // Under INSTALL [for personalisation] of a created domain the keys are that domain's first ones; else the channel's own are replaced, or a set beside them comes in.
        var target = channel.Target is { } named && state.Domain(named.Aid) is { } created ? created : domain;
        var isFirst = !target.Aid.Equals(domain.Aid);
        if (isFirst)
        {
            if (apdu.P1 != 0 || target.Keys is not null)
            {
                return Chip.Answer(state, session, apdu.P1 == 0 ? Sw.NotSatisfied : Sw.Unreferenced);
            }
        }
        else if (target.Keys is null || (apdu.P1 != 0 && target.KeySet(apdu.P1) is null))
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (!TryReadKeys(apdu.Data.Span, channel.Session, out var version, out var keys, out var checks))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        var present = state.Domain(target.Aid) ?? target;
        if (version != apdu.P1 && present.Keys is not null && present.KeySet(version) is not null)
        {
            return Chip.Answer(state, session, Sw.WrongData); // another set has that number
        }

        var set = new DomainKeys(version, keys);
        if (apdu.P1 == 0 && present.Keys is not null && present.MoreKeys.Length >= 3)
        {
            return Chip.Answer(state, session, Sw.NoSpace);
        }

        // Counting goes on: another key set of the same version must not meet an old challenge again.
        var next = state.With(present.Keys is null || (apdu.P1 != 0 && apdu.P1 == present.Keys.Version)
            ? present with { Keys = set }
            : present with { MoreKeys = apdu.P1 == 0 ? present.MoreKeys.Add(set) : [.. present.MoreKeys.Select(other => other.Version == apdu.P1 ? set : other)] });
        return Chip.Answer(next, isFirst ? session with { Channel = channel with { Target = null } } : session, [version, .. checks]);
    }

    /// <summary>Version, then three AES keys of one length, each as 88 ‖ length ‖ key ‖ 03 ‖ check value, or with the key's own length in front of it (88 11 10 …; GP §11.8.2.4).</summary>
    private static bool TryReadKeys(ReadOnlySpan<byte> data, Scp03Session session, out byte version, out Scp03Keys keys, out byte[] checks)
    {
        version = data.IsEmpty ? (byte)0 : data[0];
        keys = new Scp03Keys([], [], []);
        checks = new byte[9];
        if (version is 0 or > 0x7F)
        {
            return false;
        }

        data = data[1..];
        var read = new byte[3][];
        for (var i = 0; i < 3; i++)
        {
            if (data.Length < 2 || data[0] != KeyTypeAes || data.Length < 2 + data[1] + 1)
            {
                return false;
            }

            var field = data.Slice(2, data[1]);
            data = data[(2 + field.Length)..];
            var length = field.Length;
            if (field.Length % 16 == 1)
            {
                length = field[0];
                field = field[1..];
            }

            var check = data[0] == 3 && data.Length >= 4 ? data.Slice(1, 3) : [];
            if (field.Length % 16 != 0 || field.Length is 0 or > 32 || length is not (16 or 24 or 32) || length > field.Length || field.Length - length >= 16 || check.IsEmpty)
            {
                return false;
            }

            data = data[4..];
            read[i] = session.DecryptSensitive(field)[..length];
            var expected = KeyCheckValue(read[i]);
            if (read[i].Length != read[0].Length || !CryptographicOperations.FixedTimeEquals(expected, check))
            {
                return false;
            }

            expected.CopyTo(checks, 3 * i);
        }

        keys = new Scp03Keys(read[0], read[1], read[2]);
        return data.IsEmpty;
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
        if (channel.Target is not { } target)
        {
            return (apdu.P1 & 0x18) == 0x10 && IsIssuer(state, domain) ? CardRegistry.StoreData(state, session, apdu) : Chip.Answer(state, session, Sw.NotSatisfied);
        }

        var payment = OwnPayment(state, domain, target.Aid.Bytes);
        var transit = OwnTransit(state, domain, target.Aid.Bytes);
        if (payment is not { Profile: null } && transit is not { Profile: null } && (payment is null || !IsRenewable(state, payment)))
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        var without = session with { Channel = channel with { Target = null } };
        if (state.HasTrustedSide && channel.Session.Level != PersonalisationLevel)
        {
            return Chip.Answer(state, without, Sw.Security);
        }

        if ((apdu.P1 & 0x18) == 0x10 || apdu.P2 != target.NextBlock)
        {
            return Chip.Answer(state, without, Sw.WrongP1P2); // an application takes DGIs; a block is missing
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
        ChipState next;
        if (transit is not null)
        {
            var (profile, status) = Personalisation.ReadTransit(data, channel.Session);
            if (profile is null)
            {
                return Chip.Answer(state, without, status);
            }

            next = state.With(transit with { Profile = profile });
        }
        else
        {
            var (profile, atc, status) = Personalisation.Read(data, channel.Session);
            if (profile is null)
            {
                return Chip.Answer(state, without, status);
            }

            next = state.With(payment!.Profile is null ? payment with { Profile = profile, Atc = atc, BindingValue = state.BindingValue } : payment with { Profile = profile });
        }

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

        if (BerTlv.TryRead(apdu.Data.Span, out var tag, out var version, out var used, out _) && tag == 0xD2 && version.Length == 1 && used == apdu.Data.Length)
        {
            // A key set beside the default one; the default one is replaced, never missing.
            var number = version[0];
            return domain.MoreKeys.Any(set => set.Version == number)
                ? Chip.Answer(state.With(domain with { MoreKeys = domain.MoreKeys.RemoveAll(set => set.Version == number) }), session, [0x00])
                : Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (!CardRegistry.TryReadName(apdu.Data.Span, out var name))
        {
            return Chip.Answer(state, session, Sw.WrongData);
        }

        if (OwnPayment(state, domain, name) is { } payment)
        {
            return Chip.Answer(state.Without(payment.Aid), session, [0x00]);
        }

        if (OwnTransit(state, domain, name) is { } transit)
        {
            return Chip.Answer(state.Without(transit.Aid), session, [0x00]);
        }

        if (CreatedDomain(state, domain, name) is not { } created)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        // A domain that still holds instances goes only with them (P2 80).
        Aid[] held = [.. state.Payments.Where(other => other.Domain.Equals(created.Aid)).Select(static other => other.Aid), .. state.Transits.Where(other => other.Domain.Equals(created.Aid)).Select(static other => other.Aid)];
        return held.Length > 0 && apdu.P2 != 0x80
            ? Chip.Answer(state, session, Sw.NotSatisfied)
            : Chip.Answer(held.Aggregate(state with { Domains = state.Domains.Remove(created) }, static (left, aid) => left.Without(aid)), session, [0x00]);
    }
}
