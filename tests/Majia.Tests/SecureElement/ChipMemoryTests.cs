using CsCheck;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.SecureElement;

namespace Majia.Tests.SecureElement;

public sealed class ChipMemoryTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("majia-chip-").FullName;

    private static readonly Gen<Aid> Aids = Gen.Byte.Array[5, 16].Select(bytes => Aid.From(bytes));

    private static readonly Gen<ReadOnlyMemory<byte>> Blocks = Gen.Byte.Array[0, 200].Select(bytes => (ReadOnlyMemory<byte>)bytes);

    private static readonly Gen<Scp03Keys> KeySets = Gen.Select(Gen.Byte.Array[16], Gen.Byte.Array[16], Gen.Byte.Array[16], (enc, mac, dek) => new Scp03Keys(enc, mac, dek));

    private static readonly Gen<SecurityDomain> Domains = Gen.Select(Aids, KeySets, Gen.Byte, Gen.UInt[0, 0xFFFFFF], Gen.Bool, (aid, keys, version, sequence, keyed) => new SecurityDomain(aid, keyed ? new DomainKeys(version, keys) : null, sequence));

    private static readonly Gen<PaymentProfile> Profiles = Gen.Select(Gen.Bool, Gen.Byte.Array[48], Blocks, Blocks, Blocks, Gen.Select(Gen.Byte, Gen.Byte, Blocks, (sfi, number, template) => new PaymentRecord(sfi, number, template)).Array[0, 3],
        (sm4, keys, fci, gpo, data, records) => new PaymentProfile(sm4 ? CipherAlgorithm.Sm4 : CipherAlgorithm.TripleDes, keys[..16], keys[16..32], keys[32..], fci, gpo, data, [.. records]));

    private static readonly Gen<PaymentInstance> Payments = Gen.Select(Aids, Aids, Gen.Byte, Gen.Byte.Array[16], Gen.UShort, Profiles, (aid, domain, flags, binding, atc, profile) =>
        new PaymentInstance(aid, domain, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0, (flags & 8) != 0 ? binding : default, atc, (flags & 8) != 0 ? profile : null));

    private static readonly Gen<ChipState> States = Gen.Select(Gen.Byte.Array[42], Gen.UInt, Domains.Array[1, 4], Payments.Array[0, 8], Aids, Gen.Bool, (ids, epoch, domains, payments, last, used) =>
        new ChipState(ids[..10], ids[10..26], ids[26..], epoch, [.. domains], [.. payments], used ? last : null));

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private ChipMemoryFile Open(long seed = 1) => new(Path.Combine(folder, "chip.mem"), Path.Combine(folder, "chip.key"), new SeededEntropy(seed, "memory"));

    [Fact]
    public void What_is_written_is_read() => States.Sample(state =>
    {
        var image = ChipImage.Write(state);
        Assert.True(ChipImage.TryRead(image, out var read, out var error), error);
        Assert.Equal(image, ChipImage.Write(read));
        Assert.Equal(state.PurgeEpoch, read.PurgeEpoch);
        Assert.Equal(state.LastUsed, read.LastUsed);
        Assert.Equal(state.Payments.Select(payment => (payment.Aid, payment.Atc, payment.Selectable)), read.Payments.Select(payment => (payment.Aid, payment.Atc, payment.Selectable)));
    }, iter: 200, threads: 1);

    [Fact]
    public void A_damaged_image_is_refused_with_a_reason() => Gen.Select(States, Gen.Int[0, int.MaxValue], Gen.Byte[1, 255]).Sample((state, place, flip) =>
    {
        var image = ChipImage.Write(state);
        image[place % image.Length] ^= flip;
        Assert.False(ChipImage.TryRead(image, out _, out var error));
        Assert.NotEmpty(error);
        Assert.False(ChipImage.TryRead(image.AsSpan(0, place % image.Length), out _, out _));
    }, iter: 200, threads: 1);

    [Fact]
    public void The_file_gives_back_the_last_image()
    {
        using (var memory = Open())
        {
            Assert.Null(memory.Load());
            for (byte i = 1; i <= 11; i++)
            {
                memory.Save([i, i, i]);
                Assert.Equal([i, i, i], memory.Load()!);
            }
        }

        using var again = Open(2);
        Assert.Equal([11, 11, 11], again.Load()!);
        again.Save([12]);
        Assert.Equal([12], again.Load()!);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(11)]
    [InlineData(30)]
    [InlineData(60)]
    public void A_write_torn_at_any_byte_leaves_the_image_before_it(int kept)
    {
        var path = Path.Combine(folder, "chip.mem");
        using (var memory = Open())
        {
            memory.Load();
            for (byte i = 1; i <= 6; i++)
            {
                memory.Save([.. Enumerable.Repeat(i, 64)]);
            }
        }

        var before = File.ReadAllBytes(path);
        using (var memory = Open(3))
        {
            memory.Load();
            memory.Save([.. Enumerable.Repeat((byte)7, 64)]);
        }

        var after = File.ReadAllBytes(path);
        var slot = 7 % 4 * 32 * 1024;
        after.AsSpan(slot, kept).CopyTo(before.AsSpan(slot));
        File.WriteAllBytes(path, before);
        using var restarted = Open(4);
        Assert.Equal(Enumerable.Repeat((byte)6, 64), restarted.Load()!);
    }

    [Fact]
    public void A_foreign_key_or_a_damaged_file_is_refused()
    {
        using (var memory = Open())
        {
            memory.Load();
            for (byte i = 1; i <= 4; i++)
            {
                memory.Save([i]);
            }
        }

        File.WriteAllBytes(Path.Combine(folder, "chip.key"), new byte[32]);
        using (var memory = Open())
        {
            Assert.Throws<ChipMemoryException>(() => memory.Load());
        }

        File.Delete(Path.Combine(folder, "chip.key"));
        Assert.Throws<ChipMemoryException>(() => Open());
    }

    [Fact]
    public void The_file_holds_no_key_in_clear()
    {
        using (var memory = Open())
        {
            memory.Load();
            var bench = new ChipBench(memory);
            bench.CreateTokenDomain();
            bench.AddCard(ChipBench.Debit1);
            bench.Device.Dispose();
        }

        var file = File.ReadAllBytes(Path.Combine(folder, "chip.mem"));
        foreach (var secret in (byte[][])[ChipBench.IssuerKeys.Encryption, ChipBench.TokenKeys.Mac, ChipBench.BindingKey, ChipBench.Seid])
        {
            Assert.Equal(-1, file.AsSpan().IndexOf(secret.AsSpan(0, 8)));
        }
    }
}
