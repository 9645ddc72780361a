/// GPIO lines of the kernel's.
///
/// libgpiod finds the chip and the line and requests it, direction and first level in one step; the
/// value then goes through the request's descriptor. That descriptor is all that holds the line:
/// while one copy of it is open anywhere, the line keeps its level. The service manager keeps one
/// over a restart of the agent (`KeptLines`), and the agent that follows takes the line over as it
/// is, without an edge.

import CPicket
public import PicketCore
public import PicketHardware

/// What a device's driver or the kernel refused, in words that say what to do.
public struct DeviceError: Error, Equatable, CustomStringConvertible {
    public let description: String
    /// This computer contradicts the configuration, or its board's file.
    public let contradiction: Bool

    public init(_ description: String, contradiction: Bool = false) {
        self.description = description
        self.contradiction = contradiction
    }
}

public struct GPIOLine: ~Copyable {
    public enum Use: Sendable {
        /// With edges, where the chip has interrupts.
        case sense
        case drive(high: Bool)
    }

    private let descriptor: Descriptor
    /// The descriptor becomes readable at an edge.
    public let tellsEdges: Bool

    fileprivate init(owning raw: Int32, tellsEdges: Bool) {
        descriptor = Descriptor(owning: raw)
        self.tellsEdges = tellsEdges
    }

    public init(_ line: LineDescription, _ use: Use) throws(DeviceError) {
        let (result, found) = GPIOLine.ask(line, use, onlyLook: false)
        guard result >= 0 else { throw GPIOLine.refusal(line, -result, found) }
        self.init(owning: result, tellsEdges: found.edges)
    }

    /// Whether this descriptor is a line whose chip is there.
    fileprivate static func isAlive(_ raw: Int32) -> Bool { picket_gpio_get(raw) != -ENODEV }

    public var raw: Int32 { descriptor.raw }

    public func set(high: Bool) throws(LineError) {
        let result = picket_gpio_set(descriptor.raw, high)
        if result < 0 { throw GPIOLine.failure(-result) }
    }

    public func isHigh() throws(LineError) -> Bool {
        let result = picket_gpio_get(descriptor.raw)
        if result < 0 { throw GPIOLine.failure(-result) }
        return result == 1
    }

    private static func failure(_ errno: Int32) -> LineError {
        errno == ENODEV ? .gone : .other(errno: errno)
    }

    /// Looks for the line, and requests and drives nothing.
    ///
    /// - Returns: Why it could not be had; `nil` where it could.
    public static func look(_ line: LineDescription) -> DeviceError? {
        let (result, found) = ask(line, .sense, onlyLook: true)
        return result < 0 ? refusal(line, -result, found) : nil
    }

    private static func ask(
        _ line: LineDescription, _ use: Use, onlyLook: Bool
    ) -> (Int32, picket_gpio_found) {
        var found = picket_gpio_found()
        var wish = unsafe picket_gpio_wish()
        unsafe wish.offset = line.offset.map { Int32($0) } ?? -1
        unsafe wish.bias = Int32(line.bias.rawValue)
        unsafe wish.drive = Int32(line.drive.rawValue)
        unsafe wish.strict = line.byBoard
        switch use {
        case .sense: unsafe wish.kind = 1
        case .drive(let high): unsafe wish.kind = high ? 3 : 2
        }
        let result = unsafe line.name.withCString { name in
            unsafe wish.line = name
            guard let chip = line.chip else {
                return unsafe picket_gpio_request(&wish, onlyLook, &found)
            }
            return unsafe chip.withCString { chip in
                unsafe wish.chip = chip
                return unsafe picket_gpio_request(&wish, onlyLook, &found)
            }
        }
        return (result, found)
    }

