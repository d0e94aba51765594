// Decodes elem_vectors.txt on another processor than the one that wrote it, with nothing linked in
// but the decoder: ./dev arm32 runs it under emulation. Exits 0 only if all bytes are the same.
#include <cstdio>

#include "tests/support/elem_vectors.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: decode_vectors FILE\n");
    return 2;
  }
  const auto vectors = sluice::ReadElemVectors(argv[1]);
  int wrong = 0;
  for (const auto& [name, vector] : vectors) {
    const auto decoded = sluice::DecodedVector(vector);
    if (decoded == vector.content) continue;
    ++wrong;
    std::printf("%s: %s\n", name.c_str(),
                decoded ? "decodes to other bytes" : decoded.error().Line().c_str());
  }
  std::printf("%zu of %zu vectors decode to the same bytes on a machine of %zu bits\n",
              vectors.size() - static_cast<std::size_t>(wrong), vectors.size(), 8 * sizeof(void*));
  return wrong == 0 && !vectors.empty() ? 0 : 1;
}
