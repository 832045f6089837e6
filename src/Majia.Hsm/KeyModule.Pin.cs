using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.Hsm;

public enum PinVerdict
{
    Right,
    Wrong,
    Malformed,
}

/// <summary>PINs: in clear here alone, and only while a call lasts.</summary>
public sealed partial class KeyModule
{
    /// <summary>PIN pad only (a key of <see cref="KeyUsage.PinEntry"/>): the digits become a block here and exist nowhere else. Format by algorithm of the key: ISO 0 (3DES), SM4 format (SM4), ISO 4 (AES).</summary>
    public byte[] EncryptPin(string pinKey, ReadOnlySpan<char> pin, AccountNumber number) =>
        Enclose(Find(pinKey, KeyUsage.PinEntry), pin, number);

    /// <summary>From one PIN key to another, the number unchanged.</summary>
    public bool TryTranslatePin(string fromKey, string toKey, ReadOnlySpan<byte> block, AccountNumber number, [NotNullWhen(true)] out byte[]? translated) =>
        TryTranslate(fromKey, toKey, block, number, number, out translated);

    /// <summary>From token to PAN: only with the vault's binding MAC over exactly this token, PAN and transaction (decisions.md 11).</summary>
    /// <param name="transaction">The switch key of the transaction: F7 ‖ F11 ‖ F32 ‖ F33 as text.</param>
    public bool TryTranslatePin(string fromKey, string toKey, ReadOnlySpan<byte> block, PaymentToken token, Pan pan, string transaction, string bindingKey, ReadOnlySpan<byte> binding, [NotNullWhen(true)] out byte[]? translated)
    {
        translated = null;
        return VerifyBinding(bindingKey, token, pan, transaction, binding)
            && TryTranslate(fromKey, toKey, block, token, pan, out translated);
    }

    /// <summary>The vault's MAC (8 bytes of HMAC-SHA-256) over token, PAN and transaction. Only the vault's own key makes one.</summary>
    public byte[] BindTokenToPan(string bindingKey, PaymentToken token, Pan pan, string transaction) =>
        Binding(Find(bindingKey, KeyUsage.TokenBinding), token, pan, transaction);

    /// <summary>Constant time. With the verifying key, which makes no binding.</summary>
    public bool VerifyBinding(string bindingKey, PaymentToken token, Pan pan, string transaction, ReadOnlySpan<byte> binding) =>
        CryptographicOperations.FixedTimeEquals(Binding(Find(bindingKey, KeyUsage.TokenBindingCheck), token, pan, transaction), binding);

    private static byte[] Binding(HeldKey key, PaymentToken token, Pan pan, string transaction)
    {
        // Each part after its length: no two triples make the same bytes.
        var message = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{token.Length}:{token.Reveal()}{pan.Length}:{pan.Reveal()}{transaction.Length}:{transaction}"));
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        key.Hmac(message, mac);
        CryptographicOperations.ZeroMemory(message);
        return mac[..8].ToArray();
    }

    /// <summary>IBM 3624 with offset. A block that does not hold a PIN of 4 to 12 digits is <see cref="PinVerdict.Malformed"/>.</summary>
    public PinVerdict VerifyPin(string pinKey, string verificationKey, ReadOnlySpan<byte> block, Pan pan, ReadOnlySpan<char> offset)
    {
        var verification = Find(verificationKey, KeyUsage.PinVerification);
        Span<char> pin = stackalloc char[PinBlock.MaxDigits];
        try
        {
            if (!TryDisclose(Find(pinKey, KeyUsage.PinEncryption), block, pan, pin, out var length))
            {
                return PinVerdict.Malformed;
            }

            return Ibm3624.Verify(verification.Schedule!, Ibm3624.ValidationData(pan), Ibm3624.DecimalisationTable, pin[..length], offset)
                ? PinVerdict.Right
                : PinVerdict.Wrong;
        }
        finally
        {
            Wipe(pin);
        }
    }

    /// <summary>At card issuance: the offset that belongs to a chosen PIN.</summary>
    public string PinOffset(string verificationKey, Pan pan, ReadOnlySpan<char> pin) =>
        Ibm3624.Offset(Find(verificationKey, KeyUsage.PinVerification).Schedule!, Ibm3624.ValidationData(pan), Ibm3624.DecimalisationTable, pin);

    /// <summary>A card gets a new number and keeps its PIN: the offset that belongs to the same PIN under that number. The PIN itself does not leave.</summary>
    public string MovePinOffset(string verificationKey, Pan from, ReadOnlySpan<char> offset, Pan to)
    {
        var key = Find(verificationKey, KeyUsage.PinVerification).Schedule!;
        Span<char> pin = stackalloc char[offset.Length];
        try
        {
            Ibm3624.Pin(key, Ibm3624.ValidationData(from), Ibm3624.DecimalisationTable, offset, pin);
            return Ibm3624.Offset(key, Ibm3624.ValidationData(to), Ibm3624.DecimalisationTable, pin);
        }
        finally
        {
            Wipe(pin);
        }
    }

    /// <summary>For <see cref="HostChannel"/> alone, which enciphers it: the PIN that an offset stands for, as a block of format 2 (protocols.md 7.1).</summary>
    internal byte[] ReferencePinBlock(string verificationKey, Pan pan, ReadOnlySpan<char> offset)
    {
        Span<char> pin = stackalloc char[offset.Length];
        try
        {
            Ibm3624.Pin(Find(verificationKey, KeyUsage.PinVerification).Schedule!, Ibm3624.ValidationData(pan), Ibm3624.DecimalisationTable, offset, pin);
            return PinBlock.Format2(pin);
        }
        finally
        {
            Wipe(pin);
        }
    }

    private bool TryTranslate(string fromKey, string toKey, ReadOnlySpan<byte> block, AccountNumber from, AccountNumber to, [NotNullWhen(true)] out byte[]? translated)
    {
        translated = null;
        var target = Find(toKey, KeyUsage.PinEncryption);
        Span<char> pin = stackalloc char[PinBlock.MaxDigits];
        try
        {
            if (TryDisclose(Find(fromKey, KeyUsage.PinEncryption), block, from, pin, out var length))
            {
                translated = Enclose(target, pin[..length], to);
            }

            return translated is not null;
        }
        finally
        {
            Wipe(pin);
        }
    }

    private byte[] Enclose(HeldKey key, ReadOnlySpan<char> pin, AccountNumber number)
    {
        var format = PinBlock.FormatOf(key.Info.Algorithm);
        var clear = PinBlock.Build(format, pin, number.Reveal(), entropy);
        try
        {
            return PinBlock.Encrypt(format, key.Schedule!, clear, number.Reveal());
        }
        finally
        {
            CryptographicOperations.ZeroMemory(clear);
        }
    }

    private static bool TryDisclose(HeldKey key, ReadOnlySpan<byte> block, AccountNumber number, Span<char> pin, out int length)
    {
        var format = PinBlock.FormatOf(key.Info.Algorithm);
        length = 0;
        if (block.Length != PinBlock.Length(format))
        {
            return false;
        }

        var clear = PinBlock.Decrypt(format, key.Schedule!, block, number.Reveal());
        try
        {
            return PinBlock.TryRead(format, clear, number.Reveal(), pin, out length);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(clear);
        }
    }

    private static void Wipe(Span<char> pin) =>
        CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(pin));
}
