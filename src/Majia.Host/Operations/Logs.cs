using System.Text.Json;
using Majia.Core.Primitives;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Majia.Host.Operations;

/// <summary>The log of a process, on stderr: one line an event, as text or as JSON. Whatever a message carries, a run of digits that could be a card number is masked on its way out.</summary>
public static class Logs
{
    public static ILoggerFactory Create(bool json, TimeProvider time) => LoggerFactory.Create(logging => Configure(logging, json, time));

    public static void Configure(ILoggingBuilder logging, bool json, TimeProvider time)
    {
        logging.Services.AddSingleton(time);
        logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning);
        logging.AddConsole(console =>
        {
            console.FormatterName = json ? JsonLine.FormatterName : TextLine.FormatterName;
            console.LogToStandardErrorThreshold = LogLevel.Trace;
        });
        logging.AddConsoleFormatter<JsonLine, ConsoleFormatterOptions>();
        logging.AddConsoleFormatter<TextLine, ConsoleFormatterOptions>();
    }

    /// <summary>Masks runs of 12 to 19 digits with a right check digit: first six and last four stay. The rule for whoever forgot: nothing here logs a number on purpose.</summary>
    public static string Mask(string text)
    {
        for (var at = 0; at < text.Length;)
        {
            var end = at;
            while (end < text.Length && char.IsAsciiDigit(text[end]))
            {
                end++;
            }

            if (end - at is >= 12 and <= 19 && Luhn.IsValid(text.AsSpan(at, end - at)))
            {
                text = string.Concat(text.AsSpan(0, at + 6), new string('*', end - at - 10), text.AsSpan(end - 4));
            }

            at = Math.Max(end, at + 1);
        }

        return text;
    }

    private static string Words<TState>(in LogEntry<TState> entry) => Mask(entry.Formatter(entry.State, entry.Exception));

    /// <summary>Type and place of an exception; its message could carry what a log must not hold.</summary>
    private static string? Failure(Exception? exception) => exception is null ? null : $"{exception.GetType().Name}\n{exception.StackTrace}";

    private sealed class TextLine() : ConsoleFormatter(FormatterName)
    {
        public const string FormatterName = "majia-text";

        public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
        {
            textWriter.WriteLine($"{Word(logEntry.LogLevel)}: {Words(logEntry).ReplaceLineEndings(" ")}");
            if (Failure(logEntry.Exception) is { } failure)
            {
                textWriter.WriteLine(failure);
            }
        }

        private static string Word(LogLevel level) => level switch { LogLevel.Warning => "warn", LogLevel.Error or LogLevel.Critical => "fail", _ => "info" };
    }

    private sealed class JsonLine(TimeProvider time) : ConsoleFormatter(FormatterName)
    {
        public const string FormatterName = "majia-json";

        public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
        {
            var line = new OrderedDictionary<string, object?>(StringComparer.Ordinal)
            {
                ["at"] = time.GetUtcNow(),
                ["level"] = logEntry.LogLevel.ToString().ToLowerInvariant(),
                ["category"] = logEntry.Category,
                ["message"] = Words(logEntry),
            };
            if (Failure(logEntry.Exception) is { } failure)
            {
                line["exception"] = failure;
            }

            if (logEntry.State is IReadOnlyList<KeyValuePair<string, object?>> values)
            {
                foreach (var (name, value) in values.Where(value => value.Key != "{OriginalFormat}"))
                {
                    line.TryAdd(JsonNamingPolicy.CamelCase.ConvertName(name), Mask($"{value}"));
                }
            }

            textWriter.WriteLine(JsonSerializer.Serialize(line));
        }
    }
}
