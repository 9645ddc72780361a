/// An I2C adapter (Virtual I/O Device 1.2, §5.17) in front of one of the rack's buses.
///
/// A transfer is several requests. All but the last are marked, and all are answered together. The
/// status of a message is 0, or the errno by which a real controller's driver would tell what went
/// wrong (Documentation/i2c/fault-codes.rst). The lab's driver passes it on.
import CPicket
import PicketCore
import PicketRack
import PicketRackClient

final class VirtualI2C: VirtualDevice {
    private let bus: SimulatedBus
    private let loop: EventLoop
    private unowned var server: (any RequestAnswerer)!
    private var transfer: [QueueRequest] = []

    /// Flags of a request.
    private static let failNext: UInt16 = 1
    private static let read: UInt16 = 2

    init(bus: SimulatedBus, loop: EventLoop) {
        self.bus = bus
        self.loop = loop
    }

    // Zero-length messages (VIRTIO_I2C_F_ZERO_LENGTH_REQUEST), which Linux insists on.
    let features: UInt64 = 1
    let queueCount = 1
    let configuration: [UInt8] = []
    func attach(to server: any RequestAnswerer) { self.server = server }

    func stopped() {
        transfer = []
        bus.forget()
    }

    func handle(_ request: QueueRequest, queue: Int) {
        transfer.append(request)
        guard let flags = request.word(at: 4), flags & Self.failNext != 0 else { return perform() }
    }

    func handledAll(queue: Int) {
        // A transfer that was cut short by a full queue.
        if !transfer.isEmpty { perform() }
    }

    private struct Step {
        var address: UInt8
        var write: [UInt8] = []
        var read = 0
        /// How many requests it stands for: a write that a read follows is one transaction.
        var requests = 1
    }

    private func perform() {
        let requests = transfer
        transfer = []
        var steps: [Step] = []
        for request in requests {
            let address = UInt8(truncatingIfNeeded: (request.word(at: 0) ?? 0) >> 1 & 0x7F)
            let reads = (request.word(at: 4) ?? 0) & Self.read != 0
            let count = max(0, request.room - 1)
            if reads, let last = steps.last, last.address == address, last.read == 0,
                !last.write.isEmpty
            {
                steps[steps.count - 1].read = count
                steps[steps.count - 1].requests += 1
            } else {
                steps.append(
                    Step(
                        address: address, write: reads ? [] : Array(request.bytes.dropFirst(8)),
                        read: reads ? count : 0))
            }
        }
        run(steps[...], requests[...], [], life: server.life)
    }

    private func run(
        _ steps: ArraySlice<Step>, _ requests: ArraySlice<QueueRequest>,
        _ answered: [(request: QueueRequest, bytes: [UInt8])], life: Int
    ) {
        guard let step = steps.first else {
            return server.answer(answered, queue: 0, life: life)
        }
        bus.transfer(address: step.address, write: step.write, read: step.read, at: loop.now) {
            [weak self] answer in
            guard let self else { return }
            var all = answered
            let mine = requests.prefix(step.requests)
            switch answer {
            case .ok(let words):
                let bytes = words.first.flatMap { Hex.bytes($0) } ?? []
                for request in mine.dropLast() { all.append((request, [0])) }
                if let last = mine.last { all.append((last, bytes + [0])) }
                run(steps.dropFirst(), requests.dropFirst(step.requests), all, life: life)
            case let failure:
                let status = UInt8(truncatingIfNeeded: Self.errno(of: failure))
                for request in requests {
                    let nothing = [UInt8](repeating: 0, count: max(0, request.room - 1))
                    all.append((request, nothing + [status]))
                }
                server.answer(all, queue: 0, life: life)
            }
        }
    }

    private static func errno(of answer: RackAnswer) -> Int32 {
        switch answer {
        case .nak: ENXIO
        case .timeout: ETIMEDOUT
        case .arbitration: EAGAIN
        case .ok, .error: EIO
        }
    }
}
