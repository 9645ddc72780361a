/// The user's configuration as the agents on a rack are given it.
///
/// A rehearsal runs the pair's real policy on hardware that is not there. So everything that would
/// reach out of the rack is replaced: each group's resources by one stand-in that proves that it runs, the
/// key by the rack's own, and each fence agent by one that switches an outlet of the rack. Paths and
/// the board are left out. A probe of a copy asks the stand-in, whose data the rack copies. All else
/// stays as it is written. Virtual machines have no such outlets and no such data.
import Foundation
import PicketConfig
import PicketCore

package enum Rehearsal {
    /// What is known only when the rack is built.
    package struct Places {
        package var key: String
        /// Where the stand-ins record what they do.
        var log: String
        /// Where they keep their own files.
        var run: String
        /// Where they look for what they must do wrong.
        package var faults: String
        /// Their program.
        var workload: String
        /// The rack copies the stand-ins' data from node to node.
        var copiesData: Bool
        /// The directory in which each node's fence agents find the socket by which they reach their
        /// outlets, so that both nodes' files agree; `nil`: there are no outlets.
        var rack: String?

        package init(
            key: String, log: String, run: String, faults: String, workload: String,
            copiesData: Bool = false, rack: String? = nil
        ) {
            self.key = key
            self.log = log
            self.run = run
            self.faults = faults
            self.workload = workload
            self.copiesData = copiesData
            self.rack = rack
        }
    }

    /// Words in capitals between two `@` stand for the node's name and its places.
    static func configuration(_ root: YamlNode) -> String {
        var root = root
        root.remove("board", "directories", "control")
        root.set("node", .scalar("@NODE@"))
        root.edit("pair") { pair in
            pair.remove("keys")
            pair.set("key", .scalar("@KEY@"))
        }
        let names = root["pair"]?["nodes"]?.keys ?? []
        root.edit("fence") { fence in
            fence.editEach { node, levels in
                let driver = names.first { $0 != node } ?? ""
                var count = 0
                levels.editAgents { agent in
                    count += 1
                    agent.set("path", .scalar("@WORKLOAD@"))
                    let line = outlet(count, of: node)
                    agent.set(
                        "options",
                        .mapping([
                            ("rack", .scalar("@RACK@/\(driver)/rack.sock")),
                            ("line", .scalar(line)),
                            ("state", .scalar(state(of: line))),
                        ]))
                }
            }
        }
        root.edit("groups") { groups in
            groups.editEach { name, group in
                group.edit("sync") { sync in
                    sync.remove("follows")
                    sync.set("probe", command("position", of: name))
                    for key in ["degrade", "restore"] {
                        sync.replace(key, by: command(key, of: name))
                    }
                }
                group.set("resources", standIn(name))
            }
        }
        return Emitter.text(root)
    }

    /// The name of the outlet that a node's fence agents switch, one for each.
    static func outlet(_ number: Int, of node: String) -> String { "OUTLET_\(number)_\(node)" }
    /// By which an outlet says whether it is on.
    static func state(of outlet: String) -> String { "\(outlet)_STATE" }

    static func completed(_ text: String, node: String, _ places: Places) -> String {
        var text = text
        if !places.copiesData { text = without("sync", of: text) }
        if places.rack == nil { text = withoutAgents(text) }
        let words = [
            ("@NODE@", node), ("@KEY@", places.key), ("@LOG@", places.log), ("@RUN@", places.run),
            ("@FAULTS@", places.faults), ("@WORKLOAD@", places.workload),
            ("@RACK@", places.rack ?? ""),
        ]
        return words.reduce(text) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    }

    /// The configuration with every field of these names, wherever it stands, having this value.
    static func replacing(_ fields: [(String, YamlNode)], in root: YamlNode) -> String {
        var root = root
        for (name, value) in fields { root.replace(name, by: value) }
        return Emitter.text(root)
    }

    private static func parse(_ text: String) -> YamlNode {
        guard let root = try? YamlNode.parse(Array(text.utf8), file: "the file as rehearsed") else {
            preconditionFailure("what was written cannot be read")
        }
        return root
    }

    private static func without(_ key: String, of text: String) -> String {
        var root = parse(text)
        root.edit("groups") { $0.editEach { $1.remove(key) } }
        return Emitter.text(root)
    }

    private static func withoutAgents(_ text: String) -> String {
        var root = parse(text)
        root.edit("fence") { $0.removeAgents() }
        return Emitter.text(root)
    }

    /// A file that lacks a group, or calls it otherwise.
    static func editing(_ edit: Action.GroupEdit, in text: String) -> String {
        var root = parse(text)
        root.edit("groups") { groups in
            switch edit {
            case .lacks(let group): groups.remove(group)
            case .calls(let group, let name): groups.rename(group, to: name)
            }
        }
        return Emitter.text(root)
    }

    private static func command(_ verb: String, of group: String) -> YamlNode {
        .sequence(
            [
                "@WORKLOAD@", verb, "--name", group, "--log", "@LOG@", "--run", "@RUN@",
                "--faults", "@FAULTS@",
            ].map { .scalar($0) })
    }

    private static func standIn(_ group: String) -> YamlNode {
        .sequence([
            .mapping([
                (
                    "command",
                    .mapping(["start", "stop", "monitor"].map { ($0, command($0, of: group)) })
                )
            ])
        ])
    }
}

