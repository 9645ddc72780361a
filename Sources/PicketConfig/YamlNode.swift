/// A YAML file as a tree in which everything knows its place.
///
/// The tree is a strict subset of YAML, on purpose: one document; no anchors, aliases or merge
/// keys (a file that says what it means in one place needs none, and ten lines of them can
/// stand for a gigabyte); no tags; scalar keys, each once. Scalars stay text: the type of the field
/// that reads `no`, `0x48` or `1e3` decides what it means.
public struct YamlNode: Equatable, Sendable {
    public var position: Position
    public var content: Content

    public enum Content: Equatable, Sendable {
        case scalar(YamlScalar)
        case sequence([YamlNode])
        case mapping([YamlEntry])
    }

    public init(position: Position, content: Content) {
        self.position = position
        self.content = content
    }
}

public struct YamlScalar: Equatable, Sendable {
    public var text: String
    /// In quotes or as a block: never "nothing", even if it is empty.
    public var quoted: Bool

    public init(text: String, quoted: Bool) {
        self.text = text
        self.quoted = quoted
    }
    /// A key without a value, or `~`.
    public var isNothing: Bool { !quoted && (text.isEmpty || text == "~" || text == "null") }
}

public struct YamlEntry: Equatable, Sendable {
    public var key: String
    public var keyPosition: Position
    public var value: YamlNode

    public init(key: String, keyPosition: Position, value: YamlNode) {
        self.key = key
        self.keyPosition = keyPosition
        self.value = value
    }
}

/// Bounds of a file, far beyond any sensible one.
public enum YamlLimits {
    public static let bytes = 256 * 1024
    public static let depth = 24
    public static let nodes = 20_000
}
