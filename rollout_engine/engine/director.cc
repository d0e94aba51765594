#include "rollout_engine/engine/director.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/check.h"
#include "common/contract/limits.h"
#include "rollout_engine/engine/keys.h"

namespace sluice {
namespace {

Result<std::uint64_t> GetNumber(const Store& store, std::string_view key) {
  SLUICE_ASSIGN(const std::optional<Bytes> stored, store.Get(key));
  if (!stored) return 0;
  const std::string_view text = AsText(*stored);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return Fail(ErrorCode::kStoreCorrupt,
                std::string(key) + " holds no number; run 'sluice store verify' or restore");
  }
  return number;
}

bool NamesDirector(const Root& root, const SigningKey& key) {
  return std::find(root.director.keys.begin(), root.director.keys.end(), key.Public()) !=
         root.director.keys.end();
}

}  // namespace

Result<Director> Director::Open(const SigningKey& key, const std::vector<Bytes>& roots) {
  if (roots.empty())
    return Fail(ErrorCode::kUsage, "no root given; pass the fleet's root with --root FILE");
  SLUICE_ASSIGN(Trust trust, Trust::FromInstalledRoot(roots.front()));
  for (std::size_t i = 1; i < roots.size(); ++i) {
    SLUICE_ASSIGN(trust, trust.WithNextRoot(roots[i]));
  }
  const Root& root = trust.root();
  if (!NamesDirector(root, key)) {
    return Fail(ErrorCode::kSigRole,
                "director key " + KeyId(key.Public()).Short() + " is not named by root version " +
                    std::to_string(root.version) + " of fleet " + root.fleet_id +
                    "; use the key that it names or sign a root that names this one");
  }
  return Director(key, std::move(trust), roots);
}

Status Director::Load(const Store& store, WallMs now, WriteBatch& batch) {
  SLUICE_ASSIGN(const std::uint64_t stored_epoch, GetNumber(store, store_key::kEpoch));
  SLUICE_ASSIGN(const std::uint64_t last_now, GetNumber(store, store_key::kLastNow));
  last_now_ms_ = static_cast<std::int64_t>(last_now);
  epoch_ = std::max(stored_epoch + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(now.ms, 0) /
                                                                 limits::kSecond));
  batch.Put(std::string(store_key::kEpoch), std::to_string(epoch_));

  SLUICE_ASSIGN(std::optional<Bytes> order, store.Get(store_key::kOrder));
  if (!order) {
    order_.fleet_id = fleet_id();
    return {};
  }
  auto opened = trust_.Open<Order>(*order);
  if (!opened)
    return Fail(ErrorCode::kStoreCorrupt,
                "the stored Order does not verify: " + opened.error().Line());
  order_ = std::move(*opened);
  order_envelope_ = std::move(*order);
  return {};
}

SequenceNumber Director::After(SequenceNumber last) const {
  return {epoch_, last.epoch == epoch_ ? last.seq + 1 : 1};
}

Result<std::int64_t> Director::SigningTime(WallMs now) const {
  if (last_now_ms_ == 0) return now.ms;
  if (now.ms < last_now_ms_ - limits::kClockSlackBack) {
    return Fail(ErrorCode::kClock, "the clock is " +
                                       std::to_string((last_now_ms_ - now.ms) / limits::kSecond) +
                                       " s behind what was signed last; set it, or accept it with "
                                       "'sluice engine accept-clock'");
  }
  if (now.ms > last_now_ms_ + limits::kEngineClockJumpMax) {
    return Fail(ErrorCode::kClock, "the clock is " +
                                       std::to_string((now.ms - last_now_ms_) / limits::kDay) +
                                       " days beyond what was signed last; set it, or accept it "
                                       "with 'sluice engine accept-clock'");
  }
  return std::max(now.ms, last_now_ms_);
}

void Director::RememberTime(WallMs now, WriteBatch& batch) {
  const auto time = SigningTime(now);
  if (!time || *time < last_now_ms_ + limits::kMinute) return;
  last_now_ms_ = *time;
  batch.Put(std::string(store_key::kLastNow), std::to_string(last_now_ms_));
}

void Director::AcceptClock(WallMs now, WriteBatch& batch) {
  last_now_ms_ = now.ms;
  batch.Put(std::string(store_key::kLastNow), std::to_string(last_now_ms_));
}

Bytes Director::Sign(const Directive& directive) const {
  return Seal(PayloadType::kDirective, Encode(directive), {key_});
}

Bytes Director::Sign(Answer answer, std::int64_t now_ms) const {
  answer.fleet_id = fleet_id();
  answer.engine_epoch = epoch_;
  answer.now_ms = now_ms;
  answer.held = Held();
  return Seal(PayloadType::kAnswer, Encode(answer), {key_});
}

Bytes Director::NextFreshness(std::int64_t now_ms) {
  freshness_ = After(freshness_);
  const Freshness freshness{
      .fleet_id = fleet_id(), .number = freshness_, .now_ms = now_ms, .held = Held()};
  return Seal(PayloadType::kFreshness, Encode(freshness), {key_});
}

bool Director::SetOrder(std::vector<OrderEntry> entries, std::int64_t now_ms, WriteBatch& batch) {
  SLUICE_CHECK(entries.size() <= limits::kOrderEntriesMax);
  if (!order_envelope_.empty() && entries == order_.entries) return false;
  order_ = Order{.fleet_id = fleet_id(),
                 .number = After(order_.number),
                 .entries = std::move(entries),
                 .created_ms = now_ms};
  order_envelope_ = Seal(PayloadType::kOrder, Encode(order_), {key_});
  batch.Put(std::string(store_key::kOrder), order_envelope_);
  return true;
}

std::vector<Bytes> Director::RootsAbove(std::uint32_t version, int limit) const {
  const std::uint32_t newest = trust_.root().version;
  if (version >= newest) return {};
  const auto known = static_cast<std::uint32_t>(roots_.size());
  const std::uint32_t wanted = std::min(newest - version, known);
  const auto count = std::min<std::ptrdiff_t>(wanted, limit);
  const auto first = roots_.end() - static_cast<std::ptrdiff_t>(wanted);
  return {first, first + count};
}

HeldVersions Director::Held() const {
  return {.root_version = trust_.root().version, .order = order_.number};
}

}  // namespace sluice
