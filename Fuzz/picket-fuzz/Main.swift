/// Fuzzing with libFuzzer. Whatever bytes come, no reader traps, hangs or eats the memory. A value that
/// was read is written, and read again as the same value.
///
///     make fuzz SECONDS=60               every target, each so long
///     picket-fuzz TARGET [libFuzzer's options and corpora]
///     picket-fuzz seeds DIRECTORY        writes the corpora's sound packets anew
///
/// A finding is a file `crash-…`: fix what it shows, and keep it in the target's corpus.

import CFuzz
import Foundation

enum Target: String, CaseIterable {
    /// A datagram as the network brings it.
    case datagram
    /// The inside of a sealed message, as only a peer with the key can make it.
    case message
    case hello
    case configuration
    case control
    case memory
    case note
    /// Of a simulated rack, for a fixed configuration.
    case rack
    case scenario
}

@main
struct Main {
    static func main() {
        let names = Target.allCases.map { $0.rawValue }.joined(separator: ", ")
        if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "seeds" {
            return writeSeeds(to: CommandLine.arguments[2])
        }
        guard CommandLine.arguments.count > 1,
            let target = Target(rawValue: CommandLine.arguments[1])
        else {
            FileHandle.standardError.write(Data("picket-fuzz: expected one of \(names)\n".utf8))
            exit(2)
        }
        var arguments: [UnsafeMutablePointer<CChar>?] =
            ([CommandLine.arguments[0]] + CommandLine.arguments[2...]).map {
                strdup($0)
            }
        arguments.append(nil)
        var count = Int32(arguments.count - 1)
        let status = arguments.withUnsafeMutableBufferPointer { buffer in
            var start = buffer.baseAddress
            return LLVMFuzzerRunDriver(&count, &start, entry(of: target))
        }
        exit(status)
    }
}

typealias Entry = @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32

func bytes(_ data: UnsafePointer<UInt8>?, _ size: Int) -> [UInt8] {
    Array(UnsafeBufferPointer(start: data, count: size))
}

func entry(of target: Target) -> Entry {
    switch target {
    case .datagram: { data, size in fuzzDatagram(bytes(data, size)) }
    case .message: { data, size in fuzzMessage(bytes(data, size)) }
    case .hello: { data, size in fuzzHello(bytes(data, size)) }
    case .configuration: { data, size in fuzzConfiguration(bytes(data, size)) }
    case .control: { data, size in fuzzControl(bytes(data, size)) }
    case .memory: { data, size in fuzzMemory(bytes(data, size)) }
    case .note: { data, size in fuzzNote(bytes(data, size)) }
    case .rack: { data, size in fuzzRack(bytes(data, size)) }
    case .scenario: { data, size in fuzzScenario(bytes(data, size)) }
    }
}
