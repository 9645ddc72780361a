import PicketRackClient
import Testing

struct RackProtocolTests {
    @Test(arguments: [
        RackRequest.node, .clock, .formerLinks, .links,
        .transfer(bus: "1", address: 0x48, write: [0], read: 2),
        .transfer(bus: "1", address: 0x03, write: [], read: 0),
        .setLine("RELAY_WEST", on: false), .getLine("WEST_PGOOD"),
        .openWatchdog(milliseconds: 1000), .feedWatchdog, .disarmWatchdog,
    ])
    func `a request survives its text`(_ request: RackRequest) {
        #expect(RackRequest(text: request.text) == request)
    }

    @Test(arguments: [
        "", "nod", "node x", "line", "line set A", "line set A maybe", "line get",
        "i2c 1 48 w - r 2",
        "i2c 1 0x48 w 0 r 2", "i2c 1 0x48 w - r 256", "i2c 1 0x48 w zz r 1", "watchdog open x",
    ])
    func `what is not a whole request is refused`(_ text: String) {
        #expect(RackRequest(text: text) == nil)
    }

    @Test(arguments: [
        RackAnswer.done, .ok(["on"]), .nak, .timeout, .arbitration, .error("no such line"),
    ])
    func `an answer survives its text`(_ answer: RackAnswer) {
        #expect(RackAnswer(text: answer.text) == answer)
    }

    @Test func `a power-on and a link survive their text`() {
        let node = RackNode(bootID: "b", runDirectory: "/tmp/r=1", stateDirectory: "/tmp/s")
        #expect(RackNode(node.answer) == node)
        let link = RackLink(
            bind: RackAddress(host: "127.0.0.1", port: 1),
            peer: RackAddress(host: "127.0.0.1", port: 65535), own: "10.0.0.1:7780",
            other: "[fd00::1]:7780")
        #expect(RackLink(text: link.text) == link)
    }
}
