namespace Majia.Host.Links;

/// <summary>How a line stands, seen from its client: for health pages and alarms.</summary>
/// <param name="SignedOn">The other side has taken our sign-on, on the line as it is connected now (switch line).</param>
/// <param name="LastSeen">When a frame last came; null when none has.</param>
/// <param name="InFlight">Requests without an answer yet.</param>
/// <param name="Late">Answers that came after their caller had stopped waiting.</param>
/// <param name="Unknown">Answers to nothing that was asked, and frames that cannot be read.</param>
/// <param name="Connections">How often the line was connected.</param>
public sealed record LinkState(bool Connected, bool SignedOn, DateTimeOffset? LastSeen, int InFlight, long Late, long Unknown, long Connections);

/// <summary>How a line stands, seen from its server.</summary>
/// <param name="InFlight">Requests in the handler.</param>
/// <param name="Answered">Requests with an answer given.</param>
/// <param name="Overloaded">Requests that found the server full and were answered so at once, or dropped.</param>
/// <param name="Unanswered">Frames without an answer: malformed, none due, or the handler failed.</param>
/// <param name="HungUp">Connections ended by this side: broken frames, too slow, idle, one too many.</param>
/// <param name="SignedOn">Institutions that have signed on, ascending (switch line).</param>
public sealed record ServerState(int Connections, int InFlight, long Answered, long Overloaded, long Unanswered, long HungUp, IReadOnlyList<string> SignedOn);
