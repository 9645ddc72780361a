/// A node as a virtual machine: QEMU, with devices that this process serves.
///
///     relay and sense lines    a GPIO controller, by vhost-user
///     sensors                  I2C adapters, one for each bus, by vhost-user
///     links                    network cards, each a datagram socket of the rack's switch
///     watchdog                 QEMU's i6300esb, which resets the virtual machine for real
///     evidence                 a network card of its own, to the rack
///     courier                  a serial port to the helper that runs the agent
///
/// The plug is SIGKILL. Once the signal is sent, no instruction of the guest's leaves a trace outside
/// that the rack did not already have. The power is off when every thread of QEMU is on its way out.
/// A virtual machine that gets its power back boots from cold.
import CPicket
import Foundation
import PicketConfig
import PicketCore
import PicketRack
import PicketRackClient

final class VirtualMachine: NodeBody {
    private unowned let node: SimulatedNode
    private unowned let maker: VirtualMachines
    private var kit: LabKit { maker.kit }
    private var rack: Rack { node.rack }
    private let gpio: VirtualGPIO
    private var servers: [VhostServer] = []
    private let monitor: MachineSocket
    private let courier: MachineSocket
    private var process: pid_t = 0
    private(set) var agentPaused = false
    /// Between the rack's wall clock and this one's, the least that was seen since it booted.
    private var clockBehind: Int64?
    private var errands: [String: Errand] = [:]
    private var lastErrand = 0
    /// Entries of the history, which the courier tells from its beginning after each boot.
    private var historySeen: Set<String> = []

    private struct Errand {
        var lines: [String] = []
        var done: (_ lines: [String], _ status: Int) -> Void
    }

    init(node: SimulatedNode, maker: VirtualMachines) throws(RackFailure) {
        self.node = node
        self.maker = maker
        let loop = node.rack.loop
        gpio = VirtualGPIO(lines: Self.lines(of: node), holds: node.plan.holdsLines)
        monitor = try MachineSocket(path: node.directory + "/qmp", loop: loop)
        courier = try MachineSocket(path: node.directory + "/courier", loop: loop)
        servers.append(
            try VhostServer(path: node.directory + "/gpio", device: gpio, loop: loop))
        for number in 0...(node.buses.keys.max() ?? 0) {
            let bus = node.buses[number] ?? SimulatedBus()
            servers.append(
                try VhostServer(
                    path: "\(node.directory)/i2c.\(number)",
                    device: VirtualI2C(bus: bus, loop: loop), loop: loop))
        }
        do {
            try FileManager.default.copyItem(
                atPath: maker.kit.directory + "/state.img", toPath: disk)
        } catch { throw RackFailure("cannot make \(disk): \(error.localizedDescription)") }
        wire()
    }

    private var disk: String { node.directory + "/state.img" }

    // MARK: - Wires

    /// What the node's agent drives or senses.
    private static func lines(of node: SimulatedNode) -> [String] {
        node.rack.relays.filter { $0.driver == node.id }
            .flatMap { [$0.plan.line, $0.plan.sense, $0.plan.opposite].compactMap { $0 } }
    }

