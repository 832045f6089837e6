using CsCheck;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;

namespace Majia.Tests.Core.Cryptography;

/// <summary>SCP03 from both ends, against the transcripts of tests/Vectors/crypto-scp03.txt and against every flipped bit.</summary>
public sealed class Scp03Tests
{
    private const string File = "crypto-scp03.txt";

    private static readonly byte[] Levels = [0x01, 0x03, 0x11, 0x13, 0x33];

    public static TheoryData<string> Sessions => VectorLine.Of(File, "session");

    public static TheoryData<string> KeyChecks => VectorLine.Of(File, "key-check");

    [Theory, MemberData(nameof(Sessions))]
    public void A_host_speaks_the_recorded_session(string line)
    {
        var vector = VectorLine.Parse(line);
        var host = Session(vector, out _, out var level);

        Assert.Equal(vector["answer"][42..58], Convert.ToHexString(host.CardCryptogram));
        Assert.Equal(vector["authenticate"], Convert.ToHexString(host.ExternalAuthenticate(level).ToBytes()));
        Assert.Equal(vector["command"], Convert.ToHexString(host.Wrap(Plain).ToBytes()));
        if (vector.Has("response"))
        {
            Assert.True(host.TryUnwrapResponse(Response(vector["response"]), out var response));
            Assert.Equal(vector["plain"], Convert.ToHexString(response.ToBytes()));
        }
    }

    [Theory, MemberData(nameof(Sessions))]
    public void A_card_understands_the_recorded_session(string line)
    {
        var vector = VectorLine.Parse(line);
        var card = Session(vector, out var keys, out var level);

        Assert.Equal(vector["answer"][26..42], Convert.ToHexString(Scp03Session.CardChallenge(keys, vector.Hex("answer")[29..], Convert.FromHexString("A0000005591010FFFFFFFF8900000100"))));
        Assert.True(card.TryAccept(Command(vector["authenticate"])));
        Assert.Equal(level, card.Level);
        Assert.True(card.TryUnwrap(Command(vector["command"]), out var command));
        Assert.Equal(Convert.ToHexString(Plain.ToBytes()), Convert.ToHexString(command.ToBytes()));
        if (vector.Has("response"))
        {
            Assert.Equal(vector["response"], Convert.ToHexString(card.WrapResponse(Response(vector["plain"])).ToBytes()));
        }
    }

