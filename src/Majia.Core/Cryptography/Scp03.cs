using System.Diagnostics.CodeAnalysis;
using Majia.Core.Apdu;

namespace Majia.Core.Cryptography;

/// <summary>Static or session keys of one SCP03 key set.</summary>
public sealed record Scp03Keys(byte[] Encryption, byte[] Mac, byte[] DataEncryption);

/// <summary>GlobalPlatform Amendment D (SCP03), the arithmetic that card and host share: derivation, cryptograms, and the state of one open channel.</summary>
/// <remarks>One instance is one session, at either end: a host wraps commands and unwraps responses, a card does the opposite with the same counters.</remarks>
public sealed class Scp03Session
{
    private Scp03Session()
    {
    }

    /// <summary>Derives the session keys from static keys and both challenges (8 bytes each).</summary>
    public static Scp03Session Derive(Scp03Keys keys, ReadOnlySpan<byte> hostChallenge, ReadOnlySpan<byte> cardChallenge) => throw new NotImplementedException();

    /// <summary>Pseudo-random card challenge (i bit 5): KDF constant 02 under the static encryption key over sequence (3) ‖ AID.</summary>
    public static byte[] CardChallenge(Scp03Keys keys, ReadOnlySpan<byte> sequence, ReadOnlySpan<byte> aid) => throw new NotImplementedException();

    public byte[] CardCryptogram => throw new NotImplementedException();

    public byte[] HostCryptogram => throw new NotImplementedException();

    /// <summary>Host: the EXTERNAL AUTHENTICATE command (8482 level), C-MAC included; the session is then open at that level.</summary>
    public CommandApdu ExternalAuthenticate(byte level) => throw new NotImplementedException();

    /// <summary>Card: verifies EXTERNAL AUTHENTICATE and opens the session at its P1 level; false closes it.</summary>
    public bool TryAccept(CommandApdu externalAuthenticate) => throw new NotImplementedException();

    public byte Level => throw new NotImplementedException();

    /// <summary>Host: command as sent, C-ENC and C-MAC by level.</summary>
    public CommandApdu Wrap(CommandApdu command) => throw new NotImplementedException();

    /// <summary>Card: the plain command inside; false when MAC or padding is wrong (the caller closes the session).</summary>
    public bool TryUnwrap(CommandApdu wrapped, [NotNullWhen(true)] out CommandApdu? command) => throw new NotImplementedException();

    /// <summary>Card: response as sent, R-ENC and R-MAC by level.</summary>
    public ResponseApdu WrapResponse(ResponseApdu response) => throw new NotImplementedException();

    /// <summary>Host: the plain response; false when its MAC is wrong.</summary>
    public bool TryUnwrapResponse(ResponseApdu wrapped, [NotNullWhen(true)] out ResponseApdu? response) => throw new NotImplementedException();

    /// <summary>Sensitive data under the static DEK: AES-CBC, IV 0, for keys in PUT KEY and DGIs (whole blocks).</summary>
    public byte[] EncryptSensitive(ReadOnlySpan<byte> data) => throw new NotImplementedException();

    public byte[] DecryptSensitive(ReadOnlySpan<byte> data) => throw new NotImplementedException();
}
