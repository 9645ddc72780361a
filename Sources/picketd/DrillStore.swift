/// The drills' files: the mark of the one under way, and the reports of those that are over.
///
///     <state>/drills/under-way                      DrillMark.line
///     <state>/drills/2026-11-23T07-49-19Z-link.txt  DrillReport.text
///     <state>/drills/2026-11-23T07-49-19Z-link.json DrillReport.json

import CPicket
import PicketControl
import PicketLinux

struct DrillStore {
    /// `<state>/drills`
    let directory: String
    private var markPath: String { directory + "/under-way" }

    init(stateDirectory: String) { directory = stateDirectory + "/drills" }

    /// On disk when it returns.
    func mark(_ mark: DrillMark) throws(SystemError) {
        try DurableFile.makeDirectory(directory)
        try DurableFile.replace(markPath, with: Array(mark.line.utf8))
    }

    func unmark() { _ = unsafe unlink(markPath) }

    /// The drill that outlived its agent, if there is one; a mark that does not read is none.
    func leftBehind() -> DrillMark? {
        guard let bytes = try? DurableFile.read(markPath, limit: 1_024) else { return nil }
        return DrillMark.parse(bytes)
    }

    /// - Returns: the path of the text.
    func store(_ report: DrillReport) throws(SystemError) -> String {
        try DurableFile.makeDirectory(directory)
        let base = "\(directory)/\(report.identifier)"
        try DurableFile.replace(base + ".json", with: report.json)
        try DurableFile.replace(base + ".txt", with: Array(report.text.utf8))
        return base + ".txt"
    }
}
