using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Core.Emv;

/// <summary>One meaning of one bit, or of one value of several bits.</summary>
/// <param name="Byte">From 1, the first on the wire.</param>
/// <param name="High">Highest bit, 8 to 1.</param>
/// <param name="Low">Lowest bit; the same as <paramref name="High"/> for a flag.</param>
/// <param name="Value">What the bits must read for this row to apply; null: always, and the number itself is shown.</param>
/// <param name="Property">What the typed view calls the flag; null for values of several bits.</param>
public sealed record BitRow(int Byte, int High, int Low, int? Value, string? Property, Text Meaning)
{
    public bool IsFlag => High == Low;

    /// <summary><c>B2 b8</c>, or <c>B2 b6-5</c>.</summary>
    public string Label => IsFlag ? $"B{Byte} b{High}" : $"B{Byte} b{High}-{Low}";

    public int Mask => ((1 << (High - Low + 1)) - 1) << (Low - 1);

    /// <summary>What the row's bits read in <paramref name="bytes"/>, shifted down.</summary>
    public int Read(ReadOnlySpan<byte> bytes) => (bytes[Byte - 1] & Mask) >> (Low - 1);
}

/// <summary>The bits of one data element.</summary>
/// <param name="Tag">Null for what lies inside another element.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Source">Where it is written.</param>
public sealed record BitTable(string Label, Tag? Tag, int Length, Text Name, string Source, IReadOnlyList<BitRow> Rows);

/// <summary>The bit layouts of the contactless subset, one row a line, in the standards' order. Decoders, documents and typed views all come from these.</summary>
public static class BitTables
{
    public static readonly BitTable TerminalTransactionQualifiers = new("TTQ", 0x9F66, 4, new("Terminal transaction qualifiers (TTQ)", "终端交易属性"), "EMV Contactless Book C-7; PBOC 3.0 part 12",
    [
        Flag(1, 8, nameof(Emv.TerminalTransactionQualifiers.MagneticStripeModeSupported), "contactless magnetic stripe mode supported", "支持非接触式磁条模式"),
        Flag(1, 7, nameof(Emv.TerminalTransactionQualifiers.FullContactlessSupported), "full contactless debit/credit supported", "支持非接触式标准借贷记"),
        Flag(1, 6, nameof(Emv.TerminalTransactionQualifiers.QpbocSupported), "qPBOC (EMV mode) supported", "支持 qPBOC"),
        Flag(1, 5, nameof(Emv.TerminalTransactionQualifiers.ContactSupported), "contact debit/credit supported", "支持接触式借贷记"),
        Flag(1, 4, nameof(Emv.TerminalTransactionQualifiers.OfflineOnly), "reader is offline only", "终端仅支持脱机"),
        Flag(1, 3, nameof(Emv.TerminalTransactionQualifiers.OnlinePinSupported), "online PIN supported", "支持联机 PIN"),
        Flag(1, 2, nameof(Emv.TerminalTransactionQualifiers.SignatureSupported), "signature supported", "支持签名"),
        Flag(1, 1, nameof(Emv.TerminalTransactionQualifiers.OfflineAuthenticationForOnlineSupported), "offline data authentication for online authorisations supported", "支持联机授权的脱机数据认证"),
        Flag(2, 8, nameof(Emv.TerminalTransactionQualifiers.OnlineCryptogramRequired), "online cryptogram required", "要求联机密文"),
        Flag(2, 7, nameof(Emv.TerminalTransactionQualifiers.CvmRequired), "cardholder verification required", "要求持卡人验证"),
        Flag(2, 6, nameof(Emv.TerminalTransactionQualifiers.OfflinePinSupported), "offline PIN supported (contact chip)", "支持脱机 PIN（接触式芯片）"),
        Flag(3, 8, nameof(Emv.TerminalTransactionQualifiers.IssuerUpdateSupported), "issuer update processing supported", "支持发卡机构更新处理"),
        Flag(3, 7, nameof(Emv.TerminalTransactionQualifiers.CdcvmSupported), "consumer device verification (CDCVM) supported", "支持持卡人设备验证（CDCVM）"),
        Flag(4, 8, nameof(Emv.TerminalTransactionQualifiers.Fdda01Supported), "fDDA version 01 supported", "支持 fDDA 01 版本"),
    ]);

