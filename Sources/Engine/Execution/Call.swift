//  Call.swift — what a handler may do besides reading its arguments.
struct Call: ~Copyable {
    init() {}
}
