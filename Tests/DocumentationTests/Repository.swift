import Foundation

/// The repository's own files, as text.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool {
        results.contains(path)
            || FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }

    /// What is written by people: nothing that was built, and nothing hidden.
    static let files: [String] = {
        var files: [String] = []
        for top in (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        where !top.hasPrefix(".") {
            files.append(top)
            let inside = FileManager.default.enumerator(
                atPath: root.appendingPathComponent(top).path)
            while let path = inside?.nextObject() as? String { files.append("\(top)/\(path)") }
        }
        return files.sorted()
    }()

    /// What a run writes. It tells of its time, and need not be there yet.
    static let results = ["docs/PROOF-RESULTS.md", "docs/NIGHTLY.md"]

    static let names = Set((files + results).map { String($0.split(separator: "/").last!) })

    /// All documents; what tells of the past may name what is gone.
    static let documents = files.filter {
        $0.hasSuffix(".md") && $0 != "CHANGELOG.md" && !results.contains($0)
    }

    /// All sources but those of this test, which cite what there is not.
    static let sources = files.filter {
        $0.hasSuffix(".swift") && !$0.hasPrefix("Tests/DocumentationTests/")
    }

    /// What the file says to people, its lines joined: a document whole, of a source the comments.
    static func prose(_ path: String) throws -> String {
        let isSource = path.hasSuffix(".swift")
        var prose = ""
        for line in try text(path).split(separator: "\n") {
            var words = line.drop { $0 == " " }
            if isSource {
                guard words.hasPrefix("//") else { continue }
                words = words.drop { $0 == "/" || $0 == " " }
            }
            prose += words
            prose += " "
        }
        return prose
    }

    /// A section of a document, with its subsections, without its heading. Empty if there is none.
    static func section(_ title: String, of document: String) throws -> String {
        let parts = try text(document).components(separatedBy: "\n## ")
        return parts.first { $0.hasPrefix(title + "\n") }.map { String($0.dropFirst(title.count)) }
            ?? ""
    }

    static func headings(of document: String) throws -> Set<String> {
        Set(
            try text(document).split(separator: "\n").filter { $0.hasPrefix("#") }
                .map { $0.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces) })
    }

    /// Whether the text has the name as a whole word.
    static func names(_ name: String, in text: String) -> Bool {
        text.ranges(of: name).contains { range in
            let before = text[..<range.lowerBound].last
            let after = text[range.upperBound...].first
            return ![before, after].contains { $0.map { $0.isLetter || $0 == "-" } ?? false }
        }
    }
}
