import Foundation
import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketRack

/// Reads configuration files and the board files that they may name.
enum ConfigurationFile {
    static let usual = "/etc/picket/picket.yaml"

    /// - Throws: `ConfigurationErrors`, or a `Failure` for a file that cannot be read.
    static func read(
        _ path: String, node: String? = nil, boards: String? = nil
    ) throws -> Configuration {
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try DurableFile.read(path) } catch {
            throw Failure(
                .usage, "unreadable",
                "\(path) cannot be read: \(SystemError.text(of: error.errno)).")
        }
        guard let bytes else {
            throw Failure(.usage, "missing", "\(path): there is no such file.")
        }
        return try parse(bytes, path, node: node, boards: boards)
    }

    /// - Parameter running: what the file must have, because it runs on this node.
    static func parse(
        _ bytes: [UInt8], _ path: String, node: String?, boards: String?,
        running: [RunningGroup] = []
    ) throws -> Configuration {
        try Configuration.load(
            bytes, file: path, node: node, boards: try library(boards), running: running)
    }

    /// The same, with all mistakes in one failure.
    static func load(
        _ path: String, node: String? = nil, boards: String? = nil
    ) throws -> Configuration {
        do {
            return try read(path, node: node, boards: boards)
        } catch let errors as ConfigurationErrors {
            throw Failure(.usage, "configuration", "the configuration is wrong:\n\(errors.text)")
        }
    }

    /// The board files of this directory. Without one: all that the agent would find too and, for a
    /// program that was just built, those of its source tree.
    static func library(_ directory: String?) throws -> BoardLibrary {
        if let directory {
            guard FileManager.default.isReadableFile(atPath: directory) else {
                throw Failure(.usage, "unreadable", "\(directory) is no directory of board files.")
            }
            return BoardFiles(in: [directory]).library
        }
        return BoardFiles(in: Directory.boards + Shipped.directories.map { $0 + "/boards" }).library
    }
}
