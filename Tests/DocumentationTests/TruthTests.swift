import Foundation
import Testing

/// What the documents say of the repository's structure must be so.
struct TruthTests {
    // MARK: ARCHITECTURE

    @Test func `every target is named among the layers`() throws {
        let package = try Repository.text("Package.swift")
        let layers = try Repository.section("Layers", of: "docs/ARCHITECTURE.md")
        var targets = package.matches(
            of: /(?:[tT]arget|systemLibrary)\(\s*name: "([A-Za-z-]+)"/
        ).map { String($0.output.1) }
        targets += package.matches(of: /tests\(\s*"(\w+)"/).map { String($0.output.1) }
        #expect(targets.count > 30)
        for target in targets {
            // A library's own tests go by its name.
            let isTold =
                Repository.names(target, in: layers)
                || target.hasSuffix("Tests") && targets.contains(String(target.dropLast(5)))
            #expect(isTold, "\(target) is not in ARCHITECTURE, \"Layers\"")
        }
    }

    @Test func `every layer is a target`() throws {
        let package = try Repository.text("Package.swift")
        let layers = try Repository.section("Layers", of: "docs/ARCHITECTURE.md")
        let named = layers.matches(of: /\n((?:Picket|picket|C[A-Z])[A-Za-z-]*) +/)
            .map { String($0.output.1) }
        #expect(named.count >= 15)
        for layer in named { #expect(package.contains("name: \"\(layer)\""), "\(layer)") }
    }

    static let owners = ["Peer", "Life", "Fence", "Group", "Disk", "Outgoing", "Vitals"]

    @Test(arguments: owners)
    func `an owner of the machine's state alone writes it`(owner: String) throws {
        let told = try Repository.section("Who owns which state", of: "docs/ARCHITECTURE.md")
        #expect(told.contains("| `\(owner).swift` |"))
        let source = try Repository.text("Sources/PicketCore/\(owner).swift")
        let begin = try #require(
            source.firstMatch(of: /\n(package )?(struct|enum) \w+: Sendable {\n/))
        let body = source[begin.range.lowerBound...]
        let end = try #require(body.firstRange(of: "\n}\n"))
        // Its own stored properties stand four columns in, and have no body.
        let stored = body[..<end.lowerBound].matches(
            of: /\n    ((?:[a-z]+(?:\(set\))? )*)var [^\n{]*(?=\n)/)
        for property in stored {
            #expect(property.output.1.contains("private"), "\(property.output.0)")
        }
    }

    @Test func `no rule replaces an owner of the machine's state`() throws {
        let rules = Repository.sources.filter { $0.hasPrefix("Sources/PicketCore/Machine+") }
        #expect(rules.count == 13)
        let owners = /(?:peer|life|fence|disk|outgoing|vitals|groups(?:\[\w+\])?)/
        for file in rules {
            let text = try Repository.text(file)
            for assignment in text.matches(of: /\n +(?:self\.)?(\S+) =[ ]/)
            where try owners.wholeMatch(in: assignment.output.1) != nil {
                Issue.record("\(file) replaces \(assignment.output.1)")
            }
        }
    }

    // MARK: CLI

    @Test func `every verb is told`() throws {
        let told = try Repository.text("docs/CLI.md").matches(of: /`[^`\n]+`/)
            .map { String($0.output) }.joined(separator: "\n")
        var verbs: [String] = []
        for file in Repository.sources where file.hasPrefix("Sources/picket/") {
            verbs += try Repository.text(file).matches(of: /commandName: "([a-z-]+)"/)
                .map { String($0.output.1) }
        }
        #expect(verbs.count > 20)
        for verb in verbs where verb != "picket" {
            #expect(Repository.names(verb, in: told), "\(verb) is not in CLI.md")
        }
    }

    @Test func `every request of the control socket is told`() throws {
        let told = try Repository.section("The control socket", of: "docs/CLI.md")
        let requests = try Repository.text("Sources/PicketControl/Request.swift")
            .matches(of: /\n +case "([a-z]+)":/).map { String($0.output.1) }
        #expect(requests.count > 15)
        for request in requests {
            #expect(Repository.names(request, in: told), "\(request) is not in CLI.md")
        }
    }

    // MARK: What is cited

    @Test func `every section that is cited exists`() throws {
        var cited = 0
        for file in Repository.documents + Repository.sources + ["CHANGELOG.md"] {
            let text = try Repository.prose(file)
            for citation in text.matches(of: /\b([A-Z-]{3,})(?:\.md)?, "([^"]+)"/) {
                let (name, title) = (String(citation.output.1), String(citation.output.2))
                let document = ["docs/\(name).md", "\(name).md"].first(where: Repository.exists)
                // Others' documents have names as well.
                if document == nil, name == "POSIX" { continue }
                let found = try #require(document, "\(file) cites \(name)")
                #expect(
                    try Repository.headings(of: found).contains(title),
                    "\(file) cites \(name), \"\(title)\"")
                cited += 1
            }
        }
        #expect(cited > 8)
    }

    @Test func `every file that is cited exists`() throws {
        var cited = 0
        for file in Repository.documents + Repository.sources {
            let text = try Repository.prose(file)
            let named = /\b([A-Za-z0-9]+(?:\+[A-Za-z]+)?\.swift|[A-Z-]{3,}\.md)\b/
            for citation in text.matches(of: named) {
                let name = String(citation.output.1)
                #expect(Repository.names.contains(name), "\(file) cites \(name)")
                cited += 1
            }
            for citation in text.matches(of: /\b((?:Machine|World|Rack|Agent)\+[A-Z]\w+)/) {
                let name = "\(citation.output.1).swift"
                #expect(Repository.names.contains(name), "\(file) cites \(name)")
                cited += 1
            }
            for citation in text.matches(of: /\bADR (\d+)/) {
                let number = citation.output.1
                let zeros = String(repeating: "0", count: max(0, 4 - number.count))
                let prefix = "docs/adr/\(zeros)\(number)-"
                let isThere = Repository.files.contains { $0.hasPrefix(prefix) }
                #expect(isThere, "\(file) cites \(citation.output.0)")
                cited += 1
            }
        }
        #expect(cited > 100)
    }

    @Test func `every path, link and make target in a document exists`() throws {
        let makefile = try Repository.text("Makefile")
        let tops = Set(Repository.files.filter { $0.contains("/") }.map { $0.prefix { $0 != "/" } })
        let targets = try FileManager.default.contentsOfDirectory(
            atPath: Repository.root.appendingPathComponent("Sources").path)
        for file in Repository.documents {
            let text = try Repository.text(file)
            let here = file.split(separator: "/").dropLast().map { $0 + "/" }.joined()
            for path in text.matches(of: /`([\w.+-]+)((?:\/[\w.+-]+)+)`/) {
                let (top, rest) = (path.output.1, path.output.2)
                if tops.contains(top) {
                    #expect(Repository.exists("\(top)\(rest)"), "\(file): \(top)\(rest)")
                } else if targets.contains(String(top)) {
                    #expect(Repository.exists("Sources/\(top)\(rest)"), "\(file): \(top)\(rest)")
                }
            }
            for link in text.matches(of: /\]\(([^):#]+)\)/) {
                #expect(Repository.exists(here + link.output.1), "\(file): \(link.output.1)")
            }
            for target in text.matches(of: /`make ([a-z0-9-]+)/) {
                #expect(makefile.contains("\n\(target.output.1):"), "\(file): \(target.output.0)")
            }
        }
    }

    // MARK: MAP

    @Test func `every question of the map has a file with the name in it`() throws {
        let questions = try Repository.text("docs/MAP.md")
            .matches(of: /\| [^|]+\? \| ([^|]+) \| `([^|]+)` \|/)
        #expect(questions.count > 40)
        for question in questions {
            let files = question.output.1.matches(of: /`([^`]+)`/).map { String($0.output.1) }
            #expect(!files.isEmpty)
            for file in files {
                let path = ["Sources/" + file, file].first(where: Repository.exists)
                let text = try Repository.text(try #require(path, "\(file)"))
                #expect(text.contains(question.output.2), "\(question.output.2) in \(file)")
            }
        }
    }

    @Test(arguments: [
        "Where is the fence decided?", "Where does a datagram come in?", "Who may write the disk?",
        "What feeds the watchdog?", "Where is `detect_within` turned into timers?",
    ])
    func `the map answers what is asked first`(question: String) throws {
        #expect(try Repository.text("docs/MAP.md").contains("| \(question) |"))
    }

    // MARK: Words

    @Test(arguments: [
        "turn", "view", "warrant", "ceiling", "note", "episode", "level, method", "image", "watch",
        "shell", "life", "operator's word", "operator's order",
        "machine", "golden story", "receipt", "contact", "term", "session", "part", "rack, lab",
    ])
    func `the glossary has the word`(word: String) throws {
        let words = try Repository.section("Words", of: "docs/ARCHITECTURE.md")
        #expect(words.contains("\n| \(word)") || words.contains(", \(word)"))
    }
}
