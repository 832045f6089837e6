namespace Majia.Host.Web;

/// <summary><c>/api/openapi.json</c>: what programs may ask of the counter, its phones and the owner's site, drawn up from the routes themselves.</summary>
internal static class ApiDescription
{
    public static void Add(IServiceCollection services) => services.AddOpenApi(options =>
    {
        options.ShouldInclude = static route => route.RelativePath?.StartsWith("api/", StringComparison.Ordinal) == true;
        options.AddDocumentTransformer(static (document, _, _) =>
        {
            document.Info.Title = "Majia counter / 马甲收银台";
            document.Info.Version = "1";
            document.Info.Description = "The same as hands do at the page. A change is a POST with a JSON body. 202: it has begun, /api/state tells how it goes. A refusal of phone or wallet is 200 with ok false and every reason; "
                + "an error is {errorCode, errorDescription, errors[]} with the field, what was expected and what came, and `why` in plain words, English and Chinese.";
            document.Servers = [new() { Url = "/" }];
            document.ExternalDocs = new() { Url = new(TokenApi.OpenApiDocument.RequestorPath + "/openapi.json", UriKind.Relative), Description = "The token service's own API, with its calls to banks and token requestors as webhooks. / 标记服务接口，含其发往发卡行与标记请求方的回调。" };
            return Task.CompletedTask;
        });
    });
}