    private static func refusal(
        _ line: LineDescription, _ code: Int32, _ found: picket_gpio_found
    ) -> DeviceError {
        var place = "line \(line.name)"
        if let offset = line.offset { place += " (offset \(offset)" }
        if let chip = line.chip { place += line.offset == nil ? " (\(chip)" : " of \(chip)" }
        if line.offset != nil || line.chip != nil { place += ")" }
        let chip = "\(text(of: found.chip)) [\(text(of: found.label))]"
        switch Int(code) {
        case 10001:
            return DeviceError(
                "\(place): this node has no GPIO chip of that name, label or path; gpiodetect"
                    + " lists those it has")
        case 10002:
            return DeviceError(
                "\(place): no line is called so; gpioinfo lists them, and one without a name is"
                    + " written { name, chip, offset }")
        case 10003:
            return DeviceError(
                "\(place): more than one line is meant; write { name, chip, offset }",
                contradiction: true)
        case 10004:
            return DeviceError(
                "\(place): \(chip) has the lines 0 to \(Int(found.lines) - 1)",
                contradiction: true)
        case 10005:
            return DeviceError(
                "\(place): here the kernel calls that line \(text(of: found.name)); the board file"
                    + " is another board's", contradiction: true)
        default: break
        }
        if code == EBUSY {
            return DeviceError(
                "\(place): \"\(text(of: found.consumer))\" uses it; end that, or take another line")
        }
        let hint =
            code == EACCES || code == EPERM
            ? "; /dev/gpiochip* must be open to the agent's user (udev rules of picket)" : ""
        return DeviceError("\(place): \(SystemError.text(of: code))\(hint)")
    }

    /// A C array of 64 characters, as far as its NUL.
    fileprivate static func text<Characters>(of characters: Characters) -> String {
        unsafe withUnsafeBytes(of: characters) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// Waits for an edge on one of these descriptors, or until `other` is readable, at most so long
    /// (`nil`: without end). True after an edge, which is then taken.
    ///
    /// A line whose chip is gone is ready for ever and tells of no edge: it is taken from `edges`.
    public static func waitForEdge(
        _ edges: inout [Int32], or other: Int32, atMost limit: Duration?
    ) -> Bool {
        var clock = Clock()
        let deadline = limit.map { clock.now() + $0 }
        while true {
            var waiting: [pollfd] = []
            for raw in edges + [other] { waiting.append(pollfd(fd: raw, events: 1, revents: 0)) }
            let left = deadline.map { max(.zero, $0 - clock.now()) }
            let ready = unsafe picket_ppoll(
                &waiting, Int32(waiting.count), left?.nanoseconds ?? -1)
            var any = false
            for index in edges.indices.reversed() where waiting[index].revents != 0 {
                if picket_gpio_drain(edges[index]) { any = true } else { edges.remove(at: index) }
            }
            // Only lines that are gone: wait on.
            if any || ready <= 0 || waiting[waiting.count - 1].revents != 0 { return any }
        }
    }
}

/// One line as the kernel shows it, for callers that only look.
public struct GPIOLineSeen: Sendable {
    public var chip: String
    public var label: String
    /// Of the chip.
    public var lines: Int
    public var offset: Int
    /// Empty: it has none.
    public var name: String
    /// Empty: nobody uses it.
    public var consumer: String

    /// - Returns: `nil` where there is no such chip or line, or it may not be looked at.
    public init?(chip number: Int, offset: Int) {
        var found = picket_gpio_found()
        let result = unsafe picket_gpio_list(Int32(number), UInt32(offset), &found)
        guard result == 0 else { return nil }
        chip = GPIOLine.text(of: found.chip)
        label = GPIOLine.text(of: found.label)
        lines = Int(found.lines)
        self.offset = offset
        name = GPIOLine.text(of: found.name)
        consumer = GPIOLine.text(of: found.consumer)
    }
}

/// The lines of this node's fence, each requested once, whoever works with it and for however long:
/// a line that is let go and requested anew may move its relay in between.
///
/// Those that drive a relay are kept by the service manager as well (sd_pid_notify_with_fds(3),
/// `FDSTORE=1`), which hands them to the next agent as descriptors 3 and up, with their names. For
/// any thread: none waits here for a driver.
@safe public final class KeptLines: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var lines: [Kept] = []

