using Majia.Core.Primitives;

namespace Majia.Core.Contracts;

/// <summary>States as a person reads them, in the trace and on every screen.</summary>
public static class StateWords
{
    public static Text Words(this TokenState state) => state switch
    {
        TokenState.Inactive => new("inactive", "未激活"),
        TokenState.Active => new("active", "已激活"),
        TokenState.Suspended => new("suspended", "已暂停"),
        _ => new("deactivated", "已注销"),
    };

    public static Text Words(this EnrolmentState state) => state switch
    {
        EnrolmentState.Provisioning => new("being written to the chip", "正在写入芯片"),
        EnrolmentState.VerificationRequired => new("waiting for the bank's code", "等待银行验证码"),
        EnrolmentState.Activating => new("verified, the chip is told next", "验证通过，正在通知芯片"),
        EnrolmentState.Active => new("live", "可以使用"),
        EnrolmentState.Suspended => new("suspended", "已暂停"),
        EnrolmentState.Deleted => new("deleted", "已删除"),
        _ => new("failed", "添加失败"),
    };
}
