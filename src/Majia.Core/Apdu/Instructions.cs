using Majia.Core.Primitives;

namespace Majia.Core.Apdu;

/// <summary>The commands of this system, by the standards' names.</summary>
public enum Instruction
{
    Select,
    ReadRecord,
    GetResponse,
    GetData,
    PutData,
    UpdateRecord,
    Verify,
    GetChallenge,
    IssuerAuthenticate,
    InternalAuthenticate,
    GetProcessingOptions,
    GenerateAc,
    CardBlock,
    ApplicationUnblock,
    ApplicationBlock,
    PinChange,
    InitializeUpdate,
    ExternalAuthenticate,
    Install,
    Load,
    StoreData,
    PutKey,
    Delete,
    GetStatus,
    SetStatus,
    BindingChallenge,
    BindingAuthorise,
    BindingCancel,
    BindingPurge,
}

/// <summary>One command.</summary>
/// <param name="Proprietary">Class 8x instead of 0x.</param>
/// <param name="AnswersTlv">The answer is BER-TLV when it is 9000.</param>
public sealed record InstructionRow(Instruction Instruction, bool Proprietary, byte Ins, string Name, Text Meaning, bool AnswersTlv);

/// <summary>Instruction table: ISO/IEC 7816-4, EMV Book 3 §6.5, GlobalPlatform Card Specification §11, and the binding applet's own.</summary>
public static class Instructions
{
    private const bool Iso = false, Own = true, Tlv = true, Raw = false;

    public static readonly IReadOnlyList<InstructionRow> Rows =
    [
        new(Instruction.Select, Iso, 0xA4, "SELECT", new("choose an application", "选择应用"), Tlv),
        new(Instruction.ReadRecord, Iso, 0xB2, "READ RECORD", new("read a record of a file", "读记录"), Tlv),
        new(Instruction.GetResponse, Iso, 0xC0, "GET RESPONSE", new("fetch the rest of an answer", "取响应数据"), Tlv),
        new(Instruction.GetData, Iso, 0xCA, "GET DATA", new("read one data element", "取数据"), Tlv),
        new(Instruction.PutData, Iso, 0xDA, "PUT DATA", new("write one data element", "存放数据"), Raw),
        new(Instruction.UpdateRecord, Iso, 0xDC, "UPDATE RECORD", new("write a record of a file", "更新记录"), Raw),
        new(Instruction.Verify, Iso, 0x20, "VERIFY", new("check the cardholder's PIN", "验证 PIN"), Raw),
        new(Instruction.GetChallenge, Iso, 0x84, "GET CHALLENGE", new("ask for a random number", "取随机数"), Raw),
        new(Instruction.IssuerAuthenticate, Iso, 0x82, "EXTERNAL AUTHENTICATE", new("hand over the issuer's cryptogram", "外部认证（发卡机构）"), Raw),
        new(Instruction.InternalAuthenticate, Iso, 0x88, "INTERNAL AUTHENTICATE", new("ask the card to sign", "内部认证"), Tlv),
        new(Instruction.GetProcessingOptions, Own, 0xA8, "GET PROCESSING OPTIONS", new("start the payment", "获取处理选项，开始交易"), Tlv),
        new(Instruction.GenerateAc, Own, 0xAE, "GENERATE AC", new("ask for an application cryptogram", "生成应用密文"), Tlv),
        new(Instruction.GetData, Own, 0xCA, "GET DATA", new("read one data element", "取数据"), Tlv),
        new(Instruction.CardBlock, Own, 0x16, "CARD BLOCK", new("block the card for good", "卡片锁定"), Raw),
        new(Instruction.ApplicationUnblock, Own, 0x18, "APPLICATION UNBLOCK", new("unblock the application", "应用解锁"), Raw),
        new(Instruction.ApplicationBlock, Own, 0x1E, "APPLICATION BLOCK", new("block the application", "应用锁定"), Raw),
        new(Instruction.PinChange, Own, 0x24, "PIN CHANGE/UNBLOCK", new("change or unblock the PIN", "PIN 修改/解锁"), Raw),
        new(Instruction.InitializeUpdate, Own, 0x50, "INITIALIZE UPDATE", new("open a secure channel", "初始化安全通道"), Raw),
        new(Instruction.ExternalAuthenticate, Own, 0x82, "EXTERNAL AUTHENTICATE", new("prove the host, set the security level", "外部认证，设定安全级别"), Raw),
        new(Instruction.Install, Own, 0xE6, "INSTALL", new("install or prepare an application", "安装应用"), Raw),
        new(Instruction.Load, Own, 0xE8, "LOAD", new("load a piece of code", "装载代码块"), Raw),
        new(Instruction.StoreData, Own, 0xE2, "STORE DATA", new("personalise", "存储个人化数据"), Raw),
        new(Instruction.PutKey, Own, 0xD8, "PUT KEY", new("write keys of a security domain", "写入安全域密钥"), Raw),
        new(Instruction.Delete, Own, 0xE4, "DELETE", new("delete an application or keys", "删除应用或密钥"), Raw),
        new(Instruction.GetStatus, Own, 0xF2, "GET STATUS", new("list what the chip holds", "查询芯片内容状态"), Tlv),
        new(Instruction.SetStatus, Own, 0xF0, "SET STATUS", new("change a life cycle state", "设置生命周期状态"), Raw),
        new(Instruction.BindingChallenge, Own, 0x84, "GET CHALLENGE", new("binding: ask the chip for a challenge", "绑定：取芯片随机数"), Raw),
        new(Instruction.BindingAuthorise, Own, 0x2A, "AUTHORISE", new("binding: the fingerprint allows one payment", "绑定：指纹授权一次支付"), Raw),
        new(Instruction.BindingCancel, Own, 0x2C, "CANCEL", new("binding: take the authorisation back", "绑定：取消授权"), Raw),
        new(Instruction.BindingPurge, Own, 0x2E, "PURGE", new("binding: kill every payment card of before", "绑定：作废此前全部支付卡"), Raw),
    ];

    /// <summary>Secure messaging bits and channel number put aside.</summary>
    public static InstructionRow? Find(byte cla, byte ins)
    {
        // ISO/IEC 7816-4 §5.4.1: classes 0x, 4x interindustry, 8x, Cx proprietary; others are not ours.
        if ((cla & 0x30) != 0)
        {
            return null;
        }

        var proprietary = (cla & 0x80) != 0;
        foreach (var row in Rows)
        {
            if (row.Ins == ins && row.Proprietary == proprietary)
            {
                return row;
            }
        }

        return null;
    }

    /// <summary>The class says that the data is protected: MACed, perhaps encrypted.</summary>
    public static bool IsSecured(byte cla) => (cla & 0x0C) != 0 && (cla & 0x40) == 0;
}
