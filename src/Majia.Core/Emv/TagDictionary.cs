using Majia.Core.Tlv;

namespace Majia.Core.Emv;

/// <summary>Data element formats of EMV Book 3 §4.3.</summary>
public enum TagFormat
{
    N,
    Cn,
    An,
    Ans,
    B,
    Var,
}

/// <summary>What a tag is called, how it is written, and whether it may be kept.</summary>
public static class TagDictionary
{
    public static TagFormat FormatOf(Tag tag) => tag.Value switch
    {
        0x5F24 or 0x5F25 or 0x5F28 or 0x5F2A or 0x5F30 or 0x5F34 or 0x5F36 or 0x9A or 0x9C or 0x9F02 or 0x9F03 or 0x9F15 or 0x9F1A or 0x9F21 or 0x9F35 or 0x9F41 => TagFormat.N,
        0x5A or 0x9F20 => TagFormat.Cn,
        _ => TagFormat.B,
    };
}
