import Foundation
import PicketRack

/// Another program, run to its end for its output.
enum Program {
    /// Its exit code and all that it says; −1 where it cannot be run.
    static func run(_ path: String, _ arguments: [String]) -> (code: Int32, said: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        guard (try? process.run()) != nil else { return (-1, "") }
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.awaitEnd()
        let said = String(decoding: output, as: UTF8.self)
        return (
            process.terminationStatus, said.trimmingCharacters(in: .whitespacesAndNewlines)
        )
    }

    /// Its standard output; its errors go nowhere. None where it cannot be run.
    static func output(_ path: String, _ arguments: [String]) -> Data? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.awaitEnd()
        return output
    }
}
