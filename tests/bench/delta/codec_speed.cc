#include "tests/bench/delta/codec_speed.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iterator>

#include "common/payload/codecs.h"
#include "common/payload/float_formats.h"
#include "rollout_engine/payload/elem_encoder.h"
#include "rollout_engine/payload/tensor_map.h"
#include "tests/bench/delta/plain_elem_coder.h"
#include "tests/support/sample_models.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kBlockBytes = 65'536;
constexpr std::size_t kMadeElements = 1 << 20;
constexpr std::uint64_t kPairElementBytesMin = 1 << 20;
constexpr int kRounds = 3;

struct Run {
  ElementKind kind;
  std::size_t old_offset, offset, length;
};

/// What one row codes.
struct Elements {
  std::string name;
  Bytes old_file, file;
  std::vector<Run> runs;  // of one block each
};

void AddRuns(ElementKind kind, std::size_t old_offset, std::size_t offset, std::size_t length,
             Elements& to) {
  for (std::size_t at = 0; at < length; at += kBlockBytes) {
    to.runs.push_back({kind, old_offset + at, offset + at, std::min(kBlockBytes, length - at)});
  }
}

void AppendWeight(ElementKind kind, float weight, Bytes& to) {
  if (kind == ElementKind::kI8) {  // quantised, 0.1 in 127 steps
    const float steps = std::clamp(std::round(weight * 1'270), -127.F, 127.F);
    to.push_back(static_cast<std::uint8_t>(static_cast<std::int8_t>(steps)));
    return;
  }
  const std::uint32_t bits = FloatToElement(kind, weight);
  for (std::uint32_t i = 0; i < ElementWidth(kind); ++i) {
    to.push_back(static_cast<std::uint8_t>(bits >> (8 * i)));
  }
}

/// Weights of 0.03, all trained on by about 0.001.
Elements MadeElements(ElementKind kind, const char* name) {
  Elements made{std::string("made, ") + name, {}, {}, {}};
  SeededRandom random(1);
  for (std::size_t i = 0; i < kMadeElements; ++i) {
    const float weight = DrawWeight(random);
    AppendWeight(kind, weight, made.old_file);
    AppendWeight(kind, weight + DrawWeight(random) / 32, made.file);
  }
  AddRuns(kind, 0, 0, made.file.size(), made);
  return made;
}

Bytes ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

Elements PairElements(const ModelPair& pair) {
  Elements elements{pair.id, ReadAll(pair.old_path), ReadAll(pair.new_path), {}};
  for (const TensorExtent& extent : MapTensors(elements.old_file, elements.file)) {
    if (!extent.base_offset || extent.kind == ElementKind::kBytes) continue;
    AddRuns(extent.kind, *extent.base_offset, extent.offset, extent.length, elements);
  }
  return elements;
}

double CpuSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class Work>
double Timed(const Work& work) {
  const double begin = CpuSeconds();
  work();
  return CpuSeconds() - begin;
}

void KeepLeast(double& least, double seconds) {
  least = least == 0 ? seconds : std::min(least, seconds);
}

class Row {
 public:
  explicit Row(const Elements& elements) : elements_(elements) {
    speed_.name = elements.name;
    for (const Run& run : elements.runs) speed_.element_bytes += run.length;
  }

  Result<CodecSpeed> Measure() {
    for (int round = 0; round < kRounds; ++round) {
      KeepLeast(speed_.encode_s, Timed([&] { Encode(); }));
      KeepLeast(speed_.plain_encode_s, Timed([&] { EncodePlain(); }));
      Status status;
      KeepLeast(speed_.decode_s, Timed([&] { status = Decode(); }));
      SLUICE_TRY(status);
      SLUICE_TRY(CheckOutput());
      KeepLeast(speed_.plain_decode_s, Timed([&] { DecodePlain(); }));
      SLUICE_TRY(CheckOutput());
    }
    for (const Bytes& block : blocks_) speed_.coded_bytes += block.size();
    for (const Bytes& block : plain_blocks_) speed_.plain_bytes += block.size();
    return speed_;
  }

 private:
  [[nodiscard]] ByteView Old(const Run& run) const {
    return ByteView(elements_.old_file).subspan(run.old_offset, run.length);
  }
  [[nodiscard]] ByteView New(const Run& run) const {
    return ByteView(elements_.file).subspan(run.offset, run.length);
  }
  [[nodiscard]] std::span<std::uint8_t> Output(const Run& run) {
    return std::span(output_).subspan(run.offset, run.length);
  }

  void Encode() {
    blocks_.clear();
    ElemEncoder encoder(elements_.old_file);
    for (const Run& run : elements_.runs) {
      const ElemOp op{.type = ElemOp::Type::kDelta,
                      .kind = run.kind,
                      .length = static_cast<std::uint32_t>(run.length),
                      .base_offset = run.old_offset};
      blocks_.push_back(encoder.Encode({op}, New(run), run.offset, 2 * kBlockBytes).value());
    }
  }
  void EncodePlain() {
    plain_blocks_.clear();
    for (const Run& run : elements_.runs) {
      plain_blocks_.push_back(EncodePlainly(run.kind, Old(run), New(run)));
    }
  }
  Status Decode() {
    output_.assign(elements_.file.size(), 0);
    const MemorySource base(elements_.old_file);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const Run& run = elements_.runs[i];
      const MemorySource before(ByteView(output_).first(run.offset));
      SLUICE_TRY(DecodeElem(blocks_[i], Codec::kElem, base, before, Output(run)));
    }
    return {};
  }
  void DecodePlain() {
    output_.assign(elements_.file.size(), 0);
    for (std::size_t i = 0; i < plain_blocks_.size(); ++i) {
      const Run& run = elements_.runs[i];
      DecodePlainly(run.kind, Old(run), plain_blocks_[i], Output(run));
    }
  }
  Status CheckOutput() {
    for (const Run& run : elements_.runs) {
      if (!std::ranges::equal(Output(run), New(run))) {
        return Fail(ErrorCode::kInternal, speed_.name + " did not come back as it was");
      }
    }
    return {};
  }

  const Elements& elements_;
  CodecSpeed speed_;
  std::vector<Bytes> blocks_, plain_blocks_;
  Bytes output_;
};

}  // namespace

Result<std::vector<CodecSpeed>> MeasureCodecSpeed(const std::vector<ModelPair>& pairs) {
  std::vector<CodecSpeed> rows;
  const auto add = [&](const Elements& elements) -> Status {
    SLUICE_ASSIGN(CodecSpeed speed, Row(elements).Measure());
    rows.push_back(std::move(speed));
    return {};
  };
  SLUICE_TRY(add(MadeElements(ElementKind::kF32, "f32")));
  SLUICE_TRY(add(MadeElements(ElementKind::kF16, "f16")));
  SLUICE_TRY(add(MadeElements(ElementKind::kBf16, "bf16")));
  SLUICE_TRY(add(MadeElements(ElementKind::kI8, "i8")));
  for (const ModelPair& pair : pairs) {
    if (pair.is_made || pair.new_bytes < kPairElementBytesMin) continue;
    const Elements elements = PairElements(pair);
    std::uint64_t bytes = 0;
    for (const Run& run : elements.runs) bytes += run.length;
    if (bytes >= kPairElementBytesMin) SLUICE_TRY(add(elements));
  }
  return rows;
}

}  // namespace sluice::bench
