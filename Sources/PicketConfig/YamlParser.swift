import CYaml
import PicketCore
import PicketText

/// libyaml's events, put together to a tree of `YamlNode`s.
///
/// The text is looked through before libyaml gets it (size, UTF-8, control characters), so that
/// those mistakes have a place and a sentence of their own. libyaml stops at the first mistake in
/// the syntax; things that the tree itself forbids (a key twice, an anchor, a tag) are collected.
///
/// Depth and number of nodes are bounded while the events come in, so no input can make the
/// recursion deep or the tree large.
extension YamlNode {
    /// - Returns: the root of the file's one document. An empty file is refused.
    /// - Throws: the mistakes of form; with any of them there is no tree.
    public static func parse(
        _ bytes: [UInt8], file: String
    ) throws(ConfigurationErrors) -> YamlNode {
        let problems = Problems(file: file)
        var root: YamlNode?
        // libyaml passes over a byte order mark only where it may choose the encoding itself.
        let marked = bytes.starts(with: [0xEF, 0xBB, 0xBF])
        let text = marked ? Array(bytes.dropFirst(3)) : bytes
        if checkText(text, problems) {
            root = YamlParser(text, problems).document()
        }
        try problems.throwIfAny()
        guard let root else { preconditionFailure("no tree and no problem") }
        return root
    }
}

/// False, with a problem noted, if libyaml need not see this.
private func checkText(_ bytes: [UInt8], _ problems: Problems) -> Bool {
    let start = Position(line: 1, column: 1)
    if bytes.count > YamlLimits.bytes {
        problems.add(
            start,
            "the file has \(bytes.count) bytes, and at most \(YamlLimits.bytes) are read")
        return false
    }
    var place = start
    var index = 0
    while index < bytes.count {
        let length = utf8Length(bytes, at: index)
        if length == 0 {
            problems.add(
                place,
                "byte 0x\(Text.hex(UInt64(bytes[index]), digits: 2, capital: true)) is not UTF-8; save the file as UTF-8"
            )
            return false
        }
        let byte = bytes[index]
        if byte < 0x20 && byte != 0x09 && byte != 0x0A && byte != 0x0D || byte == 0x7F {
            problems.add(
                place,
                "control character 0x\(Text.hex(UInt64(byte), digits: 2, capital: true)) in the text"
            )
            return false
        }
        if byte == 0x0A {
            place.line += 1
            place.column = 1
        } else {
            place.column += 1
        }
        index += length
    }
    return true
}

/// The length of the well-formed UTF-8 sequence at `index` (Unicode, table 3-7); 0 if there is
/// none.
private func utf8Length(_ bytes: [UInt8], at index: Int) -> Int {
    let first = bytes[index]
    func follows(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xBF) -> Bool {
        index + offset < bytes.count && range.contains(bytes[index + offset])
    }
    switch first {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: return follows(1) ? 2 : 0
    case 0xE0...0xEF:
        let second: ClosedRange<UInt8> =
            first == 0xE0 ? 0xA0...0xBF : first == 0xED ? 0x80...0x9F : 0x80...0xBF
        return follows(1, second) && follows(2) ? 3 : 0
    case 0xF0...0xF4:
        let second: ClosedRange<UInt8> =
            first == 0xF0 ? 0x90...0xBF : first == 0xF4 ? 0x80...0x8F : 0x80...0xBF
        return follows(1, second) && follows(2) && follows(3) ? 4 : 0
    default: return 0
    }
}

/// One libyaml parser over one file.
@safe private final class YamlParser {
    private let bytes: [UInt8]
    private let problems: Problems
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let event: UnsafeMutablePointer<yaml_event_t>
    private var nodes = 0

    init(_ bytes: [UInt8], _ problems: Problems) {
        self.bytes = bytes
        self.problems = problems
        unsafe parser = .allocate(capacity: 1)
        unsafe event = .allocate(capacity: 1)
        unsafe event.initialize(to: yaml_event_t())
        unsafe parser.initialize(to: yaml_parser_t())
        precondition(unsafe yaml_parser_initialize(parser) == 1, "out of memory")
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    }

    deinit {
        unsafe yaml_event_delete(event)
        unsafe yaml_parser_delete(parser)
        unsafe event.deallocate()
        unsafe parser.deallocate()
    }

    /// The root, or `nil` with a problem noted.
    func document() -> YamlNode? {
        unsafe bytes.withUnsafeBufferPointer { input in
            unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
            return readDocument()
        }
    }

    private func readDocument() -> YamlNode? {
        guard next(), next() else { return nil }  // stream start, document start
        if kind == YAML_STREAM_END_EVENT {
            problems.add(Position(line: 1, column: 1), "the file is empty")
            return nil
        }
        guard next(), let root = node(depth: 0) else { return nil }
        guard next(), next() else { return nil }  // document end, stream end
        if kind != YAML_STREAM_END_EVENT {
            problems.add(position, "a second document begins here; a file holds one")
            return nil
        }
        return root
    }

