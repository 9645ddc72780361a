/// What the helper may start and stop, and which units have a warrant.
///
/// All of it lies in root's part of /run, so that a helper that is started again knows it, and a
/// new boot knows nothing of it:
///
///     named       the configuration's units, as they were last read
///     started     what the helper has started, and has not stopped since
///     warrants/   a file for each unit that may run
///
/// A copy of `named` lies in root's part of /var: a boot in which the configuration cannot be read
/// guards what the boot before it did.

import CPicket
import PicketCore
import PicketLinux
import PicketText

/// One request.
enum Order: Equatable {
    case start(String)
    case stop(String)
    /// It runs, and its group is active here: it has a warrant from now on.
    case adopt(String)
    /// Start it for a person's hands.
    case run(String)
    /// Stop it unless its group is active here: it has no warrant, or a person's.
    case clear(String)
    case list
    /// What systemd knows of the units, and which have a warrant.
    case look
    /// Put this file, which the agent offers, in place of the configuration; of that with this digest
    /// alone, if one is named.
    case take(String, for: String, over: String?)
    /// Put the configuration back that was there before the last one that was taken.
    case giveBack(String)

    /// A line's words.
    init?(_ words: [String]) {
        switch words.first {
        case "start" where words.count == 2: self = .start(words[1])
        case "stop" where words.count == 2: self = .stop(words[1])
        case "adopt" where words.count == 2: self = .adopt(words[1])
        case "run" where words.count == 2: self = .run(words[1])
        case "clear" where words.count == 2: self = .clear(words[1])
        case "list" where words.count == 1: self = .list
        case "look" where words.count == 1: self = .look
        case "take" where words.count == 3 || words.count == 4:
            self = .take(words[2], for: words[1], over: words.count == 4 ? words[3] : nil)
        case "give-back" where words.count == 2: self = .giveBack(words[1])
        default: return nil
        }
        if let unit, !Order.isUnit(unit) { return nil }
    }

    var unit: String? {
        switch self {
        case .start(let unit), .stop(let unit), .adopt(let unit), .run(let unit), .clear(let unit):
            unit
        case .list, .look, .take, .giveBack: nil
        }
    }

    /// Only one order for it is under way at a time.
    var touches: String? {
        switch self {
        case .take, .giveBack: "/"
        default: unit
        }
    }

    /// Whoever may only look has done nothing by it.
    var onlyLooks: Bool { self == .list || self == .look }

    var line: String {
        switch self {
        case .start(let unit): "start \(unit)"
        case .stop(let unit): "stop \(unit)"
        case .adopt(let unit): "adopt \(unit)"
        case .run(let unit): "run \(unit)"
        case .clear(let unit): "clear \(unit)"
        case .list: "list"
        case .look: "look"
        case .take(let offered, let place, let old):
            "take \(place) \(offered)" + (old.map { " \($0)" } ?? "")
        case .giveBack(let place): "give-back \(place)"
        }
    }

    /// What may stand on a command line and name a file.
    static func isUnit(_ text: String) -> Bool {
        let bytes = text.utf8
        guard (1...255).contains(bytes.count), bytes.contains(UInt8(ascii: ".")) else {
            return false
        }
        if bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: ".") { return false }
        return bytes.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte) || ":-_.\\@".utf8.contains(byte)
        }
    }
}

struct Rights {
    private let directory: String
    private(set) var named: [String]
    /// What may be stopped: in this boot it was started, or named. Whoever stops it may not know
    /// that it is stopped already, and a stop that is refused would be one that nobody knows of.
    private(set) var started: [String]

    init(in directory: String, kept: String) throws(SystemError) {
        self.directory = directory
        try DurableFile.makeDirectory(directory)
        try DurableFile.makeDirectory(directory + "/warrants")
        named =
            Rights.units(in: directory + "/named") ?? Rights.units(in: kept + "/named") ?? []
        started = Rights.units(in: directory + "/started") ?? []
    }

    private static func units(in path: String) -> [String]? {
        guard let bytes = try? DurableFile.read(path) else { return nil }
        return String(decoding: bytes, as: UTF8.self).parts(between: "\n").filter(Order.isUnit)
    }

    private static func bytes(_ units: [String]) -> [UInt8] {
        var text = ""
        for unit in units { text += unit + "\n" }
        return Array(text.utf8)
    }

    private func store(_ units: [String], _ name: String) throws(SystemError) {
        try DurableFile.replace(
            directory + "/" + name, with: Rights.bytes(units), durable: false)
    }

    /// Keeps the units that it is given for the next boot. No request waits for the disk.
    static func keeper(in directory: String) throws(SystemError) -> BoundedQueue<[String]> {
        let queue = try BoundedQueue<[String]>(capacity: 8)
        try Worker.start("keeper") {
            while true {
                guard let units = queue.wait() else { continue }
                let path = directory + "/named"
                if Rights.units(in: path) == units { continue }
                do throws(SystemError) {
                    try DurableFile.makeDirectory(directory)
                    try DurableFile.replace(path, with: Rights.bytes(units))
                } catch {
                    var logger = Logger(threshold: .info)
                    logger.log(
                        .warning, "a boot without configuration could not guard them: \(error)")
                }
            }
        }
        return queue
    }

    /// Why this is not done; `nil` if it may be.
    func refusal(of order: Order) -> String? {
        switch order {
        case .list, .look, .take, .giveBack: return nil
        case .start(let unit), .adopt(let unit), .run(let unit), .clear(let unit):
            return named.contains(unit)
                ? nil : "the configuration names no \(unit), so it may not be started"
        case .stop(let unit):
            return named.contains(unit) || started.contains(unit)
                ? nil
                : "the configuration names no \(unit), and has not named it in this boot, so it may not"
                    + " be stopped"
        }
    }

    /// What the file names now.
    mutating func name(_ units: [String]) throws(SystemError) {
        guard units != named || Rights.units(in: directory + "/named") == nil else { return }
        // What leaves the file may run by the word of the file before.
        let dropped = named.filter { !units.contains($0) && !started.contains($0) }
        if !dropped.isEmpty {
            try store(started + dropped, "started")
            started += dropped
        }
        named = units
        try store(units, "named")
    }

    /// Before a unit is started: it may be stopped from now on, whatever becomes of the file.
    mutating func begin(_ unit: String, by holder: Holder) throws(SystemError) {
        if !started.contains(unit) {
            try store(started + [unit], "started")
            started.append(unit)
        }
        let text = holder == .hand ? "hand\n" : ""
        try DurableFile.replace(path(of: unit), with: Array(text.utf8), durable: false)
    }

    /// Before a unit is stopped: nothing may start it again meanwhile.
    func revoke(_ unit: String) throws(SystemError) { try DurableFile.remove(path(of: unit)) }

    /// By whose word a unit may run; `nil` without a warrant.
    func holder(of unit: String) -> Holder? {
        guard let bytes = try? DurableFile.read(path(of: unit)) else { return nil }
        return bytes.isEmpty ? .group : .hand
    }

    private func path(of unit: String) -> String { Rights.warrant(of: unit, in: directory) }

    static func warrant(of unit: String, in directory: String) -> String {
        directory + "/warrants/" + unit
    }
}

enum Holder: String {
    /// Its group is active here.
    case group
    /// A person started it, in maintenance.
    case hand
}