    public static readonly BitTable CardTransactionQualifiers = new("CTQ", 0x9F6C, 2, new("Card transaction qualifiers (CTQ)", "卡片交易属性"), "EMV Contactless Book C-7; PBOC 3.0 part 12",
    [
        Flag(1, 8, nameof(Emv.CardTransactionQualifiers.OnlinePinRequired), "online PIN required", "需要联机 PIN"),
        Flag(1, 7, nameof(Emv.CardTransactionQualifiers.SignatureRequired), "signature required", "需要签名"),
        Flag(1, 6, nameof(Emv.CardTransactionQualifiers.GoOnlineIfAuthenticationFails), "go online if offline data authentication fails and the reader can", "脱机数据认证失败且终端可联机时，转联机"),
        Flag(1, 5, nameof(Emv.CardTransactionQualifiers.SwitchInterfaceIfAuthenticationFails), "switch interface if offline data authentication fails and the reader has a contact slot", "脱机数据认证失败且终端支持接触式时，改用接触界面"),
        Flag(1, 4, nameof(Emv.CardTransactionQualifiers.GoOnlineIfExpired), "go online if the application has expired", "应用已失效时转联机"),
        Flag(1, 3, nameof(Emv.CardTransactionQualifiers.SwitchInterfaceForCash), "switch interface for cash", "取现交易改用其他界面"),
        Flag(1, 2, nameof(Emv.CardTransactionQualifiers.SwitchInterfaceForCashback), "switch interface for cashback", "返现交易改用其他界面"),
        Flag(1, 1, nameof(Emv.CardTransactionQualifiers.NotValidAtContactlessAtm), "not valid for contactless ATM transactions", "不可用于非接触式 ATM 交易"),
        Flag(2, 8, nameof(Emv.CardTransactionQualifiers.CdcvmPerformed), "consumer device verification (CDCVM) performed", "已完成持卡人设备验证（CDCVM）"),
        Flag(2, 7, nameof(Emv.CardTransactionQualifiers.IssuerUpdateSupported), "card supports issuer update at the point of sale", "卡片支持在销售点进行发卡机构更新"),
    ]);

