public struct Configuration: Sendable { var databases = 16; var protoMaxBulkLength: Int64 = 512 << 20; public var port = 6379; public init() {} }
