// Guesses the elements of a file that tells nothing of itself, such as the weight shards of
// TensorFlow.js.
#pragma once

#include <optional>

#include "common/base/bytes.h"
#include "rollout_engine/payload/tensor_extent.h"

namespace sluice {

/// Window by window (64 KiB) the float kind and phase under which the bytes look most ordered, by
/// the order-0 entropy of the exponents. Old elements are taken from the same place, counted from
/// the start or from the end of the base, or from where a header of up to 4 KiB more or less has
/// moved them, where their differences take fewer bits than the new elements alone; there i8 is a
/// choice too. No extent where plain bytes look no worse.
TensorExtentList GuessElements(std::optional<ByteView> base, ByteView artifact);

}  // namespace sluice
