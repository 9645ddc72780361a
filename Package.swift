// swift-tools-version: 6.2
import PackageDescription

/// `PICKET_EMBEDDED=1` builds picketd, and everything it links, as Embedded Swift: the mode in
/// which the agent is released. Without it the same sources build in ordinary mode, for tests.
let embedded = Context.environment["PICKET_EMBEDDED"] == "1"

/// `PICKET_SIMULATION=1` adds the planted bugs (`PlantedBug`): wrong machines that the proof's tools
/// must find. Nothing that is released is built with it.
let planted = Context.environment["PICKET_SIMULATION"] == "1" && !embedded

/// `PICKET_FUZZER`: where libFuzzer's library is. Adds picket-fuzz, and instruments what it calls.
let fuzzer = embedded ? nil : Context.environment["PICKET_FUZZER"]

let strict: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
    ]
    + (planted
        ? [
            .define("PICKET_PLANTED_BUGS"),
            .unsafeFlags([
                "-cross-module-optimization", "-enforce-exclusivity=unchecked",
                "-Xfrontend", "-assume-single-threaded",
            ]),
        ] : [])
    + (fuzzer == nil ? [] : [.unsafeFlags(["-sanitize=fuzzer", "-enable-testing"])])
let agent =
    strict
    + (embedded
        ? [
            .enableExperimentalFeature("Embedded"),
            // Embedded Swift does not check exclusivity at run time: the calls do nothing.
            .unsafeFlags([
                "-wmo", "-Osize", "-Xfrontend", "-function-sections",
                "-enforce-exclusivity=unchecked",
            ]),
        ] : [])

/// The tests compute with the machine and the proof for minutes: these are optimised in a debug build
/// too, and keep its checks.
let computing: [SwiftSetting] =
    embedded
    ? [] : [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))]

let agentLinker: [LinkerSetting] =
    embedded
    ? [
        .unsafeFlags([
            "-use-ld=lld", "-Xlinker", "--as-needed", "-Xlinker", "--gc-sections", "-Xlinker",
            "--icf=all",
            // Equal sequences of code are shared, as they are by themselves on Arm.
            "-Xlinker", "-mllvm", "-Xlinker", "-enable-machine-outliner=always",
            "-Xlinker", "-z", "-Xlinker", "now",
            // Needs glibc 2.36, as the agent's randomness (arc4random) does.
            "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs",
        ])
    ] : []

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

var targets: [Target] = [
    .target(
        name: "CPicket", dependencies: ["CGpiod"],
        cSettings: embedded ? [.define("PICKET_EMBEDDED")] : [],
        linkerSettings: [.linkedLibrary("i2c")] + (embedded ? [] : [.linkedLibrary("m")])),
    .systemLibrary(
        name: "CGpiod", pkgConfig: "libgpiod", providers: [.apt(["libgpiod-dev", "libi2c-dev"])]),
    .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
    .target(name: "PicketCore", swiftSettings: agent + computing),
    .target(
        name: "PicketWire", dependencies: ["PicketCore", "CSodium"], swiftSettings: agent),
    .target(name: "PicketText", dependencies: ["PicketCore"], swiftSettings: agent),
    .target(
        name: "PicketConfig",
        dependencies: ["PicketCore", "PicketHardware", "PicketText", "CYaml"],
        swiftSettings: agent),
    .target(name: "PicketHardware", dependencies: ["PicketCore"], swiftSettings: agent),
    .target(
        name: "PicketLinux",
        dependencies: ["PicketCore", "PicketHardware", "PicketText", "CPicket"],
        swiftSettings: agent),
    .target(
        name: "PicketRackClient", dependencies: ["PicketCore", "PicketHardware", "CPicket"],
        swiftSettings: agent),
    .target(
        name: "PicketControl", dependencies: ["PicketCore", "PicketHardware", "PicketText"],
        swiftSettings: agent),
    .executableTarget(
        name: "picketd",
        dependencies: [
            "PicketCore", "PicketWire", "PicketConfig", "PicketHardware", "PicketLinux",
            "PicketRackClient", "PicketControl", "PicketText", "CPicket",
        ],
        swiftSettings: agent, linkerSettings: agentLinker),
    .executableTarget(
        name: "picket-units",
        dependencies: ["PicketCore", "PicketLinux", "PicketText", "CPicket"],
        swiftSettings: agent, linkerSettings: agentLinker),
    .executableTarget(
        name: "picket-workload", dependencies: ["PicketRackClient", "CPicket"],
        swiftSettings: agent, linkerSettings: agentLinker + [.linkedLibrary("m")]),
]

