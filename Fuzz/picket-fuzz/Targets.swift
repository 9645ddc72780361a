import PicketConfig
import PicketControl
import PicketCore

@testable import PicketLinux
@testable import PicketRack
@testable import PicketWire

private func instant(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

nonisolated(unsafe) private var channel: Channel = {
    precondition(Sodium.initialise())
    return Channel(
        keys: [Key([UInt8](repeating: 7, count: 32))!], me: .low, session: SessionID(42),
        at: instant(1))
}()
nonisolated(unsafe) private var turns: Int64 = 0

func fuzzDatagram(_ bytes: [UInt8]) -> Int32 {
    turns += 1
    let now = Instant(nanoseconds: turns)
    let opened = channel.open(bytes, count: bytes.count, link: 0, at: now)
    switch opened {
    case .message, .copy, .parcel: fatalError("a forged datagram was opened")
    case .hello(_, let established, _):
        precondition(established == nil, "a forged hello established a session")
    case .dropped: break
    }
    return 0
}

func fuzzMessage(_ bytes: [UInt8]) -> Int32 {
    guard let body = try? Codec.decode(bytes, 0..<bytes.count, sequence: 9) else { return 0 }
    var again: [UInt8] = []
    precondition(Codec.encode(body.message, keys: body.keys, into: &again), "not encodable")
    let second = try? Codec.decode(again, 0..<again.count, sequence: 9)
    precondition(second?.message == body.message, "what was decoded is not what was encoded")
    return 0
}

func fuzzHello(_ bytes: [UInt8]) -> Int32 {
    guard let hello = try? Hello.decode(bytes, 0..<bytes.count) else { return 0 }
    var again: [UInt8] = []
    hello.encode(into: &again)
    let second = try? Hello.decode(again, 0..<again.count)
    precondition(second == hello, "what was decoded is not what was encoded")
    return 0
}

func fuzzConfiguration(_ bytes: [UInt8]) -> Int32 {
    do throws(ConfigurationErrors) {
        let configuration = try Configuration.load(bytes, file: "picket.yaml")
        let timing = configuration.policy.timing
        precondition(timing.deadAfter > .zero && timing.headStart > timing.offWithin)
    } catch {
        precondition(!error.list.isEmpty, "refused, and nothing said")
    }
    return 0
}

func fuzzControl(_ bytes: [UInt8]) -> Int32 {
    _ = try? Request.parse(bytes)
    return 0
}

/// The checksum is made right, so that what is behind it is reached.
private func sealed(_ title: String, _ bytes: [UInt8]) -> [UInt8] {
    SealedText.seal(title + "\n" + String(decoding: bytes, as: UTF8.self) + "\n")
}

func fuzzMemory(_ bytes: [UInt8]) -> Int32 {
    var file = MemoryFile(path: "memory", groups: ["gateway", "b"])
    let now = instant(1_000_000)
    let wall: Int64 = 1_764_000_000_000_000_000
    if bytes.first == 0 {
        _ = try? file.decode(bytes, now: now, wall: wall)
        return 0
    }
    guard let memory = try? file.decode(sealed(MemoryFile.title, bytes), now: now, wall: wall)
    else { return 0 }
    var other = file
    let second = try? other.decode(
        file.encode(memory, now: now, wall: wall), now: now, wall: wall)
    precondition(second == memory, "what was loaded is not what was stored")
    return 0
}

func fuzzNote(_ bytes: [UInt8]) -> Int32 {
    let file = RunNoteFile(path: "note", boot: "b", groups: ["gateway", "b"])
    guard let loaded = try? file.decode(sealed(RunNoteFile.title + "\nboot b", bytes)) else {
        return 0
    }
    let second = try? file.decode(file.encode(loaded.note))
    precondition(second?.note == loaded.note, "what was loaded is not what was stored")
    return 0
}

/// The pair for which rack and scenario files are read.
private let pair = """
    node: east
    pair:
      name: fuzzed
      key: /etc/picket/fuzzed.key
      detect_within: 500ms
      nodes:
        east: { links: [10.0.0.1:7780, 10.1.0.1:7780] }
        west: { links: [10.0.0.2:7780, 10.1.0.2:7780] }
    watchdog: { timeout: 2s }
    fence:
      east: [{ relay: { line: RELAY_EAST, off_within: 50ms, off_time: 1s, verify: { line: EAST_OK } } }]
      west: [{ relay: { line: RELAY_WEST, off_within: 50ms, off_time: 1s, verify: { line: WEST_OK } } }]
    sensors:
      inlet: { bus: 1, driver: tmp102, address: 0x48, critical: ">75C" }
    groups:
      gateway: { prefer: east, resources: [{ ip: 10.0.0.100/24@eth0 }] }

    """

nonisolated(unsafe) private let known: (pair: RackFile.Pair, boards: BoardFiles) = {
    let boards = BoardFiles(near: [])
    do throws(ConfigurationErrors) {
        return (
            try RackFile.pair(Array(pair.utf8), file: "pair.yaml", [], boards: boards), boards
        )
    } catch { fatalError("the fuzzer's own configuration: \(error.list)") }
}()

private func plan(_ bytes: [UInt8]) throws(ConfigurationErrors) -> RackPlan {
    try RackFile.parse(bytes, file: "rack.yaml") {
        _, everywhere throws(ConfigurationErrors) in
        if everywhere.isEmpty { return known }
        let changed = try RackFile.pair(
            Array(pair.utf8), file: "pair.yaml", everywhere, boards: known.boards)
        return (changed, known.boards)
    }
}

func fuzzRack(_ bytes: [UInt8]) -> Int32 {
    do throws(ConfigurationErrors) { _ = try plan(bytes) } catch {
        precondition(!error.list.isEmpty, "refused, and nothing said")
    }
    return 0
}

nonisolated(unsafe) private let rack: RackPlan = {
    do throws(ConfigurationErrors) {
        return try plan(Array("configuration: pair.yaml\n".utf8))
    } catch {
        fatalError("the fuzzer's own rack: \(error.list)")
    }
}()

func fuzzScenario(_ bytes: [UInt8]) -> Int32 {
    do throws(ConfigurationErrors) {
        let scenario = try Scenario.load(bytes, file: "scenario.yaml", name: "fuzzed", plan: rack)
        precondition(scenario.repetitions > 0)
        _ = scenario.needsSmallDisks
    } catch {
        precondition(!error.list.isEmpty, "refused, and nothing said")
    }
    return 0
}