    public static readonly BitTable CardAdditionalProcesses = new("9F68", 0x9F68, 4, new("Card additional processes", "卡片附加处理"), "PBOC 3.0 part 12",
    [
        Flag(1, 8, nameof(Emv.CardAdditionalProcesses.LowValueCheckSupported), "low-value check (electronic cash) supported", "支持小额检查（电子现金）"),
        Flag(1, 7, nameof(Emv.CardAdditionalProcesses.LowValueAndCumulativeCheckSupported), "low-value and cumulative total (CTTA) check supported", "支持小额和 CTTA 检查"),
        Flag(1, 6, nameof(Emv.CardAdditionalProcesses.LowValueOrCumulativeCheckSupported), "low-value or cumulative total (CTTA) check supported", "支持小额或 CTTA 检查"),
        Flag(1, 5, nameof(Emv.CardAdditionalProcesses.NewCardCheckSupported), "new card check supported", "支持新卡检查"),
        Flag(1, 4, nameof(Emv.CardAdditionalProcesses.PinTryExceededCheckSupported), "PIN tries exceeded check supported", "支持 PIN 重试次数超过检查"),
        Flag(1, 3, nameof(Emv.CardAdditionalProcesses.OfflineAllowedInOtherCurrency), "offline allowed in a currency that does not match", "允许货币不匹配的脱机交易"),
        Flag(1, 2, nameof(Emv.CardAdditionalProcesses.ContactOnlinePreferred), "contact interface preferred for online", "优先选择接触式联机"),
        Flag(1, 1, nameof(Emv.CardAdditionalProcesses.AvailableOfflineAmountReturned), "available offline amount (9F5D) returned", "返回可用脱机消费金额（9F5D）"),
        Flag(2, 8, nameof(Emv.CardAdditionalProcesses.Prepaid), "prepaid card", "预付卡"),
        Flag(2, 7, nameof(Emv.CardAdditionalProcesses.CurrencyMismatchRefused), "transactions in a currency that does not match are refused", "不允许货币不匹配的交易"),
        Flag(2, 6, nameof(Emv.CardAdditionalProcesses.NewCardDeclinedOffline), "decline if new card and the reader is offline only", "新卡且终端仅支持脱机时拒绝"),
        Flag(2, 5, nameof(Emv.CardAdditionalProcesses.OfflineApprovalsLogged), "approved offline qPBOC transactions are logged", "记录脱机批准的 qPBOC 交易"),
        Flag(3, 8, nameof(Emv.CardAdditionalProcesses.OnlinePinSupported), "online PIN supported (matching currency)", "匹配货币的交易支持联机 PIN"),
        Flag(3, 7, nameof(Emv.CardAdditionalProcesses.OnlinePinSupportedInOtherCurrency), "online PIN supported (currency that does not match)", "不匹配货币的交易支持联机 PIN"),
        Flag(3, 6, nameof(Emv.CardAdditionalProcesses.CvmAlwaysRequiredInOtherCurrency), "cardholder verification always required in a currency that does not match", "不匹配货币的交易始终要求 CVM"),
        Flag(3, 5, nameof(Emv.CardAdditionalProcesses.SignatureSupported), "signature supported", "支持签名"),
    ]);

    public static readonly BitTable ApplicationInterchangeProfile = new("AIP", 0x82, 2, new("Application interchange profile (AIP)", "应用交互特征"), "EMV Book 3 annex C1",
    [
        Flag(1, 7, nameof(Emv.ApplicationInterchangeProfile.StaticDataAuthenticationSupported), "static data authentication (SDA) supported", "支持静态数据认证（SDA）"),
        Flag(1, 6, nameof(Emv.ApplicationInterchangeProfile.DynamicDataAuthenticationSupported), "dynamic data authentication (DDA) supported", "支持动态数据认证（DDA）"),
        Flag(1, 5, nameof(Emv.ApplicationInterchangeProfile.CardholderVerificationSupported), "cardholder verification supported", "支持持卡人验证"),
        Flag(1, 4, nameof(Emv.ApplicationInterchangeProfile.TerminalRiskManagementRequired), "terminal risk management to be performed", "执行终端风险管理"),
        Flag(1, 3, nameof(Emv.ApplicationInterchangeProfile.IssuerAuthenticationSupported), "issuer authentication (EXTERNAL AUTHENTICATE) supported", "支持发卡机构认证"),
        Flag(1, 2, nameof(Emv.ApplicationInterchangeProfile.OnDeviceVerificationSupported), "on-device cardholder verification supported", "支持设备端持卡人验证"),
        Flag(1, 1, nameof(Emv.ApplicationInterchangeProfile.CombinedAuthenticationSupported), "combined data authentication (CDA) supported", "支持复合动态数据认证（CDA）"),
        Flag(2, 8, nameof(Emv.ApplicationInterchangeProfile.EmvModeSupported), "EMV mode supported (other kernels)", "支持 EMV 模式（其他内核）"),
    ]);

