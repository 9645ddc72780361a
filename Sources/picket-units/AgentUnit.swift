/// What picketd is started with, as its unit says: the helper and the generator read the same file
/// as the agent, whatever drop-in says which.
///
/// The unit's files are read as systemd reads them (systemd.unit(5)), because a generator cannot
/// ask it: it waits for the generators.

import PicketCore
import PicketLinux
import PicketText

enum AgentUnit {
    static let name = "picketd.service"
    /// The first one that has a file of a name has that file.
    static let places = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system", "/lib/systemd/system",
    ]

    /// What of it picketd --units must be given as well.
    static func options(in places: [String]) throws(Refusal) -> [String] {
        var start: (line: String, path: String)?
        for path in files(in: places) {
            for line in lines(of: path) {
                guard line.hasPrefix("ExecStart=") else { continue }
                let value = Text.trimmed(line.dropping(first: "ExecStart=".utf8.count))
                start = value.isEmpty ? nil : (value, path)
            }
        }
        guard let start else { return [] }
        return try options(of: start.line, in: start.path)
    }

    private static func files(in places: [String]) -> [String] {
        var files: [String] = []
        if let place = places.first(where: { !lines(of: $0 + "/" + name).isEmpty }) {
            files.append(place + "/" + name)
        }
        var dropIns: [(name: String, path: String)] = []
        for place in places {
            let directory = "\(place)/\(name).d"
            for file in Directory.names(directory) where file.hasSuffix(".conf") {
                if dropIns.contains(where: { $0.name == file }) { continue }
                dropIns.append((file, directory + "/" + file))
            }
        }
        dropIns.sortShort { $0.name < $1.name }
        return files + dropIns.map { $0.path }
    }

    /// A line that ends in a backslash goes on in the next.
    private static func lines(of path: String) -> [String] {
        guard let bytes = try? DurableFile.read(path) else { return [] }
        var lines: [String] = []
        var begun = ""
        for line in String(decoding: bytes, as: UTF8.self).parts(between: "\n") {
            if line.hasSuffix("\\") {
                begun += line.dropping(last: 1) + " "
            } else {
                lines.append(Text.trimmed(begun + line))
                begun = ""
            }
        }
        return lines
    }

    private static func options(of line: String, in path: String) throws(Refusal) -> [String] {
        var options: [String] = []
        let words = line.parts(between: " ")
        for (index, word) in words.enumerated()
        where ["--config", "--node", "--boards"].contains(word) && index + 1 < words.count {
            let value = words[index + 1]
            guard value.utf8.allSatisfy({ !"$%\"'\\".utf8.contains($0) }) else {
                throw Refusal(
                    text: "\(path): ExecStart: found \(word) \(value), expected it written out and"
                        + " without quotes, because root's helper and the guard must find it too")
            }
            options += [word, value]
        }
        return options
    }
}
