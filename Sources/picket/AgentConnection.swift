import ArgumentParser
import CPicket
import Foundation
import PicketConfig
import PicketControl
import PicketCore

/// Where the agent is found.
struct AgentOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The agent's control socket.",
            discussion: "Default: $PICKET_SOCKET, else what the configuration says.",
            valueName: "path"))
    var socket: String?

    @Option(
        name: .long,
        help: ArgumentHelp("The configuration that names the socket.", valueName: "file"))
    var config: String?

    func path() throws -> String {
        if let socket { return socket }
        if let config { return try ConfigurationFile.load(config).paths.controlSocket }
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["PICKET_SOCKET"], !path.isEmpty { return path }
        // The agent may run with an older text of the file than the one that is there now, so a
        // mistake in it is no reason not to look.
        let loaded = try? ConfigurationFile.load(ConfigurationFile.usual)
        return loaded?.paths.controlSocket ?? Paths().controlSocket
    }

    func connect() throws -> AgentConnection { try AgentConnection(path: path()) }

    /// Sends a request that one line answers.
    func ask(_ request: Request) throws -> Data {
        let connection = try connect()
        connection.send(request)
        switch try connection.next(within: .seconds(10)) {
        case .line(let line): return line
        case .closed, .silent:
            throw Failure(
                .unreachable, "unreachable", "the agent at \(connection.path) gave no answer.")
        }
    }

    func status() throws -> StatusModel {
        try StatusModel.decode(ask(.status))
    }

    /// Sends a command, and throws its refusal.
    func command(_ request: Request) throws -> ResultModel {
        try ResultModel.accepted(ask(request))
    }
}

/// One connection to an agent: a request, then lines of JSON.
final class AgentConnection {
    enum Next {
        case line(Data)
        case silent
        case closed
    }

    let path: String
    private let descriptor: Int32
    private var received = Data()

    init(path: String) throws {
        self.path = path
        descriptor = unsafe picket_control_connect(path)
        guard descriptor >= 0 else { throw Self.unreachable(path, errno: picket_errno()) }
    }

    deinit { close(descriptor) }

    private static func unreachable(_ path: String, errno: Int32) -> Failure {
        let (code, reason) =
            switch errno {
            case ENOENT: ("unreachable", "there is no socket; is picketd running on this node?")
            case ECONNREFUSED: ("unreachable", "nobody answers there; picketd has ended.")
            case EACCES, EPERM:
                (
                    "forbidden",
                    "you may not use it; be root, or of its group (picket, or what control.group names)."
                )
            default: ("unreachable", unsafe String(cString: picket_error_text(errno)) + ".")
            }
        return Failure(.unreachable, code, "no agent at \(path): \(reason)")
    }

    /// An agent that has hung up may have said why: `next` finds that.
    func send(_ request: Request, then file: [UInt8] = []) {
        var rest = (Array((request.line + "\n").utf8) + file)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { buffer in
                unsafe CPicket.send(
                    descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, picket_errno() == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// The next line, without its line feed.
    ///
    /// - Parameter span: how long to wait; `nil` for ever.
    func next(within span: PicketCore.Duration? = nil) throws -> Next {
        let deadline = span.map { picket_monotonic_time() + $0.nanoseconds }
        while true {
            if let end = received.firstIndex(of: 10) {
                let line = received[received.startIndex..<end]
                received = Data(received[(end + 1)...])
                return .line(Data(line))
            }
            let left = deadline.map { max(0, $0 - picket_monotonic_time()) } ?? -1
            let ready = picket_wait(descriptor, false, left)
            if ready != 1 {
                if deadline == nil || picket_monotonic_time() < deadline! { continue }
                return .silent
            }
            guard try read() else { return .closed }
        }
    }

    private func read() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe CPicket.read(descriptor, bytes.baseAddress, bytes.count)
        }
        if count < 0, picket_errno() == EINTR || picket_errno() == EAGAIN { return true }
        guard count > 0 else { return false }
        received.append(contentsOf: buffer[..<count])
        return true
    }
}