    public static readonly BitTable TerminalVerificationResults = new("TVR", 0x95, 5, new("Terminal verification results (TVR)", "终端验证结果"), "EMV Book 3 annex C5",
    [
        Flag(1, 8, nameof(Emv.TerminalVerificationResults.OfflineAuthenticationNotPerformed), "offline data authentication was not performed", "未进行脱机数据认证"),
        Flag(1, 7, nameof(Emv.TerminalVerificationResults.StaticAuthenticationFailed), "SDA failed", "脱机静态数据认证失败"),
        Flag(1, 6, nameof(Emv.TerminalVerificationResults.CardDataMissing), "ICC data missing", "IC 卡数据缺失"),
        Flag(1, 5, nameof(Emv.TerminalVerificationResults.OnExceptionFile), "card appears on the terminal exception file", "卡片出现在终端异常文件中"),
        Flag(1, 4, nameof(Emv.TerminalVerificationResults.DynamicAuthenticationFailed), "DDA failed", "脱机动态数据认证失败"),
        Flag(1, 3, nameof(Emv.TerminalVerificationResults.CombinedAuthenticationFailed), "CDA failed", "复合动态数据认证失败"),
        Flag(1, 2, nameof(Emv.TerminalVerificationResults.StaticAuthenticationSelected), "SDA selected", "已选择静态数据认证"),
        Flag(2, 8, nameof(Emv.TerminalVerificationResults.VersionsDiffer), "ICC and terminal have different application versions", "IC 卡和终端应用版本不一致"),
        Flag(2, 7, nameof(Emv.TerminalVerificationResults.ApplicationExpired), "expired application", "应用已失效"),
        Flag(2, 6, nameof(Emv.TerminalVerificationResults.ApplicationNotYetEffective), "application not yet effective", "应用尚未生效"),
        Flag(2, 5, nameof(Emv.TerminalVerificationResults.ServiceNotAllowed), "requested service not allowed for the card product", "卡片产品不允许所请求的服务"),
        Flag(2, 4, nameof(Emv.TerminalVerificationResults.NewCard), "new card", "新卡"),
        Flag(3, 8, nameof(Emv.TerminalVerificationResults.VerificationFailed), "cardholder verification was not successful", "持卡人验证失败"),
        Flag(3, 7, nameof(Emv.TerminalVerificationResults.VerificationMethodUnknown), "unrecognised CVM", "未知的 CVM"),
        Flag(3, 6, nameof(Emv.TerminalVerificationResults.PinTriesExceeded), "PIN try limit exceeded", "PIN 重试次数超限"),
        Flag(3, 5, nameof(Emv.TerminalVerificationResults.PinPadMissing), "PIN required, PIN pad not present or not working", "要求输入 PIN，但无 PIN 键盘或键盘故障"),
        Flag(3, 4, nameof(Emv.TerminalVerificationResults.PinNotEntered), "PIN required, PIN pad present, PIN not entered", "要求输入 PIN，有键盘但未输入"),
        Flag(3, 3, nameof(Emv.TerminalVerificationResults.OnlinePinEntered), "online PIN entered", "已输入联机 PIN"),
        Flag(4, 8, nameof(Emv.TerminalVerificationResults.OverFloorLimit), "transaction exceeds the floor limit", "交易超过最低限额"),
        Flag(4, 7, nameof(Emv.TerminalVerificationResults.LowerOfflineLimitExceeded), "lower consecutive offline limit exceeded", "超过连续脱机交易下限"),
        Flag(4, 6, nameof(Emv.TerminalVerificationResults.UpperOfflineLimitExceeded), "upper consecutive offline limit exceeded", "超过连续脱机交易上限"),
        Flag(4, 5, nameof(Emv.TerminalVerificationResults.RandomlySelectedOnline), "transaction selected randomly for online processing", "交易被随机选择联机处理"),
        Flag(4, 4, nameof(Emv.TerminalVerificationResults.MerchantForcedOnline), "merchant forced the transaction online", "商户要求联机处理"),
        Flag(5, 8, nameof(Emv.TerminalVerificationResults.DefaultTdolUsed), "default TDOL used", "使用缺省 TDOL"),
        Flag(5, 7, nameof(Emv.TerminalVerificationResults.IssuerAuthenticationFailed), "issuer authentication failed", "发卡机构认证失败"),
        Flag(5, 6, nameof(Emv.TerminalVerificationResults.ScriptFailedBeforeFinal), "script processing failed before the final GENERATE AC", "最后一次 GENERATE AC 之前脚本处理失败"),
        Flag(5, 5, nameof(Emv.TerminalVerificationResults.ScriptFailedAfterFinal), "script processing failed after the final GENERATE AC", "最后一次 GENERATE AC 之后脚本处理失败"),
    ]);

