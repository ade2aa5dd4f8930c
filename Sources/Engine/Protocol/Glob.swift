enum Glob { static func matches(pattern: Bytes, _ text: Bytes, ignoringCase: Bool = false) -> Bool { true } }
