#include "rollout_engine/payload/tensor.h"

#include <gmock/gmock.h>

#include "tests/support/sample_model_files.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// What a walker found, with the bytes it points to instead of where they lie.
struct Seen {
  std::string name;
  ElementKind kind;
  Bytes data;
  friend bool operator==(const Seen&, const Seen&) = default;
};
std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << seen.name << " of kind " << static_cast<int>(seen.kind) << ", " << seen.data.size()
             << " bytes";
}

std::vector<Seen> SeenIn(ByteView file) {
  std::vector<Seen> all;
  for (const Tensor& tensor : WalkTensors(file)) {
    const ByteView data = file.subspan(tensor.offset, tensor.length);
    all.push_back({tensor.name, tensor.kind, Bytes(data.begin(), data.end())});
  }
  return all;
}

Bytes operator+(Bytes left, ByteView right) {
  Append(left, right);
  return left;
}

const Bytes kSix = {1, 2, 3, 4, 5, 6};
const Bytes kEight = {1, 2, 3, 4, 5, 6, 7, 8};
const Bytes kFour = {9, 8, 7, 6};

TEST(WalkSafetensors, GivesEachTensorAsTheElementsItHolds) {
  const Bytes file = SafetensorsFile({{"a", "F32", kEight},
                                      {"b", "BF16", kSix},
                                      {"c", "F16", kFour},
                                      {"d", "U8", kSix},
                                      {"e", "I16", kSix},
                                      {"f", "U32", kFour},
                                      {"g", "I64", kEight}});
  EXPECT_THAT(SeenIn(file),
              ElementsAre(Seen{"a", ElementKind::kF32, kEight}, Seen{"b", ElementKind::kBf16, kSix},
                          Seen{"c", ElementKind::kF16, kFour}, Seen{"d", ElementKind::kI8, kSix},
                          Seen{"e", ElementKind::kI16, kSix}, Seen{"f", ElementKind::kI32, kFour},
                          Seen{"g", ElementKind::kBytes, kEight}));
}

TEST(WalkSafetensors, LeavesOutWhatIsEmptyOverlapsOrIsNoWholeNumberOfElements) {
  const std::string header = R"({"empty":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
                             R"("whole":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("again":{"dtype":"I8","shape":[2],"data_offsets":[2,4]},)"
                             R"("odd":{"dtype":"F16","shape":[1],"data_offsets":[4,7]}})";
  EXPECT_THAT(SeenIn(SafetensorsFile({{"", "I8", kEight}}, header)),
              ElementsAre(Seen{"whole", ElementKind::kF32, {1, 2, 3, 4}}));
}

