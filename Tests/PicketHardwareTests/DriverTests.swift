import PicketCore
import PicketHardware
import Testing

/// What holds of every driver in the list.
struct DriverTests {
    @Test func `no two drivers share a word or a number`() {
        let kinds = DriverDescription.kinds
        #expect(Set(kinds.map { $0.word }).count == kinds.count)
        #expect(Set(kinds.map { $0.number }).count == kinds.count)
    }

    /// No other chip that is looked for at one of its addresses is taken for it.
    @Test func `no two drivers that prove themselves share a proof`() {
        let proofs = DriverDescription.kinds.compactMap { kind in
            kind.identity.map { (kind, $0) }
        }
        for (kind, identity) in proofs where identity.doubt == nil {
            for (other, its) in proofs where other.word != kind.word {
                guard let one = kind.addresses, let two = other.addresses, one.overlaps(two)
                else { continue }
                #expect(its.register != identity.register || !identity.matches(its.value))
            }
        }
    }

    @Test(
        arguments: [
            (0x18, [0x06: 0x0054], "mcp9808"), (0x40, [0xFE: 0x5449, 0x00: 0x399F], "ina226"),
            (0x40, [0x00: 0x399F], "ina219"), (0x48, [0x00: 0x399F, 0x01: 0xFFF0], "ina219"),
            (0x48, [0x01: 0x60A0], "tmp102"),
            (0x48, [0x01: 0x6220, 0x0F: 0x1117], "tmp117"),
            (0x48, [0x01: 0x60A0, 0xFE: 0x5449], "ina226"), (0x4C, [0x01: 0x60A0], nil),
            (0x48, [0x01: 0x20A0], nil), (0x50, [0x06: 0x0054], nil), (0x40, [:], nil),
        ] as [(UInt8, [UInt8: UInt16], String?)])
    func `a chip is recognised by its registers, at its addresses`(
        address: UInt8, registers: [UInt8: UInt16], word: String?
    ) {
        let found = DriverDescription.recognised(at: address) { registers[$0] }
        #expect(found?.word == word)
    }

    @Test func `what is only likely is said with its doubt`() {
        #expect(TMP102.identity?.doubt == "most likely")
        #expect(INA219.identity?.doubt == "as after power-on")
        #expect(MCP9808.identity?.doubt == nil)
    }
}