    /// The node that begins with the present event; `nil` after a mistake that ends the reading.
    private func node(depth: Int) -> YamlNode? {
        let place = position
        nodes += 1
        if nodes > YamlLimits.nodes {
            problems.add(place, "more than \(YamlLimits.nodes) values in one file")
            return nil
        }
        if depth > YamlLimits.depth {
            problems.add(place, "nested more than \(YamlLimits.depth) deep")
            return nil
        }
        switch kind {
        case YAML_ALIAS_EVENT:
            problems.add(place, "aliases (*name) are not supported; write the value out")
            return YamlNode(position: place, content: .scalar(YamlScalar(text: "", quoted: true)))
        case YAML_SCALAR_EVENT:
            unsafe refuseExtras(event.pointee.data.scalar.anchor, event.pointee.data.scalar.tag)
            let scalar = unsafe event.pointee.data.scalar
            let text = unsafe String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length),
                as: UTF8.self)
            let quoted = unsafe scalar.style != YAML_PLAIN_SCALAR_STYLE
            return YamlNode(
                position: place, content: .scalar(YamlScalar(text: text, quoted: quoted)))
        case YAML_SEQUENCE_START_EVENT:
            unsafe refuseExtras(
                event.pointee.data.sequence_start.anchor, event.pointee.data.sequence_start.tag)
            return sequence(at: place, depth)
        case YAML_MAPPING_START_EVENT:
            unsafe refuseExtras(
                event.pointee.data.mapping_start.anchor, event.pointee.data.mapping_start.tag)
            return mapping(at: place, depth)
        default:
            problems.add(place, "a value was expected here")
            return nil
        }
    }

    private func sequence(at place: Position, _ depth: Int) -> YamlNode? {
        var items: [YamlNode] = []
        while true {
            guard next() else { return nil }
            if kind == YAML_SEQUENCE_END_EVENT { break }
            guard let item = node(depth: depth + 1) else { return nil }
            items.append(item)
        }
        return YamlNode(position: place, content: .sequence(items))
    }

    private func mapping(at place: Position, _ depth: Int) -> YamlNode? {
        var entries: [YamlEntry] = []
        while true {
            guard next() else { return nil }
            if kind == YAML_MAPPING_END_EVENT { break }
            guard let key = node(depth: depth + 1), next(), let value = node(depth: depth + 1)
            else { return nil }
            guard case .scalar(let scalar) = key.content else {
                problems.add(key.position, "a key must be a plain word, not a list or mapping")
                continue
            }
            if let first = entries.first(where: { $0.key == scalar.text }) {
                problems.add(
                    key.position,
                    "key \(Text.quoted(scalar.text)) again; it stands already in line "
                        + "\(first.keyPosition.line)")
                continue
            }
            entries.append(
                YamlEntry(key: scalar.text, keyPosition: key.position, value: value))
        }
        return YamlNode(position: place, content: .mapping(entries))
    }

    private func refuseExtras(
        _ anchor: UnsafeMutablePointer<UInt8>?, _ tag: UnsafeMutablePointer<UInt8>?
    ) {
        if unsafe anchor != nil {
            problems.add(position, "anchors (&name) are not supported; write the value out")
        }
        if unsafe tag != nil {
            problems.add(position, "tags (!name) are not supported")
        }
    }

    // MARK: Events

    private var kind: yaml_event_type_t { unsafe event.pointee.type }
    private var position: Position { unsafe Position(event.pointee.start_mark) }

    /// Takes the next event; false, with a problem noted, if there is none.
    private func next() -> Bool {
        unsafe yaml_event_delete(event)
        if unsafe yaml_parser_parse(parser, event) == 1 { return true }
        let mark = unsafe parser.pointee.problem_mark
        let context = unsafe parser.pointee.context_mark
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) }
        let place = Position(mark)
        let byte = mark.index < bytes.count ? byteAt(place) : 0
        if byte == UInt8(ascii: "\t") {
            problems.add(place, "a tab; YAML is indented with spaces")
        } else if byte == UInt8(ascii: ">") || byteAt(Position(context)) == UInt8(ascii: ">") {
            let start = byte == UInt8(ascii: ">") ? place : Position(context)
            problems.add(start, "a value that begins with > must be quoted, as \">75C\"")
        } else if byte == UInt8(ascii: "%") || byte == UInt8(ascii: "@")
            || byte == UInt8(ascii: "`")
        {
            problems.add(
                place,
                "a value that begins with \(Text.quoted(String(UnicodeScalar(byte)))) must be quoted"
            )
        } else {
            problems.add(place, "not YAML: \(problem ?? "unreadable")")
        }
        return false
    }

    /// The byte at a place, found by counting: marks count characters, not bytes.
    private func byteAt(_ place: Position) -> UInt8 {
        var line = 1
        var column = 1
        for byte in bytes {
            if line == place.line && column == place.column { return byte }
            if byte == 0x0A {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return 0
    }
}

extension Position {
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }
}
