// Differences of elements coded as plainly as can be written down: every bit of a number by itself,
// adaptive or even, the kind looked up for each element, a byte at a time through stdio. What
// ElemEncoder and DecodeElem are timed against.
#pragma once

#include "common/base/bytes.h"
#include "common/payload/element_kind.h"

namespace sluice::bench {

/// The range coder's bytes of one block: `elements` as differences from `old_elements`, coded with
/// fresh models. REQUIRES: as many of both; not kBytes.
Bytes EncodePlainly(ElementKind kind, ByteView old_elements, ByteView elements);

/// The elements again, into `elements`. REQUIRES: `coded` is EncodePlainly's, for as many.
void DecodePlainly(ElementKind kind, ByteView old_elements, ByteView coded,
                   std::span<std::uint8_t> elements);

}  // namespace sluice::bench
