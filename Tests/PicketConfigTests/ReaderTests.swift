import PicketConfig
import PicketCore
import PicketHardware
import Testing

/// Reads `v: TEXT` with one reader: its value, and the errors without their place.
func read<Value>(_ text: String, _ reader: (Found) -> Value?) -> (Value?, String) {
    let problems = Problems(file: "f.yaml")
    let node: YamlNode
    do throws(ConfigurationErrors) {
        node = try YamlNode.parse(Array("v: \(text)\n".utf8), file: "f.yaml")
    } catch {
        return (nil, error.text)
    }
    let value = Found(node, problems).mapping(["v"]).required("v", "a value").flatMap(reader)
    return (value, problems.errors.map(\.message).joined(separator: "\n"))
}

struct ReaderTests {
    @Test(
        arguments: [
            ("250us", 250_000), ("500ms", 500_000_000), ("1.5s", 1_500_000_000),
            ("10 s", 10_000_000_000),
            ("2m", 120_000_000_000), ("1h", 3_600_000_000_000), ("0.25ms", 250_000), ("0s", 0),
        ] as [(String, Int64)])
    func `a duration is read with its unit`(text: String, nanoseconds: Int64) {
        let (value, errors) = read(text) { $0.duration() }
        #expect(value == .nanoseconds(nanoseconds))
        #expect(errors == "")
    }

    @Test(arguments: [
        ("500", "found \"500\", expected a duration with its unit: 500ms, 500s or 500m"),
        ("1.5", "found \"1.5\", expected a duration with its unit: 1.5ms, 1.5s or 1.5m"),
        (
            "10 seconds",
            "found \"10 seconds\", expected a duration such as 500ms, 10s or 2m (in us, ms, s, m, h or d)"
        ),
        ("-5s", "found \"-5s\", expected at least 1ms"),
        ("2h", "found \"2h\", expected at most 1h"),
        (
            "999999999999999h",
            "found \"999999999999999h\", expected a duration such as 500ms, 10s or 2m (in us, ms, s, m, h or d)"
        ),
        ("[1s]", "found a list, expected a duration such as 500ms, 10s or 2m"),
        ("", "found nothing, expected a value"),
    ])
    func `what is no duration is told so`(text: String, message: String) {
        let (value, errors) = read(text) { $0.duration(in: .milliseconds(1) ... .seconds(3600)) }
        #expect(value == nil)
        #expect(errors == message)
    }

    @Test(arguments: [
        ("75C", Dimension.temperature, 75.0), ("-4.5 °C", .temperature, -4.5),
        ("4.65V", .voltage, 4.65),
        ("4650mV", .voltage, 4.65), ("100mOhm", .resistance, 0.1), ("20%", .percentage, 20),
        ("1.5A", .current, 1.5), ("1200rpm", .named("rpm"), 1200), ("0.0625", .none, 0.0625),
    ])
    func `a quantity is read in its base unit`(text: String, unit: Dimension, expected: Double) {
        let (value, errors) = read(text) { $0.quantity(unit) }
        #expect(value == expected)
        #expect(errors == "")
    }

    @Test(arguments: [
        ("75", Dimension.temperature, "found \"75\", expected a temperature with its unit: 75C"),
        (
            "75V", .temperature,
            "found \"75V\", expected a temperature such as 75C (in C, °C or mC)"
        ),
        ("hot", .voltage, "found \"hot\", expected a voltage such as 4.65V (in V, mV or uV)"),
        ("5C", .none, "found \"5C\", expected a number such as 1.5"),
        ("1e3V", .voltage, "found \"1e3V\", expected a voltage such as 4.65V (in V, mV or uV)"),
        ("900C", .temperature, "found \"900C\", expected at most 150C"),
    ])
    func `what is no quantity is told so`(text: String, unit: Dimension, message: String) {
        let (value, errors) = read(text) { $0.quantity(unit, in: -55...150) }
        #expect(value == nil)
        #expect(errors == message)
    }

