package import Foundation
package import PicketConfig

/// The board files that are found: beside the files that are read, in the source tree, and where
/// picket was installed.
package struct BoardFiles {
    package let library: BoardLibrary

    init(near files: [String]) {
        self.init(
            in: files.map { RackFile.beside($0, "boards") }
                + Shipped.directories.map { $0 + "/boards" })
    }

    /// Of two with one name, the first.
    package init(in directories: [String]) {
        var found: [BoardFile] = []
        for directory in directories {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
            for name in names.sorted() where name.hasSuffix(".yaml") {
                let board = String(name.dropLast(5))
                let path = directory + "/" + name
                guard !found.contains(where: { $0.name == board }),
                    let data = FileManager.default.contents(atPath: path)
                else { continue }
                found.append(BoardFile(name: board, path: path, bytes: Array(data)))
            }
        }
        library = BoardLibrary(found)
    }

    func has(_ name: String) -> Bool { library.files.contains { $0.name == name } }

    var known: String {
        library.files.isEmpty
            ? "none" : library.files.map(\.name).sorted().joined(separator: ", ")
    }
}

/// Where the files that come with picket are.
package enum Shipped {
    /// This program's own file.
    package static var program: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    }

    /// The program of this name that lies beside this one.
    package static func program(beside name: String) -> String {
        program.deletingLastPathComponent().appendingPathComponent(name).path
    }

    /// The source tree in which this program was built, then where it was installed.
    package static var directories: [String] {
        var directories: [String] = []
        var place = program.deletingLastPathComponent()
        directories.append(place.appendingPathComponent("../share/picket").standardized.path)
        for _ in 0..<5 {
            place.deleteLastPathComponent()
            directories.append(place.path)
        }
        return directories
    }

    package static func names(in directory: String) -> [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
            .filter { $0 != "rack" && !$0.hasPrefix("pair") }.sorted()
    }

    package static var scenarios: String? {
        directories.map { $0 + "/scenarios" }.first {
            FileManager.default.fileExists(atPath: $0 + "/rack.yaml")
        }
    }
}
