/// What root's helper (picket-units) and those who ask it must have alike.

import PicketCore

/// What `picket-units` ends with, where it is not what systemctl says.
public enum HelperExit {
    public static let wrong: Int32 = 2
    /// The helper says no: nothing was done.
    public static let refused: Int32 = 77
    /// The helper is not there, does not answer, or could not try.
    public static let unknown: Int32 = 75

    /// It tells nothing of the unit.
    public static func isUnknown(_ code: Int32) -> Bool { code == unknown || code == refused }
}

/// Where it is asked.
public enum HelperPlace {
    public static let directory = "/run/picket-root"
    /// `picket-units` finds its connection as its standard input.
    public static let connected = ["--connected"]

    public static func socket(in directory: String = directory) -> String {
        directory + "/units.sock"
    }
}

/// A line of the helper's.
public enum HelperAnswer: Equatable, Sendable {
    /// systemd is asked.
    case begun
    /// What systemctl says.
    case says(String)
    case listed(String)
    case ended(Int32)
    case refused(String)
    /// It could not be tried.
    case unknown(String)

    public init?(_ line: String) {
        let word = line.parts(between: " ").first ?? ""
        let rest = line.dropping(first: min(word.utf8.count + 1, line.utf8.count))
        switch word {
        case "begun": self = .begun
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

    public var line: String {
        switch self {
        case .begun: "begun"
        case .says(let text): "says \(text)"
        case .listed(let unit): "unit \(unit)"
        case .ended(let code): "ended \(code)"
        case .refused(let why): "refused \(why)"
        case .unknown(let why): "unknown \(why)"
        }
    }
}
