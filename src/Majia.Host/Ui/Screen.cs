using Majia.Core.Primitives;
using Microsoft.AspNetCore.Components;

namespace Majia.Host.Ui;

/// <summary>A part of a page that reads in the visitor's language and draws itself again when it changes.</summary>
public abstract class Screen : ComponentBase, IDisposable
{
    [CascadingParameter]
    public Visit Visit { get; set; } = null!;

    protected bool Chinese => Visit.Language == Language.Chinese;

    protected string T(string en, string zh) => Chinese ? zh : en;

    protected string Say(Text? text) => text?.In(Visit.Language) ?? string.Empty;

    protected override void OnInitialized() => Visit.Changed += Redraw;

    protected void Redraw() => _ = InvokeAsync(StateHasChanged);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => Visit.Changed -= Redraw;
}
