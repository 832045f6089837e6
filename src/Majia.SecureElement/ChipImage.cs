using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;

namespace Majia.SecureElement;

/// <summary><see cref="ChipState"/> as bytes: magic, version, fields in the record's order, SHA-256 over all before it. Big-endian; a block is a 2-byte length and its bytes.</summary>
/// <remarks>In clear: whoever stores it seals it (<see cref="ChipMemoryFile"/>).</remarks>
public static class ChipImage
{
    /// <summary>A chip's memory ends somewhere: personalising past this is answered 6A84.</summary>
    public const int MaxBytes = 24 * 1024;

    private const int KeyLength = 16;

    /// <summary>Version 1 knew phones with payment cards alone; it is read, and written as version 2.</summary>
    private const byte Version = 2, FirstVersion = 1;

    private static ReadOnlySpan<byte> Magic => "MJSE"u8;

    public static byte[] Write(ChipState state)
    {
        var image = new Writer();
        image.Bytes(Magic);
        image.Byte(Version);
        image.Bytes(state.Seid.Span);
        image.Flag(state.HasTrustedSide);
        image.Bytes(state.BindingKey.Span);
        image.Bytes(state.BindingValue.Span);
        image.Number(state.PurgeEpoch);
        image.Byte((byte)state.Life);
        image.Byte((byte)state.Interfaces);
        image.Byte(state.ScpOption);
        image.Block(state.Identity.Span);
        image.Byte((byte)state.Domains.Length);
        foreach (var domain in state.Domains)
        {
            image.Block(domain.Aid.Bytes);
            image.Number(domain.Sequence);
            image.Byte(domain.Failures);
            image.Flag(domain.Locked);
            image.Block(domain.Package is null ? [] : domain.Package.Bytes);
            image.Flag(domain.Keys is not null);
            if (domain.Keys is { } keys)
            {
                Write(image, keys);
                image.Byte((byte)domain.MoreKeys.Length);
                foreach (var more in domain.MoreKeys)
                {
                    Write(image, more);
                }
            }
        }

        image.Byte((byte)state.Payments.Length);
        foreach (var payment in state.Payments)
        {
            Write(image, payment);
        }

        image.Block(state.LastUsed is null ? [] : state.LastUsed.Bytes);
        image.Block(state.Preferred is null ? [] : state.Preferred.Bytes);
        image.Byte((byte)state.Transits.Length);
        foreach (var transit in state.Transits)
        {
            Write(image, transit);
        }

        return image.Seal();
    }

    /// <summary>False, with what is wrong, when the image is of another kind or version, or damaged.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out ChipState? state, out string error)
    {
        state = null;
        if (bytes.Length < Magic.Length + 1 + SHA256.HashSizeInBytes || !bytes.StartsWith(Magic))
        {
            error = "not a chip image";
            return false;
        }

        var version = bytes[Magic.Length];
        if (version is < FirstVersion or > Version)
        {
            error = $"chip image of version {version}, this program reads versions {FirstVersion} to {Version}";
            return false;
        }

        var body = bytes[..^SHA256.HashSizeInBytes];
        if (!CryptographicOperations.FixedTimeEquals(SHA256.HashData(body), bytes[^SHA256.HashSizeInBytes..]))
        {
            error = "chip image is damaged: its digest does not match";
            return false;
        }

        try
        {
            var reader = new Reader(body[(Magic.Length + 1)..]);
            state = Read(ref reader, version);
            error = string.Empty;
            return true;
        }
        catch (FormatException malformed)
        {
            error = $"chip image is damaged: {malformed.Message}";
            return false;
        }
    }

    private static void Write(Writer image, DomainKeys keys)
    {
        image.Byte(keys.Version);
        image.Block(keys.Keys.Encryption);
        image.Block(keys.Keys.Mac);
        image.Block(keys.Keys.DataEncryption);
    }

