import PicketCore

/// A sensor that is one register, described wholly by data: what has no driver here needs none.
///
///     bytes → number (byte order) → & mask → >> shift → sign → × scale → + offset
public struct RegisterDescription: Equatable, Sendable {
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
    /// The chip adds a packet error code to what it answers (SMBus 3.1 §6.4).
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
}

public struct RegisterSensor: Equatable, Sendable {
    public var address: UInt8
    public var description: RegisterDescription

    public init(address: UInt8, description: RegisterDescription) {
        self.address = address
        self.description = description
    }

    func read<B: Bus & ~Copyable>(_ bus: inout B) throws(SensorError) -> Sample {
        let register = Register(description.register, "register \(description.register)")
        let count = description.width.bytes
        var bytes = try register.read(&bus, address, count + (description.checked ? 1 : 0))
        if description.checked {
            var code = Checksum(polynomial: 0x07, value: 0)
            code.add(address << 1)
            code.add(description.register)
            code.add(address << 1 | 1)
            for byte in bytes[..<count] { code.add(byte) }
            guard bytes.removeLast() == code.value else {
                throw SensorError(register.name, .checksum)
            }
        }
        return Sample(
            bits: UInt64(description.assemble(bytes)),
            quantity: Quantity(description.convert(bytes), description.unit))
    }
}
