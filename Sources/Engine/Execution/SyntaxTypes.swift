//  SyntaxTypes.swift — what the words of a syntax line stand for.
//
//  Redis names its arguments so regularly that the name tells the type. Where it does not, the
//  line says so: `start:string`.

/// The type of an argument, as COMMAND DOCS names it.
package enum ArgumentType: String, Sendable {
    case string, integer, double, key, pattern, oneof, block
    case unixTime = "unix-time"
    case pureToken = "pure-token"

    /// The type of an argument called `name`.
    static func usual(for name: String) -> ArgumentType { table[name] ?? .string }

    private static let table: [String: ArgumentType] = [
        "destination": .key, "destkey": .key, "dst": .key, "key": .key, "key1": .key,
        "key2": .key, "keys": .key, "newkey": .key, "source": .key, "sourcekey": .key,
        "src": .key, "storedistkey": .key, "storekey": .key,
        "bit": .integer, "bits": .integer, "client-id": .integer, "cluster-bus-port": .integer,
        "config-epoch": .integer, "count": .integer, "cursor": .integer, "db": .integer,
        "decrement": .integer, "destination-db": .integer, "end": .integer,
        "end-slot": .integer, "entries-added": .integer, "entriesread": .integer,
        "frequency": .integer, "increment": .integer, "index": .integer, "index1": .integer,
        "index2": .integer, "len": .integer, "limit": .integer, "maxage": .integer,
        "milliseconds": .integer, "min-match-len": .integer, "ms": .integer,
        "num-matches": .integer, "numfields": .integer, "numids": .integer,
        "numkeys": .integer, "numlocal": .integer, "numreplicas": .integer,
        "offset": .integer, "port": .integer, "protover": .integer, "rank": .integer,
        "seconds": .integer, "slot": .integer, "start": .integer, "start-slot": .integer,
        "stop": .integer, "ttl": .integer, "version": .integer, "weight": .integer,
        "height": .double, "latitude": .double, "longitude": .double, "radius": .double,
        "score": .double, "timeout": .double, "width": .double,
        "by-pattern": .pattern, "get-pattern": .pattern, "pattern": .pattern,
        "unix-time-milliseconds": .unixTime, "unix-time-seconds": .unixTime,
    ]
}
