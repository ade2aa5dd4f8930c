// swift-tools-version: 6.2
// Fuzzers, apart from the package so that nobody who depends on it meets their build flags.
import PackageDescription

let package = Package(
    name: "fuzz",
    dependencies: [
        .package(name: "martlet", path: ".."),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    ],
    targets: [
        .executableTarget(
            name: "FuzzRequests",
            dependencies: [
                .product(name: "Martlet", package: "martlet"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]
        )
    ],
    swiftLanguageModes: [.v6]
)
