using System.Globalization;
using Majia.Core.Contracts;
using Majia.Core.Primitives;

namespace Majia.Wallet.Handsets;

/// <summary>One model that can hold cards (R2), and from which system version on (R3).</summary>
/// <param name="WakeGesture">What opens the wallet with the screen off (R14): a column, because not every model has a Home key.</param>
/// <param name="StableMinimum">Lowest stable release, such as 8.0.6.0.</param>
/// <param name="DeveloperMinimum">Lowest developer release, a number like a date, such as 6.8.23.</param>
public sealed record HandsetRow(string Model, Text Name, IReadOnlyList<string> Aliases, string WakeGesture, string StableMinimum, string DeveloperMinimum);

/// <summary>The handset list: data, one row a line. The owner's file replaces the one built in.</summary>
public sealed class HandsetDirectory
{
    private HandsetDirectory(IReadOnlyList<HandsetRow> rows) => Rows = rows;

    public IReadOnlyList<HandsetRow> Rows { get; }

    /// <param name="file">A file of the same columns, or null for the list built in.</param>
    public static HandsetDirectory Load(string? file = null)
    {
        if (file is not null)
        {
            return Parse(File.ReadAllText(file));
        }

        using var stream = typeof(HandsetDirectory).Assembly.GetManifestResourceStream("handsets.csv") ?? throw new InvalidOperationException("handsets.csv is not built in");
        using var reader = new StreamReader(stream);
        return Parse(reader.ReadToEnd());
    }

    public static HandsetDirectory Parse(string text)
    {
        var rows = new List<HandsetRow>();
        foreach (var line in text.Split('\n').Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0 && line[0] != '#').Skip(1))
        {
            var cells = line.Split(',');
            if (cells.Length != 7 || !HandsetVersion.TryParse("stable", cells[5], out _) || !HandsetVersion.TryParse("developer", cells[6], out _))
            {
                throw new FormatException($"handsets.csv: {cells[0]}: expected 7 cells, the last two versions of their tracks");
            }

            rows.Add(new(cells[0], new(cells[1], cells[2]), cells[3].Split('|', StringSplitOptions.RemoveEmptyEntries), cells[4], cells[5], cells[6]));
        }

        return new(rows);
    }

    public HandsetRow? Find(string model)
    {
        var wanted = Plain(model);
        return Rows.FirstOrDefault(row => Plain(row.Model) == wanted || row.Aliases.Any(alias => Plain(alias) == wanted));
    }

    private static string Plain(string name) => name.Replace(" ", "", StringComparison.Ordinal).ToUpperInvariant();
}

/// <summary>A system version of one track. Two tracks have nothing to compare (R3).</summary>
public static class HandsetVersion
{
    public const string Stable = "stable", Developer = "developer";

    /// <summary>Stable: four numbers; developer: three. A leading V or MIUI is passed over.</summary>
    public static bool TryParse(string track, string text, out int[] parts)
    {
        parts = [];
        var cells = text.Trim().ToUpperInvariant().Replace("MIUI", "", StringComparison.Ordinal).Trim().TrimStart('V').Split('.');
        if (cells.Length != (track == Stable ? 4 : 3))
        {
            return false;
        }

        var numbers = new int[cells.Length];
        for (var i = 0; i < cells.Length; i++)
        {
            if (cells[i].Length is 0 or > 6 || !int.TryParse(cells[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
            {
                return false;
            }
        }

        parts = numbers;
        return true;
    }

    /// <summary>Both of the same track.</summary>
    public static bool IsAtLeast(int[] version, int[] minimum)
    {
        for (var i = 0; i < minimum.Length; i++)
        {
            if (version[i] != minimum[i])
            {
                return version[i] > minimum[i];
            }
        }

        return true;
    }
}

/// <summary>May this handset, in this state, hold cards? Every reason why not, all at once (R2–R4).</summary>
public static class HandsetDecider
{
    public const string Model = "HANDSET_NOT_SUPPORTED", Track = "TRACK_UNKNOWN", VersionUnreadable = "VERSION_UNREADABLE", TooOld = "SYSTEM_TOO_OLD",
        NotSignedIn = "NOT_SIGNED_IN", FindDeviceOff = "FIND_DEVICE_OFF", FingerprintOff = "FINGERPRINT_OFF", LostMode = "LOST_MODE";

    /// <summary>R2, R3.</summary>
    public static IReadOnlyList<Refusal> Check(PhoneWallet.Handset handset, HandsetDirectory directory)
    {
        var reasons = new List<Refusal>();
        var row = directory.Find(handset.Model);
        if (row is null)
        {
            reasons.Add(new(Model, new(
                $"{handset.Model} cannot hold bank cards. These can: {string.Join(", ", directory.Rows.Select(known => known.Name.En))}.",
                $"{handset.Model} 不支持此服务。支持的机型：{string.Join("、", directory.Rows.Select(known => known.Name.Zh))}。")));
        }

        if (handset.Track is not (HandsetVersion.Stable or HandsetVersion.Developer))
        {
            reasons.Add(new(Track, new("The system is neither a stable nor a developer release.", "系统既不是稳定版也不是开发版。")));
            return reasons;
        }

        var stable = handset.Track == HandsetVersion.Stable;
        if (!HandsetVersion.TryParse(handset.Track, handset.Version, out var version))
        {
            reasons.Add(new(VersionUnreadable, stable
                ? new("The system version cannot be read: a stable release has four numbers, such as 8.0.6.0.", "无法识别系统版本：稳定版应为四段数字，例如 8.0.6.0。")
                : new("The system version cannot be read: a developer release has three numbers, such as 6.8.23.", "无法识别系统版本：开发版应为三段数字，例如 6.8.23。")));
            return reasons;
        }

        var minimum = (row ?? directory.Rows[0]) is var any && stable ? any.StableMinimum : any.DeveloperMinimum;
        if (HandsetVersion.TryParse(handset.Track, minimum, out var least) && !HandsetVersion.IsAtLeast(version, least))
        {
            reasons.Add(new(TooOld, new(
                $"The system is too old: {(stable ? "stable" : "developer")} {handset.Version}, needed is {minimum} or later. Please update.",
                $"系统版本过低：当前{(stable ? "稳定版" : "开发版")} {handset.Version}，需要 {minimum} 及以上，请先升级。")));
        }

        return reasons;
    }

    /// <summary>R4. No fingerprint enrolled yet is no reason: enrolling one is a step of adding the card (R7).</summary>
    public static IReadOnlyList<Refusal> Check(PhoneWallet.HandsetConditions conditions, bool signedIn, bool findDeviceOn, bool lostMode)
    {
        var reasons = new List<Refusal>();
        if (!conditions.SignedIn || !signedIn)
        {
            reasons.Add(new(NotSignedIn, new("No account is signed in.", "尚未登录帐号。")));
        }

        if (!conditions.FindDeviceOn || !findDeviceOn)
        {
            reasons.Add(new(FindDeviceOff, new("Find Device is off. Turn it on in the cloud settings.", "“查找手机”未开启，请在云服务中开启。")));
        }

        if (!conditions.FingerprintOn)
        {
            reasons.Add(new(FingerprintOff, new("The fingerprint function is off. Turn it on in the settings.", "指纹功能未开启，请在设置中开启。")));
        }

        if (lostMode)
        {
            reasons.Add(new(LostMode, new("This phone is in lost mode.", "这部手机处于丢失模式。")));
        }

        return reasons;
    }
}
