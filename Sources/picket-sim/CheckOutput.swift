import Foundation

extension Check {
    /// This process's own time on the core, whatever else the computer does.
    static var coreSeconds: Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    static func tell(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }
}
