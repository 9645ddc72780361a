/// One file for both nodes: each has its own name on the line `node:`.

extension Configuration {
    /// The file with this name in the place of the one that the line `node:` has. A file without
    /// such a line stays as it is.
    public static func text(_ bytes: [UInt8], for node: String) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count + node.utf8.count)
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            if line.startIndex > 0 { text.append(0x0A) }
            guard line.starts(with: "node:".utf8) || line.starts(with: "\"node\":".utf8) else {
                text += line
                continue
            }
            text += "node: \(node)".utf8
            if line.last == 0x0D { text.append(0x0D) }
            guard let remark = line.firstIndex(of: UInt8(ascii: "#")),
                line[line.index(before: remark)] == 0x20
            else { continue }
            var start = remark
            while line[line.index(before: start)] == 0x20 { start = line.index(before: start) }
            text += line[start...]
        }
        return text
    }
}
