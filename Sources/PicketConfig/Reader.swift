/// Reading a YAML file by the schema, without stopping at the first mistake.
///
///     let problems = Problems(file: "rack.yaml")
///     let root = Found(try YamlNode.parse(bytes, file: "rack.yaml"), problems)
///     let rack = root.mapping(["name", "boot_time", "nodes", "mode"])
///     let name = rack.required("name", "a name")?.name()              // String?
///     let boot = rack["boot_time"]?.duration(in: .zero ... .seconds(60)) ?? .seconds(2)
///     let mode = rack["mode"]?.word([("fast", Mode.fast), ("slow", Mode.slow)]) ?? .fast
///     for (name, node) in rack["nodes"]?.entries() ?? [] { ... node.mapping([...]) ... }
///     try problems.throwIfAny()
///
/// `Found` is a value of the file with its path. Each of its readers (`name()`, `duration()`,
/// `list()`, ...) returns `nil` after noting what was found and what was expected, so the caller
/// goes on with a stand-in and every mistake of the file comes to light in one run. Nothing made
/// from stand-ins gets out, because `throwIfAny()` comes before the result.
///
/// `mapping(keys)` names every key that may stand there: a key that is not among them is a mistake,
/// with a suggestion. `entries()` reads a mapping whose keys the user chooses.
///
/// The readers of scalars with units are in Scalars.swift, those of addresses in Addresses.swift.

import PicketCore
import PicketText

/// The mistakes of one file, collected.
public final class Problems {
    public let file: String
    public internal(set) var errors: [ConfigurationError] = []
    public internal(set) var warnings: [ConfigurationError] = []

    public init(file: String) { self.file = file }

    public var isEmpty: Bool { errors.isEmpty }

    @inline(never)
    public func add(_ position: Position, path: String = "", _ message: String) {
        errors.append(
            ConfigurationError(file: file, position: position, path: path, message: message))
    }

    @inline(never)
    public func warn(_ position: Position, path: String = "", _ message: String) {
        warnings.append(
            ConfigurationError(file: file, position: position, path: path, message: message))
    }

    /// - Throws: all errors, in the order of their places, if there are any.
    public func throwIfAny() throws(ConfigurationErrors) {
        if errors.isEmpty { return }
        errors.sortShort { $0.position < $1.position }
        throw ConfigurationErrors(errors)
    }
}

/// A value of the file, with its path and the place where mistakes are noted.
public final class Found {
    public let node: YamlNode
    /// `pair.nodes.east.links[1]`; empty for the root.
    public let path: String
    public let problems: Problems

    public convenience init(_ root: YamlNode, _ problems: Problems) {
        self.init(root, path: "", problems)
    }

    init(_ node: YamlNode, path: String, _ problems: Problems) {
        self.node = node
        self.path = path
        self.problems = problems
    }

    public var position: Position { node.position }

    // MARK: Mistakes

    /// Notes a mistake in this value.
    @inline(never)
    public func fail(_ message: String) { problems.add(position, path: path, message) }

    /// Notes a setting that is allowed but looks like a mistake.
    @inline(never)
    public func warn(_ message: String) { problems.warn(position, path: path, message) }

    /// Notes that this is not what was expected: `found "5", expected …`.
    @inline(never)
    public func expected(_ what: String) { fail("found \(description), expected \(what)") }

