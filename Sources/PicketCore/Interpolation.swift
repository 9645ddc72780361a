/// Interpolation that is called, not inlined.
///
/// The standard library inlines the appending of each piece of an interpolated string: some 200
/// bytes of code, and the agent's messages have more than a thousand pieces. These take its place
/// in every file that imports PicketCore: a fifth of the agent's code, for texts that are written
/// now and then.
extension DefaultStringInterpolation {
    @inline(never)
    public mutating func appendLiteral(_ literal: String) { write(literal) }

    @inline(never)
    public mutating func appendInterpolation(_ text: String) { write(text) }

    @inline(never)
    public mutating func appendInterpolation(_ number: Int) { write(String(number)) }

    @inline(never)
    public mutating func appendInterpolation(_ number: Int64) { write(String(number)) }

    @inline(never)
    public mutating func appendInterpolation(_ number: UInt64) { write(String(number)) }
}
