using System.Text.Json;
using System.Text.Json.Serialization;

namespace Majia.Host.Web;

/// <summary>How the page's answers are written: as on the parties' lines, but views are only ever written, so nothing is demanded of them.</summary>
internal static class PageJson
{
    public static readonly JsonSerializerOptions Written = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter() },
    };
}
