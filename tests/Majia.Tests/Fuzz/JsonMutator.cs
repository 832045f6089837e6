using System.Text;
using System.Text.Json.Nodes;

namespace Majia.Tests.Fuzz;

/// <summary>JSON that is well formed and wrong: a value of another kind, a member too many, missing, twice, or far too deep; sometimes with broken bytes.</summary>
internal static class JsonMutator
{
    private static readonly string[] Values =
    [
        "null", "\"\"", "0", "-1", "1e308", "9223372036854775807", "-9223372036854775808", "99999999999999999999", "true", "{}", "[]", "[null]", "[[]]", "\"\\u0000\"", "\"\\ud800\"", "\"\\uffff\\n\"", "\"ACTIVE\"", "\"DELETED\"", "3", "\"3\"",
        "\"A0000003330101010001\"", "\"9000\"", "[\"9000\"]", "[\"\"]", "[\"zz\"]", "[\"90\",\"6F\"]", "\"..\"", "\"....\"", "\"eyJhbGciOiJkaXIifQ....\"", "\"'; DROP TABLE x; --\"", "\"\\u202e\"", "{\"en\":null,\"zh\":null}", "{\"a\":{\"a\":{\"a\":{}}}}", "1.5", "[1,2,3]",
        "\"4D4A0000000000000001\"", "\"99900000001\"", "\"MANUAL\"", "\"sms\"", "\"246810\"", "[{}]", "[true]",
    ];

    public static byte[] Once(Dice dice, byte[] json)
    {
        for (var left = 1 + dice.Size(2); left > 0; left--)
        {
            try
            {
                json = dice.Once(6) ? Mutator.Once(dice, json, [json], 9000) : Structural(dice, json);
            }
            catch (InvalidOperationException)
            {
                return json; // half a surrogate pair, which a JsonNode cannot hold
            }
        }

        return json;
    }

    private static byte[] Structural(Dice dice, byte[] json)
    {
        JsonNode? root;
        var places = new List<(JsonNode Parent, string? Name, int Index)>();
        try
        {
            root = JsonNode.Parse(json);
            Collect(root, places);
        }
        catch (Exception broken) when (broken is System.Text.Json.JsonException or ArgumentException or InvalidOperationException)
        {
            return json; // broken already, or a member twice
        }

        // The marker is replaced in the text, so that what a JsonNode cannot hold can stand there too.
        const string marker = "\"@@fuzz@@\"";
        var value = dice.Below(12) switch
        {
            0 => "\"" + new string((char)('0' + dice.Below(70)), 1 << dice.Below(13)) + "\"",
            1 => string.Concat(Enumerable.Repeat("[", 80)) + string.Concat(Enumerable.Repeat("]", 80)),
            2 => "\"" + Convert.ToHexString(dice.Bytes(dice.Size(40))) + "\"",
            _ => dice.Of(Values),
        };
        if (places.Count == 0)
        {
            return Encoding.UTF8.GetBytes(value);
        }

        var (parent, name, index) = dice.Of(places);
        switch (dice.Below(6))
        {
            case 0 when name is not null:
                parent.AsObject().Remove(name);
                break;
            case 0:
                parent.AsArray().RemoveAt(index);
                break;
            case 1 when name is not null:
                parent.AsObject()["unknown"] = JsonValue.Create("@@fuzz@@");
                break;
            case 2 when name is not null:
                return Encoding.UTF8.GetBytes(root!.ToJsonString().Replace($"\"{name}\":", $"\"{name}\":{value},\"{name}\":", StringComparison.Ordinal));
            case 3 when name is null:
                parent.AsArray().Add(JsonValue.Create("@@fuzz@@"));
                break;
            default:
                if (name is not null)
                {
                    parent.AsObject()[name] = JsonValue.Create("@@fuzz@@");
                }
                else
                {
                    parent.AsArray()[index] = JsonValue.Create("@@fuzz@@");
                }

                break;
        }

        return Encoding.UTF8.GetBytes(root!.ToJsonString().Replace(marker, value, StringComparison.Ordinal));
    }

    private static void Collect(JsonNode? node, List<(JsonNode Parent, string? Name, int Index)> places)
    {
        if (node is JsonObject members)
        {
            foreach (var (name, child) in members)
            {
                places.Add((members, name, 0));
                Collect(child, places);
            }
        }
        else if (node is JsonArray items)
        {
            for (var i = 0; i < items.Count; i++)
            {
                places.Add((items, null, i));
                Collect(items[i], places);
            }
        }
    }
}