    [Theory, MemberData(nameof(KeyChecks))]
    public void A_key_s_check_value_in_PUT_KEY_is_over_sixteen_ones(string line)
    {
        var vector = VectorLine.Parse(line);

        Assert.Equal(vector["kcv"], Convert.ToHexString(Cipher.EncryptEcb(CipherAlgorithm.Aes, vector.Hex("key"), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])[..3]));
    }

    [Fact]
    public void A_long_conversation_comes_through_at_every_level_and_key_length() =>
        Gen.Select(Gen.OneOf(Levels), Gen.OneOf(16, 24, 32), Gen.Select(Gen.Byte.Array[0, 300], Gen.Byte.Array[0, 300], Gen.OneOf<ushort>(0x9000, 0x6310, 0x6283)).Array[1, 6]).Sample((level, length, exchanges) =>
        {
            var (host, card) = Open(level, length);
            foreach (var (data, answer, status) in exchanges)
            {
                Assert.True(card.TryUnwrap(host.Wrap(CommandApdu.Of(0x80, 0xE2, 0x00, 0x01, data)), out var command));
                Assert.Equal(data, command.Data.ToArray());
                Assert.Equal(0x80, command.Cla);
                Assert.True(host.TryUnwrapResponse(card.WrapResponse(new ResponseApdu(answer, new StatusWord(status))), out var response));
                Assert.Equal(answer, response.Data.ToArray());
                Assert.Equal(status, response.Status.Value);
            }
        }, iter: 100, threads: 1);

    [Theory, InlineData(0x01), InlineData(0x03), InlineData(0x11), InlineData(0x13), InlineData(0x33)]
    public void One_flipped_bit_of_a_command_ends_the_session(byte level)
    {
        var bits = 8 * (4 + 24);
        for (var bit = 0; bit < bits; bit++)
        {
            var (host, card) = Open(level, 16);
            var wrapped = host.Wrap(CommandApdu.Of(0x80, 0xE2, 0x91, 0x00, new byte[10]));
            byte[] bytes = [wrapped.Cla, wrapped.Ins, wrapped.P1, wrapped.P2, .. wrapped.Data.Span];
            if (bit >= 8 * bytes.Length)
            {
                break;
            }

            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(card.TryUnwrap(new CommandApdu(bytes[0], bytes[1], bytes[2], bytes[3], bytes.AsMemory(4), wrapped.Le), out _), $"bit {bit}");
            Assert.Equal(0, card.Level);
            Assert.False(card.TryUnwrap(wrapped, out _));
        }
    }

    [Theory, InlineData(0x11), InlineData(0x13), InlineData(0x33)]
    public void One_flipped_bit_of_a_response_ends_the_session(byte level)
    {
        for (var bit = 0; bit < 8 * 26; bit++)
        {
            var (host, card) = Open(level, 16);
            Assert.True(card.TryUnwrap(host.Wrap(Plain), out _));
            var bytes = card.WrapResponse(ResponseApdu.Ok([1, 2, 3, 4, 5, 6, 7])).ToBytes();
            if (bit >= 8 * bytes.Length)
            {
                break;
            }

            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(host.TryUnwrapResponse(Response(Convert.ToHexString(bytes)), out _), $"bit {bit}");
            Assert.Equal(0, host.Level);
        }
    }

    [Fact]
    public void One_flipped_bit_of_EXTERNAL_AUTHENTICATE_opens_nothing()
    {
        for (var bit = 0; bit < 8 * 20; bit++)
        {
            var (host, card) = Pair(16);
            var command = host.ExternalAuthenticate(0x33);
            byte[] bytes = [command.Cla, command.Ins, command.P1, command.P2, .. command.Data.Span];
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(card.TryAccept(new CommandApdu(bytes[0], bytes[1], bytes[2], bytes[3], bytes.AsMemory(4), null)), $"bit {bit}");
            Assert.Equal(0, card.Level);
            Assert.False(card.TryAccept(command)); // one attempt, whatever comes after it
        }
    }

    [Fact]
    public void A_command_said_twice_or_left_out_is_refused()
    {
        var (host, card) = Open(0x33, 16);
        var first = host.Wrap(Plain);
        Assert.True(card.TryUnwrap(first, out _));
        Assert.False(card.TryUnwrap(first, out _));

        (host, card) = Open(0x33, 16);
        _ = host.Wrap(Plain);
        Assert.False(card.TryUnwrap(host.Wrap(Plain), out _));
    }

    [Fact]
    public void A_command_in_clear_is_refused_in_an_open_session()
    {
        var (_, card) = Open(0x01, 16);

        Assert.False(card.TryUnwrap(Plain, out _));
        Assert.Throws<InvalidOperationException>(() => card.WrapResponse(ResponseApdu.Of(0x9000)));
        Assert.Throws<InvalidOperationException>(() => card.EncryptSensitive(new byte[16])); // never under wiped keys
    }

    [Fact]
    public void An_error_status_travels_alone()
    {
        var (host, card) = Open(0x33, 16);
        Assert.True(card.TryUnwrap(host.Wrap(Plain), out _));

        var wrapped = card.WrapResponse(new ResponseApdu(new byte[4], new StatusWord(0x6A88)));
        Assert.Equal("6A88", Convert.ToHexString(wrapped.ToBytes()));
        Assert.True(host.TryUnwrapResponse(wrapped, out var response));
        Assert.Equal(0x6A88, response.Status.Value);

        // Later commands still count alike on both sides.
        Assert.True(card.TryUnwrap(host.Wrap(Plain), out _));
        Assert.False(host.TryUnwrapResponse(new ResponseApdu(new byte[9], new StatusWord(0x6A88)), out _));
    }

    [Fact]
    public void The_card_refuses_a_level_that_SCP03_does_not_have()
    {
        var (host, card) = Pair(16);
        Assert.Throws<InvalidOperationException>(() => host.ExternalAuthenticate(0x02));
        Assert.False(card.TryAccept(new CommandApdu(0x84, 0x82, 0x02, 0x00, new byte[16], null)));
    }

    [Fact]
    public void Sensitive_data_is_under_the_static_key_and_comes_back()
    {
        var (host, card) = Open(0x33, 16);
        var key = Convert.FromHexString("0123456789ABCDEFFEDCBA9876543210");

        Assert.Equal(Cipher.EncryptCbc(CipherAlgorithm.Aes, Keys(16).DataEncryption, new byte[16], key), host.EncryptSensitive(key));
        Assert.Equal(key, card.DecryptSensitive(host.EncryptSensitive(key)));
    }

    [Fact]
    public void KDF3_gives_each_chip_and_each_purpose_a_key_of_its_own()
    {
        var master = new Scp03Keys(new byte[16], new byte[16], new byte[16]);
        var one = Scp03Kdf3.Derive(master, Convert.FromHexString("00000000000000000001"));
        var other = Scp03Kdf3.Derive(master, Convert.FromHexString("00000000000000000002"));

        // counter ‖ 00 00 00 k ‖ 00 ‖ diversification data (protocols.md 5.2, our reading)
        Assert.Equal(Cipher.AesCmac(master.Mac, Convert.FromHexString("01" + "00000002" + "00" + "00000000000000000001")), one.Mac);
        Assert.Equal(6, new[] { one.Encryption, one.Mac, one.DataEncryption, other.Encryption, other.Mac, other.DataEncryption }.Select(Convert.ToHexString).Distinct().Count());
    }

    [Fact]
    public void Random_bytes_open_nothing_and_throw_nothing() =>
        Gen.Select(Gen.OneOf(Levels), Gen.Byte, Gen.Byte.Array[0, 80], Gen.UShort).Sample((level, cla, data, status) =>
        {
            var (host, card) = Open(level, 16);
            Assert.False(card.TryUnwrap(new CommandApdu(cla, 0xE2, 0, 0, data, null), out _));
            _ = host.TryUnwrapResponse(new ResponseApdu(data, new StatusWord(status)), out _);
            var (_, fresh) = Pair(16);
            Assert.False(fresh.TryAccept(new CommandApdu(0x84, 0x82, 0x33, 0, data, null)));
        }, iter: 500, threads: 1);

    /// <summary>The transcripts' keys: sixteen bytes from 00, 10 and 20 on, repeated.</summary>
    private static Scp03Keys Keys(int length)
    {
        return new Scp03Keys(From(0x00), From(0x10), From(0x20));

        byte[] From(int first) => [.. Enumerable.Range(0, length).Select(i => (byte)(first + (i % 16)))];
    }

    private static (Scp03Session Host, Scp03Session Card) Pair(int length)
    {
        byte[] host = [1, 2, 3, 4, 5, 6, 7, 8], card = [8, 7, 6, 5, 4, 3, 2, 1];
        return (Scp03Session.Derive(Keys(length), host, card), Scp03Session.Derive(Keys(length), host, card));
    }

    private static (Scp03Session Host, Scp03Session Card) Open(byte level, int length)
    {
        var (host, card) = Pair(length);
        Assert.True(card.TryAccept(host.ExternalAuthenticate(level)));
        Assert.Equal(level, host.Level);
        return (host, card);
    }

    private static Scp03Session Session(VectorLine vector, out Scp03Keys keys, out byte level)
    {
        keys = Keys(int.Parse(vector["bits"], System.Globalization.CultureInfo.InvariantCulture) / 8);
        level = Convert.ToByte(vector["level"], 16);
        return Scp03Session.Derive(keys, vector.Hex("initialize").AsSpan(5, 8), vector.Hex("answer").AsSpan(13, 8));
    }

    private static CommandApdu Command(string hex)
    {
        Assert.True(CommandApdu.TryParse(Convert.FromHexString(hex), out var command, out _));
        return command;
    }

    private static ResponseApdu Response(string hex)
    {
        Assert.True(ResponseApdu.TryParse(Convert.FromHexString(hex), out var response, out _));
        return response;
    }

    private static CommandApdu Plain => CommandApdu.Of(0x80, 0xE2, 0x91, 0x00, [0xBF, 0x3E, 0x03, 0x5C, 0x01, 0x5A]);
}
