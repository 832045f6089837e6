namespace Majia.Tests.Core.Emv;

/// <summary>Vector files of this room: lines of a name and hex, # for remarks.</summary>
internal static class HexVectors
{
    public static byte[] Read(string file, string name)
    {
        foreach (var line in File.ReadLines(Repository.Vector(file)))
        {
            if (line.StartsWith(name + ' ', StringComparison.Ordinal))
            {
                return Convert.FromHexString(line[(name.Length + 1)..]);
            }
        }

        throw new InvalidDataException($"{file} has no {name}");
    }
}
