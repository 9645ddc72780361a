/// An agent's connection to the simulated rack. It blocks on purpose: a device that hangs must hang its
/// worker thread, as a hung I2C bus does.
internal import CPicket
import PicketCore

public enum RackError: Error, Equatable, Sendable {
    /// The rack is gone, or was never there; errno.
    case unreachable(Int32)
    /// The rack does not know the line, bus or value: its own words.
    case refused(String)
    /// The answer does not fit the request.
    case garbled(String)

    public var text: String {
        switch self {
        case .unreachable(let number): "the rack cannot be reached (errno \(number))"
        case .refused(let reason): "the rack refuses: \(reason)"
        case .garbled(let answer): "the rack answers nonsense: \(answer)"
        }
    }
}

/// Not for use by two threads at once.
public final class RackClient {
    private let descriptor: Int32

    /// Connects to the rack's socket of this node.
    public init(path: String) throws(RackError) {
        descriptor = socket(AF_UNIX, picket_sock_seqpacket, 0)
        guard descriptor >= 0 else { throw .unreachable(picket_errno()) }
        let connected = unsafe path.withCString { unsafe picket_unix_connect(descriptor, $0) }
        guard connected == 0 else { throw .unreachable(picket_errno()) }
    }

    deinit { close(descriptor) }

    public func node() throws(RackError) -> RackNode {
        let answer = try ask(.node)
        guard let node = RackNode(answer) else { throw .garbled(answer.text) }
        return node
    }

    /// Seconds by which this node's wall clock is off the computer's. It is asked anew at each use,
    /// because the rack may step it.
    public func wallClockOffset() throws(RackError) -> Int64 {
        guard let word = try words(.clock).first, let seconds = Int64(word)
        else { throw .garbled("clock") }
        return seconds
    }

    /// In the order of the configuration.
    public func links() throws(RackError) -> [RackLink] {
        var links: [RackLink] = []
        for word in try words(.links) {
            guard let link = RackLink(text: word) else { throw .garbled(word) }
            links.append(link)
        }
        return links
    }

    /// Sends the request, and waits for its answer: for ever, if need be.
    public func ask(_ request: RackRequest) throws(RackError) -> RackAnswer {
        try send(request.text, flags: picket_msg_nosignal)
        var buffer = [UInt8](repeating: 0, count: 4096)
        var count = -1
        repeat {
            count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
            }
        } while count < 0 && picket_errno() == EINTR
        guard count > 0 else { throw .unreachable(count < 0 ? picket_errno() : ECONNRESET) }
        let text = String(decoding: buffer[..<count], as: UTF8.self)
        guard let answer = RackAnswer(text: text) else { throw .garbled(text) }
        return answer
    }

    /// Sends without waiting, for requests that have no answer.
    public func tell(_ request: RackRequest) throws(RackError) {
        try send(request.text, flags: picket_msg_nosignal | picket_msg_dontwait)
    }

    /// The words after `ok`.
    func words(_ request: RackRequest) throws(RackError) -> [String] {
        let answer = try ask(request)
        switch answer {
        case .ok(let words): return words
        case .error(let reason): throw .refused(reason)
        case .nak, .timeout, .arbitration: throw .garbled(answer.text)
        }
    }

    private func send(_ text: String, flags: Int32) throws(RackError) {
        let bytes = Array(text.utf8)
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe CPicket.send(descriptor, $0.baseAddress, $0.count, flags)
        }
        guard sent == bytes.count else { throw .unreachable(picket_errno()) }
    }
}
