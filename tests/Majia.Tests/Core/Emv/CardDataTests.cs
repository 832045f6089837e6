using CsCheck;
using Majia.Core.Cryptography;
using Majia.Core.Emv;
using Majia.Core.Primitives;

namespace Majia.Tests.Core.Emv;

public sealed class CardDataTests
{
    [Fact]
    public void The_issuer_data_of_a_real_card_is_read_and_written_back()
    {
        var bytes = HexVectors.Read("emv-iad.txt", "real-card");
        Assert.True(IssuerApplicationData.TryParse(bytes, out var data, out _));
        Assert.Equal((1, CryptogramVersion.Full, CipherAlgorithm.TripleDes), (data.DerivationKeyIndex, data.Version, data.Algorithm));
        Assert.Equal(CardVerificationResults.OnlineRequest, data.CardVerificationResults);
        Assert.Equal(1, data.Discretionary!.Id);
        Assert.Equal("0000038787", Convert.ToHexString(data.Discretionary.Value.Span));
        Assert.Equal("868FD1FC", Convert.ToHexString(data.Discretionary.Mac.Span));
        Assert.Equal(bytes, data.ToBytes());
    }

    [Theory]
    [InlineData("arqc-3des", CryptogramType.Arqc, CipherAlgorithm.TripleDes, CryptogramVersion.Full)]
    [InlineData("tc-3des", CryptogramType.Tc, CipherAlgorithm.TripleDes, CryptogramVersion.Full)]
    [InlineData("aac-3des", CryptogramType.Aac, CipherAlgorithm.TripleDes, CryptogramVersion.Full)]
    [InlineData("arqc-sm4-cvn17", CryptogramType.Arqc, CipherAlgorithm.Sm4, CryptogramVersion.Reduced)]
    public void The_kind_of_cryptogram_is_in_the_CVR(string vector, CryptogramType type, CipherAlgorithm algorithm, CryptogramVersion version)
    {
        var bytes = HexVectors.Read("emv-iad.txt", vector);
        Assert.True(IssuerApplicationData.TryParse(bytes, out var data, out _));
        Assert.Equal(type, data.CardVerificationResults.FirstResult);
        Assert.False(data.CardVerificationResults.SecondGenerateRequested);
        Assert.Equal(bytes, new IssuerApplicationData(1, version, CardVerificationResults.For(type), algorithm).ToBytes());
    }

    [Theory]
    [InlineData("07010103A00000", 7, "8 to 32 bytes")]
    [InlineData("06010103A0000001", 0, "07")]
    [InlineData("07010A03A0000001", 2, "01 or 17")]
    [InlineData("07010102A0000001", 3, "03")]
    [InlineData("07010103A0000002", 7, "01 (3DES) or 04 (SM4)")]
    [InlineData("07010103A00000010B010000038787868FD1FC", 8, "0A, the bytes that follow (5 or more)")]
    public void Malformed_issuer_data_says_where(string hex, int offset, string expected)
    {
        Assert.False(IssuerApplicationData.TryParse(Convert.FromHexString(hex), out _, out var error));
        Assert.Equal((offset, expected), (error.Offset, error.Expected));
    }

