using System.Runtime.InteropServices;
using Majia.Core.Primitives;

namespace Majia.Host.SmartCards;

/// <summary>The machine's smart-card service cannot be used; the message says what to do.</summary>
public sealed class PcscException(Text why, PcscStatus status = PcscStatus.Success) : Exception(why.En)
{
    public Text Why { get; } = why;

    public PcscStatus Status { get; } = status;
}

/// <summary>Return values of PC/SC part 5 §2, those that a terminal meets.</summary>
public enum PcscStatus : uint
{
    Success = 0,
    Cancelled = 0x80100002,
    InsufficientBuffer = 0x80100008,
    UnknownReader = 0x80100009,
    Timeout = 0x8010000A,
    SharingViolation = 0x8010000B,
    NoSmartcard = 0x8010000C,
    ProtocolMismatch = 0x8010000F,
    CommunicationError = 0x80100013,
    NotTransacted = 0x80100016,
    ReaderUnavailable = 0x80100017,
    NoService = 0x8010001D,
    ServiceStopped = 0x8010001E,
    NoReadersAvailable = 0x8010002E,
    UnsupportedCard = 0x80100065,
    UnresponsiveCard = 0x80100066,
    UnpoweredCard = 0x80100067,
    ResetCard = 0x80100068,
    RemovedCard = 0x80100069,
}

/// <summary>What a reader's slot is known to be in, and what it is in now.</summary>
[Flags]
public enum ReaderStates : uint
{
    Unaware = 0x0000,
    Ignore = 0x0001,
    Changed = 0x0002,
    Unknown = 0x0004,
    Unavailable = 0x0008,
    Empty = 0x0010,
    Present = 0x0020,
    Exclusive = 0x0080,
    InUse = 0x0100,
    Mute = 0x0200,
}

/// <summary>A reader as one call of SCardGetStatusChange sees it.</summary>
public sealed record ReaderSlot(string Name, ReaderStates Known, ReaderStates Now)
{
    /// <summary>pcscd counts insertions and removals in the upper half of a state: two presentations never have the same number.</summary>
    public uint Presentation => (uint)Now >> 16;

    public bool HasCard => (Now & (ReaderStates.Present | ReaderStates.Mute)) == ReaderStates.Present;
}

/// <summary>PC/SC of the machine: <c>libpcsclite.so.1</c>, which talks to pcscd. One context; a card's handle is <see cref="PcscCard"/>.</summary>
/// <remarks>On 64-bit Linux LONG and DWORD of pcsclite have eight bytes (pcsclite.h, wintypes.h).</remarks>
public sealed partial class PcscLibrary : IDisposable
{
    private const string Library = "libpcsclite.so.1";

    private const int AtrLength = 33;

    private const nuint ScopeSystem = 2;

    private readonly nint context;
    private bool disposed;

    private PcscLibrary(nint context) => this.context = context;

    /// <exception cref="PcscException">No library, or no service.</exception>
    public static PcscLibrary Open()
    {
        try
        {
            Check(EstablishContext(ScopeSystem, 0, 0, out var context), new("the smart-card service", "智能卡服务"));
            return new PcscLibrary(context);
        }
        catch (DllNotFoundException)
        {
            throw new PcscException(new($"{Library} is not on this machine: install pcscd (Debian: apt-get install pcscd)", $"本机没有 {Library}：请安装 pcscd（Debian：apt-get install pcscd）"));
        }
    }

