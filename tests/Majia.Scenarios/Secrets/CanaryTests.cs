using System.Diagnostics;
using System.Globalization;
using System.Text;
using Majia.Core.Contracts;
using Majia.Core.Cryptography;
using Majia.Core.Primitives;
using Majia.Host.Links;
using Majia.Host.Seed;
using Majia.Phone;
using Majia.Scenarios.Stage;
using Majia.Storage;
using Majia.Terminal;
using Majia.Tests;

namespace Majia.Scenarios.Secrets;

/// <summary>After everything that a person can do, with the trace on: no PAN, PIN, track, code or key in any file or output (quality.md, 1, 2, 5).</summary>
public sealed class CanaryTests
{
    private static readonly string[] Modules =
    [
        "acquirer", "network", "token-service", "se-issuer", .. SeedData.Banks.Select(bank => $"issuer-{bank.Institution}"), .. SeedData.Merchants.Select(merchant => $"terminal-{merchant.Terminal}"),
    ];

    /// <summary>Refused before any bank is asked. Not the seeded one: packed, that is little more than zeros, and zeros are everywhere.</summary>
    private static string VisaOnly { get; } = "400000846193720" + Luhn.CheckDigit("400000846193720");

    [Fact]
    [Rule("R19")]
    public async Task After_every_kind_of_use_no_secret_is_in_any_file()
    {
        await using var world = await World.OpenAsync(100);
        var codes = await UseEverythingAsync(world);
        await world.System.Trace.FlushAsync();
        await world.System.Store.DurableAsync();
        List<Secret> secrets = [.. Persons(), .. codes.Select(code => Secret.OfText("an SMS code", code)), .. Keys(world), .. PinBlocks(world)];
        Assert.True(world.Count("token_token") >= 5);

        // As it lies there while everything runs, write-ahead logs and all; then as it is left behind.
        var copy = Directory.CreateTempSubdirectory("majia-canary-").FullName;
        try
        {
            using (var copying = Process.Start(new ProcessStartInfo("cp", ["-r", world.Folder + "/.", copy]))!)
            {
                await copying.WaitForExitAsync();
            }

            Assert.Contains(Directory.EnumerateFiles(copy, "*", SearchOption.AllDirectories), file => file.EndsWith("-wal", StringComparison.Ordinal) && new FileInfo(file).Length > 0);
            foreach (var part in (string[])["majia.db", "trace.db", "phones/mi5.db", "chips/mi5.chip", "terminals/10000001.db", "keys/network.keys.json"])
            {
                Assert.True(new FileInfo(Path.Combine(copy, part)).Length > 0, part);
            }

            Assert.Empty(Scan.OfFolder(copy, secrets));
            OwnersOfNothingKnowNothing(world, copy);
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }

        await world.RestartAsync(); // closes every file once
        Assert.Empty(world.Read(session => session.Query("SELECT name FROM sqlite_master WHERE name LIKE '%track%'", row => row.GetString(0))));
    }

