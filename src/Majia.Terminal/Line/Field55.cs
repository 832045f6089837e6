using System.Text;
using Majia.Core.Tlv;
using Majia.Terminal.Kernel;

namespace Majia.Terminal.Line;

/// <summary>Chip data of a request (protocols.md 6.5), one tag a line, in the order the field uses.</summary>
public static class Field55
{
    private static readonly Tag[] RequestTags =
    [
        0x9F26, // application cryptogram
        0x9F27, // cryptogram information, set by the terminal for qPBOC
        0x9F10, // issuer application data
        0x9F37, // unpredictable number
        0x9F36, // ATC
        0x95, // TVR as the card signed it
        0x9A, // date
        0x9C, // type
        0x9F02, // amount
        0x5F2A, // currency
        0x82, // AIP
        0x9F1A, // country
        0x9F03, // amount, other
        0x9F33, // terminal capabilities
        0x9F34, // CVM results
        0x9F35, // terminal type
        0x9F1E, // interface device serial number
        0x84, // AID selected
        0x9F09, // application version
        0x9F41, // transaction sequence counter: the trace number
        0x9F63, // product identification, when the card gave it
        0x9F19, // token requestor, when the card gave it: the token service holds it against the token's own
    ];

    private static readonly Tag[] ReversalTags = [0x95, 0x9F1E, 0x9F10, 0x9F36];

    public static byte[] Request(CardAnswer card, CvmResult cvm, string terminalId, string stan) => Build(RequestTags, card, cvm, terminalId, stan);

    public static byte[] Reversal(CardAnswer card, string terminalId) => Build(ReversalTags, card, CvmResult.None, terminalId, string.Empty);

    private static byte[] Build(Tag[] tags, CardAnswer card, CvmResult cvm, string terminalId, string stan)
    {
        var bytes = new List<byte>(160);
        foreach (var tag in tags)
        {
            var value = tag.Value switch
            {
                0x9F26 => card.Cryptogram,
                0x9F27 => new[] { Information(card.Kind) },
                0x9F10 => card.IssuerApplicationData,
                0x9F36 => card.TransactionCounter,
                0x82 => card.InterchangeProfile,
                0x9F34 => card.Terminal.HolderVerification ?? cvm.Tag9F34().ToBytes(),
                0x9F1E => Encoding.ASCII.GetBytes(terminalId),
                0x84 => Convert.FromHexString(card.Aid),
                0x9F41 => Convert.FromHexString(stan.PadLeft(8, '0')),
                0x9F63 => card.ProductIdentification,
                0x9F19 => card.TokenRequestor,
                _ => card.Terminal.Value(tag) ?? default,
            };
            if (!value.IsEmpty)
            {
                bytes.AddRange(BerTlv.Encode(tag, value.Span));
            }
        }

        return [.. bytes];
    }

    private static byte Information(CryptogramKind kind) => kind switch
    {
        CryptogramKind.OnlineRequest => 0x80,
        CryptogramKind.ApprovedOffline => 0x40,
        _ => 0x00,
    };
}
