/// A watchdog of the kernel's, /dev/watchdogN (Linux Documentation/watchdog/watchdog-api.rst).
///
/// Opening it starts it, with whatever timeout its driver has. So it is fed first, and only then
/// given the timeout that is wanted. The timeout that the driver made of that is read back. Closing
/// it in any way but by `disarm` leaves it running (S8).

import CPicket
public import PicketCore
public import PicketHardware
import PicketText

public struct WatchdogDevice: ~Copyable, HardwareWatchdog {
    private let descriptor: Descriptor
    private let feedsByCall: Bool
    public let path: String
    /// As the driver calls itself.
    public let identity: String
    public let timeout: Duration
    /// What ended the life before this boot, as the driver knows: WDIOF_ bits.
    public let bootStatus: UInt32
    public let stoppable: Bool
    /// Zero: there is none.
    public let pretimeout: Duration

    /// The device's own word that it reset the node.
    public static let reset: UInt32 = 0x0020

    private init(
        _ descriptor: consuming Descriptor, path: String, identity: String, feedsByCall: Bool,
        timeout: Duration, pretimeout: Duration, bootStatus: UInt32, stoppable: Bool
    ) {
        self.descriptor = descriptor
        self.path = path
        self.identity = identity
        self.feedsByCall = feedsByCall
        self.timeout = timeout
        self.pretimeout = pretimeout
        self.bootStatus = bootStatus
        self.stoppable = stoppable
    }

    /// Starts it.
    ///
    /// - Parameter pretimeout: Zero: none.
    public static func open(_ path: String, timeout wanted: Duration, pretimeout: Duration = .zero)
        throws(DeviceError) -> WatchdogDevice
    {
        let raw = unsafe picket_open_file(path, picket_read_write, 0)
        guard raw >= 0 else { throw refusal(path, picket_errno()) }
        let descriptor = Descriptor(owning: raw)
        var options: UInt32 = 0
        var name = [CChar](repeating: 0, count: 33)
        _ = unsafe picket_watchdog_support(raw, &options, &name)
        let identity = text(name)
        let feedsByCall = options & picket_watchdog_can_keep_alive != 0
        // The first thing, because its last owner may have left it close to its end.
        _ = feed(raw, byCall: feedsByCall)

        var seconds = Int32(clamping: (wanted.nanoseconds + 999_999_999) / 1_000_000_000)
        if options & picket_watchdog_can_set_timeout != 0 {
            let asked = seconds
            let result = unsafe picket_watchdog_call(raw, 6, &seconds)
            if result < 0 {
                // It is left as it was found, as far as that can be.
                _ = unsafe write(raw, "V", 1)
                throw DeviceError(
                    "\(path) (\(identity)) takes no timeout of \(asked) s:"
                        + " \(SystemError.text(of: -result)); set watchdog.timeout to what its"
                        + " driver takes (wdctl shows it)")
            }
        }
        var made: Int32 = 0
        if unsafe picket_watchdog_call(raw, 7, &made) == 0, made > 0 { seconds = made }
        var before = Int32(clamping: pretimeout.nanoseconds / 1_000_000_000)
        if options & picket_watchdog_can_pretimeout == 0 || before <= 0 {
            before = 0
        } else if unsafe picket_watchdog_call(raw, 8, &before) < 0 {
            before = 0
        }
        var status: Int32 = 0
        if unsafe picket_watchdog_call(raw, 2, &status) < 0 { status = 0 }
        _ = feed(raw, byCall: feedsByCall)
        return WatchdogDevice(
            descriptor, path: path, identity: identity, feedsByCall: feedsByCall,
            timeout: .seconds(Int64(seconds)), pretimeout: .seconds(Int64(before)),
            bootStatus: UInt32(bitPattern: status),
            stoppable: options & picket_watchdog_can_magic_close != 0
                && attribute("nowayout", of: path) != "1")
    }

    private static func text(_ characters: [CChar]) -> String {
        let bytes = characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    public mutating func feed() throws(WatchdogError) {
        let result = WatchdogDevice.feed(descriptor.raw, byCall: feedsByCall)
        if result < 0 { throw result == -ENODEV ? .absent : .other(errno: -result) }
    }

    private static func feed(_ raw: Int32, byCall: Bool) -> Int32 {
        var ignored: Int32 = 0
        if byCall { return unsafe picket_watchdog_call(raw, 5, &ignored) }
        return unsafe write(raw, "\0", 1) == 1 ? 0 : -picket_errno()
    }

    /// The magic close: `V` is the last that is written.
    public consuming func disarm() throws(WatchdogError) {
        guard unsafe write(descriptor.raw, "V", 1) == 1 else {
            throw .other(errno: picket_errno())
        }
    }

    // MARK: Which there are

    /// What /sys says of the device: `identity`, `nowayout`, `state`.
    public static func attribute(_ name: String, of path: String) -> String? {
        let device = path.parts(between: "/").last ?? path
        return (try? DurableFile.line("/sys/class/watchdog/\(device)/\(name)")) ?? nil
    }

    /// The device that a word means: a path, or the identity that its driver gives it.
    ///
    /// Without a word: the one of the board's identity, or the first that is hardware.
    public static func find(_ word: String?, board: String?) throws(DeviceError) -> String {
        var paths: [String] = []
        for name in Directory.names("/dev") where name.hasPrefix("watchdog") && name != "watchdog" {
            paths.append("/dev/\(name)")
        }
        if let word, word.hasPrefix("/") { return word }
        var known: [String] = []
        for path in paths {
            let identity = attribute("identity", of: path)
            if let wanted = word ?? board, identity == wanted { return path }
            known.append("\(path) (\(identity ?? "unknown"))")
        }
        if let word {
            throw DeviceError(
                "no watchdog calls itself \"\(word)\"; there is \(known.isEmpty ? "none" : Text.joined(known)); its driver may"
                    + " have to be loaded")
        }
        for path in paths where attribute("identity", of: path) != "Software Watchdog" {
            return path
        }
        guard let first = paths.first else {
            throw DeviceError(
                "this node shows no watchdog (/dev/watchdog0): load its driver, or softdog for"
                    + " one in software")
        }
        return first
    }

    /// Who has it open, as in "wd_keepalive (process 71)"; `nil` if nobody, or nobody who may be
    /// looked at.
    public static func holder(of path: String) -> String? {
        var name = [CChar](repeating: 0, count: 32)
        let process = unsafe picket_holder(path, &name, 32)
        return process > 0 ? "\(text(name)) (process \(process))" : nil
    }

    private static func refusal(_ path: String, _ errno: Int32) -> DeviceError {
        switch errno {
        case EBUSY:
            let holder = holder(of: path)
            let who = holder ?? "another process"
            let hint =
                holder == nil || who.hasSuffix(" (process 1)")
                ? "; if that is systemd, set RuntimeWatchdogSec=off in"
                    + " /etc/systemd/system.conf.d/picket.conf and reboot, or name another device"
                    + " as watchdog.device" : "; end it, or name another device as watchdog.device"
            return DeviceError("\(path): \(who) has it open\(hint)")
        case EACCES, EPERM:
            return DeviceError(
                "\(path): the agent's user may not open it (udev rules of picket)")
        case ENOENT, ENODEV, ENXIO:
            return DeviceError("\(path): there is no such watchdog; its driver may not be loaded")
        default: return DeviceError("\(path): \(SystemError.text(of: errno))")
        }
    }
}
