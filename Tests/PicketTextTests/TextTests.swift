import Foundation
import PicketCore
import PicketProof
import PicketText
import Testing

struct TextTests {
    @Test(
        arguments: [
            (0, "0 s"), (999, "999 ns"), (850_000, "850 µs"), (512_000_000, "512 ms"),
            (1_000_000_000, "1 s"), (1_250_000_000, "1.25 s"), (1_200_000_000, "1.2 s"),
            (1_050_000_000, "1.05 s"), (200_000_000_000, "3 min 20 s"),
            (7_500_000_000_000, "2 h 5 min"),
            (90_000_000_000_000, "1 d 1 h"), (-1_000_000_000, "-1 s"),
        ] as [(Int64, String)])
    func `a span reads as a person says it`(nanoseconds: Int64, text: String) {
        #expect(Text.span(Duration(nanoseconds: nanoseconds)) == text)
    }

    @Test(
        arguments: [
            ("30s", 30_000_000_000), ("1.5s", 1_500_000_000), ("500ms", 500_000_000),
            ("2m", 120_000_000_000), ("2min", 120_000_000_000), ("1h", 3_600_000_000_000),
            ("10us", 10_000), ("0s", 0),
        ] as [(String, Int64)])
    func `a span is read with its unit`(text: String, nanoseconds: Int64) {
        #expect(Text.duration(text)?.nanoseconds == nanoseconds)
        #expect(
            Text.duration(Text.exact(Duration(nanoseconds: nanoseconds)))?.nanoseconds
                == nanoseconds)
    }

    @Test(arguments: [
        "", "s", "30", "30 s", "-1s", "1..5s", "1e9s", "999999999999s", "0x1s", "30sec", "010s",
        "00.5s",
    ])
    func `what is no span is not read`(text: String) {
        #expect(Text.duration(text) == nil)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_420_159_123, "2026-11-23T07:49:19.123Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func `an instant of the wall clock reads as RFC 3339`(milliseconds: Int64, text: String) {
        #expect(Text.timestamp(milliseconds) == text)
    }

    @Test(arguments: [
        (41.5, "41.5"), (-4.65, "-4.65"), (100, "100"), (0, "0"), (-0.001, "0"), (99.999, "100"),
        (.nan, "?"), (.infinity, "?"), (1e300, "?"),
    ])
    func `a number has no needless digits`(value: Double, text: String) {
        #expect(Text.number(value) == text)
    }

    @Test(arguments: 0...6)
    func `every Double is shown, and read back for what it was`(places: Int) throws {
        var chance = Chance(seed: 1)
        var values: [Double] = [.nan, .infinity, .greatestFiniteMagnitude, 99_999_999_999_999]
        for _ in 0..<2000 {
            values.append(Double(bitPattern: chance.next()))
            let power = pow(10, Double.random(in: -9...19, using: &chance))
            values.append(Double.random(in: 0...1, using: &chance) * power)
        }
        for value in values.flatMap({ [$0, -$0] }) {
            let text = Text.number(value, places: places)
            guard abs(value) < 1e15 else {
                #expect(text == "?")
                continue
            }
            let read = try #require(Double(text), "\(value)")
            #expect(abs(read - value) <= 0.5 * pow(10, -Double(places)) + abs(value) * 1e-15)
        }
    }

    @Test(
        arguments: [
            (250_000, "250us"), (91_500_000, "91.5ms"), (1_005_000_000, "1.005s"),
            (60_000_000_000, "1m"),
            (90_000_000_000, "90s"), (0, "0s"), (7_200_000_000_000, "2h"), (-5_000_000, "-5ms"),
            (1_234_567, "1.234ms"),
        ] as [(Int64, String)])
    func `a duration is shown as one writes it`(nanoseconds: Int64, text: String) {
        #expect(Duration.nanoseconds(nanoseconds).asWritten == text)
    }

    @Test(
        arguments: [
            (1_234, "   1.234"), (0, "   0.000"), (-5, "   0.000"), (12_345_678, "12345.678"),
        ] as [(Int64, String)])
    func `an offset is in seconds, and aligned`(milliseconds: Int64, text: String) {
        #expect(Text.offset(.milliseconds(milliseconds)) == text)
    }

    @Test(arguments: [
        ("95C", 95, "C"), ("-4.65V", -4.65, "V"), ("12", 12, ""), (".5", 0.5, ""), ("7.s", 7, ".s"),
    ])
    func `a number is read with what follows it`(text: String, value: Double, unit: String) throws {
        let found = try #require(Text.quantity(text))
        #expect(found == (value, unit))
    }

    @Test(arguments: ["", "C", "-", ".", "1234567890123456"])
    func `what begins with no number is none`(text: String) {
        #expect(Text.quantity(text) == nil)
    }

    @Test func `lists have an end`() {
        #expect(Text.list([]) == "none")
        #expect(Text.list(["a"]) == "a")
        #expect(Text.list(["a", "b"]) == "a and b")
        #expect(Text.list(["a", "b", "c"], "or") == "a, b or c")
        #expect(Text.joined([]) == "")
        #expect(Text.joined(["a", "b", "c"]) == "a, b, c")
    }

    @Test func `hexadecimal digits are as many as are asked for`() {
        #expect(Text.hex(0xAB) == "00000000000000ab")
        #expect(Text.hex(.max) == "ffffffffffffffff")
        #expect(Text.hex(0xA, digits: 2, capital: true) == "0A")
        #expect(Text.address(0x4A) == "0x4a")
    }
}
