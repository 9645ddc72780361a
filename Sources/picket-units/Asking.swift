/// The other end: one request, its answer, and an exit code.
///
/// A helper that was just started again, or replaced, is waited for. What was asked of the one
/// before it is asked again: to start what is started, or to stop what is stopped, does nothing.
/// One that hangs is waited for no longer: until it says that systemd was asked, nothing is known
/// of the unit, and what is unknown must not look like a failure of the unit's.
///
/// The agent has connected already where it asks: to the helper it alone may. A helper that goes then
/// leaves the outcome unknown, because nobody else can connect for the agent.

import CPicket
import PicketCore
import PicketLinux
import PicketText

enum Asking {
    static func ask(_ order: Order, _ options: Options) -> Int32 {
        let socket = options.socket
        var clock = Clock()
        let until = clock.now() + options.patience
        var isForbidden = false
        if options.isConnected {
            if let code = answer(order, on: Descriptor(owning: 0), until: until) { return code }
            return nobodyAnswers(at: socket)
        }
        while true {
            // While it is started, its socket is root's alone for a moment.
            let raw = unsafe picket_control_try(socket)
            isForbidden = raw < 0 && picket_errno() == EACCES
            if raw >= 0, let code = answer(order, on: Descriptor(owning: raw), until: until) {
                return code
            }
            if clock.now() >= until { break }
            Worker.sleep(.milliseconds(50))
        }
        guard !isForbidden else {
            Main.say("picket-units: \(socket) is root's and the agent's alone", on: 2)
            return HelperExit.refused
        }
        return nobodyAnswers(at: socket)
    }

    private static func nobodyAnswers(at socket: String) -> Int32 {
        Main.say(
            "picket-units: nobody answers at \(socket): systemctl restart picket-units", on: 2)
        return HelperExit.unknown
    }

    /// `nil` where there was none.
    private static func answer(
        _ order: Order, on socket: consuming Descriptor, until: Instant
    ) -> Int32? {
        let request = Array("\(order.line)\n".utf8)
        let sent = unsafe send(socket.raw, request, request.count, picket_dont_wait)
        guard sent == request.count else { return nil }
        var clock = Clock()
        var begun = false
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let left = begun ? -1 : max(0, (until - clock.now()).nanoseconds)
            let ready = picket_wait(socket.raw, false, left)
            if ready < 0, picket_errno() == EINTR { continue }
            guard ready == 1, let count = socket.read(into: &buffer), count > 0 else { return nil }
            bytes.append(contentsOf: buffer[..<count])
            while let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: bytes[..<end], as: UTF8.self)
                bytes.removeSubrange(...end)
                let answer = HelperAnswer(line)
                if answer == .begun { begun = true }
                if let code = answer?.shown() { return code }
            }
        }
    }
}

extension HelperAnswer {
    /// Shows it; the exit code, if it is the last.
    func shown() -> Int32? {
        switch self {
        case .begun: break
        case .says(let text): Main.say(text, on: 2)
        case .listed(let unit): Main.say(unit, on: 1)
        case .ended(let code): return code
        case .refused(let why):
            Main.say("picket-units: \(why)", on: 2)
            return HelperExit.refused
        case .unknown(let why):
            Main.say("picket-units: \(why)", on: 2)
            return HelperExit.unknown
        }
        return nil
    }
}
