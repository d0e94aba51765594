// Drives the update machine in tests: feeds events, answers Persist, and remembers what came out.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "device_sdk/core/update.h"

namespace sluice::device {

inline Digest DigestOf(std::uint8_t fill) {
  Digest digest;
  digest.bytes.fill(fill);
  return digest;
}

inline constexpr std::uint8_t kV1 = 1, kV2 = 2,
                              kV3 = 3;  // releases; artifact = fill, manifest = fill + 100
inline Digest ArtifactOf(std::uint8_t release) { return DigestOf(release); }
inline Digest ManifestOf(std::uint8_t release) {
  return DigestOf(static_cast<std::uint8_t>(release + 100));
}

inline SlotRecord SlotWith(std::uint8_t release, SlotState state, std::string rollout = {}) {
  return {.state = state,
          .manifest = ManifestOf(release),
          .artifact = ArtifactOf(release),
          .size_bytes = 1000,
          .security_epoch = 1,
          .release = "v" + std::to_string(release),
          .rollout = std::move(rollout),
          .stage = 0,
          .reason = {}};
}

inline ReleaseManifest ManifestFor(std::uint8_t release) {
  ReleaseManifest manifest;
  manifest.release = "v" + std::to_string(release);
  manifest.artifact_sha256 = ArtifactOf(release);
  manifest.artifact_size = 1000;
  manifest.security_epoch = 1;
  manifest.floor_epoch = 1;
  manifest.limits = {.error_rate_max = 0.01, .latency_p99_max_ms = 50, .accuracy_drop_max = 0.02};
  return manifest;
}

inline Directive InstallOf(std::uint8_t release, std::uint64_t seq) {
  Directive directive;
  directive.number = {.epoch = 7, .seq = seq};
  directive.rollout = "r" + std::to_string(release);
  directive.action = DirectiveAction::kInstall;
  directive.manifest = ManifestOf(release);
  directive.manifest_size = 400;
  directive.offers = {{.object = DigestOf(50),
                       .head_digest = DigestOf(51),
                       .size_bytes = 100,
                       .head_size = 10,
                       .base = ArtifactOf(kV1)},
                      {.object = DigestOf(60),
                       .head_digest = DigestOf(61),
                       .size_bytes = 1000,
                       .head_size = 10,
                       .base = {}}};
  directive.byte_budget = 10'000;
  return directive;
}

inline DirectiveChecked Accepted(const Directive& directive) {
  return {Bytes{1, 2, 3}, DigestOf(static_cast<std::uint8_t>(200 + directive.number.seq)),
          directive, std::nullopt};
}

inline Order OrderOf(std::uint64_t seq, std::string rollout, OrderAction action) {
  Order order;
  order.number = {.epoch = 7, .seq = seq};
  order.entries.push_back({std::move(rollout), action, 0, {}});
  return order;
}

class UpdateDriver {
 public:
  explicit UpdateDriver(int slot_count = 2) {
    update.slot_count = slot_count;
    update.hardware = "cam";
    update.record.slots[0] = SlotWith(kV1, SlotState::kGood);
    update.record.active = SlotId{0};
  }

  /// Feeds the event and answers Persist until nothing waits; returns the last error.
  Status Feed(const Event& event) {
    auto effects = Step(update, event);
    if (!effects) return Fail(effects.error());
    for (Effect& effect : *effects) {
      if (std::holds_alternative<Persist>(effect)) {
        EXPECT_TRUE(&effect == &effects->front()) << "Persist is the first effect";
        writes.push_back(std::get<Persist>(effect));
        auto after = Step(update, Persisted{disk_works});
        EXPECT_TRUE(after.has_value());
        for (Effect& next : *after) out.push_back(std::move(next));
        continue;
      }
      out.push_back(std::move(effect));
    }
    return {};
  }

  void DriveToDownloading(std::uint8_t release = kV2, std::uint64_t seq = 1) {
    ASSERT_TRUE(Feed(DirectiveReceived{{1}}));
    ASSERT_TRUE(Feed(Accepted(InstallOf(release, seq))));
    ASSERT_TRUE(Feed(ManifestChecked{ManifestFor(release)}));
    ASSERT_EQ(update.state(), UpdateState::kDownloading);
  }
  void DriveToReady(std::uint8_t release = kV2, std::uint64_t seq = 1) {
    DriveToDownloading(release, seq);
    ASSERT_TRUE(Feed(PayloadWritten{}));
    ASSERT_TRUE(Feed(SlotVerified{}));
    ASSERT_TRUE(Feed(Validated{}));
    ASSERT_EQ(update.state(), UpdateState::kReady);
  }
  void DriveToTrial(std::uint8_t release = kV2, std::uint64_t seq = 1) {
    DriveToReady(release, seq);
    ASSERT_TRUE(Feed(ActivationAllowed{}));
    ASSERT_TRUE(Feed(ActivatingAcknowledged{}));
    ASSERT_TRUE(Feed(ModelServing{ArtifactOf(release), ManifestFor(release).limits}));
    ASSERT_EQ(update.state(), UpdateState::kTrial);
  }

  /// Effects of one type since the last Clear.
  template <class T>
  std::vector<T> Of() const {
    std::vector<T> found;
    for (const Effect& effect : out) {
      if (const T* of = std::get_if<T>(&effect)) found.push_back(*of);
    }
    return found;
  }
  std::vector<std::string> Reports() const {
    std::vector<std::string> texts;
    for (const SendReport& report : Of<SendReport>()) {
      texts.push_back(std::string(ReportStateName(report.state)) +
                      (report.code.empty() ? "" : " " + report.code));
    }
    return texts;
  }
  void Clear() {
    out.clear();
    writes.clear();
  }

  Update update;
  bool disk_works = true;
  std::vector<Effect> out;
  std::vector<Persist> writes;
};

}  // namespace sluice::device
