using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Host.SmartCards;

/// <summary>The field of a terminal whose antenna, or slot, is a PC/SC reader. All readers that the name fits are watched at once.</summary>
/// <remarks>Each poll is a new activation: a card that stays where it was has to be taken away and presented again (see phone, torn, wrong PIN).</remarks>
public sealed class PcscField : ICardField, IDisposable
{
    /// <summary>How long one blocking wait lasts; a cancelled poll, and a reader plugged in meanwhile, are seen at the latest then.</summary>
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(1);

    private readonly PcscLibrary library;
    private readonly string? name;

    /// <summary>The presentation that was taken last, by reader.</summary>
    private readonly SortedDictionary<string, uint> taken = new(StringComparer.Ordinal);
    private PcscCard? card;

    private PcscField(PcscLibrary library, string? name) => (this.library, this.name) = (library, name);

    /// <summary>In which reader the last card was found.</summary>
    public string? Reader { get; private set; }

    /// <summary>Opens the machine's PC/SC and checks that a reader fits.</summary>
    /// <param name="name">Part of the reader's name, in any case; null for any reader.</param>
    /// <exception cref="PcscException">No library, no service, no reader, or none of that name.</exception>
    public static PcscField Open(string? name)
    {
        var library = PcscLibrary.Open();
        try
        {
            var all = library.Readers();
            return all.Count == 0 ? throw new PcscException(new("no smart-card reader is connected", "没有连接智能卡读卡器"))
                : !all.Any(reader => Fits(reader, name)) ? throw new PcscException(new($"no reader fits '{name}'; connected: {string.Join(", ", all)}", $"没有名称包含“{name}”的读卡器；已连接：{string.Join("、", all)}"))
                : new PcscField(library, name);
        }
        catch
        {
            library.Dispose();
            throw;
        }
    }

    public async ValueTask<ICardChannel> PollAsync(CancellationToken cancellation)
    {
        card?.Dispose();
        card = null;
        using var wake = cancellation.Register(library.Cancel);

        // The wait blocks in the library: a thread of its own, for as long as the poll lasts (docs/decisions/0022-pcsc.md).
        var found = await Task.Factory.StartNew(() => Wait(cancellation), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return card = found;
    }

    public void Dispose()
    {
        card?.Dispose();
        library.Dispose();
    }

    private PcscCard Wait(CancellationToken cancellation)
    {
        IReadOnlyList<ReaderSlot> slots = [];
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (var slot in slots)
            {
                if (slot.HasCard && !(taken.TryGetValue(slot.Name, out var last) && last == slot.Presentation) && library.Connect(slot.Name) is { } connected)
                {
                    taken[slot.Name] = slot.Presentation;
                    Reader = slot.Name;
                    return connected;
                }
            }

            var names = library.Readers().Where(reader => Fits(reader, name)).ToArray();
            if (names.Length == 0)
            {
                throw new PcscException(new("the smart-card reader was unplugged", "智能卡读卡器已断开"));
            }

            slots = library.WaitForChange([.. names.Select(reader => slots.FirstOrDefault(slot => slot.Name == reader) ?? new ReaderSlot(reader, ReaderStates.Unaware, ReaderStates.Unaware))], Round) ?? slots;
        }
    }

    private static bool Fits(string reader, string? name) => name is null || reader.Contains(name, StringComparison.OrdinalIgnoreCase);
}
