/// Listens to an agent that is a process of this computer: to its status by the control socket, to
/// its history by the file and by the control socket.
import CPicket
import Foundation
import PicketCore

final class AgentTap {
    private unowned let node: SimulatedNode
    private let controlSocket: String
    private let historyPath: String
    private let isListening: () -> Bool
    private var loop: EventLoop { node.rack.loop }
    private var connection: Int32 = -1
    private var text = Lines()
    private var history: FileHandle?
    private var historyText = Lines()
    private var historyFile: UInt64 = 0
    /// The connection that follows the history.
    private var follower: Int32 = -1
    private var taken: Set<[UInt8]> = []
    private var buffer = [UInt8](repeating: 0, count: 16_384)

    /// - Parameter isListening: an agent runs that may be asked.
    init(
        of node: SimulatedNode, controlSocket: String, isListening: @escaping () -> Bool
    ) {
        self.node = node
        self.controlSocket = controlSocket
        self.isListening = isListening
        historyPath = node.stateDirectory + "/history.jsonl"
        loop.every(.milliseconds(25)) { [unowned self] in
            readHistory()
            if connection < 0 { connect() }
            if follower < 0, isListening() { followHistory() }
        }
    }

    // MARK: - Status

    private func connect() {
        guard isListening(),
            let descriptor = open(asking: "watch every \(node.rack.statusEvery)ms")
        else { return }
        connection = descriptor
        loop.watch(descriptor) { [unowned self] in readStatus() }
    }

    /// Forgets the part that has come of a status that is not whole.
    func disconnect() {
        guard connection >= 0 else { return }
        close(connection)
        connection = -1
        text = Lines()
    }

    private func readStatus() {
        guard let bytes = receive(connection) else { return }
        guard !bytes.isEmpty else {
            disconnect()
            return node.agent.died()
        }
        for line in text.add(bytes) { node.agent.take(status: line) }
    }

    // MARK: - Commands

    /// Sends one line to the agent; the last line of its reply goes to `done`.
    func ask(_ line: String, _ done: @escaping ([UInt8]?) -> Void) {
        guard let descriptor = open(asking: line) else { return done(nil) }
        var text = Lines()
        var last: [UInt8]?
        loop.watch(descriptor) { [unowned self] in
            guard let bytes = receive(descriptor) else { return }
            last = text.add(bytes).last ?? last
            guard bytes.isEmpty else { return }
            close(descriptor)
            done(last)
        }
    }

    // MARK: - The socket

    private func open(asking line: String) -> Int32? {
        let descriptor = picket_unix_stream()
        guard descriptor >= 0 else { return nil }
        let bytes = Array((line + "\n").utf8)
        guard unsafe picket_unix_connect(descriptor, controlSocket) == 0,
            unsafe bytes.withUnsafeBytes({
                unsafe send(descriptor, $0.baseAddress, $0.count, picket_msg_nosignal)
            }) == bytes.count
        else {
            CPicket.close(descriptor)
            return nil
        }
        return descriptor
    }

    private func close(_ descriptor: Int32) {
        loop.unwatch(descriptor)
        CPicket.close(descriptor)
    }

    /// What has come; empty at the end. `nil`: nothing yet.
    private func receive(_ descriptor: Int32) -> ArraySlice<UInt8>? {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(descriptor, $0.baseAddress, $0.count, picket_msg_dontwait)
        }
        if count < 0, picket_errno() == EAGAIN { return nil }
        return buffer[..<max(0, count)]
    }

    // MARK: - History

    /// A full disk does not take what the agent has to say of it: that comes by the socket. The file
    /// has what an agent said right before it died, and before anybody asked.
    private func followHistory() {
        guard let descriptor = open(asking: "history 500 follow") else { return }
        follower = descriptor
        var lines = Lines()
        loop.watch(descriptor) { [unowned self] in
            guard let bytes = receive(descriptor) else { return }
            for line in lines.add(bytes) { take(history: line) }
            guard bytes.isEmpty else { return }
            close(descriptor)
            follower = -1
        }
    }

    /// Each line comes twice. Its time makes it one of its kind.
    private func take(history line: [UInt8]) {
        if taken.count > 20_000 { taken = [] }
        guard taken.insert(line).inserted else { return }
        node.agent.take(history: line)
    }

    private func readHistory() {
        if history == nil {
            guard let file = FileHandle(forReadingAtPath: historyPath) else { return }
            history = file
            historyFile = inode
        }
        if let data = try? history?.readToEnd(), !data.isEmpty {
            for line in historyText.add(Array(data)[...]) { take(history: line) }
        } else if inode != historyFile {
            // It was rotated.
            history = nil
        }
    }

    private var inode: UInt64 {
        let attributes = try? FileManager.default.attributesOfItem(atPath: historyPath)
        return (attributes?[.systemFileNumber] as? NSNumber)?.uint64Value ?? 0
    }
}

/// Bytes that come in pieces, as lines.
struct Lines {
    private var rest: [UInt8] = []

    /// The lines that are whole now, without their line feeds.
    mutating func add(_ bytes: ArraySlice<UInt8>) -> [[UInt8]] {
        rest += bytes
        var lines: [[UInt8]] = []
        var start = 0
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(Array(rest[start..<end]))
            start = end + 1
        }
        rest.removeFirst(start)
        return lines
    }
}
