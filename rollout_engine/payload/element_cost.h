// Estimates what elements cost to send: order-0 entropies, to compare choices and not to promise
// sizes.
#pragma once

#include "common/base/bytes.h"
#include "common/payload/element_kind.h"

namespace sluice {

/// Bits a byte of `elements` alone: floats by their exponents (sign and mantissa are noise), all
/// else by their bytes. A part of an element at the end does not count.
double LiteralCost(ElementKind kind, ByteView elements);

/// Bits a byte of `elements` as differences from `old_elements`: bit length, sign and the bits
/// below the top one. REQUIRES: old_elements.size() >= elements.size().
double DifferenceCost(ElementKind kind, ByteView old_elements, ByteView elements);

}  // namespace sluice
