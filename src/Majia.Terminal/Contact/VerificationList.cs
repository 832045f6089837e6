using System.Buffers.Binary;
using Majia.Core.Emv;
using Majia.Core.Primitives;
using Majia.Terminal.Kernel;

namespace Majia.Terminal.Contact;

/// <summary>What the list says, and how it is reported: 9F34, and whether it failed.</summary>
/// <param name="Results">9F34.</param>
/// <param name="Next">Where the list goes on should this way fail; null: it does not.</param>
internal sealed record ListedVerification(CvmDecision Decision, byte[] Results, int? Next = null)
{
    public bool IsOfflinePin => Decision.Result == CvmResult.OfflinePin;

    public bool IsEnciphered => (CvmMethod)(Results[0] & 0x3F) is CvmMethod.EncipheredPinByCard;
}

/// <summary>Whether this card can compare a PIN, and whether one can be enciphered for it: its key was certified, and it is RSA.</summary>
internal readonly record struct CardPin(bool Possible, bool Enciphered);

/// <summary>The card's own list of ways to verify its holder (tag 8E, EMV Book 3 §10.5 and annex C3), behind what the bank has just asked and the merchant's rule (R15).</summary>
internal static class VerificationList
{
    private const byte ApplyNext = 0x40, MethodBits = 0x3F, Always = 0x00, IfSupported = 0x03, UnderX = 0x06, OverX = 0x07, UnderY = 0x08, OverY = 0x09, Unknown = 0x00, Failed = 0x01, Successful = 0x02;

    private const int AmountsLength = 8;

    /// <param name="list">8E: amounts X and Y, then rules of two bytes.</param>
    /// <param name="cardVerifies">AIP byte 1 bit 5: the card wants its holder verified at all.</param>
    /// <param name="homeCurrency">The amount is in the application's currency: only then X and Y mean anything.</param>
    /// <param name="from">The rule to begin with: 0, or where one that failed sent us on.</param>
    internal static ListedVerification Decide(
        ReadOnlySpan<byte> list, bool cardVerifies, Amount amount, bool homeCurrency, TerminalTransactionQualifiers terminal, MerchantPinRule merchant, bool bankAsked, CardPin chip = default, int from = 0)
    {
        if (terminal.OnlinePinSupported && bankAsked)
        {
            return Pin(0x42, IfSupported, new("PIN asked: the bank wants the right PIN for this payment.", "需输入密码：发卡行要求本次交易验证密码。"));
        }

        if (terminal.OnlinePinSupported && merchant == MerchantPinRule.Always)
        {
            return Pin(0x42, IfSupported, new("PIN asked: this merchant asks it for every payment.", "需输入密码：本商户对每笔交易均验密。"));
        }

        if (!cardVerifies || list.Length < AmountsLength + 2 || list.Length % 2 != 0)
        {
            return new(new CvmDecision(true, CvmResult.None, new("No PIN: the card has no list of verification methods.", "免输密码：卡片没有持卡人验证方法列表。")), [0x3F, 0x00, Unknown]);
        }

        long x = BinaryPrimitives.ReadUInt32BigEndian(list), y = BinaryPrimitives.ReadUInt32BigEndian(list[4..]);
        for (var i = from; AmountsLength + (2 * i) + 1 < list.Length; i++)
        {
            var (code, condition) = (list[AmountsLength + (2 * i)], list[AmountsLength + (2 * i) + 1]);
            var method = (CvmMethod)(code & MethodBits);
            var supported = method switch
            {
                CvmMethod.OnlinePin => terminal.OnlinePinSupported,
                CvmMethod.Signature => terminal.SignatureSupported,
                CvmMethod.NoCvmRequired => true,
                CvmMethod.PlaintextPinByCard => chip.Possible,
                CvmMethod.EncipheredPinByCard => chip is { Possible: true, Enciphered: true },
                _ => false, // PIN with signature, documents: not here
            };
            var applies = condition switch
            {
                Always => true,
                IfSupported => supported,
                UnderX => homeCurrency && amount.Minor < x,
                OverX => homeCurrency && amount.Minor > x,
                UnderY => homeCurrency && amount.Minor < y,
                OverY => homeCurrency && amount.Minor > y,
                _ => false, // cash, cashback, unattended: not here
            };
            if (!applies)
            {
                continue;
            }

            if (supported)
            {
                return method switch
                {
                    CvmMethod.OnlinePin => Pin(code, condition, new("PIN asked: the card's list wants it at a terminal that has a PIN pad.", "需输入密码：卡片的验证方法列表要求在有密码键盘的终端验密。")),
                    CvmMethod.PlaintextPinByCard or CvmMethod.EncipheredPinByCard => new(
                        new CvmDecision(true, CvmResult.OfflinePin, new("PIN asked: the card's list wants its chip to verify it.", "需输入密码：卡片的验证方法列表要求由芯片验证密码。")),
                        [code, condition, Successful], (code & ApplyNext) != 0 ? i + 1 : null),
                    CvmMethod.Signature => new(new CvmDecision(true, CvmResult.Signature, new("No PIN: the card's list asks for a signature on the slip.", "免输密码：卡片的验证方法列表要求签名。")), [code, condition, Unknown]),
                    _ => new(new CvmDecision(true, CvmResult.None, new("No PIN: the card's list asks for nothing.", "免输密码：卡片的验证方法列表不要求验证。")), [code, condition, Successful]),
                };
            }

            if ((code & ApplyNext) == 0)
            {
                return Fail(code, condition);
            }
        }

        return Fail(0x3F, 0x00);
    }

    private static ListedVerification Pin(byte code, byte condition, Text why) => new(new CvmDecision(true, CvmResult.OnlinePin, why), [code, condition, Unknown]);

    /// <summary>The chip's own PIN was not given, or not right to the end, and the list has no other way.</summary>
    internal static ListedVerification Fail(byte[] results) => Fail(results[0], results[1]);

    private static ListedVerification Fail(byte code, byte condition) =>
        new(new CvmDecision(false, CvmResult.None, new("The holder must be verified, and card and terminal have no way in common.", "须验证持卡人，但卡片与终端没有共同支持的方式。")), [code, condition, Failed]);
}