    public static readonly BitTable TransactionStatusInformation = new("TSI", 0x9B, 2, new("Transaction status information (TSI)", "交易状态信息"), "EMV Book 3 annex C6",
    [
        Flag(1, 8, nameof(Emv.TransactionStatusInformation.OfflineAuthenticationPerformed), "offline data authentication was performed", "已进行脱机数据认证"),
        Flag(1, 7, nameof(Emv.TransactionStatusInformation.CardholderVerificationPerformed), "cardholder verification was performed", "已进行持卡人验证"),
        Flag(1, 6, nameof(Emv.TransactionStatusInformation.CardRiskManagementPerformed), "card risk management was performed", "已进行卡片风险管理"),
        Flag(1, 5, nameof(Emv.TransactionStatusInformation.IssuerAuthenticationPerformed), "issuer authentication was performed", "已进行发卡机构认证"),
        Flag(1, 4, nameof(Emv.TransactionStatusInformation.TerminalRiskManagementPerformed), "terminal risk management was performed", "已进行终端风险管理"),
        Flag(1, 3, nameof(Emv.TransactionStatusInformation.ScriptProcessingPerformed), "script processing was performed", "已进行脚本处理"),
    ]);

    public static readonly BitTable CardVerificationResults = new("CVR", null, 4, new("Card verification results (CVR, in 9F10)", "卡片验证结果（在 9F10 中）"), "PBOC 3.0 part 5",
    [
        Field(1, 8, 1, 0x03, "three bytes follow", "后随三字节"),
        Field(2, 8, 7, 0, "second GENERATE AC: AAC", "第二次 GENERATE AC 返回 AAC"),
        Field(2, 8, 7, 1, "second GENERATE AC: TC", "第二次 GENERATE AC 返回 TC"),
        Field(2, 8, 7, 2, "second GENERATE AC not requested", "未请求第二次 GENERATE AC"),
        Field(2, 6, 5, 0, "first cryptogram: AAC (declined)", "首次密文为 AAC（拒绝）"),
        Field(2, 6, 5, 1, "first cryptogram: TC (approved offline)", "首次密文为 TC（脱机批准）"),
        Field(2, 6, 5, 2, "first cryptogram: ARQC (online asked)", "首次密文为 ARQC（请求联机）"),
        Flag(2, 4, nameof(Emv.CardVerificationResults.IssuerAuthenticationFailed), "issuer authentication performed and failed", "已进行发卡机构认证但失败"),
        Flag(2, 3, nameof(Emv.CardVerificationResults.OfflinePinPerformed), "offline PIN performed", "已进行脱机 PIN 验证"),
        Flag(2, 2, nameof(Emv.CardVerificationResults.OfflinePinFailed), "offline PIN failed", "脱机 PIN 验证失败"),
        Flag(2, 1, nameof(Emv.CardVerificationResults.UnableToGoOnline), "unable to go online", "无法联机"),
        Flag(3, 8, nameof(Emv.CardVerificationResults.LastOnlineNotCompleted), "last online transaction not completed", "上次联机交易未完成"),
        Flag(3, 7, nameof(Emv.CardVerificationResults.PinTriesExceeded), "PIN try limit exceeded", "PIN 重试次数超限"),
        Flag(3, 6, nameof(Emv.CardVerificationResults.VelocityCountersExceeded), "velocity counters exceeded", "频度检查计数器超限"),
        Flag(3, 5, nameof(Emv.CardVerificationResults.NewCard), "new card", "新卡"),
        Flag(3, 4, nameof(Emv.CardVerificationResults.IssuerAuthenticationFailedLastOnline), "issuer authentication failed on the last online transaction", "上次联机交易发卡机构认证失败"),
        Flag(3, 3, nameof(Emv.CardVerificationResults.IssuerAuthenticationMissingAfterOnline), "issuer authentication not performed after online authorisation", "联机授权后未进行发卡机构认证"),
        Flag(3, 2, nameof(Emv.CardVerificationResults.BlockedByPinTries), "application blocked because PIN tries were exceeded", "因 PIN 重试次数超限应用已锁定"),
        Flag(3, 1, nameof(Emv.CardVerificationResults.StaticAuthenticationFailedLast), "offline SDA failed on the last transaction and it was declined", "上次交易脱机静态数据认证失败并被拒绝"),
        Count(4, 8, 5, "script commands received after the final GENERATE AC of the last transaction", "上次交易最后一次 GENERATE AC 后收到的脚本命令数"),
        Flag(4, 4, nameof(Emv.CardVerificationResults.LastScriptFailed), "last script failed", "上次脚本处理失败"),
        Flag(4, 3, nameof(Emv.CardVerificationResults.DynamicAuthenticationFailedLast), "offline DDA failed on the last transaction and it was declined", "上次交易脱机动态数据认证失败并被拒绝"),
        Flag(4, 2, nameof(Emv.CardVerificationResults.DynamicAuthenticationPerformed), "offline DDA performed", "已进行脱机动态数据认证"),
    ]);

