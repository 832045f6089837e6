using System.Text;
using System.Text.Json;
using Majia.Core.Contracts;
using Majia.Core.Iso8583;
using Majia.Core.Primitives;
using Majia.Core.Tlv;

namespace Majia.Tests.Fuzz;

/// <summary>The smallest inputs that once broke something, each with the reason.</summary>
public sealed class RegressionTests
{
    /// <summary>27 is a template whose inside is malformed: the search for the number behind it stopped there, and the field was kept whole.</summary>
    [Theory, InlineData("2702019F5A086299017777777778"), InlineData("700B5F5A0862990177777777780102"), InlineData("700C01055A08629901777777777 8")]
    public void A_number_behind_a_malformed_template_of_field_55_is_not_kept(string hex)
    {
        var message = new IsoMessage(Mti.FinancialRequest).Set(55, Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)));
        Assert.True(IsoRedaction.Keep(Dialect.Switch, message, numberIsToken: true).Binary(55).Span.IndexOf(Convert.FromHexString("6299017777777778")) < 0);
    }

    /// <summary>An empty template on the eighth level is well formed; the search took it for a ninth level and gave up.</summary>
    [Fact]
    public void What_stands_behind_an_empty_template_on_the_last_level_is_found()
    {
        byte[] data = [.. BerTlv.Encode(0x70, ReadOnlySpan<byte>.Empty), .. BerTlv.Encode(0x5A, [1, 2, 3])];
        for (var level = 1; level < BerTlv.MaxDepth; level++)
        {
            data = BerTlv.Encode(0x70, data);
        }

        Assert.True(BerTlv.TryCheck(data, out var error), error.ToString());
        Assert.True(BerTlv.TryFind(data, 0x5A, out var value));
        Assert.Equal([1, 2, 3], value.ToArray());
    }

    /// <summary>A member that the contract needs was read as null and went as far as the database, which threw.</summary>
    [Theory]
    [InlineData("""{"tokenUniqueReference":"tur-1","encryptedCode":""}""")]
    [InlineData("""{"requestId":null,"tokenUniqueReference":"tur-1","encryptedCode":""}""")]
    public void A_member_that_is_absent_or_null_is_refused_at_the_door(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<TokenIssuer.ValidateActivationCodeRequest>(json, JsonEndpoint.Json));

    [Fact]
    public void A_null_in_a_list_is_refused_at_the_door() =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<PhoneWallet.ExchangeScriptReply>("""{"commands":[null],"state":"Active"}""", JsonEndpoint.Json));

    [Fact]
    public void What_the_contract_lets_be_absent_may_be_absent()
    {
        Assert.NotNull(JsonSerializer.Deserialize<CardToEnrol>("""{"pan":"6299010000000000018"}""", JsonEndpoint.Json));
        Assert.NotNull(JsonSerializer.Deserialize<ApiReply<PhoneWallet.Done>>("""{"value":{}}""", JsonEndpoint.Json)!.Value);
        Assert.NotNull(JsonSerializer.Deserialize<ApiReply<PhoneWallet.Done>>("""{"error":{"errorCode":"X","errorDescription":"y"}}""", JsonEndpoint.Json)!.Error);
    }

    /// <summary>The cloud's enrolment key went unread to the library, which threw out of adding a card.</summary>
    [Theory, InlineData("0F"), InlineData(""), InlineData("{}"), InlineData("null"), InlineData("""{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"""), InlineData("""{"kty":"oct","k":"AAAA"}""")]
    public void A_text_that_is_no_public_key_is_not_encrypted_to(string jwk) => Assert.False(Majia.Core.Cryptography.Jwe.TryEncrypt(jwk, "a card"u8, out _));

    /// <summary>An instance name from the cloud went unread to the chip's trusted side: FormatException, or a refusal that never ended, out of removing the card.</summary>
    [Theory, InlineData("zz"), InlineData("A0"), InlineData("A000000333010101000100000000000000000000")]
    public void A_card_whose_instance_name_is_no_aid_can_be_removed(string instance) => PhoneFuzzTests.Names()(Encoding.Latin1.GetBytes(instance));

    /// <summary>Behind a right digest a key of another length was taken, and the next secure channel threw.</summary>
    [Fact]
    public void A_chip_image_with_a_key_of_another_length_is_damaged()
    {
        var state = new SecureElement.ChipBench().State;
        var domain = state.Domains[0];
        var cut = state.With(domain with { Keys = domain.Keys! with { Keys = domain.Keys.Keys with { Mac = new byte[15] } } });
        Assert.False(Majia.SecureElement.ChipImage.TryRead(Majia.SecureElement.ChipImage.Write(cut), out _, out var error));
        Assert.Contains("16, 24 or 32 bytes", error, StringComparison.Ordinal);
    }

    /// <summary>A command of an odd number of digits, of no digits, of one byte: FormatException out of adding a card.</summary>
    [Theory, InlineData("00A"), InlineData("zz"), InlineData(""), InlineData("00")]
    public void A_script_that_is_no_hex_is_not_run(string command) => PhoneFuzzTests.Scripts()([(byte)command.Length, .. Encoding.Latin1.GetBytes(command)]);
}