    /// <summary>Names of the readers that are connected now; empty when there is none.</summary>
    public IReadOnlyList<string> Readers()
    {
        nuint length = 0;
        var status = Status(ListReaders(context, 0, null, ref length));
        if (status == PcscStatus.NoReadersAvailable)
        {
            return [];
        }

        Check(status, new("the list of readers", "读卡器列表"));
        var names = new byte[length];
        status = Status(ListReaders(context, 0, names, ref length));
        if (status is PcscStatus.NoReadersAvailable or PcscStatus.InsufficientBuffer)
        {
            return []; // one came or went between the two calls: the next round sees it
        }

        Check(status, new("the list of readers", "读卡器列表"));
        return System.Text.Encoding.UTF8.GetString(names, 0, (int)length).Split('\0', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Waits until a slot differs from what is known of it; the same slots with their present states, or null when nothing changed in time or the wait was cancelled.</summary>
    /// <remarks>Blocks its thread. <see cref="Cancel"/> ends it from another one.</remarks>
    public IReadOnlyList<ReaderSlot>? WaitForChange(IReadOnlyList<ReaderSlot> slots, TimeSpan limit)
    {
        var states = slots.Select(slot => new ReaderState { Reader = Marshal.StringToCoTaskMemUTF8(slot.Name), CurrentState = (nuint)(uint)slot.Known, Atr = new byte[AtrLength] }).ToArray();
        try
        {
            var status = Status(GetStatusChange(context, (nuint)limit.TotalMilliseconds, states, (nuint)states.Length));
            if (status is PcscStatus.Timeout or PcscStatus.Cancelled)
            {
                return null;
            }

            if (status is PcscStatus.UnknownReader or PcscStatus.ReaderUnavailable)
            {
                return []; // it was unplugged: the caller lists anew
            }

            Check(status, new("waiting for a card", "等待卡片"));
            return [.. states.Select((state, index) =>
            {
                var now = (ReaderStates)(uint)state.EventState;
                return new ReaderSlot(slots[index].Name, now & ~ReaderStates.Changed, now);
            })];
        }
        finally
        {
            foreach (var state in states)
            {
                Marshal.FreeCoTaskMem(state.Reader);
            }
        }
    }

    /// <summary>Ends a wait.</summary>
    public void Cancel()
    {
        if (!disposed)
        {
            _ = CancelWait(context);
        }
    }

    /// <summary>Connects to the card in that reader, alone; null when it left meanwhile.</summary>
    /// <exception cref="PcscException">Another program has the card, or the reader cannot be used.</exception>
    public PcscCard? Connect(string reader)
    {
        var status = Status(ConnectCard(context, reader, PcscCard.ShareExclusive, PcscCard.ProtocolT0 | PcscCard.ProtocolT1, out var card, out var protocol));
        if (PcscCard.IsGone(status))
        {
            return null;
        }

        Check(status, status == PcscStatus.SharingViolation
            ? new($"another program uses the card in {reader}", $"读卡器 {reader} 中的卡片正被其他程序使用")
            : new($"the card in {reader}", $"读卡器 {reader} 中的卡片"));
        return new PcscCard(card, protocol);
    }

    public void Dispose()
    {
        if (!disposed)
        {
            disposed = true;
            _ = ReleaseContext(context);
        }
    }

    internal static PcscStatus Status(nint value) => (PcscStatus)unchecked((uint)value);

    internal static void Check(nint value, Text what) => Check(Status(value), what);

    internal static void Check(PcscStatus status, Text what)
    {
        if (status != PcscStatus.Success)
        {
            throw new PcscException(status switch
            {
                PcscStatus.NoService or PcscStatus.ServiceStopped => new("pcscd does not run: start it (Debian: systemctl start pcscd, or as root pcscd --foreground)", "pcscd 未运行：请启动它（Debian：systemctl start pcscd，或以 root 运行 pcscd --foreground）"),
                PcscStatus.SharingViolation => what,
                _ => new($"{what.En}: PC/SC says {Name(status)}", $"{what.Zh}：PC/SC 返回 {Name(status)}"),
            }, status);
        }
    }

    private static string Name(PcscStatus status) => Enum.IsDefined(status) ? $"{status} ({(uint)status:X8})" : $"{(uint)status:X8}";

    [StructLayout(LayoutKind.Sequential)]
    private struct ReaderState
    {
        public nint Reader;
        public nint UserData;
        public nuint CurrentState;
        public nuint EventState;
        public nuint AtrSize;

        [MarshalAs(UnmanagedType.ByValArray, SizeConst = AtrLength)]
        public byte[] Atr;
    }

    [DllImport(Library, EntryPoint = "SCardEstablishContext", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint EstablishContext(nuint scope, nint reserved1, nint reserved2, out nint context);

    [DllImport(Library, EntryPoint = "SCardReleaseContext", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint ReleaseContext(nint context);

    [DllImport(Library, EntryPoint = "SCardListReaders", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint ListReaders(nint context, nint groups, byte[]? readers, ref nuint length);

    [DllImport(Library, EntryPoint = "SCardGetStatusChange", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint GetStatusChange(nint context, nuint timeoutMilliseconds, [In, Out] ReaderState[] states, nuint count);

    [DllImport(Library, EntryPoint = "SCardCancel", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint CancelWait(nint context);

    [DllImport(Library, EntryPoint = "SCardConnect", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint ConnectCard(nint context, [MarshalAs(UnmanagedType.LPUTF8Str)] string reader, nuint share, nuint protocols, out nint card, out nuint protocol);
}