    private static void Write(Writer image, TransitInstance transit)
    {
        image.Block(transit.Aid.Bytes);
        image.Block(transit.Domain.Bytes);
        image.Flag(transit.Selectable);
        image.Flag(transit.Locked);
        image.Flag(transit.Deactivated);
        image.Number(transit.Balance);
        image.Number(transit.LoadNumber);
        image.Number(transit.PurchaseNumber);
        image.Block(transit.Journey.Span);
        image.Block(transit.Proof.Span);
        image.Byte((byte)transit.Log.Length);
        foreach (var entry in transit.Log)
        {
            image.Block(entry.Span);
        }

        image.Flag(transit.Profile is not null);
        if (transit.Profile is { } profile)
        {
            image.Block(profile.Number.Span);
            image.Block(profile.Information.Span);
            image.Block(profile.PurchaseKey.Span);
            image.Block(profile.LoadKey.Span);
            image.Block(profile.TacKey.Span);
        }
    }

    private static void Write(Writer image, PaymentInstance payment)
    {
        image.Block(payment.Aid.Bytes);
        image.Block(payment.Domain.Bytes);
        image.Flag(payment.Selectable);
        image.Flag(payment.Blocked);
        image.Flag(payment.Retired);
        image.Flag(payment.Deactivated);
        image.Byte(payment.Memory);
        image.Block(payment.BindingValue.Span);
        image.Number(payment.Atc);
        image.Flag(payment.Profile is not null);
        if (payment.Profile is not { } profile)
        {
            return;
        }

        image.Byte((byte)profile.Algorithm);
        image.Block(profile.CryptogramKey.Span);
        image.Block(profile.IntegrityKey.Span);
        image.Block(profile.ConfidentialityKey.Span);
        image.Block(profile.Fci.Span);
        image.Block(profile.GpoData.Span);
        image.Block(profile.InternalData.Span);
        image.Byte((byte)profile.Records.Length);
        foreach (var record in profile.Records)
        {
            image.Byte(record.Sfi);
            image.Byte(record.Number);
            image.Block(record.Template.Span);
        }

        image.Block(profile.ContactFci.Span);
        image.Block(profile.ContactGpo.Span);
        image.Block(profile.OfflineGpo.Span);
        image.Block(profile.Pin.Span);
        image.Byte((byte)(profile.Signer?.Parts.Length ?? 0));
        foreach (var part in profile.Signer?.Parts ?? [])
        {
            image.Block(part.Span);
        }
    }

    private static ChipState Read(ref Reader reader, byte version)
    {
        var seid = reader.Bytes(ChipState.SeidLength);
        var bindingKey = version == FirstVersion || reader.Flag() ? reader.Bytes(ChipState.BindingLength) : [];
        var bindingValue = reader.Bytes(ChipState.BindingLength);
        var epoch = reader.Number();
        var (life, interfaces, option, identity) = version == FirstVersion
            ? (CardLife.Secured, ChipInterfaces.Phone, Scp03Option.AsShipped, [])
            : ((CardLife)reader.Byte(), (ChipInterfaces)reader.Byte(), reader.Byte(), reader.Block());
        if (life is not (CardLife.OpReady or CardLife.Initialized or CardLife.Secured or CardLife.Locked or CardLife.Terminated) || !Scp03Option.IsKnown(option))
        {
            throw new FormatException("a life cycle state and a channel option of GlobalPlatform");
        }

        var domains = ImmutableArray.CreateBuilder<SecurityDomain>();
        for (int left = reader.Byte(); left > 0; left--)
        {
            domains.Add(ReadDomain(ref reader, version));
        }

        if (domains.Count == 0)
        {
            throw new FormatException("a chip has its issuer domain");
        }

        var payments = ImmutableArray.CreateBuilder<PaymentInstance>();
        for (int left = reader.Byte(); left > 0; left--)
        {
            payments.Add(ReadPayment(ref reader, version));
        }

        var lastUsed = Name(ref reader);
        var preferred = version == FirstVersion ? null : Name(ref reader);
        var transits = ImmutableArray.CreateBuilder<TransitInstance>();
        for (int left = version == FirstVersion ? 0 : reader.Byte(); left > 0; left--)
        {
            transits.Add(ReadTransit(ref reader));
        }

        reader.End();
        return new ChipState(seid, bindingKey, bindingValue, epoch, domains.ToImmutable(), payments.ToImmutable(), lastUsed)
        {
            Life = life,
            Interfaces = interfaces,
            ScpOption = option,
            Identity = identity,
            Preferred = preferred,
            Transits = transits.ToImmutable(),
        };
    }

