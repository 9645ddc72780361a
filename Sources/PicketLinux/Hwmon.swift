/// Sensors that a driver of the kernel reads, by the files that it shows them in (Linux
/// Documentation/hwmon/sysfs-interface.rst).

import CPicket
public import PicketHardware
import PicketText

public enum Hwmon {
    /// The number in the file, unscaled.
    ///
    /// - Throws: `.vanished` where there is no such device or file.
    public static func read(_ sensor: SensorDescription) throws(SensorError) -> Sample {
        let input = sensor.driver.hwmonInput ?? ""
        var description = HwmonDescription(chip: nil, input: input)
        if case .hwmon(let given) = sensor.driver { description = given }
        let directory =
            description.chip.map { find($0) } ?? at(bus: sensor.bus, address: sensor.address)
        guard let directory, !input.isEmpty else {
            throw SensorError("hwmon", .bus(.claimed(address: sensor.address)))
        }
        let path = "\(directory)/\(input)_input"
        let found: String?
        do throws(SystemError) { found = try DurableFile.line(path) } catch {
            throw SensorError(path, .bus(problem(error.errno, sensor.address)))
        }
        guard let number = found.flatMap({ Int64($0) }) else {
            throw SensorError(path, .bus(.vanished))
        }
        return description.sample(number)
    }

    /// The kernel's drivers hand on what the bus told them.
    private static func problem(_ errno: Int32, _ address: UInt8) -> BusError {
        switch errno {
        case ENXIO, EREMOTEIO: .nak(address: address)
        case ETIMEDOUT: .timeout
        case EAGAIN: .arbitrationLost
        case ENODEV: .vanished
        default: .other(errno: errno)
        }
    }

    private static func find(_ chip: String) -> String? {
        for name in Directory.names("/sys/class/hwmon") {
            let directory = "/sys/class/hwmon/\(name)"
            if (try? DurableFile.line("\(directory)/name")) == chip { return directory }
        }
        return nil
    }

    private static func at(bus: Int, address: UInt8) -> String? {
        let device =
            "/sys/bus/i2c/devices/\(bus)-\(Text.hex(UInt64(address), digits: 4))/hwmon"
        for name in Directory.names(device) where name.hasPrefix("hwmon") {
            return "\(device)/\(name)"
        }
        return nil
    }
}

extension DurableFile {
    /// The first line of a small file, as /sys has them; `nil` where there is no such file.
    public static func line(_ path: String) throws(SystemError) -> String? {
        guard let bytes = try read(path, limit: 4096) else { return nil }
        return String(decoding: bytes.prefix { $0 != 10 && $0 != 0 }, as: UTF8.self)
    }
}
