internal import PicketCore

/// A sensor that is one register, described wholly by data: a chip without a driver here needs
/// none.
///
///     bytes → number (byte order) → & mask → >> shift → sign → × scale → + offset
public struct RegisterDescription: SensorDriver {
    public enum Width: Int, CaseIterable, Sendable {
        case bits8 = 8
        case bits16 = 16
        case bits24 = 24
        case bits32 = 32

        public var bytes: Int { rawValue / 8 }
    }

    public enum ByteOrder: UInt8, Sendable { case big, little }

    public var register: UInt8
    public var width: Width
    public var order: ByteOrder
    /// Two's complement, of as many bits as the mask leaves above the shift.
    public var signed: Bool
    public var mask: UInt32
    /// To the right, 0…31.
    public var shift: Int
    public var scale: Double
    public var offset: Double
    public var unit: Unit
    /// The chip adds a packet error code to its answers (SMBus 3.1 §6.4).
    public var checked = false

    public init(
        register: UInt8, width: Width, order: ByteOrder = .big, signed: Bool = false,
        mask: UInt32 = .max, shift: Int = 0, scale: Double = 1, offset: Double = 0,
        unit: Unit = .raw
    ) {
        self.register = register
        self.width = width
        self.order = order
        self.signed = signed
        self.mask = mask
        self.shift = shift
        self.scale = scale
        self.offset = offset
        self.unit = unit
    }

    public static var word: String { "register" }
    public static var keys: [String] {
        [
            "register", "width", "byte_order", "signed", "mask", "shift", "scale", "offset", "unit",
            "pec",
        ]
    }
    public static var number: UInt8 { 5 }
    public var grain: Double { abs(scale) * 1.5 }

    public static func configured<S: DriverSettings>(by settings: S) -> (driver: Self?, unit: Unit)
    {
        let unit = settings.unit(otherwise: .raw)
        let register = settings.required("register", "the register's number, such as 0x05")?
            .integer(in: 0...255)
        let width = settings.required("width", "8, 16, 24 or 32 (bits)")?.word([
            ("8", Width.bits8), ("16", .bits16), ("24", .bits24), ("32", .bits32),
        ])
        let order =
            settings["byte_order"].map {
                $0.word([("big", ByteOrder.big), ("little", .little)])
            } ?? .big
        let signed = settings["signed"].map { $0.bool() } ?? false
        let scale = settings.scale()
        let offset = settings["offset"].map { $0.number() } ?? 0
        let bits = (width ?? .bits32).rawValue
        let widest = Int(UInt32.max >> UInt32(32 - bits))
        let mask = settings["mask"].map { $0.integer(in: 1...widest) } ?? widest
        let shift = settings["shift"].map { $0.integer(in: 0...(bits - 1)) } ?? 0
        guard let register, let width, let order, let signed, let scale, let offset, let mask,
            let shift
        else { return (nil, unit) }
        if mask >> shift == 0 {
            settings.fail("shift", "shifts every bit of the mask out")
            return (nil, unit)
        }
        var description = Self(
            register: UInt8(register), width: width, order: order, signed: signed,
            mask: UInt32(mask), shift: shift, scale: scale, offset: offset, unit: unit)
        description.checked = settings["pec"]?.bool() ?? false
        return (description, unit)
    }

    public func add<D: SettingsDigest>(to digest: inout D) {
        digest.add(byte: register)
        digest.add(width.rawValue)
        digest.add(byte: order.rawValue)
        digest.add(signed)
        digest.add(Int(mask))
        digest.add(shift)
        digest.add(scale)
        digest.add(offset)
        if checked { digest.add(true) }
    }

    public func read<B: Bus & ~Copyable, D: Delay & ~Copyable>(
        _ bus: inout B, _ address: UInt8, _ delay: inout D
    ) throws(SensorError) -> Sample {
        let source = Register(register, "register \(register)")
        let count = width.bytes
        var bytes = try source.read(&bus, address, count + (checked ? 1 : 0))
        if checked {
            var code = Checksum(polynomial: 0x07, value: 0)
            code.add(address << 1)
            code.add(register)
            code.add(address << 1 | 1)
            for byte in bytes[..<count] { code.add(byte) }
            guard bytes.removeLast() == code.value else {
                throw SensorError(source.name, .checksum)
            }
        }
        return Sample(bits: UInt64(assemble(bytes)), quantity: Quantity(convert(bytes), unit))
    }

    /// In `unit`. `bytes` as they came over the wire, `width.bytes` of them.
    public func convert(_ bytes: [UInt8]) -> Double {
        let number = Double(field(assemble(bytes)))
        return number * scale + offset
    }

    func assemble(_ bytes: [UInt8]) -> UInt32 {
        var number: UInt32 = 0
        for index in 0..<bytes.count {
            let byte = order == .big ? bytes[index] : bytes[bytes.count - 1 - index]
            number = number << 8 | UInt32(byte)
        }
        return number
    }

    private func field(_ number: UInt32) -> Int64 {
        let widest = UInt32.max >> UInt32(32 - width.rawValue)
        let kept = mask & widest
        let field = Int64((number & kept) >> UInt32(shift))
        let top = Int64(kept >> UInt32(shift))
        guard signed, top > 0 else { return field }
        let bits = Int64(64 - top.leadingZeroBitCount)
        return field >= 1 << (bits - 1) ? field - (1 << bits) : field
    }

    public static func content(of register: UInt8, _ chip: SimulatedChip) -> [UInt8] {
        for (driver, value) in chip.measured {
            guard case .register(let sensor) = driver, sensor.register == register
            else { continue }
            let raw = ((value - sensor.offset) / sensor.scale).rounded()
            let bits = UInt32(truncatingIfNeeded: Int64(max(-2e9, min(4e9, raw))))
            let placed = (bits << UInt32(sensor.shift)) & sensor.mask
            let bytes = SimulatedChip.bytes(placed, count: sensor.width.bytes)
            return sensor.order == .little ? bytes.reversed() : bytes
        }
        return []
    }
}
