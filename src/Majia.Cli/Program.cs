using Majia.Cli;

return await Entry.RunAsync(args);
