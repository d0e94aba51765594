#include "rollout_engine/engine/payload_builder.h"

#include <optional>
#include <utility>

#include "rollout_engine/payload/encoder.h"

namespace sluice {

Result<BuiltPayload> BuildPayload(const ObjectStore& objects, const PayloadJob& job) {
  SLUICE_ASSIGN(const Bytes artifact, objects.Read(job.artifact, limits::kArtifactBytesMax));
  Bytes base;
  if (!job.request.base.IsZero()) {
    SLUICE_ASSIGN(base, objects.Read(job.request.base, limits::kArtifactBytesMax));
  }
  const EncodeOptions options{.memory_class = job.request.memory_class,
                              .codec_mask = job.request.codec_mask};
  const std::optional<ByteView> from = base.empty() ? std::nullopt : std::optional<ByteView>(base);
  SLUICE_ASSIGN(const EncodedPayload payload, EncodePayload(from, artifact, options));
  const std::size_t head_size = payload.head.HeadSize();
  SLUICE_TRY(objects.PutBytes(ByteView(payload.bytes).first(head_size)));
  SLUICE_TRY(objects.PutBytes(payload.bytes));
  return BuiltPayload{.object = payload.object,
                      .head_digest = payload.head_digest,
                      .size_bytes = payload.bytes.size(),
                      .head_size = static_cast<std::uint32_t>(head_size)};
}

bool InlinePayloadBuilder::Submit(const PayloadJob& job) {
  finished_.push_back({job, BuildPayload(objects_, job)});
  return true;
}

std::vector<PayloadResult> InlinePayloadBuilder::TakeFinished() {
  return std::exchange(finished_, {});
}

ThreadedPayloadBuilder::ThreadedPayloadBuilder(const ObjectStore& objects,
                                               std::function<void()> on_finished)
    : objects_(objects), on_finished_(std::move(on_finished)), thread_([this] { Run(); }) {}

ThreadedPayloadBuilder::~ThreadedPayloadBuilder() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

bool ThreadedPayloadBuilder::Submit(const PayloadJob& job) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= limits::kPayloadJobsMax) return false;
    jobs_.push_back(job);
  }
  changed_.notify_one();
  return true;
}

std::vector<PayloadResult> ThreadedPayloadBuilder::TakeFinished() {
  const std::lock_guard lock(mutex_);
  return std::exchange(finished_, {});
}

void ThreadedPayloadBuilder::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const PayloadJob job = jobs_.front();
    jobs_.pop_front();
    lock.unlock();
    Result<BuiltPayload> built = BuildPayload(objects_, job);
    lock.lock();
    finished_.push_back({job, std::move(built)});
    lock.unlock();
    on_finished_();
    lock.lock();
  }
}

}  // namespace sluice
