#include "tests/support/sample_elements.h"

namespace sluice {
namespace {

constexpr std::size_t kCount = 150;
constexpr float kStep = 0x1.8p-10f;

using Type = ElemOp::Type;

// Puts operations and what they code one after the other.
class SampleBuilder {
 public:
  SampleBuilder(std::string name, Codec codec, std::uint64_t block_offset) {
    sample_.name = std::move(name);
    sample_.codec = codec;
    sample_.block_offset = block_offset;
  }
  SampleBuilder& Copy(std::uint64_t seed, std::size_t length) {
    const Bytes bytes = NoiseBytes(seed, length);
    return Add({Type::kCopy, ElementKind::kBytes, 0, AddBase(bytes), 0}, bytes);
  }
  SampleBuilder& Delta(ElementKind kind, std::uint64_t seed, std::size_t count, int bits_max) {
    const Bytes old_elements = ElementBytes(kind, seed, count);
    return Add({Type::kDelta, kind, 0, AddBase(old_elements), 0},
               MovedElements(kind, old_elements, seed + 1, bits_max));
  }
  SampleBuilder& Literal(ElementKind kind, const Bytes& elements) {
    return Add({Type::kLiteral, kind, 0, 0, 0}, elements);
  }
  SampleBuilder& Steps(ElementKind kind, std::uint64_t seed, std::size_t count) {
    const Bytes old_elements = ElementBytes(kind, seed, count);
    return Add({Type::kQdelta, kind, 0, AddBase(old_elements), kStep},
               SteppedElements(kind, old_elements, seed + 1, kStep));
  }
  ElemSample Take() { return std::move(sample_); }

 private:
  std::uint64_t AddBase(const Bytes& bytes) {
    // A gap, so that the next base range is not where it is expected.
    const std::uint64_t at = sample_.base.size() + sample_.base.size() % 5;
    sample_.base.resize(at);
    Append(sample_.base, bytes);
    return at;
  }
  SampleBuilder& Add(ElemOp op, const Bytes& content) {
    op.length = static_cast<std::uint32_t>(content.size());
    sample_.ops.push_back(op);
    Append(sample_.content, content);
    return *this;
  }

  ElemSample sample_;
};

// Both extremes of every probability, carries, and no rest of them.
Bytes Alternating(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = (i / 40) % 2 == 0 ? 0x00 : 0xFF;
  return bytes;
}

}  // namespace

std::vector<ElemSample> ElemSamples() {
  std::vector<ElemSample> samples;
  std::uint64_t seed = 100;
  for (const ElementKind kind : kElementKindsAll) {
    seed += 10;
    const int width = static_cast<int>(8 * ElementWidth(kind));
    if (kind != ElementKind::kBytes) {
      samples.push_back(SampleBuilder("delta_" + KindName(kind), Codec::kElem, 0)
                            .Delta(kind, seed, kCount, width / 2)
                            .Take());
    }
    samples.push_back(SampleBuilder("literal_" + KindName(kind), Codec::kElem, 0)
                          .Literal(kind, ElementBytes(kind, seed + 5, kCount))
                          .Take());
    if (IsFloat(kind)) {
      samples.push_back(SampleBuilder("steps_" + KindName(kind), Codec::kQdelta, 65'536)
                            .Steps(kind, seed + 7, kCount)
                            .Take());
    }
  }
  samples.push_back(
      SampleBuilder("far_f32", Codec::kElem, 0).Delta(ElementKind::kF32, 300, kCount, 32).Take());
  samples.push_back(SampleBuilder("extremes", Codec::kElem, 0)
                        .Literal(ElementKind::kBytes, Alternating(400))
                        .Literal(ElementKind::kF32, Alternating(400))
                        .Take());
  samples.push_back(SampleBuilder("copy", Codec::kElem, 131'072).Copy(310, 70).Take());
  samples.push_back(SampleBuilder("mixed", Codec::kQdelta, 65'536)
                        .Literal(ElementKind::kBytes, ElementBytes(ElementKind::kBytes, 320, 3))
                        .Delta(ElementKind::kF32, 321, 40, 20)
                        .Copy(323, 33)
                        .Steps(ElementKind::kF16, 324, 60)
                        .Delta(ElementKind::kI8, 326, 90, 3)
                        .Literal(ElementKind::kBf16, ElementBytes(ElementKind::kBf16, 328, 50))
                        .Take());
  return samples;
}

}  // namespace sluice
