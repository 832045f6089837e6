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

    private const byte Version = 1;

    private static ReadOnlySpan<byte> Magic => "MJSE"u8;

    public static byte[] Write(ChipState state)
    {
        var image = new Writer();
        image.Bytes(Magic);
        image.Byte(Version);
        image.Bytes(state.Seid.Span);
        image.Bytes(state.BindingKey.Span);
        image.Bytes(state.BindingValue.Span);
        image.Number(state.PurgeEpoch);
        image.Byte((byte)state.Domains.Length);
        foreach (var domain in state.Domains)
        {
            image.Block(domain.Aid.Bytes);
            image.Number(domain.Sequence);
            image.Flag(domain.Keys is not null);
            if (domain.Keys is { } keys)
            {
                image.Byte(keys.Version);
                image.Block(keys.Keys.Encryption);
                image.Block(keys.Keys.Mac);
                image.Block(keys.Keys.DataEncryption);
            }
        }

        image.Byte((byte)state.Payments.Length);
        foreach (var payment in state.Payments)
        {
            Write(image, payment);
        }

        image.Block(state.LastUsed is null ? [] : state.LastUsed.Bytes);
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

        if (bytes[Magic.Length] != Version)
        {
            error = $"chip image of version {bytes[Magic.Length]}, this program reads version {Version}";
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
            state = Read(ref reader);
            error = string.Empty;
            return true;
        }
        catch (FormatException malformed)
        {
            error = $"chip image is damaged: {malformed.Message}";
            return false;
        }
    }

    private static void Write(Writer image, PaymentInstance payment)
    {
        image.Block(payment.Aid.Bytes);
        image.Block(payment.Domain.Bytes);
        image.Flag(payment.Selectable);
        image.Flag(payment.Blocked);
        image.Flag(payment.Retired);
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
    }

    private static ChipState Read(ref Reader reader)
    {
        var seid = reader.Bytes(ChipState.SeidLength);
        var bindingKey = reader.Bytes(ChipState.BindingLength);
        var bindingValue = reader.Bytes(ChipState.BindingLength);
        var epoch = reader.Number();
        var domains = ImmutableArray.CreateBuilder<SecurityDomain>();
        for (int left = reader.Byte(); left > 0; left--)
        {
            var aid = Aid.From(reader.Block());
            var sequence = reader.Number();
            var keys = reader.Flag() ? new DomainKeys(reader.Byte(), new Scp03Keys(Key(ref reader), Key(ref reader), Key(ref reader))) : null;
            domains.Add(new SecurityDomain(aid, keys, sequence));
        }

        var payments = ImmutableArray.CreateBuilder<PaymentInstance>();
        for (int left = reader.Byte(); left > 0; left--)
        {
            payments.Add(ReadPayment(ref reader));
        }

        var lastUsed = reader.Block();
        reader.End();
        return new ChipState(seid, bindingKey, bindingValue, epoch, domains.ToImmutable(), payments.ToImmutable(), lastUsed.Length == 0 ? null : Aid.From(lastUsed));
    }

    private static PaymentInstance ReadPayment(ref Reader reader)
    {
        var aid = Aid.From(reader.Block());
        var domain = Aid.From(reader.Block());
        bool selectable = reader.Flag(), blocked = reader.Flag(), retired = reader.Flag();
        var bindingValue = reader.Block();
        if (bindingValue.Length is not (0 or ChipState.BindingLength))
        {
            throw new FormatException("a binding value has 16 bytes");
        }

        var atc = reader.Number();
        if (atc > ushort.MaxValue)
        {
            throw new FormatException("an ATC has two bytes");
        }

        var profile = reader.Flag() ? ReadProfile(ref reader) : null;
        return new PaymentInstance(aid, domain, selectable, blocked, retired, bindingValue, (ushort)atc, profile);
    }

    private static byte[] Key(ref Reader reader) =>
        reader.Block() is { Length: KeyLength } key ? key : throw new FormatException("a key has 16 bytes");

    private static PaymentProfile ReadProfile(ref Reader reader)
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

        return new PaymentProfile(algorithm, ac, mac, enc, fci, gpo, data, records.ToImmutable());
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