    public static readonly BitTable CryptogramInformationData = new("CID", 0x9F27, 1, new("Cryptogram information data (CID)", "密文信息数据"), "EMV Book 3 §6.5.5.4",
    [
        Field(1, 8, 7, 0, "AAC: declined", "AAC：拒绝"),
        Field(1, 8, 7, 1, "TC: approved offline", "TC：脱机批准"),
        Field(1, 8, 7, 2, "ARQC: online authorisation asked", "ARQC：请求联机授权"),
        Flag(1, 4, nameof(Emv.CryptogramInformationData.AdviceRequired), "advice required", "需要通知"),
        Field(1, 3, 1, 1, "reason: service not allowed", "原因：不允许该服务"),
        Field(1, 3, 1, 2, "reason: PIN try limit exceeded", "原因：PIN 重试次数超限"),
        Field(1, 3, 1, 3, "reason: issuer authentication failed", "原因：发卡机构认证失败"),
    ]);

    public static readonly BitTable CvmResults = new("9F34", 0x9F34, 3, new("CVM results", "持卡人验证方法结果"), "EMV Book 3 annex C3; EMV Book 4 annex A4",
    [
        Flag(1, 7, nameof(Emv.CvmResults.NextIfFails), "try the next method if this one fails", "此方法失败则尝试下一方法"),
        Field(1, 6, 1, 0x00, "fail CVM processing", "CVM 失败处理"),
        Field(1, 6, 1, 0x01, "plaintext PIN verified by the card", "卡片明文 PIN 验证"),
        Field(1, 6, 1, 0x02, "online PIN", "联机 PIN"),
        Field(1, 6, 1, 0x03, "plaintext PIN by the card and signature", "卡片明文 PIN 验证并签名"),
        Field(1, 6, 1, 0x04, "enciphered PIN verified by the card", "卡片密文 PIN 验证"),
        Field(1, 6, 1, 0x05, "enciphered PIN by the card and signature", "卡片密文 PIN 验证并签名"),
        Field(1, 6, 1, 0x1E, "signature", "签名"),
        Field(1, 6, 1, 0x1F, "no CVM required", "无需 CVM"),
        Field(1, 6, 1, 0x20, "holder's identity document (PBOC)", "持卡人证件出示（PBOC）"),
        Field(1, 6, 1, 0x3F, "no CVM performed", "未执行 CVM"),
        Field(2, 8, 1, 0x00, "condition: always", "条件：总是"),
        Field(2, 8, 1, 0x01, "condition: unattended cash", "条件：无人值守取现"),
        Field(2, 8, 1, 0x02, "condition: not cash, not cashback", "条件：非取现且非返现"),
        Field(2, 8, 1, 0x03, "condition: terminal supports the method", "条件：终端支持该方法"),
        Field(2, 8, 1, 0x04, "condition: manual cash", "条件：人工取现"),
        Field(2, 8, 1, 0x05, "condition: purchase with cashback", "条件：消费返现"),
        Field(2, 8, 1, 0x06, "condition: application currency and under amount X", "条件：应用货币且金额低于 X"),
        Field(2, 8, 1, 0x07, "condition: application currency and over amount X", "条件：应用货币且金额高于 X"),
        Field(2, 8, 1, 0x08, "condition: application currency and under amount Y", "条件：应用货币且金额低于 Y"),
        Field(2, 8, 1, 0x09, "condition: application currency and over amount Y", "条件：应用货币且金额高于 Y"),
        Field(3, 8, 1, 0x00, "result unknown", "结果未知"),
        Field(3, 8, 1, 0x01, "failed", "失败"),
        Field(3, 8, 1, 0x02, "successful", "成功"),
    ]);