    /// This value as a message shows it.
    public var description: String {
        switch node.content {
        case .scalar(let scalar): scalar.isNothing ? "nothing" : Text.quoted(scalar.text)
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    // MARK: Structure

    /// The scalar's text; a list, a mapping or nothing is a mistake.
    @inline(never)
    public func text(_ what: String) -> String? {
        if case .scalar(let scalar) = node.content, !scalar.isNothing { return scalar.text }
        expected(what)
        return nil
    }

    /// True for a scalar of exactly this text: to tell apart the forms that a field may have, as in
    /// `verify: none`.
    @inline(never)
    public func isWord(_ word: String) -> Bool {
        if case .scalar(let scalar) = node.content { return scalar.text == word }
        return false
    }

    public var isMapping: Bool {
        if case .mapping = node.content { return true }
        return false
    }
    public var isSequence: Bool {
        if case .sequence = node.content { return true }
        return false
    }

    /// The items of a list.
    @inline(never)
    public func list(_ what: String = "a list", atMost limit: Int = 1000) -> [Found]? {
        guard case .sequence(let items) = node.content else {
            expected(what)
            return nil
        }
        if items.count > limit {
            fail("found \(items.count) items, expected at most \(limit)")
            return nil
        }
        var all: [Found] = []
        for (index, item) in items.enumerated() {
            all.append(Found(item, path: path + "[\(index)]", problems))
        }
        return all
    }

    /// A mapping with these keys and no others.
    @inline(never)
    public func mapping(_ keys: [String], _ what: String = "a mapping") -> FoundMapping {
        guard case .mapping(let entries) = node.content else {
            expected("\(what) with \(Text.list(keys))")
            return FoundMapping(found: self, keys: keys, entries: [], broken: true)
        }
        for entry in entries where !keys.contains(entry.key) {
            let advice =
                Text.nearest(entry.key, keys).map { "did you mean \($0)?" }
                ?? "known here: \(Text.list(keys))"
            problems.add(entry.keyPosition, path: below(entry.key), "unknown key; \(advice)")
        }
        return FoundMapping(found: self, keys: keys, entries: entries, broken: false)
    }

    /// One value of a mapping, before it is known which keys there may be.
    @inline(never)
    public func peek(_ key: String) -> Found? {
        guard case .mapping(let entries) = node.content,
            let entry = entries.first(where: { $0.key == key })
        else { return nil }
        if case .scalar(let scalar) = entry.value.content, scalar.isNothing { return nil }
        return Found(entry.value, path: below(key), problems)
    }

    /// A mapping whose keys are names that the user chooses; a key that is no name is a mistake,
    /// and its entry is left out.
    @inline(never)
    public func entries(
        _ what: String = "a mapping", atMost limit: Int = 1000
    ) -> [(name: String, value: Found)]? {
        guard case .mapping(let entries) = node.content else {
            expected(what)
            return nil
        }
        if entries.count > limit {
            fail("found \(entries.count) entries, expected at most \(limit)")
            return nil
        }
        var all: [(name: String, value: Found)] = []
        for entry in entries {
            if let fault = nameFault(entry.key) {
                problems.add(entry.keyPosition, path: below(entry.key), fault)
            } else {
                all.append((entry.key, Found(entry.value, path: below(entry.key), problems)))
            }
        }
        return all
    }

    @inline(never)
    func below(_ key: String) -> String {
        let shown = nameFault(key) == nil ? key : Text.quoted(key)
        return path.isEmpty ? shown : path + "." + shown
    }
}

/// A mapping whose keys the schema names.
public final class FoundMapping {
    public let found: Found
    let keys: [String]
    let entries: [YamlEntry]
    /// It is not a mapping at all, which has been noted: do not note its keys as missing too.
    let broken: Bool

    init(found: Found, keys: [String], entries: [YamlEntry], broken: Bool) {
        self.found = found
        self.keys = keys
        self.entries = entries
        self.broken = broken
    }

    /// The value of a key; `nil` if it is not there, or there without a value.
    public subscript(_ key: String) -> Found? {
        @inline(never) get {
            precondition(keys.contains(key), "the schema reads a key that it does not name")
            return found.peek(key)
        }
    }

    /// The value of a key that must be there; `what` says what it would be.
    @inline(never)
    public func required(_ key: String, _ what: String) -> Found? {
        if let value = self[key] { return value }
        if broken { return nil }
        let entry = entries.first { $0.key == key }
        found.problems.add(
            entry?.keyPosition ?? found.position, path: found.below(key),
            entry == nil ? "missing; expected \(what)" : "found nothing, expected \(what)")
        return nil
    }

    /// The keys of the schema that are there, in the order of the file.
    public var present: [String] {
        var all: [String] = []
        for entry in entries where keys.contains(entry.key) { all.append(entry.key) }
        return all
    }

    /// Where a key stands, or else the mapping.
    public func position(of key: String) -> Position {
        entries.first { $0.key == key }?.keyPosition ?? found.position
    }

    /// Notes a mistake at a key.
    @inline(never)
    public func fail(_ key: String, _ message: String) {
        found.problems.add(position(of: key), path: found.below(key), message)
    }
}

extension Problems {
    /// Adds the mistakes of another file that this one names.
    func take(_ others: ConfigurationErrors) { errors += others.list }
}