    [Theory]
    [InlineData("8199010000000016", "3012", "220", "0000", "8199010000000016D30122200000")]
    [InlineData("8199010000000000019", "3012", "220", "000000000", "8199010000000000019D3012220000000000")]
    public void Track_2_is_built_and_read_back(string digits, string expiry, string service, string discretionary, string text)
    {
        var number = digits[..^1] + Luhn.CheckDigit(digits.AsSpan(0, digits.Length - 1));
        text = number + text[digits.Length..];
        var track = TrackTwoEquivalent.Of(PaymentToken.Parse(number), expiry, service, discretionary);
        Assert.Equal(text, track.Reveal());
        Assert.True(TrackTwoEquivalent.TryParse(track.RevealBytes(), out var read, out _));
        Assert.Equal(text, read.Reveal());
        Assert.Equal((number, expiry, service), (read.Number.Reveal(), read.Expiry, read.ServiceCode));
        Assert.DoesNotContain(number, read.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 0, "1 to 19 bytes")]
    [InlineData("8199010000000018", 0, "a separator D after the number")]
    [InlineData("8199010000000017D3012220", 7, "the Luhn check digit")]
    [InlineData("8199010000000018D3012", 11, "expiry YYMM and a service code of 3 digits")]
    [InlineData("8199010000000018D3013220", 9, "a month 01 to 12")]
    [InlineData("8199010000000018D3012220A0", 12, "a digit")]
    public void Malformed_track_2_says_where_and_never_what(string hex, int offset, string expected)
    {
        var digits = hex.Replace("8199010000000018", "819901000000001" + Luhn.CheckDigit("819901000000001"), StringComparison.Ordinal);
        digits = digits.Replace("8199010000000017", "819901000000001" + (char)('0' + ((Luhn.CheckDigit("819901000000001") - '0' + 1) % 10)), StringComparison.Ordinal);
        Assert.False(TrackTwoEquivalent.TryParse(Convert.FromHexString(digits.Length % 2 == 0 ? digits : digits + "F"), out _, out var error));
        Assert.Equal((offset, expected), (error.Offset, error.Expected));
        Assert.DoesNotContain("81990100", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Qualifiers_read_as_sentences()
    {
        Assert.True(TerminalTransactionQualifiers.TryParse(Convert.FromHexString("26004080"), out var ttq, out _));
        Assert.True(ttq is { QpbocSupported: true, OnlinePinSupported: true, SignatureSupported: true, CdcvmSupported: true, OfflineOnly: false, CvmRequired: false });
        Assert.Equal("26C04080", (ttq with { OnlineCryptogramRequired = true, CvmRequired = true }).ToString());
        Assert.Equal("8080", Convert.ToHexString(new CardTransactionQualifiers { OnlinePinRequired = true, CdcvmPerformed = true }.ToBytes()));
        Assert.True(new CardAdditionalProcesses(0x00008000).OnlinePinSupported);
        Assert.False(TerminalTransactionQualifiers.TryParse([1, 2, 3], out _, out var error));
        Assert.Equal(("TTQ", "4 bytes", "3 bytes"), (error.Field, error.Expected, error.Got));
    }

    [Fact]
    public void CVM_results_are_method_condition_and_outcome()
    {
        Assert.Equal("1F0302", CvmResults.Of(CvmMethod.NoCvmRequired, 3, CvmOutcome.Successful).ToString());
        Assert.Equal((CvmMethod.OnlinePin, (byte)0, CvmOutcome.Unknown), (CvmResults.OnlinePin.Method, CvmResults.OnlinePin.Condition, CvmResults.OnlinePin.Outcome));
        Assert.True(new CvmResults(0x420300).NextIfFails);
    }

    [Fact]
    public void No_bytes_make_a_reader_throw() =>
        Gen.Byte.Array[0, 40].Sample(bytes =>
        {
            TrackTwoEquivalent.TryParse(bytes, out _, out _);
            if (IssuerApplicationData.TryParse(bytes, out var data, out _))
            {
                Assert.Equal(bytes, data.ToBytes());
            }
        });

    [Fact]
    public void Issuer_data_written_is_read_back() =>
        Gen.Select(Gen.Byte, Gen.UInt, Gen.Bool, Gen.Byte.Array[0, 18]).Sample((index, cvr, sm4, value) =>
        {
            var data = new IssuerApplicationData(
                index,
                sm4 ? CryptogramVersion.Reduced : CryptogramVersion.Full,
                new CardVerificationResults(0x03000000 | (cvr & 0xFFFFFF)),
                sm4 ? CipherAlgorithm.Sm4 : CipherAlgorithm.TripleDes,
                value.Length == 0 ? null : new IssuerDiscretionaryData(index, value, new byte[4]));
            Assert.True(IssuerApplicationData.TryParse(data.ToBytes(), out var read, out _));
            Assert.Equal(data, read);
        });
}
