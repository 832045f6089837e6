using System.Buffers.Binary;
using System.Security.Cryptography;
using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.SecureElement;

/// <summary>The applet of the phone's trusted side, proprietary, CLA 80 (decisions.md 3, 4). Whoever arms, purges or retires proves the binding key over a challenge that is good for one command.</summary>
/// <remarks>
/// <list type="table">
/// <item><term>84 00 00</term><description>GET CHALLENGE → 16 bytes</description></item>
/// <item><term>2A 00 00 MAC(16) ‖ AID</term><description>AUTHORISE, MAC over 01 ‖ challenge ‖ AID: one GPO of that instance</description></item>
/// <item><term>2C 00 00</term><description>CANCEL</description></item>
/// <item><term>2E 00 00 MAC(16)</term><description>PURGE, MAC over 02 ‖ challenge: a new binding value, no card of before works again</description></item>
/// <item><term>30 00 00 MAC(16) ‖ AID</term><description>RETIRE, MAC over 03 ‖ challenge ‖ AID: the same for one card</description></item>
/// <item><term>CA 00 01</term><description>GET STATE → purge epoch (4) ‖ live payment instances (1)</description></item>
/// <item><term>CA 00 02</term><description>GET LAST → 4F, 9F02, 5F2A, 9F36, 9F6C of the last GPO answered 9000 since power-on</description></item>
/// </list>
/// </remarks>
public static class BindingApplet
{
    public const byte AuthorisePurpose = 0x01, PurgePurpose = 0x02, RetirePurpose = 0x03;

    private const int MacLength = 16;

    internal static byte[] Fci() => BerTlv.Encode(0x6F, BerTlv.Encode(0x84, Chip.Binding.Bytes));

    internal static ChipStep Step(ChipState state, ChipSession session, CommandApdu apdu, Entropy entropy)
    {
        if (apdu.Cla != 0x80)
        {
            return Chip.Answer(state, session, Sw.UnknownCla);
        }

        switch (apdu.Ins, (apdu.P1 << 8) | apdu.P2)
        {
            case (0x84, 0):
                var challenge = entropy.Bytes(16);
                return Chip.Answer(state, session with { Challenge = challenge }, challenge);
            case (0x2A, 0):
                return Authorise(state, session, apdu.Data.Span);
            case (0x2C, 0):
                return Chip.Answer(state, session with { Armed = null }, Sw.Ok);
            case (0x2E, 0):
                return Purge(state, session, apdu.Data.Span, entropy);
            case (0x30, 0):
                return Retire(state, session, apdu.Data.Span);
            case (0xCA, 0x0001):
                var answer = new byte[5];
                BinaryPrimitives.WriteUInt32BigEndian(answer, state.PurgeEpoch);
                answer[4] = (byte)state.Payments.Count(state.IsLive);
                return Chip.Answer(state, session, answer);
            case (0xCA, 0x0002):
                return session.LastPayment is { } last
                    ? Chip.Answer(state, session, Encode(last))
                    : Chip.Answer(state, session, Sw.Unreferenced);
            case (0x84 or 0x2A or 0x2C or 0x2E or 0x30 or 0xCA, _):
                return Chip.Answer(state, session, Sw.WrongP1P2);
            default:
                return Chip.Answer(state, session, Sw.UnknownIns);
        }
    }

    /// <summary>The MAC that both sides compute: AES-CMAC over purpose ‖ challenge ‖ name.</summary>
    public static byte[] Mac(ReadOnlySpan<byte> bindingKey, byte purpose, ReadOnlySpan<byte> challenge, ReadOnlySpan<byte> name) =>
        Cipher.AesCmac(bindingKey, [purpose, .. challenge, .. name]);

    private static ChipStep Authorise(ChipState state, ChipSession session, ReadOnlySpan<byte> data)
    {
        if (data.Length is < MacLength + 5 or > MacLength + 16)
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        var used = session with { Challenge = default };
        if (!IsProved(state, session, AuthorisePurpose, data))
        {
            return Chip.Answer(state, used, Sw.Security);
        }

        var aid = Aid.From(data[MacLength..]);
        return state.Payment(aid) is not { } payment || !state.CanBeSelected(payment) ? Chip.Answer(state, used with { Armed = null }, Sw.Unreferenced)
            : payment.Deactivated ? Chip.Answer(state, used with { Armed = null }, Sw.NotSatisfied) // the registry keeps it off the readers
            : Chip.Answer(state, used with { Armed = aid }, Sw.Ok);
    }

    private static ChipStep Purge(ChipState state, ChipSession session, ReadOnlySpan<byte> data, Entropy entropy)
    {
        if (data.Length != MacLength)
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        if (!IsProved(state, session, PurgePurpose, data))
        {
            return Chip.Answer(state, session with { Challenge = default }, Sw.Security);
        }

        // One write. What was under way ends with it: the armed flag, a reader's selection, a half-done personalisation.
        var purged = state with { BindingValue = entropy.Bytes(ChipState.BindingLength), PurgeEpoch = checked(state.PurgeEpoch + 1), LastUsed = null };
        return Chip.Answer(purged, SecureChannels.Close(session) with { Challenge = default, Armed = null, Contactless = ChipLine.Fresh, Payment = null }, Sw.Ok);
    }

    private static ChipStep Retire(ChipState state, ChipSession session, ReadOnlySpan<byte> data)
    {
        if (data.Length is < MacLength + 5 or > MacLength + 16)
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        var used = session with { Challenge = default };
        if (!IsProved(state, session, RetirePurpose, data))
        {
            return Chip.Answer(state, used, Sw.Security);
        }

        var aid = Aid.From(data[MacLength..]);
        if (state.Payment(aid) is not { } payment)
        {
            return Chip.Answer(state, used, Sw.Unreferenced);
        }

        return Chip.Answer(payment.Retired ? state : state.With(payment with { Retired = true }), aid.Equals(used.Armed) ? used with { Armed = null } : used, Sw.Ok);
    }

    private static bool IsProved(ChipState state, ChipSession session, byte purpose, ReadOnlySpan<byte> data) =>
        session.Challenge.Length == 16
        && CryptographicOperations.FixedTimeEquals(Mac(state.BindingKey.Span, purpose, session.Challenge.Span, data[MacLength..]), data[..MacLength]);

    private static byte[] Encode(PaymentMade last) =>
    [
        .. BerTlv.Encode(0x4F, last.Instance.Bytes),
        .. BerTlv.Encode(0x9F02, last.Amount.Span),
        .. BerTlv.Encode(0x5F2A, last.Currency.Span),
        .. BerTlv.Encode(0x9F36, [(byte)(last.Atc >> 8), (byte)(last.Atc & 0xFF)]),
        .. BerTlv.Encode(0x9F6C, last.Qualifiers.Span),
    ];
}
