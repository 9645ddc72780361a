import Testing

@testable import PicketConfig

struct NodeLineTests {
    @Test(arguments: [
        ("node: east\npair: x", "node: west\npair: x"),
        ("# node: east\nnode:   east   # this one\n", "# node: east\nnode: west   # this one\n"),
        ("\"node\": \"east\"\r\npair: x\r\n", "node: west\r\npair: x\r\n"),
        ("pair:\n  node: east\n", "pair:\n  node: east\n"), ("node:", "node: west"),
        ("node: a#b", "node: west"), ("", ""), ("\n\n", "\n\n"), ("nodes: x", "nodes: x"),
    ])
    func `each node has its own name on its line`(_ before: String, _ after: String) {
        let text = Configuration.text(Array(before.utf8), for: "west")
        #expect(String(decoding: text, as: UTF8.self) == after)
    }
}
