// Brings what a directive offers to the device: manifest, hash list, validation set, then the
// payload block by block into the standby slot. Every byte is checked against a signed digest
// before it is used or written.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "common/contract/directive.h"
#include "common/contract/manifest.h"
#include "common/payload/block_decoder.h"
#include "device_sdk/agent/fetcher.h"
#include "device_sdk/agent/unique_fd.h"
#include "device_sdk/core/update.h"
#include "device_sdk/slots/slot_store.h"

namespace sluice::device {

inline constexpr int kBlockRetriesMax = 3;

/// The manifest's envelope, hashed but not yet verified.
struct ManifestFetched {
  Bytes envelope;
};
using InstallerOutcome =
    std::variant<ManifestFetched, PayloadWritten, PayloadFailed, DownloadStopped>;

class Installer {
 public:
  Installer(SlotStore& store, Fetcher& fetcher) : store_(store), fetcher_(fetcher) {}

  /// From the store if it is there, else over the link.
  void FetchManifest(const Digest& digest, std::uint32_t size_bytes, BootMs now);

  struct PayloadPlan {
    PayloadOffer offer;
    ReleaseManifest manifest;
    SlotId slot = 0;
    std::optional<SlotId> base;  // the active slot
  };
  /// Takes up what is written of this payload already.
  void FetchPayload(PayloadPlan plan, BootMs now);
  void Stop();

  /// Call after each chunk and at each deadline. Steps are short: at most one block is decoded and
  /// written.
  void Poll(BootMs now);
  /// True while Poll has work that needs no message and no timer.
  [[nodiscard]] bool HasWorkNow() const { return has_work_now_ || outcome_; }
  /// The end of what was begun, once.
  [[nodiscard]] std::optional<InstallerOutcome> TakeOutcome() {
    return std::exchange(outcome_, std::nullopt);
  }

  /// An error of the fetcher ends the work.
  void OnFetchFailed(const Error& why);

  /// Encoded payload bytes that are done and in all, for reports.
  [[nodiscard]] std::uint64_t bytes_done() const;
  [[nodiscard]] std::uint64_t bytes_total() const { return plan_.offer.size_bytes; }

 private:
  enum class Stage { kIdle, kManifest, kHashList, kValidationSet, kHead, kBlocks };

  Status Prepare(BootMs now);
  Status NextStage(BootMs now);
  Status OnObjectWhole(BootMs now);
  Status BeginHead(BootMs now);
  Status TakeHead(Bytes bytes);
  Status BeginBlocks();
  Status TakeBlock();
  Status WriteDecoded(ByteView encoded);
  void BeginObject(Stage stage, const Digest& digest, std::uint64_t size_bytes, BootMs now);
  [[nodiscard]] std::optional<Bytes> Stored(std::string_view name, const Digest& digest) const;
  void Finish(InstallerOutcome outcome);

  SlotStore& store_;
  Fetcher& fetcher_;
  Stage stage_ = Stage::kIdle;
  std::optional<InstallerOutcome> outcome_;
  bool has_work_now_ = false;

  // The object that is collected in memory: everything but blocks.
  Digest object_;
  std::uint64_t object_size_ = 0;
  Bytes object_bytes_;

  PayloadPlan plan_;
  UniqueFd base_fd_;
  std::unique_ptr<ByteSource> base_;
  Bytes hash_list_;
  bool has_set_ = false;
  std::optional<PayloadHead> head_;
  SlotProgress progress_;
  int block_failures_ = 0;
};

}  // namespace sluice::device
