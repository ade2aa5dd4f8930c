//  Families.swift — every family of commands, in the order of the documentation.

extension Family {
    static let all = [
        Strings.family, LongestCommonSubsequences.family, Lists.family, Hashes.family, Sets.family,
        SortedSets.family, Bitmaps.family, HyperLogLogs.family, Geo.family, Streams.family,
        Keys.family, Sorting.family, Expirations.family, Objects.family,
        Dumps.family,
        Connections.family, Clients.family,
        ClientControl.family, ClientTracking.family, Monitors.family, CommandIntrospection.family,
        Configs.family, Servers.family, Saving.family,
        AppendOnlyCommands.server, AppendOnlyCommands.generic,
        CommandLogs.family, Latencies.family, Memories.family, Debugging.family,
        TransactionCommands.family, PubSubCommands.family,
    ]
}
