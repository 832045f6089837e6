using Majia.Core.Contracts;
using Majia.Storage;
using Majia.TokenService.Enrolment;

namespace Majia.TokenService.Vault;

/// <summary>R9 and R10 as unique rows, reserved at digitise and released when the token is gone. Every step is idempotent by the token's reference.</summary>
public static class Slots
{
    /// <summary>Null when <paramref name="tur"/> has a place on the chip now.</summary>
    public static Refusal? ReserveOnDevice(Session session, string seid, string tur, byte[] panIndex)
    {
        if (session.Number("SELECT slot FROM token_device_slot WHERE seid = $1 AND tur = $2", seid, tur) is not null)
        {
            return null;
        }

        for (var slot = 0; slot < Eligibility.MaxOnDevice; slot++)
        {
            if (session.Execute("INSERT INTO token_device_slot (seid, slot, tur, pan_index) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", seid, slot, tur, panIndex) == 1)
            {
                return null;
            }
        }

        // A repeat of the same enrolment may have taken the place while this one looked.
        if (session.Number("SELECT slot FROM token_device_slot WHERE seid = $1 AND tur = $2", seid, tur) is not null)
        {
            return null;
        }

        // Nor do other tries of this very plastic make the phone full: each keeps a place until it knows whose the plastic's is.
        return session.Number("SELECT slot FROM token_device_slot WHERE seid = $1 AND pan_index = $2 LIMIT 1", seid, panIndex) is null ? Eligibility.DeviceFull : Eligibility.AlreadyThere;
    }

    /// <summary>Null when <paramref name="tur"/> is the one device card of this plastic on this chip now.</summary>
    public static Refusal? ReserveOfCard(Session session, byte[] panIndex, string seid, string tur)
    {
        if (session.Text("SELECT tur FROM token_card_slot WHERE pan_index = $1 AND seid = $2", panIndex, seid) is { } holder)
        {
            return holder == tur ? null : Eligibility.AlreadyThere;
        }

        for (var slot = 0; slot < Eligibility.MaxOfCard; slot++)
        {
            if (session.Execute("INSERT INTO token_card_slot (pan_index, slot, seid, tur) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", panIndex, slot, seid, tur) == 1)
            {
                return null;
            }
        }

        return Holder(session, panIndex, seid) is not { } winner ? Eligibility.CardFull : winner == tur ? null : Eligibility.AlreadyThere;
    }

    public static bool Holds(Session session, byte[] panIndex, string seid, string tur) =>
        session.Text("SELECT tur FROM token_card_slot WHERE pan_index = $1 AND seid = $2", panIndex, seid) == tur;

    public static void ReleaseOnDevice(Session session, string seid, string tur) =>
        session.Execute("DELETE FROM token_device_slot WHERE seid = $1 AND tur = $2", seid, tur);

    public static void ReleaseOfCard(Session session, byte[] panIndex, string tur) =>
        session.Execute("DELETE FROM token_card_slot WHERE pan_index = $1 AND tur = $2", panIndex, tur);

    /// <summary>Who holds the plastic's place on this chip, or null.</summary>
    public static string? Holder(Session session, byte[] panIndex, string seid) =>
        session.Text("SELECT tur FROM token_card_slot WHERE pan_index = $1 AND seid = $2", panIndex, seid);

    /// <summary>The places as they are, not counting <paramref name="except"/> (an unfinished enrolment that would start over).</summary>
    public static Places Look(Session session, byte[] panIndex, string seid, string? except) => new(
        (int)(session.Number("SELECT count(*) FROM token_device_slot WHERE seid = $1 AND tur <> $2", seid, except ?? "") ?? 0),
        (int)(session.Number("SELECT count(*) FROM token_card_slot WHERE pan_index = $1 AND tur <> $2", panIndex, except ?? "") ?? 0),
        session.Number("SELECT slot FROM token_card_slot WHERE pan_index = $1 AND seid = $2 AND tur <> $3", panIndex, seid, except ?? "") is not null);

    /// <summary>Places of chips whose holder is neither a live token nor an enrolment under way: what a crash between two steps of a release left behind.</summary>
    public static List<(string Seid, string Tur, byte[] PanIndex)> Orphans(Session session)
    {
        const string dead = "NOT EXISTS (SELECT 1 FROM token_request r WHERE r.tur = s.tur AND r.reply IS NULL) AND NOT EXISTS (SELECT 1 FROM token_token t WHERE t.tur = s.tur AND t.state <> 'Deactivated')";
        return session.Query(
            $"SELECT s.seid, s.tur, s.pan_index FROM token_device_slot s WHERE {dead} UNION SELECT s.seid, s.tur, s.pan_index FROM token_card_slot s WHERE {dead} ORDER BY 1, 2",
            static row => (row.GetString(0), row.GetString(1), row.Bytes(2)));
    }
}
