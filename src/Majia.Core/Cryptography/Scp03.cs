using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Majia.Core.Apdu;

namespace Majia.Core.Cryptography;

/// <summary>Static or session keys of one SCP03 key set.</summary>
public sealed record Scp03Keys(byte[] Encryption, byte[] Mac, byte[] DataEncryption);

/// <summary>GlobalPlatform Amendment D (SCP03), the arithmetic that card and host share: derivation, cryptograms, and the state of one open channel.</summary>
/// <remarks>
/// One instance is one session, at either end: a host wraps commands and unwraps responses, a card does the opposite with the same counters.
/// Not thread-safe: a channel is a sequence. A wrong MAC ends the session, and an ended session protects and accepts nothing (Amendment D §5.1).
/// </remarks>
public sealed class Scp03Session
{
    /// <summary>Secure messaging bits of the security level (GP §10.6, P1 of EXTERNAL AUTHENTICATE).</summary>
    private const byte CommandMac = 0x01, CommandEncryption = 0x02, ResponseMac = 0x10, ResponseEncryption = 0x20;

    private const int MacLength = 8;

    /// <summary>Derivation constants of Amendment D table 4-1.</summary>
    private const byte ForCardCryptogram = 0x00, ForHostCryptogram = 0x01, ForCardChallenge = 0x02, ForEncryption = 0x04, ForCommandMac = 0x06, ForResponseMac = 0x07;

    private readonly byte[] encryption, mac, responseMac, dataEncryption;
    private readonly byte[] chaining = new byte[16];
    private uint counter;
    private State state = State.Derived;

    private enum State
    {
        Derived,
        Open,
        Ended,
    }

    private Scp03Session(Scp03Keys keys, ReadOnlySpan<byte> context)
    {
        encryption = Kdf(keys.Encryption, ForEncryption, context, keys.Encryption.Length);
        mac = Kdf(keys.Mac, ForCommandMac, context, keys.Mac.Length);
        responseMac = Kdf(keys.Mac, ForResponseMac, context, keys.Mac.Length);
        dataEncryption = (byte[])keys.DataEncryption.Clone();
        CardCryptogram = Kdf(mac, ForCardCryptogram, context, 8);
        HostCryptogram = Kdf(mac, ForHostCryptogram, context, 8);
    }

    /// <summary>Derives the session keys from static keys and both challenges (8 bytes each).</summary>
    public static Scp03Session Derive(Scp03Keys keys, ReadOnlySpan<byte> hostChallenge, ReadOnlySpan<byte> cardChallenge) =>
        hostChallenge.Length == 8 && cardChallenge.Length == 8
            ? new Scp03Session(keys, [.. hostChallenge, .. cardChallenge])
            : throw new ArgumentException("a challenge has 8 bytes", nameof(hostChallenge));

    /// <summary>Pseudo-random card challenge (i bit 5): KDF constant 02 under the static encryption key over sequence (3) ‖ AID.</summary>
    public static byte[] CardChallenge(Scp03Keys keys, ReadOnlySpan<byte> sequence, ReadOnlySpan<byte> aid) =>
        sequence.Length == 3
            ? Kdf(keys.Encryption, ForCardChallenge, [.. sequence, .. aid], 8)
            : throw new ArgumentException("a sequence counter has 3 bytes", nameof(sequence));

    /// <summary>8 bytes.</summary>
    public byte[] CardCryptogram { get; }

    /// <summary>8 bytes.</summary>
    public byte[] HostCryptogram { get; }

    /// <summary>Security level of the open session; 0 before EXTERNAL AUTHENTICATE and after the session has ended.</summary>
    public byte Level { get; private set; }

    /// <summary>The levels that i = 70 offers: 00 (authentication only), 01, 03, 11, 13, 33 (Amendment D table 7-3).</summary>
    public static bool IsLevel(byte level) => level is 0x00 or 0x01 or 0x03 or 0x11 or 0x13 or 0x33;

    /// <summary>Host: the EXTERNAL AUTHENTICATE command (8482 level), C-MAC included; the session is then open at that level.</summary>
    public CommandApdu ExternalAuthenticate(byte level)
    {
        if (state != State.Derived || !IsLevel(level))
        {
            throw new InvalidOperationException("EXTERNAL AUTHENTICATE opens a fresh session, at a level of SCP03");
        }

        var command = Authenticated(new CommandApdu(0x84, 0x82, level, 0x00, HostCryptogram, null), HostCryptogram);
        Open(level);
        return command;
    }

