// What Embedded Swift's strings ask of Unicode, answered for the agent: every scalar stands for
// itself. Strings that differ in a byte are different, and the tables of canonical equivalence
// and of grapheme clusters (40 kB) stay out. The ordinary standard library has its own.
#ifdef PICKET_EMBEDDED
#include <stdbool.h>
#include <stdint.h>

/// Normalised as it is, and combining with nothing.
uint16_t _swift_stdlib_getNormData(uint32_t scalar) {
    (void)scalar;
    return 0;
}

/// Decomposes into nothing else: never asked, after the answer above.
uint32_t _swift_stdlib_getDecompositionEntry(uint32_t scalar) { return scalar; }
const uint8_t *const _swift_stdlib_nfd_decompositions = (const uint8_t *)"";

/// There is no scalar for the two.
uint32_t _swift_stdlib_getComposition(uint32_t first, uint32_t second) {
    (void)first, (void)second;
    return UINT32_MAX;
}

/// No class of its own: a break before and after it.
uint8_t _swift_stdlib_getGraphemeBreakProperty(uint32_t scalar) {
    (void)scalar;
    return UINT8_MAX;
}
bool _swift_stdlib_isInCB_Consonant(uint32_t scalar) { return (void)scalar, false; }
bool _swift_stdlib_isExtendedPictographic(uint32_t scalar) { return (void)scalar, false; }
#endif