    private static Aid? Name(ref Reader reader) => reader.Block() is { Length: > 0 } name ? Aid.From(name) : null;

    private static SecurityDomain ReadDomain(ref Reader reader, byte version)
    {
        var aid = Aid.From(reader.Block());
        var sequence = reader.Number();
        var (failures, locked, package) = version == FirstVersion ? ((byte)0, false, null) : (reader.Byte(), reader.Flag(), Name(ref reader));
        if (version == FirstVersion && !aid.Equals(Chip.IssuerDomain))
        {
            package = ContentManagement.Modules.First(static module => module.Kind == ContentManagement.ModuleKind.Payment).Package;
        }

        var keys = reader.Flag() ? ReadKeys(ref reader) : null;
        var more = ImmutableArray.CreateBuilder<DomainKeys>();
        for (int left = keys is null || version == FirstVersion ? 0 : reader.Byte(); left > 0; left--)
        {
            more.Add(ReadKeys(ref reader));
        }

        return new SecurityDomain(aid, keys, sequence) { Failures = failures, Locked = locked, Package = package, MoreKeys = more.ToImmutable() };
    }

    private static DomainKeys ReadKeys(ref Reader reader)
    {
        var version = reader.Byte();
        byte[] enc = reader.Block(), mac = reader.Block(), dek = reader.Block();
        return enc.Length is 16 or 24 or 32 && mac.Length == enc.Length && dek.Length == enc.Length
            ? new DomainKeys(version, new Scp03Keys(enc, mac, dek))
            : throw new FormatException("a channel's keys have 16, 24 or 32 bytes");
    }

    private static PaymentInstance ReadPayment(ref Reader reader, byte version)
    {
        var aid = Aid.From(reader.Block());
        var domain = Aid.From(reader.Block());
        bool selectable = reader.Flag(), blocked = reader.Flag(), retired = reader.Flag();
        var (deactivated, memory) = version == FirstVersion ? (false, (byte)0) : (reader.Flag(), reader.Byte());
        var bindingValue = reader.Block();
        if (bindingValue.Length is not (0 or ChipState.BindingLength))
        {
            throw new FormatException("a binding value has 16 bytes");
        }

        var atc = Counter(ref reader);
        var profile = reader.Flag() ? ReadProfile(ref reader, version) : null;
        return new PaymentInstance(aid, domain, selectable, blocked, retired, bindingValue, atc, profile) { Deactivated = deactivated, Memory = memory };
    }

    private static TransitInstance ReadTransit(ref Reader reader)
    {
        var aid = Aid.From(reader.Block());
        var domain = Aid.From(reader.Block());
        bool selectable = reader.Flag(), locked = reader.Flag(), deactivated = reader.Flag();
        var balance = reader.Number();
        ushort loads = Counter(ref reader), purchases = Counter(ref reader);
        byte[] journey = reader.Block(), proof = reader.Block();
        var log = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        for (int left = reader.Byte(); left > 0; left--)
        {
            log.Add(reader.Block());
        }

        var profile = reader.Flag() ? new TransitProfile(reader.Block(), reader.Block(), Key(ref reader), Key(ref reader), Key(ref reader)) : null;
        return journey.Length == TransitApplet.JourneyLength && profile is null or { Number.Length: 8 }
            ? new TransitInstance(aid, domain, selectable, locked, profile, balance, loads, purchases, journey, log.ToImmutable()) { Deactivated = deactivated, Proof = proof }
            : throw new FormatException("a journey has 32 bytes, a transit card's number 8");
    }

