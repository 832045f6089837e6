using System.Security.Cryptography;
using Majia.Core.Cryptography;

namespace Majia.Hsm;

/// <summary>Known answers, asked before any key is loaded: a library that computes wrong computes nothing here.</summary>
internal static class SelfTest
{
    private static readonly (string What, string Expected, Func<byte[]> Compute)[] Rows =
    [
        ("3DES, protocols.md 6.6", "08D7B4FB629D0885", () => Cipher.EncryptEcb(CipherAlgorithm.TripleDes, Key, new byte[8])),
        ("SM4, GM/T 0002 example 1", "681EDF34D206965E86B3E94F536E4246", () => Cipher.EncryptEcb(CipherAlgorithm.Sm4, Key, Key)),
        ("AES, FIPS 197 C.1", "69C4E0D86A7B0430D8CDB78070B4C55A", () => Cipher.EncryptEcb(CipherAlgorithm.Aes, Hex("000102030405060708090A0B0C0D0E0F"), Hex("00112233445566778899AABBCCDDEEFF"))),
        ("AES-CMAC, RFC 4493 example 2", "070A16B46B4D4144F79BDD9DD04A287C", () => Cipher.AesCmac(Hex("2B7E151628AED2A6ABF7158809CF4F3C"), Hex("6BC1BEE22E409F96E93D7E117393172A"))),
        ("HMAC-SHA-256, RFC 4231 case 2", "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843", () => HMACSHA256.HashData("Jefe"u8, "what do ya want for nothing?"u8)),
        ("X9.19, protocols.md 6.7", "22E1A638E748BAD4", () => MessageMac.Compute(MacAlgorithm.X919, Key, Hex("02003020048020C0801100000000000000012300001907200006000000123456"))),
    ];

    private static byte[] Key => Hex("0123456789ABCDEFFEDCBA9876543210");

    /// <exception cref="KeyModuleException">Names the algorithm that fails.</exception>
    internal static void Run()
    {
        foreach (var (what, expected, compute) in Rows)
        {
            if (!CryptographicOperations.FixedTimeEquals(compute(), Hex(expected)))
            {
                throw new KeyModuleException($"known-answer test failed: {what}");
            }
        }
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text);
}
