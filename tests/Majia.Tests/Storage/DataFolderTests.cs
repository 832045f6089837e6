using Majia.Storage;

namespace Majia.Tests.Storage;

public sealed class DataFolderTests : IDisposable
{
    private readonly string parent = Directory.CreateTempSubdirectory("majia-test-").FullName;

    public void Dispose() => Directory.Delete(parent, recursive: true);

    [Fact]
    public void A_new_folder_has_its_rooms_and_is_its_owners_alone()
    {
        using var folder = DataFolder.Open(Path.Combine(parent, "deep", "data"));
        Assert.All([folder.Phones, folder.Chips, folder.Terminals, folder.Keys], path => Assert.True(Directory.Exists(path)));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder.Keys));
        }
    }

    [Fact]
    public void A_second_one_on_the_same_folder_is_refused_by_name_until_the_first_lets_go()
    {
        var path = Path.Combine(parent, "data");
        using (DataFolder.Open(path))
        {
            var error = Assert.Throws<DataFolderInUseException>(() => DataFolder.Open(path));
            Assert.Equal(path, error.Folder);
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
        }

        DataFolder.Open(path).Dispose();
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_a_clear_error()
    {
        var file = Path.Combine(parent, "file");
        File.WriteAllText(file, "");
        var error = Assert.Throws<StoreException>(() => DataFolder.Open(Path.Combine(file, "data")));
        Assert.Contains("cannot be written", error.Message, StringComparison.Ordinal);
    }
}
