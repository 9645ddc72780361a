import PicketConfig
import PicketCore
import Testing

/// The tree, or the text of the errors.
func tree(_ text: String) -> Result<YamlNode, ConfigurationErrors> {
    tree(Array(text.utf8))
}

func tree(_ bytes: [UInt8]) -> Result<YamlNode, ConfigurationErrors> {
    do throws(ConfigurationErrors) {
        return .success(try YamlNode.parse(bytes, file: "f.yaml"))
    } catch {
        return .failure(error)
    }
}

func errors(_ result: Result<YamlNode, ConfigurationErrors>) -> String {
    switch result {
    case .success: ""
    case .failure(let errors): errors.text
    }
}

struct YamlTests {
    @Test func `every value knows its place`() throws {
        let root = try tree("a: 1\nb:\n  - x\n  - {c: 'é', d: ü}\n").get()
        guard case .mapping(let entries) = root.content else { return #expect(Bool(false)) }
        #expect(entries.map(\.key) == ["a", "b"])
        #expect(entries[1].keyPosition == Position(line: 2, column: 1))
        guard case .sequence(let items) = entries[1].value.content else {
            return #expect(Bool(false))
        }
        #expect(items[0].position == Position(line: 3, column: 5))
        guard case .mapping(let inner) = items[1].content else { return #expect(Bool(false)) }
        #expect(inner[1].keyPosition == Position(line: 4, column: 14))
        #expect(inner[0].value.content == .scalar(YamlScalar(text: "é", quoted: true)))
    }

    @Test(arguments: [
        ("", "f.yaml:1:1: the file is empty"),
        ("# nothing\n", "f.yaml:1:1: the file is empty"),
        ("a: 1\na: 2\n", "f.yaml:2:1: key \"a\" again; it stands already in line 1"),
        (
            "a: &x 1\nb: *x\n",
            "f.yaml:1:4: anchors (&name) are not supported; write the value out\n"
                + "f.yaml:2:4: aliases (*name) are not supported; write the value out"
        ),
        ("a: !!python/object 1\n", "f.yaml:1:4: tags (!name) are not supported"),
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab; YAML is indented with spaces"),
        ("a: 1\n---\nb: 1\n", "f.yaml:2:1: a second document begins here; a file holds one"),
        ("? [a]\n: 1\n", "f.yaml:1:3: a key must be a plain word, not a list or mapping"),
        ("a: >75C\n", "f.yaml:1:4: a value that begins with > must be quoted, as \">75C\""),
        ("{a: >75C}\n", "f.yaml:1:5: a value that begins with > must be quoted, as \">75C\""),
        ("a: @b\n", "f.yaml:1:4: a value that begins with \"@\" must be quoted"),
        ("a: [1, 2\nb: 3\n", "f.yaml:2:2: not YAML: did not find expected ',' or ']'"),
        ("a: \u{7}\n", "f.yaml:1:4: control character 0x07 in the text"),
        ("a: {b: 1}}\n", "f.yaml:1:10: not YAML: did not find expected key"),
    ])
    func `what is not our YAML is refused in its place`(text: String, message: String) {
        #expect(errors(tree(text)) == message)
    }

    @Test(
        arguments: [
            (
                [0x61, 0x3A, 0x0A, 0xFF],
                "f.yaml:2:1: byte 0xFF is not UTF-8; save the file as UTF-8"
            ),
            ([0x61, 0xC0, 0x80], "f.yaml:1:2: byte 0xC0 is not UTF-8; save the file as UTF-8"),
            ([0xED, 0xA0, 0x80], "f.yaml:1:1: byte 0xED is not UTF-8; save the file as UTF-8"),
            ([0xE2, 0x82], "f.yaml:1:1: byte 0xE2 is not UTF-8; save the file as UTF-8"),
        ] as [([UInt8], String)])
    func `bytes that are not UTF-8 are refused`(bytes: [UInt8], message: String) {
        #expect(errors(tree(bytes)) == message)
    }

    @Test func `a byte order mark and Windows line ends do no harm`() throws {
        let root = try tree([0xEF, 0xBB, 0xBF] + Array("a: 1\r\nb: 2\r\n".utf8)).get()
        guard case .mapping(let entries) = root.content else { return #expect(Bool(false)) }
        #expect(entries.map(\.key) == ["a", "b"])
        #expect(entries[1].value.content == .scalar(YamlScalar(text: "2", quoted: false)))
    }

    @Test func `depth, number and size are bounded`() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(errors(tree(deep)) == "f.yaml:1:26: nested more than 24 deep")
        let blocks = String(repeating: "- ", count: 5_000)
        #expect(errors(tree(blocks)) == "f.yaml:1:51: nested more than 24 deep")
        let wide = "[" + String(repeating: "1,", count: 30_000) + "]"
        #expect(errors(tree(wide)) == "f.yaml:1:40000: more than 20000 values in one file")
        let large = String(repeating: "a", count: 262_145)
        #expect(
            errors(tree(large))
                == "f.yaml:1:1: the file has 262145 bytes, and at most 262144 are read")
    }
}
