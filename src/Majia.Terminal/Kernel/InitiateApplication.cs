using Majia.Core.Apdu;
using Majia.Core.Primitives;
using Majia.Core.Tlv;
using Majia.Terminal.EntryPoint;

namespace Majia.Terminal.Kernel;

/// <summary>GET PROCESSING OPTIONS: the PDOL answered, the card's first and usually only word (Book C-7; protocols.md 2.3).</summary>
public static class InitiateApplication
{
    private const int CommandTemplate = 0x83, ResponseFormat2 = 0x77, Qualifiers = 0x9F66;

    /// <summary>Longest PDOL data that a short GPO can carry: 255 less tag and length.</summary>
    private const int MaxPdolData = 252;

    /// <summary>The GPO command for this PDOL; an outcome when the card gives none that kernel 7 accepts.</summary>
    public static Outcome? Prepare(ReadOnlyMemory<byte> pdol, TransactionData data, out CommandApdu? command)
    {
        command = null;
        if (pdol.IsEmpty)
        {
            return new Outcome.SelectNext(new("The application has no PDOL (9F38): not a QuickPass application.", "应用没有 PDOL（9F38），不是云闪付应用。"));
        }

        if (!Dol.TryParse(pdol.Span, out var entries, out var error))
        {
            return new Outcome.EndApplication(new($"The PDOL is malformed: {error}.", $"PDOL 格式有误（偏移 {error.Offset}）。"));
        }

        if (!entries.Any(entry => entry.Tag.Value == Qualifiers))
        {
            return new Outcome.SelectNext(new("The PDOL does not ask for the TTQ (9F66).", "PDOL 未要求 TTQ（9F66）。"));
        }

        if (entries.Sum(entry => (long)entry.Length) > MaxPdolData)
        {
            return new Outcome.EndApplication(new("The PDOL asks for more than one GPO can carry.", "PDOL 要求的数据超出一条 GPO 命令的长度。"));
        }

        command = CommandApdu.Of(0x80, 0xA8, 0x00, 0x00, BerTlv.Encode(CommandTemplate, Dol.Build(entries, data.Value)));
        return null;
    }

    /// <summary>What the status word and the template mean (protocols.md 2.3); null and the template's content when the card goes on.</summary>
    public static Outcome? Interpret(ResponseApdu answer, out ReadOnlyMemory<byte> content)
    {
        content = default;
        switch (answer.Status.Value)
        {
            case 0x9000:
                break;
            case 0x6984:
                return new Outcome.TryAnotherInterface(new("The card wants another interface (6984).", "卡片要求改用其他方式（6984）。"));
            case 0x6985:
                return new Outcome.SelectNext(new("The card does not take this transaction (6985).", "卡片不接受本次交易（6985）。"));
            case 0x6986:
                return new Outcome.SeePhone(new("The phone has no verified fingerprint for this tap (6986): the holder must look at the phone.", "手机尚未验证指纹（6986），请持卡人看手机。"));
            default:
                return new Outcome.EndApplication(new($"The card answered {answer.Status}.", $"卡片返回 {answer.Status}。"));
        }

        // Format 1 (tag 80) has no place in qPBOC.
        if (!BerTlv.TryRead(answer.Data.Span, out var tag, out var value, out var consumed, out var error))
        {
            return new Outcome.EndApplication(new($"The answer to GPO is malformed: {error}.", $"GPO 应答格式有误（偏移 {error.Offset}）。"));
        }

        if (tag != ResponseFormat2 || !BerTlv.TryCheck(value, out _))
        {
            return new Outcome.EndApplication(new("The answer to GPO is not a well-formed template 77.", "GPO 应答不是正确的 77 模板。"));
        }

        content = answer.Data.Slice(consumed - value.Length, value.Length);
        return null;
    }
}
