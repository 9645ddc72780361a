/// What is wrong with a file, in a form that a person can act on: where, which setting, what was
/// found, what would be right.

import PicketCore

/// A place in a file; both count from 1, columns in characters.
public struct Position: Equatable, Comparable, Sendable {
    public var line: Int
    public var column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
    public static func < (a: Position, b: Position) -> Bool {
        a.line != b.line ? a.line < b.line : a.column < b.column
    }
}

/// One mistake.
public struct ConfigurationError: Equatable, Sendable {
    public var file: String
    public var position: Position
    /// `pair.nodes.east.links[1]`; empty for the file as a whole.
    public var path: String
    /// What is wrong and, where it helps, what would be right. It may have several lines, as for
    /// the arithmetic of a timing that cannot hold.
    public var message: String

    public init(file: String, position: Position, path: String, message: String) {
        self.file = file
        self.position = position
        self.path = path
        self.message = message
    }

    /// `picket.yaml:12:9: pair.detect_within: found …, expected …`
    public var text: String {
        let place = "\(file):\(position.line):\(position.column): "
        return path.isEmpty ? place + message : place + path + ": " + message
    }
}

/// All mistakes of a file, in the order of their places; never empty.
public struct ConfigurationErrors: Error, Equatable, Sendable {
    public var list: [ConfigurationError]

    public init(_ list: [ConfigurationError]) { self.list = list }

    /// One per line (or more, where arithmetic is shown), without a newline at the end.
    public var text: String {
        var all = ""
        for error in list {
            if !all.isEmpty { all += "\n" }
            all += error.text
        }
        return all
    }
}