    public static readonly BitTable TerminalCapabilities = new("9F33", 0x9F33, 3, new("Terminal capabilities", "终端性能"), "EMV Book 4 annex A2",
    [
        Flag(1, 8, nameof(Emv.TerminalCapabilities.ManualKeyEntry), "manual key entry", "键盘输入"),
        Flag(1, 7, nameof(Emv.TerminalCapabilities.MagneticStripe), "magnetic stripe", "磁条"),
        Flag(1, 6, nameof(Emv.TerminalCapabilities.ContactChip), "IC with contacts", "接触式 IC 卡"),
        Flag(2, 8, nameof(Emv.TerminalCapabilities.PlaintextPin), "plaintext PIN for verification by the card", "IC 卡明文 PIN 验证"),
        Flag(2, 7, nameof(Emv.TerminalCapabilities.OnlinePin), "enciphered PIN for online verification", "联机加密 PIN 验证"),
        Flag(2, 6, nameof(Emv.TerminalCapabilities.Signature), "signature (paper)", "签名（纸质）"),
        Flag(2, 5, nameof(Emv.TerminalCapabilities.EncipheredOfflinePin), "enciphered PIN for offline verification", "脱机密文 PIN 验证"),
        Flag(2, 4, nameof(Emv.TerminalCapabilities.NoCvm), "no CVM required", "无需 CVM"),
        Flag(2, 1, nameof(Emv.TerminalCapabilities.IdentityDocument), "holder's identity document (PBOC)", "持卡人证件验证（PBOC）"),
        Flag(3, 8, nameof(Emv.TerminalCapabilities.StaticDataAuthentication), "SDA", "静态数据认证（SDA）"),
        Flag(3, 7, nameof(Emv.TerminalCapabilities.DynamicDataAuthentication), "DDA", "动态数据认证（DDA）"),
        Flag(3, 6, nameof(Emv.TerminalCapabilities.CardCapture), "card capture", "吞卡"),
        Flag(3, 4, nameof(Emv.TerminalCapabilities.CombinedDataAuthentication), "CDA", "复合动态数据认证（CDA）"),
    ]);

    /// <summary>All of them, in the order of the documents.</summary>
    public static readonly IReadOnlyList<BitTable> All = [TerminalTransactionQualifiers, CardTransactionQualifiers, CardAdditionalProcesses, ApplicationInterchangeProfile, TerminalVerificationResults, TransactionStatusInformation, CardVerificationResults, CryptogramInformationData, CvmResults, TerminalCapabilities];

    /// <summary>The table of a tag, or null.</summary>
    public static BitTable? Of(Tag tag)
    {
        foreach (var table in All)
        {
            if (table.Tag == tag)
            {
                return table;
            }
        }

        return null;
    }

    private static BitRow Flag(int @byte, int bit, string property, string en, string zh) => new(@byte, bit, bit, 1, property, new Text(en, zh));

    private static BitRow Field(int @byte, int high, int low, int value, string en, string zh) => new(@byte, high, low, value, null, new Text(en, zh));

    private static BitRow Count(int @byte, int high, int low, string en, string zh) => new(@byte, high, low, null, null, new Text(en, zh));
}