    @Test func `thresholds have a direction`() {
        #expect(read("\">75C\"") { $0.thresholds(.temperature) }.0 == [.above(75)])
        #expect(read("<4.65V") { $0.thresholds(.voltage) }.0 == [.below(4.65)])
        #expect(
            read("[\">60C\", <5C]") { $0.thresholds(.temperature) }.0
                == [.above(60), .below(5)])
    }

    @Test(arguments: [
        ("75C", "found \"75C\", expected a threshold: \">75C\" or \"<75C\""),
        ("\">75\"", "found \">75\"; behind > expected a temperature with its unit: 75C"),
        ("warm", "found \"warm\", expected a threshold such as \">75C\" or \"<75C\""),
        ("[\">5C\", \">6C\"]", "a second threshold of the same direction"),
        ("[\">5C\", \"<6C\"]", "every value is over one of these thresholds"),
    ])
    func `what is no threshold is told so`(text: String, message: String) {
        let (value, errors) = read(text) { $0.thresholds(.temperature) }
        #expect(value == nil)
        #expect(errors == message)
    }

    @Test(arguments: [("0x48", 0x48), ("0x08", 8), ("0x77", 0x77)] as [(String, UInt8)])
    func `a bus address is hexadecimal`(text: String, address: UInt8) {
        #expect(read(text) { $0.i2cAddress() }.0 == address)
    }

    @Test(arguments: ["48", "0x07", "0x", "0xzz", "0x400", "[0x48]", "-0x48"])
    func `what is no bus address is told so`(text: String) {
        let (value, errors) = read(text) { $0.i2cAddress() }
        #expect(value == nil)
        #expect(errors.hasSuffix("expected an I2C address in hexadecimal, 0x08 to 0x77"))
    }

    @Test(arguments: ["0x78", "0x148", "0x3ff"])
    func `an address of ten bits is refused as one`(text: String) {
        let (value, errors) = read(text) { $0.i2cAddress() }
        #expect(value == nil)
        #expect(errors.hasSuffix("; addresses of 10 bits are not supported"))
    }

    @Test(arguments: [
        ("10.0.0.1:7780", LinkAddress(host: "10.0.0.1", port: 7780)),
        ("\"[fd00::1]:7780\"", LinkAddress(host: "fd00::1", port: 7780, isIPv6: true)),
        ("\"[::1]:1\"", LinkAddress(host: "::1", port: 1, isIPv6: true)),
    ])
    func `a link has an address and a port`(text: String, address: LinkAddress) {
        #expect(read(text) { $0.linkAddress() }.0 == address)
    }

    @Test(arguments: [
        ("10.0.0.1", "found \"10.0.0.1\", expected a port behind the address: 10.0.0.1:7780"),
        ("fd00::1", "found \"fd00::1\", expected a port behind the address: \"[fd00::1]:7780\""),
        ("10.0.0.1:0", "found \"10.0.0.1:0\", expected a port of 1 to 65535"),
        (
            "east:7780",
            "found \"east:7780\", expected an IP address and a UDP port, as 10.0.0.1:7780 or "
                + "\"[fd00::1]:7780\"; host names are not looked up"
        ),
        (
            "10.0.0.01:7780",
            "found \"10.0.0.01:7780\", expected an IP address and a UDP port, as 10.0.0.1:7780 or "
                + "\"[fd00::1]:7780\"; host names are not looked up"
        ),
        (
            "0.0.0.0:1",
            "found \"0.0.0.0:1\", expected the address of one node: this one stands for any address"
        ),
        (
            "\"[::]:1\"",
            "found \"[::]:1\", expected the address of one node: this one stands for any address"
        ),
        (
            "224.0.0.18:1",
            "found \"224.0.0.18:1\", expected the address of one node: this one is for many receivers"
        ),
        (
            "\"[ff02::1]:1\"",
            "found \"[ff02::1]:1\", expected the address of one node: this one is for many receivers"
        ),
        (
            "\"[fe80::1]:7780\"",
            "found \"[fe80::1]:7780\", expected the address of one node: this one is link-local, "
                + "and means nothing without its interface"
        ),
        (
            "\"[:1:2]:5\"",
            "found \"[:1:2]:5\", expected an IP address and a UDP port, as 10.0.0.1:7780 or "
                + "\"[fd00::1]:7780\"; host names are not looked up"
        ),
    ])
    func `what is no link address is told so`(text: String, message: String) {
        let (value, errors) = read(text) { $0.linkAddress() }
        #expect(value == nil)
        #expect(errors == message)
    }

    @Test(arguments: [
        ("10.0.0.100/24@eth0", nil),
        ("\"fd00::5/64@br0.7\"", nil),
        (
            "10.0.0.100@eth0",
            "found \"10.0.0.100@eth0\", expected an address, its prefix and a network interface, "
                + "as 10.0.0.100/24@eth0"
        ),
        ("10.0.0.100/33@eth0", "found \"10.0.0.100/33@eth0\", expected a prefix of 1 to 32"),
        (
            "10.0.0.100/24@",
            "found \"10.0.0.100/24@\", expected a network interface behind the @, as eth0"
        ),
    ])
    func `a virtual address has a prefix and an interface`(text: String, message: String?) {
        let (value, errors) = read(text) { $0.virtualAddress() }
        #expect((value != nil) == (message == nil))
        #expect(errors == message ?? "")
    }

    @Test func `a string is no argument vector, and the message says why`() {
        let (value, errors) = read("systemctl start gateway") { $0.arguments() }
        #expect(value == nil)
        #expect(
            errors == "found \"systemctl start gateway\", expected a list of arguments: "
                + "[\"systemctl\", \"start\", \"gateway\"]; no shell runs it, so nothing would split "
                + "or expand a string")
        #expect(read("[sh, -c, \"\", null]") { $0.arguments() }.0 == ["sh", "-c", "", "null"])
        #expect(
            read("[]") { $0.arguments() }.1
                == "found an empty list, expected a program and its arguments")
    }

    @Test(arguments: [
        ("hto", "found \"hto\", expected cold, warm or hot; did you mean hot?"),
        ("Warm", "found \"Warm\", expected cold, warm or hot; did you mean warm?"),
        ("lukewarm-ish", "found \"lukewarm-ish\", expected cold, warm or hot"),
    ])
    func `an unknown word is told what is known`(text: String, message: String) {
        let (value, errors) = read(text) { $0.word([("cold", 0), ("warm", 1), ("hot", 2)]) }
        #expect(value == nil)
        #expect(errors == message)
    }

    @Test func `all mistakes of a file are told at once, in the order of their places`() throws {
        let problems = Problems(file: "f.yaml")
        let text = "nam: x\nsize: many\nlist: [1, b, 3, d]\nmap: {\"a b\": 1}\n"
        let node = try YamlNode.parse(Array(text.utf8), file: "f.yaml")
        let root = Found(node, problems).mapping(["name", "size", "list", "map"])
        _ = root["map"]?.entries()
        for item in root["list"]?.list() ?? [] { _ = item.integer(in: 0...9) }
        _ = root["size"]?.integer(in: 0...9)
        _ = root.required("name", "a name")?.name()
        #expect(throws: ConfigurationErrors.self) { try problems.throwIfAny() }
        #expect(
            ConfigurationErrors(problems.errors.sorted { $0.position < $1.position }).text == """
                f.yaml:1:1: nam: unknown key; did you mean name?
                f.yaml:1:1: name: missing; expected a name
                f.yaml:2:7: size: found "many", expected a whole number
                f.yaml:3:11: list[1]: found "b", expected a whole number
                f.yaml:3:17: list[3]: found "d", expected a whole number
                f.yaml:4:7: map."a b": found "a b", expected a name of letters, digits, '-', '_' and '.', with a letter or digit first
                """)
    }

    @Test func `text that could drive a terminal is shown harmless`() {
        let (_, errors) = read("\"\\e[2J\\u202e\(String(repeating: "x", count: 100))\"") {
            $0.name()
        }
        #expect(errors == "found a name of 107 characters, expected at most 63")
        let (_, more) = read("\"\\e[2J\\u202ex\"") { $0.name() }
        #expect(more.hasPrefix("found \"?[2J?x\", expected a name"))
    }
}
