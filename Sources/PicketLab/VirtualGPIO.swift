/// A GPIO controller (Virtual I/O Device 1.2, §5.18) whose wires lead into the rack.
///
/// A line that the guest lets go of keeps what it drove, as on most controllers, or falls to what
/// pulls it, as the rack's file says. A virtual machine that is reset or loses its power drives
/// nothing: its lines fall.
import CPicket
import PicketCore

final class VirtualGPIO: VirtualDevice {
    struct Line: Equatable {
        let name: String
        /// The level of the wire while the controller does not drive it.
        var outside = false
        /// The wire has this level whatever drives it.
        var stuck: Bool?
        fileprivate var output = false
        fileprivate(set) var driven = false
        fileprivate var direction: UInt8 = Direction.none
        fileprivate var trigger: UInt32 = 0
        fileprivate var pending = false

        var level: Bool { stuck ?? (driven ? output : outside) }

        init(name: String) { self.name = name }
    }
    private enum Direction {
        static let none: UInt8 = 0
        static let output: UInt8 = 1
        static let input: UInt8 = 2
    }
    private enum Trigger {
        static let rising: UInt32 = 1
        static let falling: UInt32 = 2
        static let high: UInt32 = 4
        static let low: UInt32 = 8
    }

    private(set) var lines: [Line]
    /// Called when the level changes of a line that the guest drives or has driven. The guest's request
    /// is answered after it returns.
    var changed: (_ line: String, _ level: Bool) -> Void = { _, _ in }
    private unowned var server: (any RequestAnswerer)!
    /// Drivers waiting for an edge, by line.
    private var waiting: [Int: QueueRequest] = [:]
    private static let eventQueue = 1

    private let holds: Bool

    /// - Parameter holds: lines that the guest lets go of keep their level.
    init(lines: [String], holds: Bool) {
        self.lines = lines.map { Line(name: $0) }
        self.holds = holds
    }

    // Edges (VIRTIO_GPIO_F_IRQ).
    let features: UInt64 = 1
    let queueCount = 2
    func attach(to server: any RequestAnswerer) { self.server = server }

    private var names: [UInt8] { lines.flatMap { Array($0.name.utf8) + [0] } }

    var configuration: [UInt8] {
        let size = names.count
        return [UInt8(lines.count & 0xFF), UInt8(lines.count >> 8), 0, 0]
            + (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) }
    }

    func stopped() {
        waiting = [:]
        for index in lines.indices {
            lines[index].trigger = 0
            lines[index].pending = false
            lines[index].direction = Direction.none
            alter(index) { $0.driven = false }
        }
    }

    // MARK: - The rack's side

    func level(of name: String) -> Bool? { lines.first { $0.name == name }?.level }

    func stick(_ name: String, _ level: Bool?) {
        guard let index = lines.firstIndex(where: { $0.name == name }) else { return }
        alter(index) { $0.stuck = level }
    }

    /// The rack gives a wire this level.
    func drive(_ name: String, _ level: Bool) {
        guard let index = lines.firstIndex(where: { $0.name == name }) else { return }
        let before = lines[index].level
        lines[index].outside = level
        let after = lines[index].level
        guard before != after else { return }
        let edge = after ? Trigger.rising : Trigger.falling
        if lines[index].trigger & (edge | (after ? Trigger.high : Trigger.low)) != 0 { fire(index) }
    }

    // MARK: - The guest's side

    func handle(_ request: QueueRequest, queue: Int) {
        if queue == Self.eventQueue { return wait(request) }
        answer(request, reply(to: request))
    }

    func handledAll(queue: Int) {}

    private func answer(_ request: QueueRequest, _ bytes: [UInt8], queue: Int = 0) {
        server.answer([(request, bytes)], queue: queue, life: server.life)
    }

    private func reply(to request: QueueRequest) -> [UInt8] {
        let failed: [UInt8] = [1, 0]
        guard let kind = request.word(at: 0), let line = request.word(at: 2),
            let value = request.word(at: 4)
        else { return failed }
        if kind == 1 { return [0] + names }
        let index = Int(line)
        guard index < lines.count else { return failed }
        switch kind {
        case 2: return [0, lines[index].direction]
        case 3 where value <= 2:
            lines[index].direction = UInt8(value)
            alter(index) { line in
                switch line.direction {
                case Direction.output: line.driven = true
                case Direction.input: line.driven = false
                default: line.driven = line.driven && holds
                }
            }
        case 4: return [0, lines[index].level ? 1 : 0]
        case 5: alter(index) { $0.output = value & 1 == 1 }
        case 6:
            lines[index].trigger = UInt32(value)
            lines[index].pending = false
            if value == 0, let request = waiting.removeValue(forKey: index) {
                answer(request, [0], queue: Self.eventQueue)
            }
        default: return failed
        }
        return [0, 0]
    }

    private func alter(_ index: Int, _ change: (inout Line) -> Void) {
        let before = lines[index].level
        change(&lines[index])
        let after = lines[index].level
        if before != after { changed(lines[index].name, after) }
    }

    /// A driver wants to be told of the line's next edge.
    private func wait(_ request: QueueRequest) {
        guard let line = request.word(at: 0), case let index = Int(line), index < lines.count,
            lines[index].trigger != 0
        else { return answer(request, [0], queue: Self.eventQueue) }
        waiting[index] = request
        let now = lines[index].level ? Trigger.high : Trigger.low
        if lines[index].pending || lines[index].trigger & now != 0 { fire(index) }
    }

    private func fire(_ index: Int) {
        guard let request = waiting.removeValue(forKey: index) else {
            lines[index].pending = true
            return
        }
        lines[index].pending = false
        answer(request, [1], queue: Self.eventQueue)
    }
}
