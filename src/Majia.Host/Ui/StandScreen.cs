using Majia.Phone;
using Microsoft.AspNetCore.Components;

namespace Majia.Host.Ui;

/// <summary>A part of the counter: it draws itself again whenever phone, terminal or bank have changed.</summary>
public abstract class StandScreen : Screen
{
    [Parameter, EditorRequired]
    public Stand Stand { get; set; } = null!;

    protected PhoneDevice Phone => Stand.Phone;

    protected override void OnInitialized()
    {
        base.OnInitialized();
        Stand.Changed += Redraw;
    }

    protected override void Dispose(bool disposing)
    {
        Stand.Changed -= Redraw;
        base.Dispose(disposing);
    }
}
