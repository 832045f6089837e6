using System.Buffers;
using CsCheck;
using Majia.Host.Links;

namespace Majia.Scenarios.Links;

public sealed class FramingTests
{
    private static readonly Gen<(bool Pos, byte[][] Bodies, int[] Chunks)> Streams =
        Gen.Select(Gen.Bool, Gen.Byte.Array[0, 300].Array[0, 12], Gen.Int[1, 97].Array[1, 40]);

    [Fact]
    public void However_a_stream_is_cut_into_chunks_the_frames_are_the_same() => Streams.Sample(
        (pos, bodies, chunks) =>
        {
            var framing = pos ? Framing.Pos : Framing.Switch;
            var frames = bodies.Select(body => Frame(pos, body)).ToArray();
            var cut = Cut(framing, [.. frames.SelectMany(static frame => frame)], chunks, out var end);
            return end == Host.Links.Cut.More && cut.Count == frames.Length && cut.Zip(frames).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
        },
        iter: 2_000);

    [Fact]
    public void Random_bytes_never_throw_and_never_give_a_frame_longer_than_the_line_allows() => Gen.Select(Gen.Bool, Gen.Byte.Array[0, 20_000]).Sample(
        (pos, bytes) =>
        {
            var framing = pos ? Framing.Pos : Framing.Switch;
            return Cut(framing, bytes, [4_096], out _).All(frame => frame.Length <= framing.MaxBytes && (framing.TryKey(frame, out _) || true));
        },
        iter: 500);

    [Theory]
    [InlineData("pos", "FFFF00")]
    [InlineData("pos", "2001")]
    [InlineData("switch", "3132334100")]
    [InlineData("switch", "2D303031")]
    public void A_length_that_is_none_or_too_long_breaks_the_stream(string line, string hex)
    {
        var stream = new ReadOnlySequence<byte>(Convert.FromHexString(hex));
        Assert.Equal(Host.Links.Cut.Broken, (line == "pos" ? Framing.Pos : Framing.Switch).TryCut(ref stream, out _));
    }

    [Fact]
    public void A_key_tells_batches_apart_where_the_answer_has_one()
    {
        Assert.True(Framing.Pos.TryKey(Wire.Sale(5, batch: "000001"), out var first));
        Assert.True(Framing.Pos.TryKey(Wire.Sale(5, batch: "000002"), out var second));
        Assert.True(Framing.Pos.TryKey(Wire.Answer(Framing.Pos, Wire.Sale(5, batch: "000001")), out var answer));
        Assert.True(first.Takes(answer));
        Assert.False(second.Takes(answer));
        Assert.True(second.Takes(answer with { May = "" }));
    }

    private static byte[] Frame(bool pos, byte[] body) =>
        pos ? [(byte)(body.Length >> 8), (byte)(body.Length & 0xFF), .. body] : [.. System.Text.Encoding.ASCII.GetBytes($"{body.Length:D4}"), .. body];

    /// <summary>As a connection does: what is not yet a frame stays for the next chunk.</summary>
    private static List<byte[]> Cut(Framing framing, byte[] stream, int[] chunks, out Cut end)
    {
        var frames = new List<byte[]>();
        end = Host.Links.Cut.More;
        ReadOnlyMemory<byte> kept = default;
        for (int at = 0, turn = 0; at < stream.Length && end != Host.Links.Cut.Broken; turn++)
        {
            var size = Math.Min(chunks[turn % chunks.Length], stream.Length - at);
            var buffer = Join(kept, stream.AsMemory(at, size));
            at += size;
            while ((end = framing.TryCut(ref buffer, out var frame)) == Host.Links.Cut.Frame)
            {
                frames.Add(frame);
            }

            kept = buffer.ToArray();
        }

        return frames;
    }

    /// <summary>Two segments, so that a length may stand across their border.</summary>
    private static ReadOnlySequence<byte> Join(ReadOnlyMemory<byte> kept, ReadOnlyMemory<byte> next)
    {
        var first = new Segment(kept, 0, null);
        var last = new Segment(next, kept.Length, null);
        first.Follow(last);
        return new ReadOnlySequence<byte>(first, 0, last, next.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long index, Segment? next) => (Memory, RunningIndex, Next) = (memory, index, next);

        public void Follow(Segment next) => Next = next;
    }
}