// What no board runs: the command line with its rack and lab, the proof, and all tests. They use
// Foundation and ArgumentParser, which Embedded Swift does not have.
if !embedded {
    let argumentParser: Target.Dependency = .product(
        name: "ArgumentParser", package: "swift-argument-parser")
    targets += [
        .target(
            name: "PicketProof",
            dependencies: [
                "PicketCore", "PicketWire", "PicketHardware", "PicketConfig", "PicketControl",
                "PicketLinux", "PicketText",
            ],
            swiftSettings: strict + computing),
        .target(
            name: "PicketRack",
            dependencies: [
                "PicketCore", "PicketHardware", "PicketConfig", "PicketControl", "PicketRackClient",
                "PicketText", "CPicket",
            ],
            swiftSettings: strict),
        .target(
            name: "PicketLab",
            dependencies: [
                "PicketCore", "PicketConfig", "PicketRackClient", "PicketRack", "CPicket",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "picket",
            dependencies: [
                "PicketCore", "PicketHardware", "PicketConfig", "PicketControl", "PicketLinux",
                "PicketRack", "PicketLab", "PicketText", "CPicket", argumentParser,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "picket-sim",
            dependencies: ["PicketCore", "PicketProof", argumentParser],
            swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["PicketCore"], path: "Tests/TestSupport",
            swiftSettings: strict),
        tests("PicketCoreTests", ["PicketCore", "PicketWire", "PicketProof", "TestSupport"]),
        tests("PicketWireTests", ["PicketWire", "PicketCore", "PicketProof", "TestSupport"]),
        tests("PicketTextTests", ["PicketText", "PicketCore", "PicketProof"]),
        tests(
            "PicketConfigTests",
            ["PicketConfig", "PicketCore", "PicketHardware", "PicketText", "PicketProof"]),
        tests("PicketHardwareTests", ["PicketHardware", "PicketCore", "PicketProof"]),
        tests("PicketLinuxTests", ["PicketLinux", "PicketCore", "CPicket"]),
        tests("PicketRackClientTests", ["PicketRackClient"]),
        tests("PicketProofTests", ["PicketProof", "PicketCore"]),
        tests("DocumentationTests", []),
        tests(
            "PicketRackTests",
            [
                "PicketRack", "PicketRackClient", "PicketConfig", "PicketCore", "PicketHardware",
                "CPicket",
            ]),
        tests(
            "PicketLabTests",
            [
                "PicketLab", "PicketRack", "PicketRackClient", "PicketCore", "PicketHardware",
                "CPicket",
            ]),
        tests(
            "PicketControlTests",
            ["PicketControl", "PicketCore", "PicketHardware", "PicketProof"]),
        tests(
            "picketdTests",
            [
                "picketd", "PicketConfig", "PicketControl", "PicketCore", "PicketHardware",
                "PicketLinux", "PicketWire",
            ]),
        tests(
            "PicketUnitsTests",
            [
                "picket-units", "picketd", "PicketConfig", "PicketLinux", "PicketCore",
                "PicketRack",
                "CPicket",
            ]),
        tests(
            "EndToEndTests",
            [
                "picket", "picketd", "picket-sim", "picket-workload", "PicketConfig", "PicketRack",
                "PicketHardware", "CPicket",
            ]),
    ]
}

// Only here, because picket-fuzz cannot be linked without libFuzzer's library.
if let fuzzer {
    targets += [
        .target(name: "CFuzz", path: "Fuzz/CFuzz"),
        .executableTarget(
            name: "picket-fuzz",
            dependencies: [
                "PicketCore", "PicketWire", "PicketConfig", "PicketControl", "PicketLinux",
                "PicketRack", "CFuzz",
            ],
            path: "Fuzz/picket-fuzz", swiftSettings: [.unsafeFlags(["-sanitize=fuzzer"])],
            linkerSettings: [.unsafeFlags([fuzzer, "-lstdc++"])]),
    ]
}

let package = Package(
    name: "picket",
    products: [.executable(name: "picketd", targets: ["picketd"])],
    dependencies: embedded
        ? [] : [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")],
    targets: targets)