    /// <summary>Card: verifies EXTERNAL AUTHENTICATE and opens the session at its P1 level; false closes it.</summary>
    public bool TryAccept(CommandApdu externalAuthenticate)
    {
        if (state != State.Derived
            || externalAuthenticate is not { Cla: 0x84, Ins: 0x82, P2: 0x00, Data.Length: 16 }
            || !IsLevel(externalAuthenticate.P1)
            || !TryAuthenticate(externalAuthenticate, out var cryptogram)
            || !CryptographicOperations.FixedTimeEquals(cryptogram.Span, HostCryptogram))
        {
            End();
            return false;
        }

        Open(externalAuthenticate.P1);
        return true;
    }

    /// <summary>Host: command as sent, C-ENC and C-MAC by level.</summary>
    public CommandApdu Wrap(CommandApdu command)
    {
        MustBeOpen();
        if ((Level & CommandMac) == 0)
        {
            return command;
        }

        counter++; // Amendment D §6.2.6: every command counts, one without data too
        return (Level & CommandEncryption) != 0 && command.Data.Length > 0
            ? Authenticated(command, Cipher.EncryptCbc(CipherAlgorithm.Aes, encryption, Iv(response: false), Cipher.Pad80(command.Data.Span, 16)))
            : Authenticated(command, command.Data.Span);
    }

    /// <summary>Card: the plain command inside; false when MAC or padding is wrong, and the session has ended.</summary>
    public bool TryUnwrap(CommandApdu wrapped, [NotNullWhen(true)] out CommandApdu? command)
    {
        command = null;
        if (state != State.Open)
        {
            return false;
        }

        if ((Level & CommandMac) == 0)
        {
            command = wrapped;
            return true;
        }

        counter++;
        if ((wrapped.Cla & 0x04) == 0 || !TryAuthenticate(wrapped, out var data))
        {
            End();
            return false;
        }

        if ((Level & CommandEncryption) != 0 && data.Length > 0)
        {
            if (data.Length % 16 != 0)
            {
                End();
                return false;
            }

            var padded = Cipher.DecryptCbc(CipherAlgorithm.Aes, encryption, Iv(response: false), data.Span);
            if (!Cipher.TryUnpad80(padded, 16, out var length))
            {
                End();
                return false;
            }

            data = padded.AsMemory(0, length);
        }

        command = wrapped with { Cla = (byte)(wrapped.Cla & ~0x04), Data = data };
        return true;
    }

    /// <summary>Card: response as sent, R-ENC and R-MAC by level. An error status goes alone and unprotected (Amendment D §6.2.5).</summary>
    public ResponseApdu WrapResponse(ResponseApdu response)
    {
        MustBeOpen();
        if ((Level & ResponseMac) == 0)
        {
            return response;
        }

        if (!IsProtected(response.Status))
        {
            return new ResponseApdu(default, response.Status);
        }

        var data = (Level & ResponseEncryption) != 0 && response.Data.Length > 0
            ? Cipher.EncryptCbc(CipherAlgorithm.Aes, encryption, Iv(response: true), Cipher.Pad80(response.Data.Span, 16))
            : response.Data.ToArray();
        return new ResponseApdu((byte[])[.. data, .. ResponseMacOf(data, response.Status)], response.Status);
    }

    /// <summary>Host: the plain response; false when its MAC is wrong, and the session has ended. An error status comes alone, and nothing vouches for it.</summary>
    public bool TryUnwrapResponse(ResponseApdu wrapped, [NotNullWhen(true)] out ResponseApdu? response)
    {
        response = null;
        if (state != State.Open)
        {
            return false;
        }

        if ((Level & ResponseMac) == 0 || (!IsProtected(wrapped.Status) && wrapped.Data.Length == 0))
        {
            response = wrapped;
            return true;
        }

        if (!IsProtected(wrapped.Status) || wrapped.Data.Length < MacLength)
        {
            End();
            return false;
        }

        var data = wrapped.Data[..^MacLength];
        if (!CryptographicOperations.FixedTimeEquals(ResponseMacOf(data.Span, wrapped.Status), wrapped.Data.Span[^MacLength..]))
        {
            End();
            return false;
        }

        if ((Level & ResponseEncryption) != 0 && data.Length > 0)
        {
            var length = 0;
            var padded = data.Length % 16 == 0 ? Cipher.DecryptCbc(CipherAlgorithm.Aes, encryption, Iv(response: true), data.Span) : [];
            if (!Cipher.TryUnpad80(padded, 16, out length))
            {
                End();
                return false;
            }

            data = padded.AsMemory(0, length);
        }

        response = new ResponseApdu(data, wrapped.Status);
        return true;
    }

    /// <summary>Sensitive data under the static DEK: AES-CBC, IV 0, for keys in PUT KEY and DGIs (whole blocks).</summary>
    public byte[] EncryptSensitive(ReadOnlySpan<byte> data) => Cipher.EncryptCbc(CipherAlgorithm.Aes, LiveDataEncryption, stackalloc byte[16], data);

