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
  /// A matrix that begins `rows_before` rows before the block and goes on in it for `elements`
  /// elements; each row is predicted from the first `count`.
  SampleBuilder& Lowrank(ElementKind kind, std::uint64_t seed, const LowrankRows& rows,
                         std::size_t rows_before, std::size_t elements);
  ElemSample Take() {
    sample_.output.resize(sample_.block_offset);
    return std::move(sample_);
  }

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

SampleBuilder& SampleBuilder::Lowrank(ElementKind kind, std::uint64_t seed, const LowrankRows& rows,
                                      std::size_t rows_before, std::size_t elements) {
  const std::size_t width = ElementWidth(kind);
  const std::size_t before = rows_before * rows.row_elements + rows.column;
  const std::size_t matrix_rows = rows_before + rows.RowsOf(elements);
  const Bytes old_matrix = ElementBytes(kind, seed, matrix_rows * rows.row_elements);
  const Bytes matrix = LowrankElements(kind, old_matrix, seed + 1, matrix_rows, 2);
  const auto at = [width](const Bytes& bytes, std::size_t element) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(element * width);
  };
  sample_.output.assign(at(matrix, 0), at(matrix, before));
  sample_.block_offset = sample_.output.size();
  const std::uint64_t base_at = AddBase(old_matrix) + before * width;
  ElemOp op{.type = Type::kLowrank, .kind = kind, .base_offset = base_at, .rows = rows};
  // Not what a fit finds, but close enough to leave differences of any size.
  SeededRandom random(seed + 2);
  for (std::uint64_t i = 0; i < rows.RowsOf(elements) * rows.count; ++i) {
    const float coefficient = DrawWeight(random) * 10;
    if (rows.fraction_bits == 0) {
      AppendLe(op.coefficients, std::bit_cast<std::uint32_t>(coefficient));
    } else {
      AppendLe(op.coefficients, static_cast<std::uint16_t>(static_cast<std::int16_t>(
                                    coefficient * static_cast<float>(1u << rows.fraction_bits))));
    }
  }
  return Add(op, Bytes(at(matrix, before), at(matrix, before + elements)));
}

// Both extremes of every probability, carries, and no rest of them.
Bytes Alternating(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = (i / 40) % 2 == 0 ? 0x00 : 0xFF;
  return bytes;
}

}  // namespace

Bytes LowrankElements(ElementKind kind, Bytes elements, std::uint64_t seed, std::size_t rows,
                      std::size_t rank) {
  SeededRandom random(seed);
  const std::size_t columns = elements.size() / ElementWidth(kind) / rows;
  std::vector<float> directions(rank * columns), shares(rank);
  for (float& direction : directions) direction = DrawWeight(random) / 4;
  WithKind(kind, [&](auto constant) {
    for (std::size_t row = 0; row < rows; ++row) {
      for (float& share : shares) share = DrawWeight(random) * 20;
      for (std::size_t column = 0; column < columns; ++column) {
        std::uint8_t* const at = &elements[(row * columns + column) * ElementWidth(kind)];
        float sum = ElementToFloat(kind, LoadElement<constant()>(at));
        for (std::size_t k = 0; k < rank; ++k) sum += shares[k] * directions[k * columns + column];
        StoreElement<constant()>(at, FloatToElement(kind, sum));
      }
    }
  });
  return elements;
}

Bytes EncodedSample(const ElemSample& sample) {
  Bytes artifact = sample.output;
  Append(artifact, sample.content);
  ElemEncoder encoder(sample.base, artifact);
  return encoder.Encode(sample.ops, sample.content, sample.block_offset, 1 << 20).value();
}

namespace {

// The same with the rows that are named in the block itself, before those that name them.
ElemSample InOneBlock(ElemSample sample, std::string name) {
  const auto length = static_cast<std::uint32_t>(sample.output.size());
  const ElemOp& rows = sample.ops.front();
  sample.ops.insert(sample.ops.begin(),
                    {Type::kDelta, rows.kind, length, rows.base_offset - length});
  Append(sample.output, sample.content);
  sample.content = std::move(sample.output);
  sample.output.clear();
  sample.block_offset = 0;
  sample.name = std::move(name);
  return sample;
}

// Whole rows and parts of rows, rows before the block and in it, coefficients of both forms, sums
// that are not finite.
void AddLowrankSamples(std::vector<ElemSample>& samples) {
  std::uint64_t seed = 400;
  for (const ElementKind kind : {ElementKind::kF32, ElementKind::kF16, ElementKind::kBf16}) {
    seed += 20;
    const LowrankRows whole{
        .row_elements = 30, .column = 0, .count = 2, .fraction_bits = 0, .back = {3, 1}};
    samples.push_back(SampleBuilder("rows_" + KindName(kind), Codec::kLowrank, 0)
                          .Lowrank(kind, seed, whole, 3, 150)
                          .Take());
    const LowrankRows parts{
        .row_elements = 150, .column = 140, .count = 3, .fraction_bits = 12, .back = {1, 2, 1}};
    samples.push_back(SampleBuilder("rows_in_part_" + KindName(kind), Codec::kLowrank, 0)
                          .Lowrank(kind, seed + 10, parts, 2, 180)
                          .Take());
  }
  samples.push_back(InOneBlock(samples[samples.size() - 2], "rows_in_block"));
  ElemSample infinite =
      SampleBuilder("rows_not_finite", Codec::kLowrank, 0)
          .Lowrank(
              ElementKind::kF32, 500,
              {.row_elements = 20, .column = 0, .count = 2, .fraction_bits = 0, .back = {1, 2}}, 2,
              60)
          .Take();
  StoreLe(infinite.output.data(), 0x7F800000u);       // infinite
  StoreLe(infinite.output.data() + 4, 0x7FC00001u);   // NaN
  StoreLe(infinite.output.data() + 8, 0x7F7FFFFFu);   // the largest number
  StoreLe(infinite.base.data() + 8, 0xFF7FFFFFu);     // from the smallest
  StoreLe(infinite.output.data() + 12, 0x00000001u);  // and the least above 0
  samples.push_back(std::move(infinite));
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
  AddLowrankSamples(samples);
  return samples;
}

}  // namespace sluice
