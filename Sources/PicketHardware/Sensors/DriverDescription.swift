internal import PicketCore

/// The questions that every kind of driver answers, by way of the list in Drivers.swift.

protocol DriverKindVisitor {
    mutating func visit<Driver: SensorDriver>(
        _ driver: Driver.Type, _ wrapped: (Driver) -> DriverDescription)
}

protocol DriverVisitor {
    associatedtype Answer
    mutating func visit<Driver: SensorDriver>(_ driver: Driver) -> Answer
}

extension SensorDriver {
    func sample<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D, _ preparing: Bool
    ) throws(SensorError) -> Sample {
        if preparing { delay.delay(try prepare(&bus, address)) }
        return try read(&bus, address, &delay)
    }
}

// MARK: - Kinds

/// A kind of driver, before there is a sensor of it.
public struct DriverKind: Sendable {
    public var word: String
    public var keys: [String]
    public var number: UInt8
    public var addresses: ClosedRange<UInt8>?
    public var identity: ChipIdentity?

    public func canBe(at address: UInt8) -> Bool { addresses?.contains(address) ?? false }
}

extension DriverDescription {
    public static var kinds: [DriverKind] {
        var list = KindList()
        each(&list)
        return list.kinds
    }

    /// The kind of chip that answers at an address, as its registers tell: a kind that they prove
    /// rather than one that is only likely.
    ///
    /// - Parameter word: Reads a register's two bytes, the most significant first; `nil`: it did
    ///   not answer.
    public static func recognised(
        at address: UInt8, reading word: (UInt8) -> UInt16?
    ) -> DriverKind? {
        var candidates: [(kind: DriverKind, identity: ChipIdentity)] = []
        for kind in kinds where kind.canBe(at: address) {
            if let identity = kind.identity { candidates.append((kind, identity)) }
        }
        candidates.sortShort { $0.identity.strength > $1.identity.strength }
        for (kind, identity) in candidates {
            if let found = word(identity.register), identity.matches(found) { return kind }
        }
        return nil
    }

    /// Reads the settings of a sensor whose `driver:` is this word.
    public static func configured<S: DriverSettings>(
        _ word: String, by settings: S
    ) -> (driver: DriverDescription?, unit: Unit) {
        var reader = SettingsReader(word: word, settings: settings)
        each(&reader)
        return reader.found
    }
}

private struct KindList: DriverKindVisitor {
    var kinds: [DriverKind] = []

    mutating func visit<Driver: SensorDriver>(
        _ driver: Driver.Type, _ wrapped: (Driver) -> DriverDescription
    ) {
        kinds.append(
            DriverKind(
                word: Driver.word, keys: Driver.keys, number: Driver.number,
                addresses: Driver.addresses, identity: Driver.identity))
    }
}

private struct SettingsReader<S: DriverSettings>: DriverKindVisitor {
    let word: String
    let settings: S
    var found: (driver: DriverDescription?, unit: Unit) = (nil, .raw)

    mutating func visit<Driver: SensorDriver>(
        _ driver: Driver.Type, _ wrapped: (Driver) -> DriverDescription
    ) {
        guard Driver.word == word else { return }
        let (read, unit) = Driver.configured(by: settings)
        found = (read.map { wrapped($0) }, unit)
    }
}

// MARK: - One sensor's driver

extension DriverDescription {
    public var word: String { facts().word }
    /// The unit in which limits are given.
    public var unit: Unit { facts().unit }
    public var isOnBus: Bool { facts().isOnBus }
    /// Where the kernel's driver shows the value that this one would read; `nil`: nowhere.
    public var hwmonInput: String? { facts().hwmonInput }
    /// A little more than one step of the chip.
    public var grain: Double {
        var grain = Grain()
        return visit(&grain)
    }

    public func add<D: SettingsDigest>(to digest: inout D) {
        var adder = Adder(digest: digest)
        visit(&adder)
        digest = adder.digest
    }

    /// The content of a register of a simulated chip.
    public func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        var content = Content(register: register, chip: chip)
        return visit(&content)
    }

    @inline(never)
    private func facts() -> Facts.Answer {
        var facts = Facts()
        return visit(&facts)
    }
}

private struct Facts: DriverVisitor {
    struct Answer {
        var word: String
        var unit: Unit
        var isOnBus: Bool
        var hwmonInput: String?
    }

    func visit<Driver: SensorDriver>(_ driver: Driver) -> Answer {
        Answer(
            word: Driver.word, unit: driver.unit, isOnBus: driver.isOnBus,
            hwmonInput: driver.hwmonInput)
    }
}

private struct Adder<D: SettingsDigest>: DriverVisitor {
    var digest: D

    mutating func visit<Driver: SensorDriver>(_ driver: Driver) {
        digest.add(driver.unit.symbol)
        digest.add(byte: Driver.number)
        driver.add(to: &digest)
    }
}

private struct Grain: DriverVisitor {
    func visit<Driver: SensorDriver>(_ driver: Driver) -> Double { driver.grain }
}

private struct Content: DriverVisitor {
    let register: UInt8
    let chip: SimulatedChip

    func visit<Driver: SensorDriver>(_ driver: Driver) -> [UInt8] {
        Driver.content(of: register, chip)
    }
}