    public byte[] DecryptSensitive(ReadOnlySpan<byte> data) => Cipher.DecryptCbc(CipherAlgorithm.Aes, LiveDataEncryption, stackalloc byte[16], data);

    /// <summary>Ends the session and wipes its keys.</summary>
    public void End()
    {
        state = State.Ended;
        Level = 0;
        CryptographicOperations.ZeroMemory(encryption);
        CryptographicOperations.ZeroMemory(mac);
        CryptographicOperations.ZeroMemory(responseMac);
        CryptographicOperations.ZeroMemory(dataEncryption);
    }

    /// <summary>SP 800-108 in counter mode (Amendment D §4.1.5): label 00×11 ‖ constant, 00, length in bits, counter, context.</summary>
    /// <param name="length">Bytes of the result: 8 for a cryptogram or challenge, else the key's length.</param>
    internal static byte[] Kdf(ReadOnlySpan<byte> key, byte constant, ReadOnlySpan<byte> context, int length)
    {
        var input = new byte[16 + context.Length];
        input[11] = constant;
        BinaryPrimitives.WriteUInt16BigEndian(input.AsSpan(13), (ushort)(8 * length));
        context.CopyTo(input.AsSpan(16));
        var result = new byte[length];
        for (var at = 0; at < length; at += 16)
        {
            input[15]++;
            var block = Cipher.AesCmac(key, input);
            block.AsSpan(0, Math.Min(16, length - at)).CopyTo(result.AsSpan(at));
            CryptographicOperations.ZeroMemory(block);
        }

        return result;
    }

    /// <summary>An ended session's keys are zeros: nothing is put under them.</summary>
    private byte[] LiveDataEncryption => state != State.Ended ? dataEncryption : throw new InvalidOperationException("the secure channel has ended");

    private static bool IsProtected(StatusWord status) => status.IsOk || status.Value >> 8 is 0x62 or 0x63;

    private void Open(byte level)
    {
        Level = level;
        counter = 0;
        state = State.Open;
    }

    private void MustBeOpen()
    {
        if (state != State.Open)
        {
            throw new InvalidOperationException("the secure channel is not open");
        }
    }

    /// <summary>Adds the C-MAC to a command whose data field is <paramref name="data"/>, and chains it.</summary>
    private CommandApdu Authenticated(CommandApdu command, ReadOnlySpan<byte> data)
    {
        var secured = command with { Cla = (byte)(command.Cla | 0x04) };
        var full = CommandMacOf(secured, data);
        full.CopyTo(chaining, 0);
        return secured with { Data = (byte[])[.. data, .. full.AsSpan(0, MacLength)] };
    }

    private bool TryAuthenticate(CommandApdu wrapped, out ReadOnlyMemory<byte> data)
    {
        data = default;
        if (wrapped.Data.Length < MacLength)
        {
            return false;
        }

        data = wrapped.Data[..^MacLength];
        var full = CommandMacOf(wrapped, data.Span);
        if (!CryptographicOperations.FixedTimeEquals(full.AsSpan(0, MacLength), wrapped.Data.Span[^MacLength..]))
        {
            return false;
        }

        full.CopyTo(chaining, 0);
        return true;
    }

    /// <summary>CMAC over chaining value ‖ header ‖ Lc ‖ data; Lc counts the MAC, Le stays outside (Amendment D §6.2.4).</summary>
    private byte[] CommandMacOf(CommandApdu command, ReadOnlySpan<byte> data)
    {
        var count = data.Length + MacLength;
        ReadOnlySpan<byte> lc = count <= 255 ? [(byte)count] : [0, (byte)(count >> 8), (byte)(count & 0xFF)];
        return Cipher.AesCmac(mac, [.. chaining, command.Cla, command.Ins, command.P1, command.P2, .. lc, .. data]);
    }

    private byte[] ResponseMacOf(ReadOnlySpan<byte> data, StatusWord status) =>
        Cipher.AesCmac(responseMac, [.. chaining, .. data, (byte)(status.Value >> 8), (byte)(status.Value & 0xFF)])[..MacLength];

    /// <summary>Encrypted command counter; a response's has 80 in its first byte (Amendment D §6.2.6, §6.2.7).</summary>
    private byte[] Iv(bool response)
    {
        Span<byte> block = stackalloc byte[16];
        block.Clear();
        BinaryPrimitives.WriteUInt32BigEndian(block[12..], counter);
        block[0] = response ? (byte)0x80 : (byte)0;
        return Cipher.EncryptEcb(CipherAlgorithm.Aes, encryption, block);
    }
}
