/// What of hellos outlives an agent (Hello.swift), in a file of its own: under /run as often as a hello
/// counts, which is never while the nodes hear each other; and on disk at each start of the agent, and
/// with each session of the peer's. So after a boot only what the peer said since its last session
/// can count a second time. One that cannot be read is as good as none.

import PicketConfig
import PicketCore
import PicketLinux
import PicketText
import PicketWire

struct HelloFile {
    private let noted: String
    private let kept: String
    private var last: HelloMemory

    /// With the life of the agent that starts now.
    init(in ground: Hardware.Ground) {
        noted = ground.paths.runDirectory + "/hello"
        kept = ground.paths.stateDirectory + "/hello"
        last = HelloFile.read(noted).joined(with: HelloFile.read(kept))
            .next(wallSeconds: (WallClock.now() + ground.wallOffset) / 1_000_000_000)
    }

    var memory: HelloMemory { last }

    mutating func note(_ memory: HelloMemory, _ agent: Agent) {
        guard memory != last else { return }
        last = memory
        note(agent)
    }

    func note(_ agent: Agent) {
        do throws(SystemError) {
            try DurableFile.replace(
                noted, with: Array(HelloFile.text(last).utf8), durable: false)
        } catch { agent.log(.warning, "not written: \(error.description)") }
    }

    func keep(_ agent: Agent) { agent.storage.write(kept, HelloFile.text(last)) }

    static func text(_ memory: HelloMemory) -> String {
        "life \(memory.life)\nheard \(memory.heard)\n"
    }

    static func memory(_ text: String) -> HelloMemory {
        var memory = HelloMemory()
        for line in text.parts(between: "\n").map({ $0.parts(between: " ") })
        where line.count == 2 {
            if line[0] == "life" { memory.life = UInt32(line[1]) ?? 0 }
            if line[0] == "heard" { memory.heard = UInt64(line[1]) ?? 0 }
        }
        return memory
    }

    private static func read(_ path: String) -> HelloMemory {
        do throws(SystemError) {
            let bytes = try DurableFile.read(path, limit: 512) ?? []
            return memory(String(decoding: bytes, as: UTF8.self))
        } catch { return HelloMemory() }
    }
}
