/// The control socket, and the lock that keeps a node to one agent.
///
/// The lock is on a file beside the socket and goes with the process, however that ends. Only who
/// has the lock removes a socket that an earlier life left behind; who does not get it says who
/// has it.

import CPicket
import PicketCore

public struct ControlListener: ~Copyable {
    private let lock: Descriptor
    private let descriptor: Descriptor
    public let path: String
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

    /// Mode 0660; with `group`, its members may use it.
    public init(path: String, group: String? = nil) throws(Refusal) {
        let lock = try ControlListener.lock(path)
        let listener = try ControlListener.listen(path, group)
        self.lock = lock
        self.descriptor = listener
        self.path = path
    }

    private static func lock(_ path: String) throws(Refusal) -> Descriptor {
        let file = unsafe picket_open_file(path + ".lock", picket_read_write_create, 0o600)
        guard file >= 0 else {
            throw .system(SystemError("open", path + ".lock", errno: picket_errno()))
        }
        let lock = Descriptor(owning: file)
        guard picket_file_lock(lock.raw) == 0 else {
            throw .held(path: path, process: holder(of: path))
        }
        return lock
    }

    private static func listen(_ path: String, _ group: String?) throws(Refusal) -> Descriptor {
        _ = unsafe unlink(path)
        let socket = unsafe picket_control_listen(path, 0o660)
        guard socket >= 0 else {
            throw .system(SystemError("listen", path, errno: picket_errno()))
        }
        let listener = Descriptor(owning: socket)
        if let group {
            let id = unsafe picket_group_id(group)
            guard id >= 0 else { throw .noSuchGroup(group) }
            guard unsafe chown(path, uid_t.max, gid_t(id)) == 0 else {
                throw .system(SystemError("chown", path, errno: picket_errno()))
            }
        }
        return listener
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