extension YamlNode {
    private static let nowhere = Position(line: 1, column: 1)

    fileprivate static func scalar(_ text: String) -> YamlNode {
        YamlNode(position: nowhere, content: .scalar(YamlScalar(text: text, quoted: true)))
    }
    fileprivate static func sequence(_ items: [YamlNode]) -> YamlNode {
        YamlNode(position: nowhere, content: .sequence(items))
    }
    fileprivate static func mapping(_ entries: [(String, YamlNode)]) -> YamlNode {
        YamlNode(
            position: nowhere,
            content: .mapping(
                entries.map { YamlEntry(key: $0.0, keyPosition: nowhere, value: $0.1) }))
    }

    fileprivate mutating func remove(_ keys: String...) {
        guard case .mapping(var entries) = content else { return }
        entries.removeAll { keys.contains($0.key) }
        content = .mapping(entries)
    }

    fileprivate mutating func rename(_ key: String, to name: String) {
        guard case .mapping(var entries) = content else { return }
        for index in entries.indices where entries[index].key == key { entries[index].key = name }
        content = .mapping(entries)
    }

    fileprivate mutating func set(_ key: String, _ value: YamlNode) {
        guard case .mapping(var entries) = content else { return }
        if let index = entries.firstIndex(where: { $0.key == key }) {
            entries[index].value = value
        } else {
            entries.append(YamlEntry(key: key, keyPosition: position, value: value))
        }
        content = .mapping(entries)
    }

    fileprivate mutating func replace(_ key: String, by value: YamlNode) {
        switch content {
        case .scalar: break
        case .sequence(var items):
            for index in items.indices { items[index].replace(key, by: value) }
            content = .sequence(items)
        case .mapping(var entries):
            for index in entries.indices {
                if entries[index].key == key {
                    entries[index].value = value
                } else {
                    entries[index].value.replace(key, by: value)
                }
            }
            content = .mapping(entries)
        }
    }

    fileprivate mutating func edit(_ key: String, _ body: (inout YamlNode) -> Void) {
        editEach { name, node in if name == key { body(&node) } }
    }

    fileprivate mutating func editEach(_ body: (String, inout YamlNode) -> Void) {
        guard case .mapping(var entries) = content else { return }
        for index in entries.indices { body(entries[index].key, &entries[index].value) }
        content = .mapping(entries)
    }

    fileprivate subscript(key: String) -> YamlNode? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    fileprivate var keys: [String] {
        guard case .mapping(let entries) = content else { return [] }
        return entries.map(\.key)
    }

    fileprivate mutating func editAgents(_ body: (inout YamlNode) -> Void) {
        guard case .sequence(var items) = content else { return }
        for index in items.indices { items[index].edit("agent", body) }
        content = .sequence(items)
    }

    /// Everywhere below: list items that are fence agents.
    fileprivate mutating func removeAgents() {
        switch content {
        case .scalar: break
        case .sequence(let items):
            var kept = items.filter { item in
                guard case .mapping(let entries) = item.content else { return true }
                return !entries.contains { $0.key == "agent" }
            }
            for index in kept.indices { kept[index].removeAgents() }
            // A list that held agents alone: there is no fence in this rehearsal.
            content =
                kept.isEmpty
                ? .scalar(YamlScalar(text: "none", quoted: false)) : .sequence(kept)
        case .mapping(var entries):
            for index in entries.indices { entries[index].value.removeAgents() }
            content = .mapping(entries)
        }
    }
}

/// Writes a tree as YAML, in blocks.
private enum Emitter {
    static func text(_ node: YamlNode) -> String {
        var text = ""
        emit(node, indent: 0, into: &text)
        return text
    }

    private static func emit(_ node: YamlNode, indent: Int, into text: inout String) {
        let margin = String(repeating: " ", count: indent)
        switch node.content {
        case .scalar(let scalar): text += margin + word(scalar) + "\n"
        case .sequence(let items):
            for item in items {
                text += margin + "-"
                nested(item, indent: indent + 2, into: &text)
            }
        case .mapping(let entries):
            for entry in entries {
                text += margin + quoted(entry.key) + ":"
                nested(entry.value, indent: indent + 2, into: &text)
            }
        }
    }

    private static func nested(_ node: YamlNode, indent: Int, into text: inout String) {
        switch node.content {
        case .scalar(let scalar): text += " " + word(scalar) + "\n"
        case .sequence(let items) where items.isEmpty: text += " []\n"
        case .mapping(let entries) where entries.isEmpty: text += " {}\n"
        case .sequence, .mapping:
            text += "\n"
            emit(node, indent: indent, into: &text)
        }
    }

    private static func word(_ scalar: YamlScalar) -> String {
        scalar.isNothing ? "~" : quoted(scalar.text)
    }

    /// In double quotes: a field reads its scalar by its own type, quoted or not.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for character in text.unicodeScalars {
            switch character {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            default: quoted.unicodeScalars.append(character)
            }
        }
        return quoted + "\""
    }
}
