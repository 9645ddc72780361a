/// Serves a device to a virtual machine by the vhost-user protocol (QEMU's
/// docs/interop/vhost-user.rst).
///
/// The device lives in this process. So a relay exists outside of the virtual machine that drives it,
/// and survives its death. A request is answered only when its consequences are done: the other's
/// plug is pulled before the guest's ioctl returns.
///
/// One virtual machine at a time is connected. All of it happens in the rack's loop.
import CPicket
import PicketCore
import PicketRack

/// A device's own part.
protocol VirtualDevice: AnyObject {
    /// Beyond those that every device has.
    var features: UInt64 { get }
    var queueCount: Int { get }
    /// The configuration space.
    var configuration: [UInt8] { get }
    /// The server serves it from now on.
    func attach(to server: any RequestAnswerer)
    /// The driver has queued a request.
    func handle(_ request: QueueRequest, queue: Int)
    /// All that was queued together has been handled.
    func handledAll(queue: Int)
    /// The driver let go of the device, or the virtual machine is gone. What it asked for is void.
    func stopped()
}

/// Where a device's answers go.
protocol RequestAnswerer: AnyObject {
    /// Grows whenever requests become void.
    var life: Int { get }
    /// Answers requests of one queue, together. `life` is that in which they were taken.
    func answer(_ answers: [(request: QueueRequest, bytes: [UInt8])], queue: Int, life: Int)
}

final class VhostServer: RequestAnswerer {
    let path: String
    private let device: any VirtualDevice
    private let loop: EventLoop
    private let listener: Int32
    private var connection: Int32 = -1
    private var memory = GuestMemory()
    private var queues: [VirtualQueue] = []
    private var negotiated: UInt64 = 0
    private(set) var life = 0

    // The message that is being read: header, then body.
    private var incoming: [UInt8] = []
    private var needed = headerSize
    private var descriptors: [Int32] = []

    private static let headerSize = 12
    private static let eventIndex: UInt64 = 1 << 29
    /// Indirect descriptors, event indices, protocol features, virtio 1.
    private static let features: UInt64 = 1 << 28 | eventIndex | 1 << 30 | 1 << 32

    /// - Parameter path: of the socket to which QEMU connects.
    init(path: String, device: any VirtualDevice, loop: EventLoop) throws(RackFailure) {
        self.path = path
        self.device = device
        self.loop = loop
        listener = unsafe picket_unix_listen(path, picket_kind_stream)
        guard listener >= 0 else {
            throw RackFailure("cannot listen at \(path): errno \(picket_errno())")
        }
        loop.watch(listener) { [unowned self] in accept() }
        device.attach(to: self)
    }

    deinit {
        disconnect()
        loop.unwatch(listener)
        close(listener)
    }

    // MARK: - The virtual machine comes and goes

    private func accept() {
        let accepted = picket_accept(listener)
        guard accepted >= 0 else { return }
        // The virtual machine before it is dead, and its end was not read yet.
        disconnect()
        connection = accepted
        queues = Array(repeating: VirtualQueue(), count: device.queueCount)
        loop.watch(connection) { [unowned self] in receive() }
    }

    /// Also for a virtual machine whose plug was just pulled. Nothing that it asked for happens any
    /// more.
    func disconnect() {
        guard connection >= 0 else { return }
        for index in queues.indices { stop(index) }
        for queue in queues where queue.call >= 0 { close(queue.call) }
        queues = []
        memory = GuestMemory()
        loop.unwatch(connection)
        close(connection)
        connection = -1
        dropDescriptors()
        incoming = []
        needed = Self.headerSize
        life += 1
        device.stopped()
    }

    // MARK: - Requests of the driver

    private func kicked(_ index: Int) {
        var count: UInt64 = 0
        _ = unsafe read(queues[index].kick, &count, 8)
        work(index)
    }

    private func work(_ index: Int) {
        let mine = life
        while mine == life,
            let request = queues[index].take(
                from: memory, eventIndex: negotiated & Self.eventIndex != 0)
        {
            device.handle(request, queue: index)
        }
        if mine == life { device.handledAll(queue: index) }
    }

    func answer(_ answers: [(request: QueueRequest, bytes: [UInt8])], queue: Int, life: Int) {
        guard life == self.life, queue < queues.count else { return }
        queues[queue].complete(
            answers.map { ($0.request.head, $0.request.put($0.bytes)) }, in: memory)
    }

    // MARK: - Messages of QEMU

    private func receive() {
        while connection >= 0 {
            var chunk = [UInt8](repeating: 0, count: needed - incoming.count)
            var taken = [Int32](repeating: -1, count: 16)
            var number: Int32 = 0
            let count = unsafe chunk.withUnsafeMutableBytes { chunk in
                unsafe picket_receive_descriptors(
                    connection, chunk.baseAddress, chunk.count, &taken, 16, &number)
            }
            if count < 0, picket_errno() == EAGAIN { return }
            descriptors += taken.prefix(Int(number))
            guard count > 0 else { return disconnect() }
            incoming += chunk.prefix(count)
            guard incoming.count == needed else { continue }
            if needed == Self.headerSize {
                let size = Int(word32(8))
                guard size <= 4096 else { return disconnect() }
                needed += size
                if size > 0 { continue }
            }
            let message = Message(
                request: word32(0), wantsReply: word32(4) & 8 != 0,
                body: Array(incoming.dropFirst(Self.headerSize)))
            incoming = []
            needed = Self.headerSize
            handle(message)
            dropDescriptors()
        }
    }

