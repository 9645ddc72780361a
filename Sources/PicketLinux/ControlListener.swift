/// The control socket, and the lock that keeps a node to one agent.
///
/// The lock is on a file beside the socket and goes with the process, however that ends, and with
/// any child that it was just starting, since a child has its parent's descriptors until it has
/// closed them. So an agent that does not get the lock tries for a second, and then says who has
/// it. Only the agent that has it removes a socket that an earlier life left behind.

import CPicket
import PicketCore

public struct ControlListener: ~Copyable {
    private let lock: Descriptor
    private let descriptor: Descriptor
    public let path: String
    /// Why the socket has another group than was asked for.
    public let warning: String?
    public var raw: Int32 { descriptor.raw }

    public enum Refusal: Error, CustomStringConvertible {
        case system(SystemError)
        /// Another agent has this node. The process is 0 where it does not answer.
        case held(path: String, process: Int32)
        case noSuchGroup(String)

        public var description: String {
            switch self {
            case .system(let error): error.description
            case .held(let path, let process):
                process > 0
                    ? "another picketd runs on this node: process \(process) has \(path)"
                    : "another picketd runs on this node: it has \(path).lock"
            case .noSuchGroup(let name): "there is no group \"\(name)\" for the control socket"
            }
        }
    }

    /// Mode 0660; with `group`, its members may use it. A process that may not give it away keeps
    /// it for its own group: that is no reason to leave the node without an agent.
    public init(path: String, group: String? = nil) throws(Refusal) {
        try self.init(path: path, group: group) { path, id in
            unsafe chown(path, uid_t.max, id) == 0 ? 0 : picket_errno()
        }
    }

    /// - Parameter give: gives the path to the group, and returns 0 or errno.
    init(path: String, group: String?, give: (String, gid_t) -> Int32) throws(Refusal) {
        let lock = try ControlListener.lock(path)
        let listener = try ControlListener.listen(path)
        self.warning = try group.flatMap { group throws(Refusal) in
            try ControlListener.refusal(path, group, give)
        }
        self.lock = lock
        self.descriptor = listener
        self.path = path
    }

    /// Whether the system knows a group of this name.
    public static func knows(group: String) -> Bool { unsafe picket_group_id(group) >= 0 }

    private static func refusal(
        _ path: String, _ group: String, _ give: (String, gid_t) -> Int32
    ) throws(Refusal) -> String? {
        let id = unsafe picket_group_id(group)
        guard id >= 0 else { throw .noSuchGroup(group) }
        let errno = give(path, gid_t(id))
        if errno == 0 { return nil }
        guard errno == EPERM else { throw .system(SystemError("chown", path, errno: errno)) }
        return "\(path) stays with this agent's own group, because the agent may not give it to "
            + "\(group): set SupplementaryGroups=\(group) in a drop-in of picketd.service"
    }

    private static func lock(_ path: String) throws(Refusal) -> Descriptor {
        let file = unsafe picket_open_file(path + ".lock", picket_read_write_create, 0o600)
        guard file >= 0 else {
            throw .system(SystemError("open", path + ".lock", errno: picket_errno()))
        }
        let lock = Descriptor(owning: file)
        for _ in 0..<100 {
            if picket_file_lock(lock.raw) == 0 { return lock }
            Worker.sleep(.milliseconds(10))
        }
        throw .held(path: path, process: holder(of: path))
    }

    private static func listen(_ path: String) throws(Refusal) -> Descriptor {
        _ = unsafe unlink(path)
        let socket = unsafe picket_control_listen(path, 0o660)
        guard socket >= 0 else {
            throw .system(SystemError("listen", path, errno: picket_errno()))
        }
        return Descriptor(owning: socket)
    }

    private static func holder(of path: String) -> Int32 {
        let socket = unsafe picket_control_connect(path)
        if socket < 0 { return 0 }
        let descriptor = Descriptor(owning: socket)
        return picket_peer_process(descriptor.raw)
    }

    /// The next caller that waits.
    public func accept() -> ControlConnection? {
        let raw = picket_control_accept(descriptor.raw)
        return raw < 0 ? nil : ControlConnection(owning: raw)
    }

    /// Takes the socket's name away: at a clean end.
    public func withdraw() { _ = unsafe unlink(path) }
}

/// One caller. Answers wait in memory, up to a bound, until the caller takes them.
public final class ControlConnection {
    private let descriptor: Descriptor
    private var output: [UInt8] = []
    private var sent = 0
    public var raw: Int32 { descriptor.raw }
    /// The caller's user id.
    public let user: UInt32
    /// The process that connected, also where another one has the connection by now.
    public let process: Int32

    static let longestBacklog = 4 << 20

    public enum Received: Equatable, Sendable {
        case bytes(count: Int)
        case nothing
        /// The caller hung up.
        case ended
    }

    init(owning raw: Int32) {
        descriptor = Descriptor(owning: raw)
        user = picket_peer_user(raw)
        process = picket_peer_process(raw)
    }

    public func receive(into buffer: inout [UInt8]) -> Received {
        guard let count = descriptor.read(into: &buffer) else {
            return picket_errno() == EAGAIN ? .nothing : .ended
        }
        return count == 0 ? .ended : .bytes(count: count)
    }

    /// False where the caller is gone, or takes its answers too slowly: drop it.
    public func send(_ bytes: [UInt8]) -> Bool {
        output.append(contentsOf: bytes)
        return flush() && output.count - sent <= ControlConnection.longestBacklog
    }

    public var hasOutput: Bool { sent < output.count }

    /// Sends what the caller takes now. False where it is gone.
    public func flush() -> Bool {
        while sent < output.count {
            let rest = sent == 0 ? output : Array(output[sent...])
            let count = unsafe CPicket.send(descriptor.raw, rest, rest.count, picket_dont_wait)
            if count < 0 { return picket_errno() == EAGAIN }
            sent += count
        }
        output.removeAll(keepingCapacity: true)
        sent = 0
        return true
    }
}
