// The engine's signed word: numbers, signs and remembers what stands for everybody.
//
// A number is (engine_epoch, seq); what stands keeps its number and its bytes across restarts. The
// director signs only with a clock that it can defend: never before its last `now`, never a month
// beyond it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/crypto/trust.h"
#include "rollout_engine/store/store.h"

namespace sluice {

class Director {
 public:
  /// `roots` = the chain of Root envelopes, rising by one. E_SIG_ROLE when the newest does not name
  /// `key` as director.
  static Result<Director> Open(const SigningKey& key, const std::vector<Bytes>& roots);

  /// Reads what stands and takes a new epoch: max(stored + 1, unix seconds). REQUIRES: `batch` is
  /// written, synced, before anything is published.
  Status Load(const Store& store, WallMs now, WriteBatch& batch);

  [[nodiscard]] const std::string& fleet_id() const { return trust_.root().fleet_id; }
  [[nodiscard]] const Trust& trust() const { return trust_; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  /// The number that follows `last` in this epoch.
  [[nodiscard]] SequenceNumber After(SequenceNumber last) const;

  /// The time that goes into signed words: never falls. E_CLOCK when the machine's clock cannot be
  /// right.
  [[nodiscard]] Result<std::int64_t> SigningTime(WallMs now) const;
  /// Notes the time in `batch` when it moved by a minute, so that a restart knows it.
  void RememberTime(WallMs now, WriteBatch& batch);
  /// An operator vouches for the machine's clock.
  void AcceptClock(WallMs now, WriteBatch& batch);

  [[nodiscard]] Bytes Sign(const Directive& directive) const;
  /// Freshness for one device; `answer` says what the caller knows, the director adds fleet, epoch
  /// and what is held.
  [[nodiscard]] Bytes Sign(Answer answer, std::int64_t now_ms) const;
  /// A new Freshness under the next number.
  [[nodiscard]] Bytes NextFreshness(std::int64_t now_ms);

  /// Replaces the Order when `entries` differ from what stands: signs it, puts it into `batch`,
  /// returns true.
  bool SetOrder(std::vector<OrderEntry> entries, std::int64_t now_ms, WriteBatch& batch);
  [[nodiscard]] const Order& order() const { return order_; }
  [[nodiscard]] const Bytes& order_envelope() const { return order_envelope_; }

  [[nodiscard]] const Bytes& newest_root() const { return roots_.back(); }
  /// At most `limit` Roots above `version`, oldest first.
  [[nodiscard]] std::vector<Bytes> RootsAbove(std::uint32_t version, int limit) const;

 private:
  Director(const SigningKey& key, Trust trust, std::vector<Bytes> roots)
      : key_(&key), trust_(std::move(trust)), roots_(std::move(roots)) {}
  [[nodiscard]] HeldVersions Held() const;

  const SigningKey* key_;
  Trust trust_;
  std::vector<Bytes> roots_;
  std::uint64_t epoch_ = 0;
  std::int64_t last_now_ms_ = 0;  // 0 = never
  SequenceNumber freshness_;
  Order order_;
  Bytes order_envelope_;
};

}  // namespace sluice
