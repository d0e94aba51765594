// Bytes behind an open descriptor: of a model, of a validation set.
#pragma once

#include "common/base/bytes.h"
#include "device_sdk/examples/digits/mlp.h"

namespace sluice::digits {

/// All bytes of a regular file from offset 0, whatever its position; E_IO, E_TOO_BIG over 64 MiB.
Result<Bytes> ReadDescriptor(int fd);
/// The model in these bytes; E_LOAD when they are none.
Result<Mlp> LoadModel(ByteView bytes);

}  // namespace sluice::digits
