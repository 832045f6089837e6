using System.Net;
using System.Net.Sockets;

namespace Majia.Host.Links;

/// <summary>Ports of this machine that nobody listens on now, for trials and tests of several processes.</summary>
public static class FreePorts
{
    /// <summary>An N so that N … N + <paramref name="count"/> − 1 are free on the loopback address, between <paramref name="from"/> and <paramref name="to"/>; processes begin to look at different places.</summary>
    public static int Base(int from, int to, int count)
    {
        var places = (to - from) / count;
        for (var place = Environment.ProcessId % places; ; place = (place + 1) % places)
        {
            var candidate = from + (place * count);
            if (Enumerable.Range(candidate, count).All(IsFree))
            {
                return candidate;
            }
        }
    }

    private static bool IsFree(int port)
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