TEST(WalkSafetensors, GivesNothingOfAHeaderThatLies) {
  const auto with = [](const std::string& header) {
    return SeenIn(SafetensorsFile({{"", "I8", kEight}}, header));
  };
  EXPECT_THAT(with(R"({"a":{"dtype":"I8","data_offsets":[0,9]}})"), IsEmpty()) << "beyond the end";
  EXPECT_THAT(with(R"({"a":{"dtype":"I8","data_offsets":[5,4]}})"), IsEmpty()) << "backwards";
  EXPECT_THAT(with(R"({"a":{"dtype":"I8","data_offsets":[0,4,8]}})"), IsEmpty()) << "three";
  EXPECT_THAT(with(R"({"a":{"dtype":"I8","data_offsets":[-1,4]}})"), IsEmpty()) << "negative";
  EXPECT_THAT(with(R"({"a":{"dtype":"I8"}})"), IsEmpty()) << "no place";
  EXPECT_THAT(with(R"({"a":{"dtype":"I8","data_offsets":[0,4]})"), IsEmpty()) << "not closed";
  EXPECT_THAT(with(R"({"a":{"b":{"c":{"d":{}}}}})"), IsEmpty()) << "too deep";
  EXPECT_THAT(with("{" + std::string(100'000, '[')), IsEmpty());
  Bytes long_header = SafetensorsFile({{"a", "I8", kEight}});
  StoreLe<std::uint64_t>(long_header.data(), UINT64_MAX);
  EXPECT_THAT(SeenIn(long_header), IsEmpty());
}

TEST(WalkOnnx, FindsInitializersConstantsAndWhatSubgraphsHold) {
  const Bytes constant = ProtoBytes(2, AsBytes("output")) +  // a node: output, attribute {t}
                         ProtoBytes(5, ProtoBytes(5, OnnxTensor("", 10, kFour)));
  const Bytes subgraph = ProtoBytes(5, OnnxTensor("inner", 3, kSix));
  const Bytes branch = ProtoBytes(5, ProtoBytes(6, subgraph));  // a node: attribute {g}
  const Bytes graph = ProtoBytes(5, OnnxTensor("weight", 1, kEight)) + ProtoBytes(1, constant) +
                      ProtoBytes(1, branch);
  EXPECT_THAT(SeenIn(OnnxFile(graph)), ElementsAre(Seen{"weight", ElementKind::kF32, kEight},
                                                   Seen{"output", ElementKind::kF16, kFour},
                                                   Seen{"inner", ElementKind::kI8, kSix}));
}

TEST(WalkOnnx, TakesPackedFloatsButNoVarints) {
  const Bytes floats = ProtoVarint(2, 1) + ProtoBytes(4, kEight) + ProtoBytes(8, AsBytes("f"));
  const Bytes varints = ProtoVarint(2, 6) + ProtoBytes(5, kSix) + ProtoBytes(8, AsBytes("i"));
  EXPECT_THAT(SeenIn(OnnxFile(ProtoBytes(5, floats) + ProtoBytes(5, varints))),
              ElementsAre(Seen{"f", ElementKind::kF32, kEight}));
}

TEST(WalkOnnx, GivesNothingWhenAFieldIsCutOffOrSubgraphsNestWithoutEnd) {
  const Bytes whole = OnnxFile(ProtoBytes(5, OnnxTensor("weight", 1, kEight)));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(SeenIn(ByteView(whole).first(size)), IsEmpty()) << size;
  }
  Bytes graph = ProtoBytes(5, OnnxTensor("deep", 1, kEight));
  for (int depth = 0; depth < 100; ++depth) {
    graph = ProtoBytes(1, ProtoBytes(5, ProtoBytes(6, graph)));
  }
  EXPECT_THAT(SeenIn(OnnxFile(graph)), IsEmpty());
}

TEST(WalkTflite, FindsBuffersInsideAndBehindTheFlatbuffer) {
  const Bytes file =
      TfliteFile({{"activation", 0, 0}, {"f32", 0, 1}, {"f16", 1, 2}, {"i8", 9, 3}, {"i16", 7, 4}},
                 {kEight, kFour}, {kSix, kFour});
  EXPECT_THAT(SeenIn(file), testing::UnorderedElementsAre(Seen{"f32", ElementKind::kF32, kEight},
                                                          Seen{"f16", ElementKind::kF16, kFour},
                                                          Seen{"i8", ElementKind::kI8, kSix},
                                                          Seen{"i16", ElementKind::kI16, kFour}));
}

TEST(WalkTflite, GivesABufferThatTensorsShareOnce) {
  const Bytes file = TfliteFile({{"first", 0, 1}, {"second", 0, 1}}, {kEight});
  EXPECT_THAT(SeenIn(file), ElementsAre(Seen{"first", ElementKind::kF32, kEight}));
}

TEST(WalkTflite, FindsModelsThatLieUnalignedInAnotherFile) {
  const Bytes first = TfliteFile({{"one", 0, 1}}, {kEight});
  const Bytes second = TfliteFile({{"two", 9, 1}}, {kSix});
  Bytes pack = {'L', 'e', 'f', 't', '\n', 'T', 'F', 'L', '3'};
  pack = pack + first + Bytes{0, 0, 0} + second;
  EXPECT_THAT(SeenIn(pack), ElementsAre(Seen{"one", ElementKind::kF32, kEight},
                                        Seen{"two", ElementKind::kI8, kSix}));
}

TEST(WalkTflite, StaysInsideOfAnyFlatbufferThatIsCutOffOrAltered) {
  const Bytes whole = TfliteFile({{"w", 0, 1}, {"b", 9, 2}}, {kEight}, {kSix});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    WalkTensors(ByteView(whole).first(size));  // the sanitizers watch
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const std::uint8_t value : Bytes{0, 1, 0x7F, 0x80, 0xFF}) {
      Bytes altered = whole;
      altered[at] = value;
      for (const Tensor& tensor : WalkTensors(altered)) {
        EXPECT_LE(tensor.offset, altered.size());
        EXPECT_LE(tensor.length, altered.size() - tensor.offset);
      }
    }
  }
}

TEST(WalkTensors, GivesNothingOfOtherFiles) {
  EXPECT_THAT(WalkTensors({}), IsEmpty());
  EXPECT_THAT(WalkTensors(AsBytes("{\"just\": \"JSON\"}")), IsEmpty());
  EXPECT_THAT(WalkTensors(WeightBytes(1, 10'000)), IsEmpty());
  EXPECT_THAT(WalkTensors(NoiseBytes(2, 100'000)), IsEmpty());
}

std::vector<std::uint32_t> RowsIn(ByteView file) {
  std::vector<std::uint32_t> rows;
  for (const Tensor& tensor : WalkTensors(file)) rows.push_back(tensor.row_elements);
  return rows;
}

// Twelve f16 elements of any shape.
const Bytes kTwelve(24, 1);

TEST(WalkTensors, SeesEachTensorAsAMatrixOfItsFirstDimensionAboveOne) {
  EXPECT_THAT(RowsIn(SafetensorsFile({{"matrix", "F16", kTwelve, {3, 4}},
                                      {"kernel", "F16", kTwelve, {1, 2, 3, 2}},
                                      {"vector", "F16", kTwelve, {12}},
                                      {"other", "F16", kTwelve, {3, 5}},
                                      {"empty", "F16", kTwelve, {0, 12}},
                                      {"huge", "F16", kTwelve, {2, 6'000'000'000, 6'000'000'000}},
                                      {"bytes", "F16", kTwelve}})),
              ElementsAre(4, 6, 1, 0, 0, 0, 0));
  EXPECT_THAT(RowsIn(OnnxFile(ProtoBytes(5, OnnxTensor("one_by_one", 10, kTwelve, {3, 4})) +
                              ProtoBytes(5, OnnxTensor("packed", 10, kTwelve, {2, 6}, true)) +
                              ProtoBytes(5, OnnxTensor("none", 10, kTwelve)))),
              ElementsAre(4, 6, 0));
  EXPECT_THAT(RowsIn(TfliteFile({{"matrix", 1, 1, {4, 3}}, {"none", 1, 2}, {"bad", 1, 3, {-4, -3}}},
                                {kTwelve, kTwelve, kTwelve})),
              ElementsAre(0, 0, 3))
      << "the last buffer lies first";
}

}  // namespace
}  // namespace sluice
