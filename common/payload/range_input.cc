#include "common/payload/range_input.h"

namespace sluice {
namespace {

tl::unexpected<Error> CorruptCoder(const char* what) {
  return Fail(ErrorCode::kDeltaCorrupt,
              std::string("range coder: ") + what + "; encode the payload again");
}

}  // namespace

Status RangeInput::Open() {
  decoder_.next = bytes_end_ = readable_end_ = window_.data();
  SLUICE_TRY(Refill());
  // The encoder's first byte only takes carries, and there is none before the first bit.
  if (*decoder_.next++ != 0) return CorruptCoder("does not start with a 0");
  for (int i = 0; i < 4; ++i) decoder_.code = decoder_.code << 8 | *decoder_.next++;
  return CheckTaken();
}

Status RangeInput::CheckTaken() const {
  if (decoder_.next > bytes_end_) return CorruptCoder("cut off");
  if (decoder_.is_bad != 0) return CorruptCoder("raw bits out of range");
  return {};
}

Status RangeInput::Refill() {
  SLUICE_TRY(CheckTaken());
  const auto left = static_cast<std::size_t>(bytes_end_ - decoder_.next);
  std::copy(decoder_.next, bytes_end_, window_.begin());
  const std::size_t more = static_cast<std::size_t>(
      std::min<std::uint64_t>(encoded_.size() - position_, kWindowLength - left));
  SLUICE_TRY(encoded_.ReadAt(position_, std::span(window_).subspan(left, more)));
  position_ += more;
  decoder_.next = window_.data();
  bytes_end_ = window_.data() + left + more;
  readable_end_ = bytes_end_;
  if (position_ == encoded_.size()) {
    readable_end_ += kPaddingLength;
    std::fill(window_.data() + left + more, window_.data() + left + more + kPaddingLength,
              std::uint8_t{0});
  }
  return {};
}

Status RangeInput::Finish() const {
  SLUICE_TRY(CheckTaken());
  if (decoder_.next != bytes_end_ || position_ != encoded_.size()) {
    return CorruptCoder("bytes after the last element");
  }
  return {};
}

}  // namespace sluice
