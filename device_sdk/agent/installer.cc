#include "device_sdk/agent/installer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/crypto/digest.h"

namespace sluice::device {
namespace {

constexpr MemoryClass kMemoryClass = MemoryClass::kL;

/// Reads through the descriptor whose bytes were hashed.
class DescriptorSource final : public ByteSource {
 public:
  DescriptorSource(int fd, std::uint64_t size_bytes) : fd_(fd), size_bytes_(size_bytes) {}
  [[nodiscard]] std::uint64_t size() const override { return size_bytes_; }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    while (!out.empty()) {
      const ssize_t got = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        return Fail(ErrorCode::kStoreIo, std::string("read the base: ") + std::strerror(errno));
      out = out.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return {};
  }

 private:
  int fd_;
  std::uint64_t size_bytes_;
};

/// The part file up to the block in work, which is all that a decoder may see of it.
class WrittenSource final : public ByteSource {
 public:
  WrittenSource(const ByteSource& part, std::uint64_t size_bytes)
      : part_(part), size_bytes_(size_bytes) {}
  [[nodiscard]] std::uint64_t size() const override { return size_bytes_; }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    return part_.ReadAt(offset, out);
  }

 private:
  const ByteSource& part_;
  std::uint64_t size_bytes_;
};

std::uint64_t HashListSize(const ReleaseManifest& manifest) {
  const std::uint64_t blocks =
      (manifest.artifact_size + limits::kManifestBlockSize - 1) / limits::kManifestBlockSize;
  return blocks * Digest::kSize;
}

/// The head agrees with the directive's offer and the manifest, and this device can decode it.
Status CheckHead(const PayloadHead& head, const PayloadOffer& offer,
                 const ReleaseManifest& manifest) {
  SLUICE_TRY(CheckDecodable(head, kMemoryClass, kCodecMaskV1));
  if (head.block_size != limits::kManifestBlockSize) {
    return Fail(ErrorCode::kPayloadHead, "blocks of " + std::to_string(head.block_size) +
                                             " bytes; this device checks 65536 at a time");
  }
  const bool agrees = head.out_size == manifest.artifact_size &&
                      head.out_sha256 == manifest.artifact_sha256 &&
                      head.base_sha256 == offer.base && head.PayloadSize() == offer.size_bytes;
  if (agrees) return {};
  return Fail(ErrorCode::kPayloadHead, "the payload's head disagrees with manifest or directive");
}

/// True for what another payload on offer may do better; the rest ends the download.
bool IsPayloadsFault(ErrorCode code) {
  using enum ErrorCode;
  switch (code) {
    case kPayloadHead:
    case kCodecUnsupported:
    case kDeltaBase:
    case kDeltaCorrupt:
    case kDeltaOps:
    case kDeltaBomb:
    case kBlockHash:
    case kObjectHash:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<Bytes> Installer::Stored(std::string_view name, const Digest& digest) const {
  Result<Bytes> bytes = store_.ReadDocument(name);
  if (!bytes || Sha256(*bytes) != digest) return std::nullopt;
  return *std::move(bytes);
}

void Installer::Finish(InstallerOutcome outcome) {
  Stop();
  outcome_ = std::move(outcome);
}

void Installer::Stop() {
  fetcher_.End();
  stage_ = Stage::kIdle;
  has_work_now_ = false;
  outcome_.reset();
  object_bytes_ = {};
  hash_list_ = {};
  base_.reset();
  base_fd_.Close();
  head_.reset();
}

void Installer::OnFetchFailed(const Error& why) {
  if (stage_ == Stage::kIdle) return;
  if (IsPayloadsFault(why.code) && stage_ != Stage::kManifest) {
    Finish(PayloadFailed{why});
  } else {
    Finish(DownloadStopped{why});
  }
}

void Installer::BeginObject(Stage stage, const Digest& digest, std::uint64_t size_bytes,
                            BootMs now) {
  stage_ = stage;
  object_ = digest;
  object_size_ = size_bytes;
  object_bytes_.clear();
  fetcher_.Begin(digest, size_bytes, now);
}

void Installer::FetchManifest(const Digest& digest, std::uint32_t size_bytes, BootMs now) {
  Stop();
  if (auto stored = Stored("manifest", digest)) {
    outcome_ = ManifestFetched{*std::move(stored)};
    return;
  }
  if (size_bytes == 0 || size_bytes > limits::kManifestBytesMax) {
    outcome_ = DownloadStopped{
        {ErrorCode::kTooBig, "a manifest of " + std::to_string(size_bytes) + " bytes"}};
    return;
  }
  BeginObject(Stage::kManifest, digest, size_bytes, now);
}

void Installer::FetchPayload(PayloadPlan plan, BootMs now) {
  Stop();
  plan_ = std::move(plan);
  has_set_ = plan_.manifest.validation.sha256.IsZero();
  block_failures_ = 0;
  stage_ = Stage::kHashList;
  if (const Status prepared = Prepare(now); !prepared) OnFetchFailed(prepared.error());
}

/// Hashes the base, reserves the slot, and finds what of the work is done already.
Status Installer::Prepare(BootMs now) {
  base_ = std::make_unique<MemorySource>(ByteView());
  if (!plan_.offer.base.IsZero()) {
    if (!plan_.base) return Fail(ErrorCode::kDeltaBase, "a delta, and nothing to start from");
    SLUICE_ASSIGN(const OpenSlot base, store_.OpenAndHash(*plan_.base));
    base_fd_ = UniqueFd(base.fd);
    if (base.sha256 != plan_.offer.base) {
      return Fail(ErrorCode::kDeltaBase, "the active slot's bytes are " + base.sha256.Short() +
                                             ", the delta starts from " + plan_.offer.base.Short());
    }
    base_ = std::make_unique<DescriptorSource>(base_fd_.get(), base.size_bytes);
  }
  SLUICE_TRY(store_.ClearConfirmed(plan_.slot));
  SLUICE_ASSIGN(progress_, store_.ReserveSlot(plan_.slot, plan_.manifest.artifact_size,
                                              plan_.offer.head_digest, limits::kManifestBlockSize));
  progress_.head_digest = plan_.offer.head_digest;
  fetcher_.SetSpentAtLeast(progress_.bytes_spent);
  auto stored = Stored("hashes", plan_.manifest.block_root);
  if (stored && stored->size() == HashListSize(plan_.manifest)) hash_list_ = *std::move(stored);
  return NextStage(now);
}

Status Installer::NextStage(BootMs now) {
  const ReleaseManifest& manifest = plan_.manifest;
  if (hash_list_.empty()) {
    BeginObject(Stage::kHashList, manifest.block_root, HashListSize(manifest), now);
    return {};
  }
  if (!has_set_ && Stored("validation", manifest.validation.sha256)) has_set_ = true;
  if (!has_set_) {
    BeginObject(Stage::kValidationSet, manifest.validation.sha256, manifest.validation.size_bytes,
                now);
    return {};
  }
  return BeginHead(now);
}

/// The head is the first bytes of the payload, so both are one fetch.
Status Installer::BeginHead(BootMs now) {
  BeginObject(Stage::kHead, plan_.offer.object, plan_.offer.size_bytes, now);
  object_size_ = plan_.offer.head_size;
  if (auto stored = Stored("head", plan_.offer.head_digest)) return TakeHead(*std::move(stored));
  return {};
}

Status Installer::TakeHead(Bytes bytes) {
  if (Sha256(bytes) != plan_.offer.head_digest) {
    return Fail(ErrorCode::kPayloadHead,
                "the payload's head is not the one that the directive names");
  }
  SLUICE_ASSIGN(head_, ParseHead(bytes));
  SLUICE_TRY(CheckHead(*head_, plan_.offer, plan_.manifest));
  SLUICE_TRY(store_.WriteDocument("head", bytes));
  return BeginBlocks();
}

Status Installer::BeginBlocks() {
  stage_ = Stage::kBlocks;
  if (progress_.blocks_done > head_->rows.size()) {
    return Fail(ErrorCode::kStoreIo, "the slot's journal counts more blocks than the payload has");
  }
  fetcher_.download()->SkipTo(head_->BlockOffset(progress_.blocks_done));
  has_work_now_ = true;
  return {};
}

void Installer::Poll(BootMs now) {
  has_work_now_ = false;
  Download* download = fetcher_.download();
  if (stage_ == Stage::kIdle || download == nullptr) return;
  Status status;
  if (stage_ == Stage::kBlocks) {
    status = TakeBlock();
  } else {
    while (object_bytes_.size() < object_size_) {
      const std::uint64_t rest = object_size_ - object_bytes_.size();
      const auto bytes = download->Take(object_bytes_.size(),
                                        std::min<std::uint64_t>(rest, limits::kChunkBytesMin));
      if (!bytes) return;
      Append(object_bytes_, *bytes);
      download->SkipTo(
          object_bytes_.size());  // keeps a chunk that also holds the first block's bytes
    }
    status = OnObjectWhole(now);
  }
  if (!status) OnFetchFailed(status.error());
}

Status Installer::OnObjectWhole(BootMs now) {
  Bytes bytes = std::exchange(object_bytes_, {});
  if (stage_ == Stage::kHead) return TakeHead(std::move(bytes));
  if (Sha256(bytes) != object_) {
    return Fail(ErrorCode::kObjectHash, "what was fetched is not object " + object_.Short());
  }
  switch (stage_) {
    case Stage::kManifest:
      Finish(ManifestFetched{std::move(bytes)});
      return {};
    case Stage::kHashList:
      SLUICE_TRY(store_.WriteDocument("hashes", bytes));
      hash_list_ = std::move(bytes);
      return NextStage(now);
    case Stage::kValidationSet:
      SLUICE_TRY(store_.WriteDocument("validation", bytes));
      has_set_ = true;
      return NextStage(now);
    case Stage::kIdle:
    case Stage::kHead:
    case Stage::kBlocks:
      break;
  }
  return {};
}

Status Installer::TakeBlock() {
  if (progress_.blocks_done == head_->rows.size()) {
    Finish(PayloadWritten{});
    return {};
  }
  Download& download = *fetcher_.download();
  const BlockRow& row = head_->rows[progress_.blocks_done];
  const std::uint64_t offset = head_->BlockOffset(progress_.blocks_done);
  const auto encoded = download.Take(offset, row.in_len);
  if (!encoded) return {};
  if (Sha256(*encoded) != row.in_sha256) {
    if (++block_failures_ > kBlockRetriesMax) {
      return Fail(ErrorCode::kBlockHash,
                  "block " + std::to_string(progress_.blocks_done) + " arrives damaged");
    }
    download.Refetch(offset, row.in_len);
    return {};
  }
  SLUICE_TRY(WriteDecoded(*encoded));
  block_failures_ = 0;
  has_work_now_ = true;
  download.SkipTo(offset + row.in_len);
  return {};
}

Status Installer::WriteDecoded(ByteView encoded) {
  const std::size_t index = progress_.blocks_done;
  const BlockRow& row = head_->rows[index];
  const std::uint64_t at = static_cast<std::uint64_t>(index) * head_->block_size;
  Bytes out(head_->OutLength(index));
  SLUICE_ASSIGN(const auto part, store_.OpenPart(plan_.slot));
  SLUICE_TRY(DecodeBlock(row.codec, kMemoryClass, kCodecMaskV1, encoded, *base_,
                         WrittenSource(*part, at), out));
  const ByteView listed = ByteView(hash_list_).subspan(index * Digest::kSize, Digest::kSize);
  if (!std::ranges::equal(Sha256(out).View(), listed)) {
    return Fail(ErrorCode::kDeltaCorrupt,
                "block " + std::to_string(index) + " decodes to other bytes than signed");
  }
  SlotProgress next = progress_;
  ++next.blocks_done;
  next.bytes_spent = fetcher_.BytesSpent();
  SLUICE_TRY(store_.WriteBlock(plan_.slot, at, out, next));
  progress_ = next;
  return {};
}

std::uint64_t Installer::bytes_done() const {
  if (!head_) return 0;
  return head_->BlockOffset(progress_.blocks_done);
}

}  // namespace sluice::device
