using Majia.Core.Contracts;
using Majia.Core.Primitives;
using Majia.Host.Links;

namespace Majia.Host.Web;

/// <summary>What the network drawer does to a wire, for programs: the wires by the names of their lines, the faults by the words of <c>simulate</c>.</summary>
internal static class WireRoutes
{
    /// <param name="Fault">Of <see cref="LinkFaultWords"/>.</param>
    /// <param name="Next">So many messages; left out: until it is another one.</param>
    private sealed record Strike(string Fault, int? Next = null);

    /// <param name="Left">Messages that it still befalls; null: until it is another one.</param>
    private sealed record State(string Wire, Text Says, string Fault, int? Left);

    public static void Map(RouteGroupBuilder api, MajiaSystem system, Changes changes)
    {
        api.MapGet("/wires", () => Results.Json(system.Wires.All.Select(StateOf), PageJson.Written))
            .WithSummary("Every wire by its name, who calls whom on it, and what befalls it. / 全部链路的名称、方向与当前故障。").Produces<IReadOnlyList<State>>();
        api.MapPost("/wires/{wire}", (string wire, Strike strike) =>
        {
            if (system.Wires.Find(wire) is not { } found)
            {
                return Refused(StatusCodes.Status404NotFound, "NOT_FOUND", "wire", string.Join(", ", system.Wires.All.Select(one => one.Name)), wire);
            }

            if (LinkFaultWords.All.FirstOrDefault(row => row.Word == strike.Fault) is not { Word: not null } fault)
            {
                return Refused(StatusCodes.Status400BadRequest, "INVALID_FIELD_VALUE", "fault", string.Join(", ", LinkFaultWords.All.Select(row => row.Word)), strike.Fault);
            }

            if (strike.Next is < 1)
            {
                return Refused(StatusCodes.Status400BadRequest, "INVALID_FIELD_VALUE", "next", "1 or more", $"{strike.Next}");
            }

            found.Faults.Set(fault.Fault, strike.Next ?? int.MaxValue);
            changes.Say();
            return Results.Json(StateOf(found), PageJson.Written);
        }).WithSummary("What befalls a wire from its next message on: none, drop-request, drop-answer, delay, duplicate or cut. / 设置链路故障：无、请求丢失、应答丢失、延迟、重复或断开。").Produces<State>();
    }

    private static State StateOf(Wire wire) => new(wire.Name, wire.Says, wire.Faults.Now.Word(), wire.Faults.Now == LinkFault.None || wire.Faults.Left == int.MaxValue ? null : wire.Faults.Left);

    private static IResult Refused(int status, string code, string field, string expected, string got) => Results.Json(
        new ApiError(code, $"{field}: expected one of {expected}.", [new FieldError(field, expected, got)], new($"{field}: expected {expected}.", $"{field}：应为 {expected}。")), JsonEndpoint.Json, statusCode: status);
}
