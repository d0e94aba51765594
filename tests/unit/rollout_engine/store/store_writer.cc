// Writes numbered batches into a store until it is killed, and says on stdout which of them are
// durable.
#include <unistd.h>

#include <cstdio>

#include "rollout_engine/store/keys.h"
#include "rollout_engine/store/rocksdb_store.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto store = sluice::RocksdbStore::Open(argv[1], sluice::RocksdbStore::Mode::kCreate);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().Line().c_str());
    return 1;
  }
  for (std::uint64_t number = 1;; ++number) {
    sluice::WriteBatch batch;  // two keys: a batch is there as a whole or not at all
    batch.Put(sluice::store_key::Join("left", {sluice::store_key::Number(number)}), "l");
    batch.Put(sluice::store_key::Join("right", {sluice::store_key::Number(number)}), "r");
    if (!(*store)->Write(batch, true)) return 1;
    if (::write(STDOUT_FILENO, &number, sizeof number) != sizeof number) return 0;
  }
}