    private struct Message {
        var request: UInt32
        var wantsReply: Bool
        var body: [UInt8]

        func word32(_ offset: Int) -> UInt32 {
            guard offset + 4 <= body.count else { return 0 }
            return (0..<4).reduce(0) { $0 | UInt32(body[offset + $1]) << UInt32(8 * $1) }
        }
        func word64(_ offset: Int) -> UInt64 {
            UInt64(word32(offset)) | UInt64(word32(offset + 4)) << 32
        }
    }

    private func word32(_ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(incoming[offset + $1]) << UInt32(8 * $1) }
    }

    private func dropDescriptors() {
        for descriptor in descriptors { close(descriptor) }
        descriptors = []
    }

    private func handle(_ message: Message) {
        var reply = answer(to: message)
        if reply == nil, message.wantsReply { reply = Self.bytes(UInt64(0)) }
        guard let reply, connection >= 0 else { return }
        let header =
            Self.bytes(message.request) + Self.bytes(UInt32(1 | 4))
            + Self.bytes(UInt32(reply.count))
        let whole = header + reply
        _ = unsafe whole.withUnsafeBytes {
            unsafe send(connection, $0.baseAddress, $0.count, picket_msg_nosignal)
        }
    }

    /// `nil`: there is nothing to say. Numbers as in the protocol's list of front-end messages.
    private func answer(to message: Message) -> [UInt8]? {
        let index = Int(message.word32(0) & 0xFF)
        switch message.request {
        case 1: return Self.bytes(Self.features | device.features)
        case 2: negotiated = message.word64(0)
        case 5: setMemory(message)
        case 15:
            // MQ, REPLY_ACK, CONFIG.
            return Self.bytes(UInt64(1 << 0 | 1 << 3 | (device.configuration.isEmpty ? 0 : 1 << 9)))
        case 17: return Self.bytes(UInt64(device.queueCount))
        case 24: return configuration(message)
        case 8 where index < queues.count: queues[index].size = Int(message.word32(4) & 0x7FFF)
        case 9 where index < queues.count:
            queues[index].descriptors = message.word64(8)
            queues[index].used = message.word64(16)
            queues[index].available = message.word64(24)
        case 10 where index < queues.count:
            queues[index].next = UInt16(truncatingIfNeeded: message.word32(4))
        case 11 where index < queues.count:
            let next = queues[index].next
            stop(index)
            life += 1
            device.stopped()
            return Self.bytes(UInt32(index)) + Self.bytes(UInt32(next))
        case 12 where index < queues.count: setKick(index, none: message.word32(0) & 0x100 != 0)
        case 13 where index < queues.count:
            if queues[index].call >= 0 { close(queues[index].call) }
            queues[index].call = descriptors.isEmpty ? -1 : descriptors.removeFirst()
        default: break  // Owners, error descriptors, enabling: nothing to do here.
        }
        return nil
    }

    private func setMemory(_ message: Message) {
        let count = Int(message.word32(0))
        guard count <= 16 else { return disconnect() }
        let descriptions = (0..<count).map { index in
            let start = 8 + 32 * index
            return GuestMemory.Description(
                guest: message.word64(start), size: message.word64(start + 8),
                user: message.word64(start + 16), offset: message.word64(start + 24))
        }
        let taken = descriptors
        descriptors = []
        guard let new = GuestMemory(descriptions, taken) else { return disconnect() }
        memory = new
    }

    private func configuration(_ message: Message) -> [UInt8] {
        let (offset, size) = (Int(message.word32(0)), Int(message.word32(4)))
        let space = device.configuration + [UInt8](repeating: 0, count: 256)
        guard offset + size <= 256 else { return [] }
        return Array(message.body.prefix(12)) + space[offset..<(offset + size)]
    }

    private func setKick(_ index: Int, none: Bool) {
        stop(index)
        guard !none, !descriptors.isEmpty else { return }
        let kick = descriptors.removeFirst()
        _ = picket_never_wait(kick)
        queues[index].kick = kick
        queues[index].running = true
        loop.watch(kick) { [unowned self] in kicked(index) }
        work(index)
    }

    private func stop(_ index: Int) {
        queues[index].running = false
        guard queues[index].kick >= 0 else { return }
        loop.unwatch(queues[index].kick)
        close(queues[index].kick)
        queues[index].kick = -1
    }

    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        (0..<(Number.bitWidth / 8)).map { UInt8(truncatingIfNeeded: number >> Number($0 * 8)) }
    }
}
