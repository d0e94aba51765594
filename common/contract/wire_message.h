// One FlatBuffers message between bytes and its generated table. Private to the codec.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/contract/limits.h"

namespace sluice {

struct WireFormat {
  std::string_view name;  // for people
  const char* identifier;
  std::size_t bytes_max;
};

/// A message that passed the Verifier, on an aligned copy that lives as long as this.
template <class Table>
class WireMessage {
 public:
  /// E_TOO_BIG, E_FB_INVALID. Says nothing about enums, ranges and lengths: see FieldReader.
  static Result<WireMessage> Open(const WireFormat& format, ByteView bytes) {
    const std::string seen =
        std::string(format.name) + " of " + std::to_string(bytes.size()) + " bytes: ";
    if (bytes.size() > format.bytes_max) {
      return Fail(ErrorCode::kTooBig, seen + "allowed " + std::to_string(format.bytes_max));
    }
    WireMessage message(bytes);
    flatbuffers::Verifier verifier(message.data(), bytes.size(), limits::kFlatbufferDepthMax,
                                   limits::kFlatbufferTablesMax);
    if (!verifier.VerifyBuffer<Table>(format.identifier)) {
      return Fail(ErrorCode::kFbInvalid,
                  seen + "no well-formed buffer with identifier " + format.identifier);
    }
    return message;
  }

  const Table& operator*() const { return *flatbuffers::GetRoot<Table>(data()); }

 private:
  // Never empty, so that data() is a valid pointer for the Verifier.
  explicit WireMessage(ByteView bytes) : aligned_(bytes.size() / sizeof(std::uint64_t) + 1) {
    if (!bytes.empty()) std::memcpy(aligned_.data(), bytes.data(), bytes.size());
  }
  [[nodiscard]] const std::uint8_t* data() const {
    return reinterpret_cast<const std::uint8_t*>(aligned_.data());
  }

  std::vector<std::uint64_t> aligned_;
};

/// Ends a buffer at its root table and copies it out.
template <class Table>
Bytes FinishMessage(flatbuffers::FlatBufferBuilder& builder, flatbuffers::Offset<Table> root,
                    const WireFormat& format) {
  builder.Finish(root, format.identifier);
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

/// Packs an object-API value, whose generated code writes the fields in a fixed order.
template <class Object>
Bytes PackMessage(const Object& object, const WireFormat& format) {
  flatbuffers::FlatBufferBuilder builder;
  return FinishMessage(builder, Object::TableType::Pack(builder, &object), format);
}

}  // namespace sluice
