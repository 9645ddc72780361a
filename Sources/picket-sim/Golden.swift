import ArgumentParser
import Foundation
import PicketProof

/// Scripts that are kept with the whole story that they tell.
struct Golden: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plays the golden stories, and compares what they tell with what they told.",
        discussion: """
            A golden story is a text file: a script, a line of four dashes, what it tells. Exit 1 if \
            a story has changed or a property is violated.
            """)

    @Argument(help: "Files or directories.") var paths = ["Tests/Golden"]
    @Flag(help: "Write what is told now into the files. Read the difference before you keep it.")
    var rewrite = false

    func run() throws {
        var bad = 0
        let files = paths.flatMap { Golden.files($0) }
        for file in files where try !play(file) { bad += 1 }
        print("\(files.count) stories, \(bad) changed or violated")
        if bad > 0 { throw ExitCode(1) }
    }

    static func files(_ path: String) -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            return [path]
        }
        return names.filter { $0.hasSuffix(".txt") }.sorted().map { "\(path)/\($0)" }
    }

    private func play(_ file: String) throws -> Bool {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
            Story.complain("\(file): cannot be read")
            throw ExitCode(2)
        }
        let golden = GoldenStory(text: text)
        let played: (story: String, violation: Violation?)
        do throws(ScriptError) { played = try golden.play() } catch {
            Story.complain("\(file):\(error.line): expected \(error.expected)")
            throw ExitCode(2)
        }
        if let violation = played.violation {
            print("\(file): VIOLATION of \(violation.property): \(violation.text)")
            return false
        }
        if rewrite {
            try golden.text(telling: played.story)
                .write(toFile: file, atomically: true, encoding: .utf8)
            return true
        }
        guard played.story == golden.story else {
            let told = played.story.split(separator: "\n", omittingEmptySubsequences: false)
            let kept = golden.story.split(separator: "\n", omittingEmptySubsequences: false)
            let index = zip(told, kept).prefix { $0 == $1 }.count
            print("\(file): tells another story (--rewrite takes it, git diff shows it)")
            print("  kept: \(index < kept.count ? kept[index] : "its end")")
            print("  told: \(index < told.count ? told[index] : "its end")")
            return false
        }
        return true
    }
}
