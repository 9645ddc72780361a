/// Puts mutants into Swift files, each behind a switch of its own.
///
///     mutants [--drop NUMBERS] LIST FILE...
///
/// Rewrites every FILE in place, and writes LIST: a line for each mutant, with its number, its file,
/// line and column, and what it does, apart by tabs. The numbers depend on the files alone. No line
/// moves, so that what the compiler says of a file tells which mutants it does not take: those are
/// left out by `--drop`, a file of one number a line.
import Foundation
import SwiftParser
import SwiftOperators
import SwiftSyntax

@main
struct Mutants {
    static func main() throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        var dropped: Set<Int> = []
        if arguments.count > 1, arguments[0] == "--drop" {
            let numbers = try String(contentsOfFile: arguments[1], encoding: .utf8)
            dropped = Set(numbers.split(separator: "\n").compactMap { Int($0) })
            arguments.removeFirst(2)
        }
        guard arguments.count > 1 else {
            FileHandle.standardError.write(
                Data("mutants: expected [--drop NUMBERS] LIST FILE...\n".utf8))
            exit(2)
        }
        var list = ""
        var number = 0
        for path in arguments.dropFirst() {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let tree = Parser.parse(source: text)
            let folded = OperatorTable.standardOperators.foldAll(tree) { _ in }.cast(
                SourceFileSyntax.self)
            let finder = Finder(of: folded, first: number + 1)
            finder.walk(folded)
            number += finder.found.count
            for one in finder.found where !dropped.contains(one.number) {
                list +=
                    "\(one.number)\t\(path)\t\(one.line)\t\(one.column)\t\(one.kind)\t\(one.what)\n"
            }
            let bytes = Array(text.utf8)
            try Data(rewritten(bytes, by: finder.found.filter { !dropped.contains($0.number) }))
                .write(to: URL(fileURLWithPath: path))
        }
        try list.write(toFile: arguments[0], atomically: true, encoding: .utf8)
        print("\(number) places, \(number - dropped.count) mutants")
    }
}

/// Every mutant is an insertion of text around a range, so that those inside one another all stay.
func rewritten(_ bytes: [UInt8], by mutants: [Mutant]) -> [UInt8] {
    var insertions: [(at: Int, order: Int, text: String)] = []
    for one in mutants {
        // At one place the outer begins first and ends last.
        insertions += one.pieces.map { piece in
            (piece.at, piece.opens ? -one.length : one.length, piece.text)
        }
    }
    let sorted = insertions.enumerated().sorted { a, b in
        if a.element.at != b.element.at { return a.element.at < b.element.at }
        let (x, y) = (a.element.order, b.element.order)
        // What ends here comes before what begins here.
        if (x > 0) != (y > 0) { return x > 0 }
        return x != y ? x < y : a.offset < b.offset
    }
    var result: [UInt8] = []
    var at = 0
    for (_, insertion) in sorted {
        result += bytes[at..<insertion.at]
        result += Array(insertion.text.utf8)
        at = insertion.at
    }
    return result + bytes[at...]
}
