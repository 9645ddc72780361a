/// The other end: one request, its answer, and an exit code.
///
/// A helper that was just started again, or replaced, is waited for. What was asked of the one
/// before it is asked again: to start what is started, or to stop what is stopped, does nothing.

import CPicket
import PicketCore
import PicketLinux
import PicketText

enum Asking {
    static func ask(_ order: Order, _ options: Options) -> Int32 {
        let socket = options.socket
        var clock = Clock()
        let until = clock.now() + options.patience
        while true {
            if let code = once(order, at: socket) { return code }
            if clock.now() >= until { break }
            Worker.sleep(.milliseconds(50))
        }
        Main.say(
            "picket-units: nobody answers at \(socket): systemctl start picket-units", on: 2)
        return ExitCode.unknown
    }

    /// `nil` where there was no answer.
    private static func once(_ order: Order, at path: String) -> Int32? {
        let raw = unsafe picket_control_connect(path)
        if raw < 0 {
            guard picket_errno() == EACCES else { return nil }
            Main.say("picket-units: \(path) is root's and the agent's alone", on: 2)
            return ExitCode.refused
        }
        let socket = Descriptor(owning: raw)
        let request = Array("\(order.line)\n".utf8)
        guard unsafe send(raw, request, request.count, picket_dont_wait) == request.count else {
            return nil
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while let count = socket.read(into: &buffer), count > 0 {
            bytes.append(contentsOf: buffer[..<count])
            while let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: bytes[..<end], as: UTF8.self)
                bytes.removeSubrange(...end)
                if let code = Answer(line)?.shown() { return code }
            }
        }
        return nil
    }
}

/// A line of the helper's.
enum Answer: Equatable {
    /// What systemctl says.
    case says(String)
    case listed(String)
    case ended(Int32)
    case refused(String)
    /// It could not be tried.
    case unknown(String)

    init?(_ line: String) {
        let word = line.parts(between: " ").first ?? ""
        let rest = line.dropping(first: min(word.utf8.count + 1, line.utf8.count))
        switch word {
        case "says": self = .says(rest)
        case "unit": self = .listed(rest)
        case "ended":
            guard let code = Int32(rest) else { return nil }
            self = .ended(code)
        case "refused": self = .refused(rest)
        case "unknown": self = .unknown(rest)
        default: return nil
        }
    }

    var line: String {
        switch self {
        case .says(let text): "says \(text)"
        case .listed(let unit): "unit \(unit)"
        case .ended(let code): "ended \(code)"
        case .refused(let why): "refused \(why)"
        case .unknown(let why): "unknown \(why)"
        }
    }

    /// Shows it; the exit code, if it is the last.
    func shown() -> Int32? {
        switch self {
        case .says(let text): Main.say(text, on: 2)
        case .listed(let unit): Main.say(unit, on: 1)
        case .ended(let code): return code
        case .refused(let why):
            Main.say("picket-units: \(why)", on: 2)
            return ExitCode.refused
        case .unknown(let why):
            Main.say("picket-units: \(why)", on: 2)
            return ExitCode.unknown
        }
        return nil
    }
}
