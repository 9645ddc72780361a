import Foundation
import PicketConfig
import PicketControl

/// Reads configuration files and the board files that they may name.
enum ConfigurationFile {
    static let usual = "/etc/picket/picket.yaml"

    /// - Throws: `ConfigurationErrors`, or a `Failure` for a file that cannot be read.
    static func read(
        _ path: String, node: String? = nil, boards: String? = nil
    ) throws -> Configuration {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            let reason =
                FileManager.default.fileExists(atPath: path)
                ? "it cannot be read" : "there is no such file"
            throw Failure(.usage, "unreadable", "\(path): \(reason).")
        }
        return try Configuration.load(
            Array(bytes), file: path, node: node, boards: try library(boards))
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

    /// The board files of the first of these directories that is there: the one asked for,
    /// $PICKET_BOARDS, beside the installed program, /etc/picket/boards, and for a program that
    /// was just built, its package's own.
    static func library(_ directory: String?) throws -> BoardLibrary {
        if let directory {
            guard let library = boards(in: directory) else {
                throw Failure(.usage, "unreadable", "\(directory) is no directory of board files.")
            }
            return library
        }
        var candidates: [String] = []
        if let named = ProcessInfo.processInfo.environment["PICKET_BOARDS"], !named.isEmpty {
            candidates.append(named)
        }
        var above = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        above.deleteLastPathComponent()
        candidates.append(above.appendingPathComponent("../share/picket/boards").path)
        candidates.append("/etc/picket/boards")
        for _ in 0..<4 {
            candidates.append(above.appendingPathComponent("boards").path)
            above.deleteLastPathComponent()
        }
        for candidate in candidates {
            if let library = boards(in: candidate) { return library }
        }
        return BoardLibrary()
    }

    private static func boards(in directory: String) -> BoardLibrary? {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
            return nil
        }
        let files = names.filter { $0.hasSuffix(".yaml") }.sorted().compactMap { name in
            let path = directory + "/" + name
            return FileManager.default.contents(atPath: path).map {
                BoardFile(name: String(name.dropLast(5)), path: path, bytes: Array($0))
            }
        }
        return BoardLibrary(files)
    }
}