    [Fact]
    public async Task The_demonstration_says_nothing_that_it_must_not()
    {
        var folder = Directory.CreateTempSubdirectory("majia-canary-").FullName;
        try
        {
            foreach (var json in (bool[])[false, true])
            {
                var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
                foreach (var argument in (string[])[Path.Combine(AppContext.BaseDirectory, "majia.dll"), "demo", "--seed", "7", "--data", Path.Combine(folder, json ? "json" : "text"), .. json ? new[] { "--json" } : []])
                {
                    start.ArgumentList.Add(argument);
                }

                using var demo = Process.Start(start)!;
                var errors = demo.StandardError.ReadToEndAsync();
                var output = await demo.StandardOutput.ReadToEndAsync();
                await demo.WaitForExitAsync();
                Assert.True(demo.ExitCode == 0, await errors);
                Assert.Contains(json ? "\"step\":\"void\"" : "10", output, StringComparison.Ordinal);
                Assert.Empty(Scan.Of("stdout", Encoding.UTF8.GetBytes(output), [.. Persons()]));
                Assert.Empty(Scan.Of("stderr", Encoding.UTF8.GetBytes(await errors), [.. Persons()]));
            }

            Assert.Empty(Scan.OfFolder(folder, [.. Persons()]));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_scanner_finds_what_is_planted_in_every_form()
    {
        var pan = SeedData.Card("mingyue-01").Pan.Reveal(); // 19 digits
        var secret = Secret.OfText("number", pan);
        var ascii = Encoding.ASCII.GetBytes(pan);
        byte[][] forms =
        [
            ascii, Encoding.Unicode.GetBytes(pan), Encoding.BigEndianUnicode.GetBytes(pan), Encoding.ASCII.GetBytes(Convert.ToHexString(ascii)), Encoding.ASCII.GetBytes(Convert.ToHexStringLower(ascii)),
            Convert.FromHexString(pan + "F"), Convert.FromHexString("0" + pan), Convert.FromHexString(pan + "D301222000000000"[..15]),
            Encoding.ASCII.GetBytes(Convert.ToBase64String(ascii)), Encoding.ASCII.GetBytes(Convert.ToBase64String([1, .. ascii, 9])), Encoding.ASCII.GetBytes(Convert.ToBase64String([1, 2, .. ascii, 9, 9])),
            Encoding.ASCII.GetBytes(Convert.ToBase64String([7, .. Convert.FromHexString(pan + "F"), 9])),
        ];
        Assert.All(forms, form => Assert.NotEmpty(Scan.Of("planted", [0xFF, .. form, 0xFF], [secret])));
        Assert.NotEmpty(Scan.Of("planted", [0x00, .. ascii, 0x00], [])); // by its BIN and check digit alone
        Assert.Empty(Scan.Of("nothing", Encoding.ASCII.GetBytes("629901******0023 and 8199010000000000000"), [secret]));

        var key = Convert.FromHexString("00112233445566778899AABBCCDDEEFF");
        var kept = Secret.OfBytes("key", key);
        byte[][] keyForms = [key, Encoding.ASCII.GetBytes(Convert.ToHexString(key)), Encoding.ASCII.GetBytes(Convert.ToHexStringLower(key)), Encoding.ASCII.GetBytes(Convert.ToBase64String([5, .. key]))];
        Assert.All(keyForms, form => Assert.NotEmpty(Scan.Of("planted", form, [kept])));
    }

    /// <summary>Adds, pays, mistypes, loses, voids, deletes, signs out. Returns the codes that the banks sent.</summary>
    private static async Task<List<string>> UseEverythingAsync(World world)
    {
        var codes = new List<string>();
        async Task<string> AddAsync(string card, string handset = "mi5")
        {
            var reference = await world.AddAsync(card, handset);
            if (SeedData.Card(card).Risk == Majia.Issuer.EnrolmentRisk.Yellow)
            {
                codes.Add(world.Code(card));
            }

            return reference;
        }

        var everyday = await AddAsync("mingyue-02");
        var debit = await AddAsync("mingyue-01");
        var always = await AddAsync("mingyue-10");
        var dual = await AddAsync("shahu-03", "mi5s");
        foreach (var refused in (string[])["mingyue-04", "mingyue-06", "mingyue-07", "mingyue-13"])
        {
            Assert.Equal(EnrolmentStep.Refused, (await world.TryAddAsync(refused)).Step);
        }

        Assert.Equal(EnrolmentStep.Refused, (await world.Phone().AddCardAsync(new CardToEnrol(VisaOnly, "3012", "123", "林晓云", "990104199203120021", "12900000001"))).Step);
        var half = await world.TryAddAsync("shahu-02");
        codes.Add(world.Code("shahu-02"));
        await world.Phone().EnterCodeAsync(half.CardReference!, "000000");

        var sale = await world.SellAsync(everyday, 8_800, World.Jewellers);
        Assert.Equal(SaleOutcome.Approved, sale.Outcome);
        await world.SellAsync(debit, 100_001);
        await world.SellAsync(dual, 100, handset: "mi5s");
        await world.SellAsync(100, World.Books, new Fingers(World.WrongPin, World.Pin), () => world.PickUpAsync(always), () => world.PickUpAsync(always));
        await world.VoidAsync(sale.Rrn!, World.Jewellers, () => world.PickUpAsync(everyday));

        // The plastic itself: read at a phone's back, paying with a PIN, approving by itself.
        Assert.NotNull((await world.System.Plastics.ReadAtBackAsync(world.Phone(), "beishan-01")).Number);
        foreach (var (card, amount, shop) in ((string, long, string)[])[("beishan-01", 180_000, World.Books), ("mingyue-16", 1_500, "10000003")])
        {
            Assert.Equal(SaleOutcome.Approved, (await world.SellAsync(amount, shop, new Fingers(World.Pin), async () => (await world.System.Plastics.InFieldAsync(card))!)).Outcome);
        }

        await world.System.Terminals["10000003"].ResolvePendingAsync(CancellationToken.None);
        await world.PumpAsync();

        // Forced errors: every wire fails once in the middle of a payment with a PIN.
        foreach (var (wire, patience) in new[] { (world.System.Wires.PosLine, 60), (world.System.Wires.AcquirerNetwork, 40), (world.System.Wires.NetworkIssuer, 25), (world.System.Wires.NetworkToken, 25) })
        {
            wire.Set(LinkFault.DropAnswer, count: 1);
            await world.OutwaitAsync(wire, () => world.SellAsync(always, 100, World.Jewellers), TimeSpan.FromSeconds(patience));
            await world.PumpAsync();
        }

        // Noise on the wires: parsers and their errors.
        var noise = new byte[200];
        new SeededEntropy(1).Fill(noise);
        await world.System.Acquirer.HandleAsync(noise, CancellationToken.None);
        await world.System.Network.HandleAsync(noise, CancellationToken.None);

        await world.Desk("mingyue-01").ReportLostAsync("mingyue-01");
        await world.SellAsync(debit, 100);
        Assert.True(await world.Phone().DeleteCardAsync(always));
        await world.Phone("mi5s").SignOutAsync();
        await world.PumpAsync();
        world.BooksHold();
        return codes;
    }

    private static IEnumerable<Secret> Persons()
    {
        yield return Secret.OfText("the number of a card that was refused", VisaOnly);
        foreach (var card in SeedData.Banks.SelectMany(bank => bank.Cards))
        {
            yield return Secret.OfText($"the number of {card.Id}", card.Pan.Reveal());
            yield return Secret.OfText($"track 2 of {card.Id}", $"{card.Pan.Reveal()}={card.Expiry}");
        }

        foreach (var customer in SeedData.Banks.SelectMany(bank => bank.Customers))
        {
            yield return Secret.OfText($"the ID number of {customer.Id}", customer.IdNumber);
            if (customer.Mobile is { } mobile)
            {
                yield return Secret.OfText($"the mobile number of {customer.Id}", mobile);
            }
        }

        foreach (var account in SeedData.WalletAccounts)
        {
            yield return Secret.OfText($"the password of {account.Account}", account.Password);
        }

        yield return Secret.OfText("the PIN", World.Pin);
        yield return Secret.OfText("a PIN that was typed wrong", World.WrongPin);
        yield return Secret.OfText("a CVN2", "\"cvn2\":\"123\"");
    }

    /// <summary>Clear ISO 9564-1 format 0 blocks of both PINs, over the plastic's number and over the device's.</summary>
    private static IEnumerable<Secret> PinBlocks(World world)
    {
        var numbers = world.Read(session => session.Query("SELECT token FROM token_token", row => row.GetString(0))).Concat(SeedData.Banks.SelectMany(bank => bank.Cards).Select(card => card.Pan.Reveal()));
        foreach (var number in numbers)
        {
            foreach (var pin in (string[])[World.Pin, World.WrongPin])
            {
                var block = ulong.Parse($"06{pin}FFFFFFFF", NumberStyles.HexNumber, CultureInfo.InvariantCulture) ^ ulong.Parse("0000" + number[^13..^1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                yield return Secret.OfBytes("a clear PIN block", Convert.FromHexString(block.ToString("X16", CultureInfo.InvariantCulture)));
            }
        }
    }

    /// <summary>Every key of every module whose value can be told by its check value from what was drawn, and every chip's own keys.</summary>
    private static List<Secret> Keys(World world)
    {
        List<byte[]> drawn;
        lock (world.Drawn)
        {
            drawn = [.. world.Drawn];
        }

        var values = drawn.SelectMany(value => new[] { (CipherAlgorithm.Aes, value), (CipherAlgorithm.TripleDes, OddParity(value)) })
            .Where(candidate => candidate.Item1 == CipherAlgorithm.Aes || candidate.Item2.Length != 32)
            .ToLookup(candidate => Convert.ToHexString(Cipher.KeyCheckValue(candidate.Item1, candidate.Item2)), candidate => candidate.Item2);
        var secrets = Modules
            .SelectMany(module => world.System.Keys(module).Keys.SelectMany(info => values[info.CheckValue].Select(value => Secret.OfBytes($"key {info.Name} of {module}", value))))
            .ToList();
        Assert.True(secrets.Count > 40, $"only {secrets.Count} keys are known");

        foreach (var seid in world.Read(session => session.Query("SELECT seid FROM wallet_device", row => row.GetString(0))))
        {
            foreach (var (module, set) in new[] { ("se-issuer", "isd"), ("token-service", "sd") })
            {
                var keys = world.System.Keys(module).ClearKeysForChipFactory(set, Convert.FromHexString(seid));
                secrets.AddRange([Secret.OfBytes($"{set} of a chip", keys.Encryption), Secret.OfBytes($"{set} of a chip", keys.Mac), Secret.OfBytes($"{set} of a chip", keys.DataEncryption)]);
            }
        }

        return secrets;
    }

    private static byte[] OddParity(byte[] key) => [.. key.Select(value => (byte)((value & 0xFE) | (global::System.Numerics.BitOperations.PopCount((uint)(value & 0xFE)) % 2 == 0 ? 1 : 0)))];

    /// <summary>The phone's own store and the wallet cloud's tables: not even the first six of a plastic, masked or not.</summary>
    private static void OwnersOfNothingKnowNothing(World world, string copy)
    {
        var bins = SeedData.Banks.SelectMany(bank => bank.Cards).Select(card => card.Bin).Distinct(StringComparer.Ordinal).Select(bin => Secret.OfText($"BIN {bin}", bin)).ToList();
        var masks = SeedData.Banks.SelectMany(bank => bank.Cards).Select(card => Secret.OfText($"the masked number of {card.Id}", card.Pan.Masked)).ToList();
        Assert.Empty(Scan.OfFolder(Path.Combine(copy, "phones"), [.. bins, .. masks]));

        var rows = world.Read(session => session
            .Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'wallet_%' ORDER BY name", row => row.GetString(0))
            .SelectMany(table => session.Query($"SELECT * FROM {table}", row => string.Join('|', Enumerable.Range(0, row.FieldCount).Select(column => row.GetValue(column) is byte[] bytes ? Encoding.UTF8.GetString(bytes) + Convert.ToHexString(bytes) : row.GetValue(column).ToString()))))
            .ToList());
        Assert.True(rows.Count > 10);
        Assert.Empty(Scan.Of("wallet", Encoding.UTF8.GetBytes(string.Join('\n', rows)), [.. bins, .. masks, .. Persons().Where(secret => !secret.What.StartsWith("the PIN", StringComparison.Ordinal))]));
    }
}
