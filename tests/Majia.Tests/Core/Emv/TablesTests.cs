using System.Reflection;
using Majia.Core.Apdu;
using Majia.Core.Emv;
using Majia.Core.Tlv;

namespace Majia.Tests.Core.Emv;

public sealed class TablesTests
{
    [Fact]
    public void Every_tag_stands_once_with_both_names_and_a_sound_length()
    {
        Assert.Equal(TagDictionary.Rows.Count, TagDictionary.Rows.Select(row => row.Tag).Distinct().Count());
        Assert.All(TagDictionary.Rows, row =>
        {
            Assert.NotEmpty(row.En);
            Assert.NotEmpty(row.Zh);
            Assert.InRange(row.Min, 0, row.Max);
            Assert.Equal(row.Reading == Reading.Template, row.Tag.IsConstructed && !row.Tag.ToString().StartsWith("FF", StringComparison.Ordinal));
        });
    }

    [Fact]
    public void Every_constant_has_its_row()
    {
        var constants = typeof(Tags).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => new Tag((int)field.GetRawConstantValue()!)).ToList();
        Assert.Equal(TagDictionary.Rows.Select(row => row.Tag), constants);
    }

    [Theory]
    [InlineData(Tags.TrackTwoEquivalent)]
    [InlineData(Tags.Pan)]
    [InlineData(Tags.TrackOneEquivalent)]
    [InlineData(Tags.TrackOneDiscretionaryData)]
    [InlineData(Tags.TrackTwoDiscretionaryData)]
    [InlineData(Tags.CardholderName)]
    [InlineData(Tags.TransactionPinData)]
    public void What_must_not_be_kept_is_marked(int tag) => Assert.True(TagDictionary.IsSensitive(tag));

    [Fact]
    public void Every_bit_stands_once_with_both_names_inside_its_element()
    {
        foreach (var table in BitTables.All)
        {
            Assert.Equal(table.Rows.Count, table.Rows.Select(row => (row.Byte, row.High, row.Low, row.Value)).Distinct().Count());
            Assert.All(table.Rows, row =>
            {
                Assert.NotEmpty(row.Meaning.En);
                Assert.NotEmpty(row.Meaning.Zh);
                Assert.InRange(row.Byte, 1, table.Length);
                Assert.InRange(row.Low, 1, row.High);
                Assert.InRange(row.High, 1, 8);
            });

            // Fields of a byte do not overlap.
            var fields = table.Rows.Select(row => (row.Byte, row.High, row.Low)).Distinct().ToList();
            foreach (var at in fields.GroupBy(field => field.Byte))
            {
                Assert.Equal(at.Sum(field => field.High - field.Low + 1), at.SelectMany(field => Enumerable.Range(field.Low, field.High - field.Low + 1)).Distinct().Count());
            }
        }
    }

    [Fact]
    public void A_typed_view_reads_and_sets_exactly_the_bit_of_its_row()
    {
        var flags = 0;
        foreach (var table in BitTables.All)
        {
            var type = typeof(BitTables).Assembly.GetType($"Majia.Core.Emv.{typeof(BitTables).GetFields(BindingFlags.Public | BindingFlags.Static).Single(field => ReferenceEquals(field.GetValue(null), table)).Name}", throwOnError: true)!;
            var named = table.Rows.Where(row => row.Property is not null).ToList();
            foreach (var row in named)
            {
                var bytes = new byte[table.Length];
                bytes[row.Byte - 1] = (byte)row.Mask;
                var view = Parse(type, bytes);
                foreach (var other in named)
                {
                    Assert.Equal(other == row, (bool)type.GetProperty(other.Property!)!.GetValue(view)!);
                }

                var set = Activator.CreateInstance(type)!;
                type.GetProperty(row.Property!)!.SetValue(set, true);
                Assert.Equal(bytes, (byte[])type.GetMethod("ToBytes")!.Invoke(set, null)!);
                type.GetProperty(row.Property!)!.SetValue(set, false);
                Assert.Equal(new byte[table.Length], (byte[])type.GetMethod("ToBytes")!.Invoke(set, null)!);
                flags++;
            }
        }

        Assert.InRange(flags, 100, 200);
    }

    [Fact]
    public void Status_words_instructions_and_applications_stand_once_with_both_languages()
    {
        Assert.Equal(StatusWords.Rows.Count, StatusWords.Rows.Select(row => row.Label).Distinct().Count());
        Assert.All(StatusWords.Rows, row => Assert.True(row.Meaning.En.Length > 0 && row.Meaning.Zh.Length > 0));
        Assert.All(Instructions.Rows, row => Assert.True(row.Meaning.En.Length > 0 && row.Meaning.Zh.Length > 0));
        Assert.Equal(AidDirectory.Rows.Count, AidDirectory.Rows.Select(row => row.Prefix).Distinct().Count());
        Assert.All(AidDirectory.Rows, row => Assert.Equal(row.Name, AidDirectory.Find(Convert.FromHexString(row.Prefix))!.Name));
    }

    [Theory]
    [InlineData("emv-tags.md")]
    [InlineData("bits.md")]
    public void The_protocol_pages_are_what_the_tables_say(string file)
    {
        var text = file == "bits.md" ? ProtocolTables.Bits() : ProtocolTables.EmvTags();
        var path = Path.Combine(Repository.Root, "docs", "protocols", file);
        if (Environment.GetEnvironmentVariable("MAJIA_WRITE_DOCS") == "1")
        {
            File.WriteAllText(path, text);
        }

        Assert.Equal(text, File.ReadAllText(path));
    }

    private static object Parse(Type type, byte[] bytes)
    {
        // Spans do not pass through reflection: feed the value by the constructor instead.
        ulong value = 0;
        foreach (var one in bytes)
        {
            value = (value << 8) | one;
        }

        var constructor = type.GetConstructors().Single(candidate => candidate.GetParameters().Length == 1);
        return constructor.Invoke([Convert.ChangeType(value, constructor.GetParameters()[0].ParameterType, System.Globalization.CultureInfo.InvariantCulture)]);
    }
}