    private func wire() {
        for relay in rack.relays where relay.driver == node.id {
            // A wire that nobody drives leaves the relay at rest.
            gpio.drive(relay.plan.line, !relay.plan.activeHigh)
        }
        gpio.changed = { [unowned self] line, level in
            guard
                let relay = rack.relays.first(where: {
                    $0.driver == node.id && $0.plan.line == line
                })
            else { return }
            let energised = level == relay.plan.activeHigh
            _ = rack.setLine(line, on: energised != relay.plan.normallyClosed, by: node)
        }
        senseMoved()
        monitor.connected = { [unowned self] in
            monitor.send(#"{"execute":"qmp_capabilities"}"#)
        }
        monitor.received = { [unowned self] in event(of: $0) }
        monitor.ended = { [unowned self] in machineEnded() }
        courier.received = { [unowned self] in heard(String(decoding: $0, as: UTF8.self)) }
    }

    func stick(_ line: String, _ level: Bool?) { gpio.stick(line, level) }

    /// Not seen: it is the virtual machine's own.
    var watchdog: (timeout: Duration, fedAt: Instant)? { nil }

    func senseMoved() {
        for relay in rack.relays where relay.driver == node.id {
            guard let sense = relay.plan.sense else { continue }
            gpio.drive(sense, rack.sense(relay) == relay.plan.senseActiveHigh)
            guard let opposite = relay.plan.opposite else { continue }
            gpio.drive(
                opposite, rack.sense(relay, opposite: true) == relay.plan.senseActiveHigh)
        }
    }

    // MARK: - Power

    var exists: Bool { process > 0 }

    func die(poweredOff: Bool) { if exists { kill() } }

    private func kill() {
        CPicket.kill(process, SIGKILL)
        // What it said before it died is heard before anybody acts on its death.
        maker.evidence.receive()
        agentPaused = false
        for server in servers { server.disconnect() }
        monitor.close()
        courier.close()
        endErrands()
    }

    var isGone: Bool {
        reapChildren()
        return picket_process_ended(process)
    }

    func clear() { process = 0 }

    func remove() {
        guard exists else { return }
        kill()
        var status: Int32 = 0
        _ = unsafe waitpid(process, &status, 0)
        clear()
    }

    func boot(because cause: String) {
        node.say("boot", "boots (\(cause))", .normal)
        clockBehind = nil
        do throws(RackFailure) { try writeIdentity() } catch { return rack.fail(error.text) }
        let none = unsafe picket_open("/dev/null", O_RDONLY, 0)
        let log = unsafe picket_open(node.logPath, picket_o_append, 0o644)
        let child = spawnSession(
            command(), environment: kit.environment, input: none, output: log, error: log)
        close(none)
        close(log)
        guard let child else { return rack.fail("cannot start \(command()[0])") }
        process = child
    }

    /// QEMU is gone though nobody pulled its plug.
    private func machineEnded() {
        guard process > 0, !node.draining else { return }
        let text = try? String(contentsOfFile: node.logPath, encoding: .utf8)
        let words = text?.split(separator: "\n").last.map(String.init) ?? "it said nothing"
        rack.fail("\(node.name)'s virtual machine has ended by itself: \(words)")
    }

    /// The kernel dies by an interrupt that it takes for a hardware failure. QEMU goes on.
    func crash() {
        node.say("crash", "is told to panic: the kernel dies, the power stays on", .alarm)
        monitor.send(#"{"execute":"inject-nmi"}"#)
        node.stoodStill()
    }

    // MARK: - Start

    private func address(_ card: String) -> String {
        "52:54:00:70:0\(node.id.rawValue):\(card)"
    }
    private func address(_ link: Int) -> String { address("0\(link)") }
    private var evidenceAddress: String { address("ff") }

    private func writeIdentity() throws(RackFailure) {
        let configuration = rack.plan.configurations[node.id]
        var addresses = configuration.links.enumerated().map { index, link in
            "\(address(index))=\(link[node.id].host)/24"
        }
        addresses.append("\(evidenceAddress)=192.168.255.\(10 + node.id.rawValue)/24")
        let text = """
            NAME=\(node.name)
            ADDRESSES="\(addresses.joined(separator: " "))"
            MANAGEMENT=\(evidenceAddress)
            EVIDENCE=\(EvidenceNetwork.host)
            RESTART_DELAY=\(node.plan.restartDelay.milliseconds)

            """
        guard
            FileManager.default.createFile(
                atPath: node.directory + "/machine", contents: Data(text.utf8))
        else { throw RackFailure("cannot write \(node.directory)/machine") }
    }

    private func command() -> [String] {
        var all = kit.command() + ["-name", node.name]
        func add(_ words: String...) { all += words }
        func socket(_ id: String, _ path: String) {
            add("-chardev", "socket,id=\(id),path=\(path)")
        }
        for name in ["machine", "picket.yaml", "pair.key"] {
            add("-fw_cfg", "name=opt/picket/\(name),file=\(node.directory)/\(name)")
        }
        add("-chardev", "file,id=console,path=\(node.directory)/console,append=on")
        add("-serial", "chardev:console")
        socket("qmp", monitor.path)
        add("-mon", "chardev=qmp,mode=control")
        socket("courier", courier.path)
        add(
            "-device", "virtio-serial-pci", "-device",
            "virtserialport,chardev=courier,name=picket.rack")
        add("-drive", "if=none,id=state,format=raw,file=\(disk),cache=unsafe,file.locking=off")
        add("-device", "virtio-blk-pci,drive=state,serial=state")
        for (index, server) in servers.enumerated() {
            socket("dev\(index)", server.path)
            add("-device", "vhost-user-\(index == 0 ? "gpio" : "i2c")-pci,chardev=dev\(index)")
        }
        func card(_ id: String, _ card: NetworkCard, _ address: String) {
            add(
                "-netdev",
                "dgram,id=\(id),local.type=unix,local.path=\(card.machinePath),"
                    + "remote.type=unix,remote.path=\(card.rackPath)",
                "-device", "virtio-net-pci,netdev=\(id),romfile=,mac=\(address)")
        }
        for link in 0..<rack.plan.linkCount {
            card("net\(link)", NetworkCard(in: node.directory, number: link), address(link))
        }
        card(
            "evidence", NetworkCard(in: node.directory, evidence: maker.evidence.path),
            evidenceAddress)
        return all
    }

    // MARK: - What QEMU says

    private func event(of line: ArraySlice<UInt8>) {
        guard
            let object = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any],
            let event = object["event"] as? String
        else { return }
        switch event {
        case "WATCHDOG":
            node.watchdogBit()
            node.stoodStill()
        case "RESET":
            courierGone()
            node.wasReset()
        default: break
        }
    }

    private func courierGone() {
        agentPaused = false
        clockBehind = nil
        endErrands()
    }

    /// Nobody will end them any more.
    private func endErrands() {
        let cut = errands
        errands = [:]
        for errand in cut.values { errand.done(errand.lines, -1) }
    }

    // MARK: - What the courier says

    private func heard(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        guard words.count == 2 else { return }
        let rest = words[1]
        switch words[0] {
        case "ready": node.hasBooted()
        case "clock":
            let offset = picket_wall_time() - (Int64(rest) ?? 0)
            clockBehind = min(clockBehind ?? .max, offset)
        case "agent":
            agentPaused = false
            node.say("agent_started", "starts its agent (process \(rest))", .quiet)
        case "exit": agentEnded(Int32(rest) ?? 0)
        case "status": if !agentPaused { node.agent.take(status: Array(rest.utf8)) }
        case "history":
            guard historySeen.insert(rest).inserted else { return }
            node.agent.take(history: Array(rest.utf8))
        case "reply": reply(rest)
        case "end": end(rest)
        default: break
        }
    }

    private func agentEnded(_ status: Int32) {
        agentPaused = false
        node.agent.died()
        node.say("agent_ended", "has lost its agent: \(ending(status))", .warning)
        guard status >> 8 != 0 else { return }
        run("tail -n 1 /run/picketd.log") { [unowned self] lines, _ in
            for line in lines { node.say("agent_said", "heard: \(line)", .warning) }
        }
    }

    private func reply(_ text: String) {
        let words = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            .map(String.init)
        errands[words[0]]?.lines.append(words.count > 1 ? words[1] : "")
    }

    private func end(_ text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 2, let errand = errands.removeValue(forKey: words[0]) else { return }
        errand.done(errand.lines, Int(words[1]) ?? -1)
    }

    private func errand(
        _ verb: String, _ text: String, _ done: @escaping ([String], Int) -> Void
    ) {
        lastErrand += 1
        errands["\(lastErrand)"] = Errand(done: done)
        courier.send("\(verb) \(lastErrand) \(text)")
    }

    // MARK: - What is done to it

    func run(_ command: String, _ done: @escaping ([String], Int) -> Void) {
        errand("run", command, done)
    }

    func ask(_ request: String, _ done: @escaping ([UInt8]?) -> Void) {
        errand("ask", request) { lines, _ in done(lines.last.map { Array($0.utf8) }) }
    }

    var clockAhead: Duration { .nanoseconds(-(clockBehind ?? 0)) }

    func stepClock(by seconds: Int64) {
        run("date -s @$(($(date +%s) + \(seconds)))") { _, _ in }
    }

    func replaceKey(_ key: [UInt8]) {
        put(maker.places(of: node.name, in: rack.directory).key, key)
    }

    func misbehave(group: String, verb: String, behaviour: String) {
        let places = maker.places(of: node.name, in: rack.directory)
        let path = "\(places.faults)/\(node.name).\(group).\(verb)"
        if behaviour.isEmpty {
            courier.send("remove \(path)")
        } else {
            put(path, Array(behaviour.utf8))
        }
    }

    private func put(_ path: String, _ bytes: [UInt8]) {
        courier.send("put \(path) \(Hex.text(bytes))")
    }

    private static let filler = "/var/lib/picket/.filler"

    func fillDisk() -> String {
        run("dd if=/dev/zero of=\(Self.filler) bs=64k; true") { _, _ in }
        return "is filled"
    }

    func freeDisk() { run("rm -f \(Self.filler)") { _, _ in } }

    /// Where the state file is written stands a pipe that nobody reads, until somebody does.
    func hangDisk(_ hangs: Bool) {
        let path = "/var/lib/picket/memory.new"
        run(
            hangs
                ? "rm -f \(path) && mkfifo \(path)" : "timeout 1 cat \(path); rm -f \(path)"
        ) { _, _ in }
    }

    func killAgent() { courier.send("agent kill") }

    func pauseAgent(_ pause: Bool) {
        courier.send("agent \(pause ? "pause" : "resume")")
        agentPaused = pause
    }

    func pauseAll(_ pause: Bool) {
        guard exists else { return }
        CPicket.kill(process, pause ? SIGSTOP : SIGCONT)
        agentPaused = pause
    }

    func stopAgent() { courier.send("agent stop") }
    func startAgent() { courier.send("agent start") }
    func reloadAgent() { courier.send("agent reload") }
}
