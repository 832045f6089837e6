using Majia.Core.Apdu;

namespace Majia.TokenService.Personalisation;

/// <summary>The commands of GlobalPlatform that the token service sends to its own security domain (protocols.md 5.1), in clear; the channel wraps them.</summary>
public static class ChipScript
{
    /// <summary>The token service's security domain: RID of GlobalPlatform, then MJTS.</summary>
    public static readonly Aid Domain = Aid.Parse("A0000001510000004D4A5453");

    public static readonly Aid PaymentPackage = Aid.Parse("A0000003330101");

    public static readonly Aid PaymentModule = Aid.Parse("A000000333010100");

    /// <summary>C-MAC, C-ENC, R-MAC and R-ENC.</summary>
    public const byte SecurityLevel = 0x33;

    /// <summary>Plain data of one command: with padding and MAC it stays within a short APDU.</summary>
    public const int MaxData = 231;

    public static CommandApdu Select(Aid aid) => CommandApdu.Of(0x00, 0xA4, 0x04, 0x00, aid.Bytes);

    /// <summary>Replaces the initial keys, version 01, by <paramref name="data"/>.</summary>
    public static CommandApdu PutKey(byte[] data) => CommandApdu.Of(0x80, 0xD8, 0x01, 0x81, data);

    public static CommandApdu Delete(Aid instance) => CommandApdu.Of(0x80, 0xE4, 0x00, 0x00, [0x4F, (byte)instance.Bytes.Length, .. instance.Bytes]);

    public static CommandApdu Install(Aid instance) => CommandApdu.Of(0x80, 0xE6, 0x04, 0x00,
    [
        .. Counted(PaymentPackage.Bytes), .. Counted(PaymentModule.Bytes), .. Counted(instance.Bytes),
        0x01, 0x00, // no privileges
        0x02, 0xC9, 0x00, // no application parameters
        0x00, // no install token
    ]);

    public static CommandApdu Personalise(Aid instance) => CommandApdu.Of(0x80, 0xE6, 0x20, 0x00, [0x00, 0x00, .. Counted(instance.Bytes), 0x00, 0x00, 0x00]);

    public static CommandApdu MakeSelectable(Aid instance) => CommandApdu.Of(0x80, 0xE6, 0x08, 0x00, [0x00, 0x00, .. Counted(instance.Bytes), 0x01, 0x00, 0x00, 0x00]);

    /// <summary>STORE DATA of whole groups, as many in one command as fit; the keys first, the last command marked.</summary>
    /// <param name="keys">DGIs 8000 and 9000.</param>
    public static IReadOnlyList<CommandApdu> StoreData(byte[] keys, IReadOnlyList<byte[]> groups)
    {
        var blocks = new List<(byte P1, List<byte> Data)> { (0x60, [.. keys]) };
        foreach (var group in groups)
        {
            if (blocks.Count == 1 || blocks[^1].Data.Count + group.Length > MaxData)
            {
                blocks.Add((0x00, []));
            }

            blocks[^1].Data.AddRange(group);
        }

        return [.. blocks.Select((block, number) => CommandApdu.Of(0x80, 0xE2, (byte)(block.P1 | (number == blocks.Count - 1 ? 0x80 : 0)), (byte)number, block.Data.ToArray()))];
    }

    private static byte[] Counted(ReadOnlySpan<byte> bytes) => [(byte)bytes.Length, .. bytes];
}
