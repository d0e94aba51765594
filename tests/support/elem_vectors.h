// Blocks that were written once and must decode for ever, on every machine.
#pragma once

#include <fstream>
#include <map>
#include <sstream>

#include "common/payload/codecs.h"

namespace sluice {

struct ElemVector {
  Codec codec = Codec::kElem;
  Bytes base;
  Bytes output;  // before the block; zeros where nothing looks at them
  Bytes block;
  Bytes content;
};

/// The rows of elem_vectors.txt by their names; its head tells the columns. Stops the test program
/// where a row is none.
inline std::map<std::string, ElemVector> ReadElemVectors(const std::string& path) {
  std::map<std::string, ElemVector> vectors;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::string name, codec, base, block, content, output;
    std::size_t block_offset = 0;
    words >> name >> codec >> block_offset >> base >> block >> content >> output;
    ElemVector vector;
    for (const Codec known : {Codec::kQdelta, Codec::kLowrank}) {
      if (codec == CodecName(known)) vector.codec = known;
    }
    vector.base = FromHex(base == "-" ? "" : base).value();
    vector.block = FromHex(block).value();
    vector.content = FromHex(content).value();
    vector.output = FromHex(output).value();
    vector.output.resize(block_offset);
    vectors[name] = std::move(vector);
  }
  return vectors;
}

/// What a vector's block decodes to.
inline Result<Bytes> DecodedVector(const ElemVector& vector) {
  Bytes out(vector.content.size());
  SLUICE_TRY(DecodeElem(vector.block, vector.codec, MemorySource(vector.base),
                        MemorySource(vector.output), out));
  return out;
}

}  // namespace sluice