    private struct Kept {
        var name: String
        var raw: Int32
        var tellsEdges = false
        /// Nobody has asked for it yet since an agent before this one left it.
        var inherited = false
    }

    /// To be made once, before anything else opens files.
    public init() {
        unsafe mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        guard let count = Environment["LISTEN_FDS"].flatMap({ Int32($0) }),
            Environment["LISTEN_PID"].flatMap({ Int32($0) }) == getpid()
        else { return }
        let names = Environment["LISTEN_FDNAMES"]?.parts(between: ":") ?? []
        for index in 0..<min(max(count, 0), 64) {
            let raw = 3 + index
            picket_close_on_exec(raw)
            guard Int(index) < names.count, picket_gpio_is_line(raw) else {
                close(raw)
                continue
            }
            lines.append(Kept(name: names[Int(index)], raw: raw, inherited: true))
        }
    }

    deinit {
        for line in lines { close(line.raw) }
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Under which a line is kept: another place, another level for *on*, or another use is another
    /// line.
    public static func name(_ line: LineDescription, _ use: GPIOLine.Use) -> String {
        var name: String
        switch use {
        case .sense: name = "sense"
        case .drive: name = "relay"
        }
        for part in [line.name, line.chip ?? "", line.offset.map { "\($0)" } ?? ""] {
            name += "-"
            for byte in part.utf8 {
                let fits = byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: ":")
                name.unicodeScalars.append(Unicode.Scalar(fits ? byte : UInt8(ascii: "_")))
            }
        }
        switch use {
        case .sense: return name
        case .drive(let onIsHigh): return name + (onIsHigh ? "-high" : "-low")
        }
    }

    /// Why the line could not be had; `nil` where it could, or is kept.
    public func look(_ line: LineDescription, _ use: GPIOLine.Use) -> DeviceError? {
        letGoDead(KeptLines.name(line, use))
        return locked { index(KeptLines.name(line, use)) } == nil ? GPIOLine.look(line) : nil
    }

    /// The line as it is, or requested and kept from now on.
    ///
    /// - Parameter inherited: set where an agent before this one has left it.
    public func line(
        _ line: LineDescription, _ use: GPIOLine.Use, inherited: inout Bool
    ) throws(DeviceError) -> GPIOLine {
        let name = KeptLines.name(line, use)
        letGoDead(name)
        let known = locked { () -> Kept? in
            guard let index = index(name) else { return nil }
            defer { lines[index].inherited = false }
            var copy = lines[index]
            copy.raw = dup(copy.raw)
            return copy.raw < 0 ? nil : copy
        }
        if let known {
            inherited = known.inherited
            return GPIOLine(owning: known.raw, tellsEdges: known.tellsEdges)
        }
        let requested = try GPIOLine(line, use)
        let copy = dup(requested.raw)
        guard copy >= 0 else { return requested }
        if case .drive = use { ServiceManager()?.keep(requested.raw, as: name) }
        let edges = requested.tellsEdges
        locked { lines.append(Kept(name: name, raw: copy, tellsEdges: edges)) }
        return requested
    }

    private func index(_ name: String) -> Int? { lines.firstIndex { $0.name == name } }

    /// A line whose chip is gone is of no use any more.
    private func letGoDead(_ name: String) {
        guard let raw = locked({ index(name).map { lines[$0].raw } }), !GPIOLine.isAlive(raw)
        else { return }
        let dead = locked { () -> Kept? in
            guard let index = index(name), lines[index].raw == raw else { return nil }
            return lines.remove(at: index)
        }
        if let dead { KeptLines.letGo(dead) }
    }

    /// Those that nobody wants any more are let go.
    public func letGo(but names: [String]) {
        let gone = locked { () -> [Kept] in
            let gone = lines.filter { !names.contains($0.name) }
            lines.removeAll { !names.contains($0.name) }
            return gone
        }
        for line in gone { KeptLines.letGo(line) }
    }

    private static func letGo(_ line: Kept) {
        close(line.raw)
        ServiceManager()?.forget(line.name)
    }
}
