using Majia.Core.Cryptography;

namespace Majia.Interop;

/// <summary>Our arithmetic beside that of openssl's own program.</summary>
public sealed class OpenSslTests
{
    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("000102030405060708090A0B0C0D0E0F")]
    [InlineData("000102030405060708090A0B0C0D0E0F1011121314151617")]
    public async Task An_aes_cmac_is_the_one_that_openssl_makes(string data)
    {
        var openssl = OutsideProgram.Require("openssl", "openssl");
        var (key, message) = (Convert.FromHexString("2B7E151628AED2A6ABF7158809CF4F3C"), Convert.FromHexString(data));
        var said = await OutsideProgram.RunAsync(openssl, ["mac", "-cipher", "AES-128-CBC", "-macopt", $"hexkey:{Convert.ToHexString(key)}", "-in", "/dev/stdin", "CMAC"], message);
        Assert.Equal(0, said.ExitCode);
        Assert.Equal(said.Output.Trim(), Convert.ToHexString(Cipher.AesCmac(key, message)));
    }
}
