import PicketConfig
import Testing

@testable import picket

struct SetUpTests {
    @Test func `the draft for a machine is a valid configuration that fences nobody`() throws {
        let text = try MachineDraft().lines().joined(separator: "\n") + "\n"
        let settings = try Configuration.load(Array(text.utf8), file: "draft.yaml")
        #expect(settings.fence.isEmpty)
        #expect(settings.groups.isEmpty)
    }
}
