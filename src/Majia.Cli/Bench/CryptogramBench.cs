using System.Security.Cryptography;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Hsm;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Parameters;

namespace Majia.Cli.Bench;

/// <summary>P10: a cryptogram checked and its answer made by the key module, beside a bare loop of the same library's engines.</summary>
public static class CryptogramBench
{
    private const string Sequence = "01";

    public static async Task<IReadOnlyList<BenchRow>> RunAsync(BenchEffort effort)
    {
        const double Floor = 0.7, Goal = 0.9;
        byte[] one = Convert.FromHexString("0123456789ABCDEFFEDCBA9876543210"), other = Convert.FromHexString("1111111111111111222222222222222222"[..32]);
        var module = KeyModule.InMemory("bench", new SystemEntropy());
        module.Form("imk.ac", KeyUsage.EmvCryptogram, CipherAlgorithm.TripleDes, [one, other], test: true);
        var master = Cryptogram.SetOddParity([.. one.Zip(other, (a, b) => (byte)(a ^ b))]);

        var token = PaymentToken.Parse("819901000000123" + Luhn.CheckDigit("819901000000123"));
        var input = new CryptogramInput(
            Convert.FromHexString("000000008800"), new byte[6], Convert.FromHexString("0156"), new byte[5], Convert.FromHexString("0156"), Convert.FromHexString("260304"), 0x00,
            Convert.FromHexString("1234ABCD"), Convert.FromHexString("7C00"), 0x0017, Convert.FromHexString("03A00000"));
        var cardKey = Cryptogram.DeriveCardKey(CipherAlgorithm.TripleDes, master, token.Reveal(), Sequence);
        var data = input.Bytes(CryptogramVersion.Full);
        var right = Cryptogram.Compute(CipherAlgorithm.TripleDes, Cryptogram.DeriveSessionKey(CipherAlgorithm.TripleDes, cardKey, 0x0017), data);
        var code = "00"u8.ToArray();

        void Ours()
        {
            if (!module.VerifyCryptogram("imk.ac", token, Sequence, CryptogramVersion.Full, input, right))
            {
                throw new InvalidOperationException("a right cryptogram was refused");
            }

            module.ResponseCryptogram("imk.ac", token, Sequence, 0x0017, right, code);
        }

        var card = new DesEdeEngine();
        card.Init(true, new KeyParameter(cardKey));
        var block = new byte[40];
        var session = new byte[16];
        var mac = new byte[8];

        // The library's calls and nothing else: card key's schedule at hand, session key derived for each of the two steps as the module must.
        void Bare()
        {
            Derive();
            data.CopyTo(block, 0);
            block[37] = 0x80;
            block[38] = block[39] = 0;
            var left = new DesEngine();
            left.Init(true, new KeyParameter(session, 0, 8));
            var back = new DesEngine();
            back.Init(false, new KeyParameter(session, 8, 8));
            Array.Clear(mac);
            for (var i = 0; i < 40; i += 8)
            {
                for (var j = 0; j < 8; j++)
                {
                    mac[j] ^= block[i + j];
                }

                left.ProcessBlock(mac, 0, mac, 0);
            }

            back.ProcessBlock(mac, 0, mac, 0);
            left.ProcessBlock(mac, 0, mac, 0);
            if (!CryptographicOperations.FixedTimeEquals(mac, right))
            {
                throw new InvalidOperationException("the bare loop computes something else");
            }

            Derive();
            mac[0] ^= code[0];
            mac[1] ^= code[1];
            var answer = new DesEdeEngine();
            answer.Init(true, new KeyParameter(session));
            answer.ProcessBlock(mac, 0, mac, 0);
        }

        void Derive()
        {
            Array.Clear(session);
            session[7] = 0x17;
            session[14] = 0xFF;
            session[15] = 0xE8;
            card.ProcessBlock(session, 0, session, 0);
            card.ProcessBlock(session, 8, session, 8);
        }

        Bare();
        var rounds = await Rounds.AlternateAsync(
            effort.Rounds,
            () => Task.FromResult(Loop.Rate(effort.Seconds / 2, Ours)),
            () => Task.FromResult(Loop.Rate(effort.Seconds / 2, Bare)));
        return
        [
            BenchRow.Beside("cryptogram", rounds, Floor, Goal, "1/s", $"3DES, CVN 01 checked and ARPC made; both with BouncyCastle and the card key's schedule cached, session key derived for either step; {Loop.BytesPerCall(Ours):F0} bytes allocated"),
        ];
    }
}
