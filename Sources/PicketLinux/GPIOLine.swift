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

    private init(owning raw: Int32, tellsEdges: Bool) {
        descriptor = Descriptor(owning: raw)
        self.tellsEdges = tellsEdges
    }

    public init(_ line: LineDescription, _ use: Use) throws(DeviceError) {
        let (result, found) = GPIOLine.ask(line, use, onlyLook: false)
        guard result >= 0 else { throw GPIOLine.refusal(line, -result, found) }
        self.init(owning: result, tellsEdges: found.edges)
    }

    /// A line that an agent before this one requested, as it is; `raw` stays with the caller.
    public init?(adopting raw: Int32) {
        guard GPIOLine.isAlive(raw) else { return nil }
        let copy = dup(raw)
        guard copy >= 0 else { return nil }
        self.init(owning: copy, tellsEdges: false)
    }

    /// Whether this descriptor is a line whose chip is there.
    public static func isAlive(_ raw: Int32) -> Bool { picket_gpio_get(raw) >= 0 }

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

/// The lines that the service manager keeps for this service (sd_pid_notify_with_fds(3),
/// `FDSTORE=1`): handed to the next agent as descriptors 3 and up, with their names.
public struct KeptLines: Sendable {
    private var lines: [(name: String, raw: Int32)] = []

    /// To be called once, before anything else opens files.
    public init() {
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
            lines.append((names[Int(index)], raw))
        }
    }

    /// Under which a line is kept: another place, or another level for *on*, is another line.
    public static func name(_ line: LineDescription, onIsHigh: Bool) -> String {
        var name = "relay"
        for part in [line.name, line.chip ?? "", line.offset.map { "\($0)" } ?? ""] {
            name += "-"
            for byte in part.utf8 {
                let fits = byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: ":")
                name.unicodeScalars.append(Unicode.Scalar(fits ? byte : UInt8(ascii: "_")))
            }
        }
        return name + (onIsHigh ? "-high" : "-low")
    }

    /// The line of that name, for the caller that takes it over.
    public mutating func take(_ name: String) -> Int32? {
        guard let index = lines.firstIndex(where: { $0.name == name }) else { return nil }
        return lines.remove(at: index).raw
    }

    /// Has the service manager keep a line that this agent requested, and returns a descriptor of
    /// it to adopt, in case the lines have to be opened again.
    public static func keep(_ line: borrowing GPIOLine, as name: String) -> Int32? {
        ServiceManager()?.keep(line.raw, as: name)
        let copy = dup(line.raw)
        return copy < 0 ? nil : copy
    }

    /// The line is of no use any more: its chip is gone.
    public static func letGo(_ raw: Int32, _ name: String) {
        close(raw)
        ServiceManager()?.forget(name)
    }

    /// Those that nobody wants any more are let go.
    public mutating func release() {
        for line in lines {
            close(line.raw)
            ServiceManager()?.forget(line.name)
        }
        lines = []
    }
}
