public import PicketCore

/// A sensor driver. Everything that there is to say of one kind of chip stands in its one file. The
/// configuration, its digest, `picket init`, the simulated rack and the proof read it from there.
/// Drivers.swift has the list of them.
///
/// A value of a driver's type holds the configuration of one sensor: which of the chip's quantities
/// it is, and in what range.
public protocol SensorDriver: Equatable, Sendable {
    // MARK: In the configuration

    /// The word behind `driver:`.
    static var word: String { get }
    /// The keys that it has besides those of every sensor.
    static var keys: [String] { get }
    /// Stands for it in the digest by which two nodes compare their files. It is never changed, and
    /// never given to another driver.
    static var number: UInt8 { get }
    /// Reads its keys.
    ///
    /// - Returns: `driver` is `nil` where one of them is wrong, which has been noted. The unit in
    ///   which limits are given is known even then.
    static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    /// The unit in which limits are given.
    var unit: Unit { get }
    /// It is a chip at an address of a bus.
    var isOnBus: Bool { get }
    func add<D: SettingsDigest>(to digest: inout D)

    // MARK: On the bus

    /// 7 bits; `nil`: any.
    static var addresses: ClosedRange<UInt8>? { get }
    /// How a search of a bus recognises it; `nil`: not at all.
    static var identity: ChipIdentity? { get }
    /// Makes sure that it is this chip, and takes it out of shutdown.
    ///
    /// - Returns: The time that the chip then needs until its first conversion is complete.
    func prepare<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError)
        -> Duration
    func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample
    /// Where the kernel's driver shows the value that this one would read, as in `temp1`; `nil`:
    /// nowhere.
    var hwmonInput: String? { get }

    // MARK: Simulated

    /// A little more than one step of the chip: a reading that never moves is a stuck one.
    var grain: Double { get }
    /// The content of a register.
    static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8]
}

extension SensorDriver {
    public static var keys: [String] { [] }
    public static var addresses: ClosedRange<UInt8>? { nil }
    public static var identity: ChipIdentity? { nil }
    public var isOnBus: Bool { true }
    public var hwmonInput: String? { nil }
    public func add<D: SettingsDigest>(to digest: inout D) {}
    public func prepare<B: Bus & ~Copyable>(_ bus: inout B, _ address: UInt8) throws(SensorError)
        -> Duration
    { .zero }
}

/// The content of one register of a chip, whatever the chip measures.
public struct ChipIdentity: Equatable, Sendable {
    public var register: UInt8
    public var mask: UInt16
    public var value: UInt16
    /// Said where other chips may hold the same; `nil`: none does.
    public var doubt: String?

    init(_ register: UInt8, mask: UInt16 = .max, _ value: UInt16, doubt: String? = nil) {
        self.register = register
        self.mask = mask
        self.value = value
        self.doubt = doubt
    }

    public func matches(_ found: UInt16) -> Bool { found & mask == value }

    /// A proof comes before any likelihood, and a likelihood of more bits before one of fewer.
    var strength: Int { doubt == nil ? UInt16.bitWidth + 1 : mask.nonzeroBitCount }
}

// MARK: - What reads a driver's settings

/// One sensor's settings in a configuration, from which its driver reads its own.
public protocol DriverSettings {
    associatedtype Value: DriverSetting
    /// `nil`: the key is not there.
    subscript(key: String) -> Value? { get }
    /// Notes a mistake where the key is not there; `what` says what it would be.
    func required(_ key: String, _ what: String) -> Value?
    /// Notes a mistake at a key.
    func fail(_ key: String, _ message: String)
}

/// The value of one key. A value that does not fit is noted, and reads as `nil`.
public protocol DriverSetting {
    func word<Value>(_ words: [(String, Value)]) -> Value?
    func bool() -> Bool?
    func integer(in range: ClosedRange<Int>) -> Int?
    func number() -> Double?
    func quantity(_ unit: Unit, in range: ClosedRange<Double>) -> Double?
    func measuredUnit() -> Unit?
    func name() -> String?
    func line(_ what: String) -> String?
    /// Notes that something else was expected.
    func expected(_ what: String)
}

extension DriverSettings {
    /// `scale`, by which a raw number is multiplied; 1 where it is not there.
    func scale() -> Double? {
        guard let found = self["scale"] else { return 1 }
        guard let scale = found.number() else { return nil }
        if scale == 0 {
            found.expected("a number other than 0")
            return nil
        }
        return scale
    }

    func unit(otherwise: Unit) -> Unit {
        guard let found = self["unit"] else { return otherwise }
        return found.measuredUnit() ?? .raw
    }
}

/// The digest by which two nodes compare their files.
public protocol SettingsDigest {
    mutating func add(byte: UInt8)
    mutating func add(_ number: Int)
    mutating func add(_ number: Double)
    mutating func add(_ flag: Bool)
    mutating func add(_ text: String)
}

// MARK: - What simulates a chip

/// A chip of a simulated bus.
public struct SimulatedChip: Sendable {
    /// Its sensors, each with the value that it shows.
    public var measured: [(driver: DriverDescription, value: Double)]
    private var written: [(register: UInt8, value: UInt16)] = []

    public init(_ measured: [(driver: DriverDescription, value: Double)] = []) {
        self.measured = measured
    }

    public mutating func write(_ value: UInt16, to register: UInt8) {
        written.removeAll { $0.register == register }
        written.append((register, value))
    }

    /// `nil`: nothing was written there.
    func written(_ register: UInt8) -> UInt16? {
        written.first { $0.register == register }?.value
    }

    /// Of a chip that measures one quantity.
    var value: Double { measured.first?.value ?? 0 }

    /// The most significant byte comes first.
    static func bytes(_ word: UInt16) -> [UInt8] { [UInt8(word >> 8), UInt8(word & 0xFF)] }
    static func bytes(_ word: UInt32, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * (count - 1 - $0))) }
    }

    /// In steps, and no further than the register goes: two's complement.
    static func signed(_ steps: Double, bits: Int = 16) -> UInt16 {
        let limit = Double(1 << (bits - 1))
        return UInt16(bitPattern: Int16(max(-limit, min(limit - 1, steps.rounded()))))
    }

    static func unsigned(_ steps: Double, most: Double = 65_535) -> UInt16 {
        UInt16(max(0, min(most, steps.rounded())))
    }
}