    private static ushort Counter(ref Reader reader) => reader.Number() is <= ushort.MaxValue and var counter ? (ushort)counter : throw new FormatException("a counter has two bytes");

    private static byte[] Key(ref Reader reader) =>
        reader.Block() is { Length: KeyLength } key ? key : throw new FormatException("a key has 16 bytes");

    private static PaymentProfile ReadProfile(ref Reader reader, byte version)
    {
        var algorithm = (CipherAlgorithm)reader.Byte();
        if (algorithm is not (CipherAlgorithm.TripleDes or CipherAlgorithm.Sm4))
        {
            throw new FormatException("a payment instance computes in 3DES or SM4");
        }

        byte[] ac = Key(ref reader), mac = Key(ref reader), enc = Key(ref reader), fci = reader.Block(), gpo = reader.Block(), data = reader.Block();
        var records = ImmutableArray.CreateBuilder<PaymentRecord>();
        for (int left = reader.Byte(); left > 0; left--)
        {
            records.Add(new PaymentRecord(reader.Byte(), reader.Byte(), reader.Block()));
        }

        var profile = new PaymentProfile(algorithm, ac, mac, enc, fci, gpo, data, records.ToImmutable());
        if (version == FirstVersion)
        {
            return profile;
        }

        byte[] contactFci = reader.Block(), contactGpo = reader.Block(), offlineGpo = reader.Block(), pin = reader.Block();
        var parts = new List<byte[]>();
        for (int left = reader.Byte(); left > 0; left--)
        {
            parts.Add(reader.Block());
        }

        var signer = parts.Count == 0 ? null : ChipSigner.Of(parts) ?? throw new FormatException("the parts of the chip's own key make no key");
        return profile with { ContactFci = contactFci, ContactGpo = contactGpo, OfflineGpo = offlineGpo, Pin = pin, Signer = signer };
    }

    private sealed class Writer
    {
        private readonly MemoryStream stream = new(4096);

        public void Byte(byte value) => stream.WriteByte(value);

        public void Flag(bool value) => stream.WriteByte(value ? (byte)1 : (byte)0);

        public void Bytes(ReadOnlySpan<byte> value) => stream.Write(value);

        public void Number(uint value)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
            stream.Write(bytes);
        }

        public void Block(ReadOnlySpan<byte> value)
        {
            Span<byte> length = stackalloc byte[2];
            BinaryPrimitives.WriteUInt16BigEndian(length, checked((ushort)value.Length));
            stream.Write(length);
            stream.Write(value);
        }

        public byte[] Seal()
        {
            stream.Write(SHA256.HashData(stream.GetBuffer().AsSpan(0, (int)stream.Length)));
            var image = stream.ToArray();
            CryptographicOperations.ZeroMemory(stream.GetBuffer());
            return image;
        }
    }

    private ref struct Reader(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> rest = rest;

        public byte[] Bytes(int count) => Take(count).ToArray();

        public byte[] Block() => Take(BinaryPrimitives.ReadUInt16BigEndian(Take(2))).ToArray();

        public byte Byte() => Take(1)[0];

        public uint Number() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

        public bool Flag() => Take(1)[0] switch
        {
            0 => false,
            1 => true,
            _ => throw new FormatException("a flag is 00 or 01"),
        };

        public readonly void End()
        {
            if (!rest.IsEmpty)
            {
                throw new FormatException("bytes behind the last field");
            }
        }

        private ReadOnlySpan<byte> Take(int count)
        {
            if (count > rest.Length)
            {
                throw new FormatException("it ends inside a field");
            }

            var taken = rest[..count];
            rest = rest[count..];
            return taken;
        }
    }
}
