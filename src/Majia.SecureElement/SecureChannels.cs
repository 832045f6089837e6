using Majia.Core.Apdu;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;

namespace Majia.SecureElement;

/// <summary>How a domain opens a secure channel and lets commands through it (GlobalPlatform Amendment D). What changes the card needs one; there is one at a time.</summary>
public static class SecureChannels
{
    /// <summary>Failures in a row that cost nothing yet.</summary>
    public const int FreeFailures = 3;

    /// <summary>INITIALIZE UPDATE commands that are refused at most.</summary>
    public const int MaxRefusals = 64;

    /// <summary>Told in docs/protocols/apdu.md.</summary>
    public static readonly Text SlowDownRule = new(
        "Slowing down: each domain counts failed authentications (a wrong host cryptogram or MAC in EXTERNAL AUTHENTICATE, a wrong MAC inside a channel) in its lasting memory, up to 255; an accepted EXTERNAL AUTHENTICATE sets the count back. From the third failure in a row on the next 2^(n−3) INITIALIZE UPDATE commands, 64 at most, are refused with `6985`, counted anew after each failure and each power-on.",
        "减速规则：各安全域在非易失存储中累计认证失败次数（EXTERNAL AUTHENTICATE 的主机密文或 MAC 错误、通道内 MAC 错误），上限 255；一次成功的 EXTERNAL AUTHENTICATE 将其清零。自连续第三次失败起，其后 2^(n−3) 条（最多 64 条）INITIALIZE UPDATE 以 `6985` 拒绝；每次失败和每次上电后重新计数。");

    private const byte ScpNumber = 0x03;

    internal static ChipSession Close(ChipSession session)
    {
        session.Channel?.Session.End();
        return session.Channel is null ? session : session with { Channel = null };
    }

    internal static ChipStep Step(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu, Entropy entropy)
    {
        if (apdu is { Cla: 0x80, Ins: 0x50 })
        {
            return InitializeUpdate(state, Close(session), domain, apdu, entropy);
        }

        if (session.Channel is not { } channel || !channel.Domain.Equals(domain.Aid))
        {
            return Unsecured(state, session, domain, apdu);
        }

        if (!channel.Open)
        {
            return apdu.Ins == 0x82 ? ExternalAuthenticate(state, session, channel, domain, apdu) : Unsecured(state, Close(session), domain, apdu);
        }

        // Everything inside an open channel is protected by it; a wrong MAC closes it (Amendment D §5.1).
        if (!channel.Session.TryUnwrap(apdu, out var plain))
        {
            return Failed(state, Close(session), domain);
        }

        var step = ContentManagement.Step(state, session, channel, domain, plain);
        return step.Session.Channel is null
            ? Chip.Answer(step.State, step.Session, step.Response.Status.Value)
            : step with { Response = channel.Session.WrapResponse(step.Response) };
    }

    /// <summary>Refusals that a count of failures costs.</summary>
    internal static int Refusals(int failures) => failures < FreeFailures ? 0 : Math.Min(1 << Math.Min(failures - FreeFailures, 6), MaxRefusals);

    private static ChipStep Unsecured(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu) => apdu.Ins switch
    {
        0xCA when (apdu.Cla & 0x04) == 0 => CardRegistry.GetData(state, session, domain, apdu),
        _ => Chip.Answer(state, session, Sw.Security),
    };

    private static ChipStep InitializeUpdate(ChipState state, ChipSession session, SecurityDomain domain, CommandApdu apdu, Entropy entropy)
    {
        if (apdu.Data.Length != 8)
        {
            return Chip.Answer(state, session, Sw.WrongLength);
        }

        if (apdu.P2 != 0 || domain.KeySet(apdu.P1) is not { } keys)
        {
            return Chip.Answer(state, session, Sw.Unreferenced);
        }

        if (domain.Locked || domain.Sequence >= SecurityDomain.LastSequence)
        {
            return Chip.Answer(state, session, Sw.NotSatisfied);
        }

        if (session.Refused < Refusals(domain.Failures))
        {
            return Chip.Answer(state, session with { Refused = session.Refused + 1 }, Sw.NotSatisfied);
        }

        // The counter moves when a host has proved itself: nobody without keys can wear it out (Amendment D §6.2.2.1).
        var sequence = domain.Sequence + 1;
        byte[] counter = [(byte)(sequence >> 16), (byte)((sequence >> 8) & 0xFF), (byte)(sequence & 0xFF)];
        var pseudoRandom = Scp03Option.IsPseudoRandom(state.ScpOption);
        var challenge = pseudoRandom ? Scp03Session.CardChallenge(keys.Keys, counter, domain.Aid.Bytes) : entropy.Bytes(8);
        var scp = Scp03Session.Derive(keys.Keys, apdu.Data.Span, challenge);
        byte[] answer = [.. state.Seid.Span, keys.Version, ScpNumber, state.ScpOption, .. challenge, .. scp.CardCryptogram, .. pseudoRandom ? counter : []];
        return Chip.Answer(state, session with { Channel = new SecureChannel(domain.Aid, scp, sequence, Open: false, Target: null, StatusCursor: 0) }, answer);
    }

    private static ChipStep ExternalAuthenticate(ChipState state, ChipSession session, SecureChannel channel, SecurityDomain domain, CommandApdu apdu)
    {
        // Authentication alone (level 00) leads to nothing that this card has, so it is not a level here.
        if (apdu.P1 == 0 || !Scp03Option.Allows(state.ScpOption, apdu.P1))
        {
            return Chip.Answer(state, Close(session), Sw.WrongP1P2);
        }

        if (!channel.Session.TryAccept(apdu))
        {
            return Failed(state, Close(session), domain);
        }

        return Chip.Answer(state.With(domain with { Sequence = channel.Sequence, Failures = 0 }), session with { Channel = channel with { Open = true }, Refused = 0 }, Sw.Ok);
    }

    private static ChipStep Failed(ChipState state, ChipSession closed, SecurityDomain domain)
    {
        var next = domain.Failures == byte.MaxValue ? state : state.With(domain with { Failures = (byte)(domain.Failures + 1) });
        return Chip.Answer(next, closed with { Refused = 0 }, Sw.Security);
    }
}
