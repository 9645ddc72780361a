import Glibc

/// The one mutant that is on in this process, by the environment; 0 for none.
private let active: Int = {
    guard let text = unsafe getenv("PICKET_MUTANT") else { return 0 }
    return unsafe atol(text)
}()

@inline(__always) public func mutant(_ number: Int) -> Bool { number == active }
