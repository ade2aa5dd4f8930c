// swift-tools-version: 6.2
import PackageDescription

/// Every target builds in strict memory safety mode, and a warning is an error.
///
/// So an unsafe expression compiles only where someone wrote the word `unsafe`. See docs/STYLE.md,
/// "Fences".
let settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
    name: "martlet",
    products: [
        .library(name: "Martlet", targets: ["Martlet"]),
        .executable(name: "martlet", targets: ["MartletCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0")
    ],
    targets: [
        .target(name: "CPlatform"),
        .target(
            name: "Platform",
            dependencies: ["CPlatform"],
            swiftSettings: settings
        ),
        .target(
            name: "Engine",
            dependencies: [
                "CPlatform", "Platform", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "Martlet",
            dependencies: ["Engine", .product(name: "Logging", package: "swift-log")],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "MartletCommand",
            dependencies: ["Engine", "Platform", .product(name: "Logging", package: "swift-log")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PlatformTests",
            dependencies: ["Platform", "CPlatform"],
            swiftSettings: settings
        ),
        .target(
            name: "TestSupport",
            dependencies: [
                "Engine", "Martlet", "Platform", .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        .testTarget(
            name: "EngineTests",
            dependencies: [
                "Engine", "Platform", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "DifferentialTests",
            dependencies: ["Engine", "Platform", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: ["Engine", "Martlet", "Platform", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PersistenceTests",
            dependencies: ["Engine", "Platform", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ClientTests",
            dependencies: ["Engine", "MartletCommand", "Platform", "TestSupport"],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6]
)
