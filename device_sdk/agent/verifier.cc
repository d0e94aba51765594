#include "device_sdk/agent/verifier.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/crypto/digest.h"

namespace sluice::device {
namespace {

constexpr std::int64_t kMsPerSecond = 1'000;

std::string TextOf(const SequenceNumber& number) {
  return std::to_string(number.epoch) + "." + std::to_string(number.seq);
}

bool SharesAKey(const RoleKeys& before, const RoleKeys& after) {
  return std::ranges::any_of(before.keys, [&](const PublicKey& key) {
    return std::ranges::find(after.keys, key) != after.keys.end();
  });
}

}  // namespace

bool MeetsVersion(std::string_view have, std::string_view need) {
  const auto parse = [](std::string_view text) {
    std::array<std::uint32_t, 3> parts{};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::uint32_t& part : parts) {
      at = std::from_chars(at, end, part).ptr;
      if (at == end || *at != '.') break;
      ++at;
    }
    return parts;
  };
  return need.empty() || parse(have) >= parse(need);
}

Result<ReleaseManifest> ManifestOfSlot(ByteView envelope, const SlotRecord& slot) {
  if (Sha256(envelope) != slot.manifest) {
    return Fail(ErrorCode::kObjectHash, "the slot's manifest is not the one that the record names");
  }
  SLUICE_ASSIGN(const Envelope parsed, ParseEnvelope(envelope));
  SLUICE_ASSIGN(ReleaseManifest manifest, Decode<ReleaseManifest>(parsed.payload));
  if (manifest.artifact_sha256 != slot.artifact) {
    return Fail(ErrorCode::kObjectHash,
                "the slot's manifest names another artifact than the record");
  }
  return manifest;
}

Status CheckFit(const ReleaseManifest& manifest, const AgentOptions& self) {
  if (manifest.model != self.model) {
    return Fail(ErrorCode::kWrongModel, "need " + manifest.model + ", have " + self.model);
  }
  if (std::ranges::find(manifest.hardware, self.hardware) == manifest.hardware.end()) {
    return Fail(ErrorCode::kIncompatibleHw,
                "need " + manifest.hardware.front() + ", have " + self.hardware);
  }
  if (!manifest.runtime_abi.empty() && manifest.runtime_abi != self.runtime_abi) {
    return Fail(ErrorCode::kAbi, "need " + manifest.runtime_abi + ", have " + self.runtime_abi);
  }
  if (!MeetsVersion(kAgentVersion, manifest.min_agent)) {
    return Fail(ErrorCode::kAgentTooOld,
                "need " + manifest.min_agent + ", have " + std::string(kAgentVersion));
  }
  return {};
}

Result<Verifier::NextRoot> Verifier::CheckRoot(ByteView envelope) const {
  SLUICE_ASSIGN(Trust next, trust_.WithNextRoot(envelope));
  const Root& root = next.root();
  RootReplaced event{.envelope = Bytes(envelope.begin(), envelope.end()),
                     .version = root.version,
                     .reset_numbers = !SharesAKey(trust_.root().director, root.director),
                     .created_ms = root.created_ms,
                     .lowered_floor = std::nullopt};
  for (const ModelFloor& floor : root.lowered_floors) {
    if (floor.model == self_.model) event.lowered_floor = floor.floor_epoch;
  }
  return NextRoot{std::move(next), std::move(event)};
}

Status Verifier::CheckEpoch(std::uint64_t epoch) const {
  const std::int64_t last_ms = root().expires_ms + limits::kClockSlackAhead;
  if (epoch <= static_cast<std::uint64_t>(std::max<std::int64_t>(last_ms, 0) / kMsPerSecond))
    return {};
  return Fail(ErrorCode::kClock,
              "engine epoch " + std::to_string(epoch) + " lies beyond the Root's life");
}

Status Verifier::CheckNumber(const SequenceNumber& number, const SequenceNumber& held,
                             bool same_bytes, const SequenceNumber& named,
                             std::uint64_t epoch_seen) const {
  if (number == held) {
    if (same_bytes) return {};
    return Fail(ErrorCode::kEquivocation, "two different words bear number " + TextOf(number));
  }
  if (number < held) {
    return Fail(ErrorCode::kReplay, "number " + TextOf(number) + " is below " + TextOf(held));
  }
  SLUICE_TRY(CheckEpoch(number.epoch));
  if (number.epoch < epoch_seen && number != named) {
    return Fail(
        ErrorCode::kStaleEngine,
        "number " + TextOf(number) + " is of an engine before epoch " + std::to_string(epoch_seen));
  }
  return {};
}

Result<Answer> Verifier::CheckAnswer(ByteView envelope, const Nonce& nonce,
                                     const StateRecord& record, const SecureTime& time) const {
  SLUICE_ASSIGN(Answer answer, trust_.Open<Answer>(envelope));
  if (answer.device_id != self_.device_id) {
    return Fail(ErrorCode::kWrongDevice, "the answer is for device " + answer.device_id);
  }
  if (answer.nonce != nonce) return Fail(ErrorCode::kReplay, "the answer is to another hello");
  SLUICE_TRY(CheckEpoch(answer.engine_epoch));
  if (answer.engine_epoch < record.engine_epoch) {
    return Fail(ErrorCode::kStaleEngine, "the answer's engine epoch " +
                                             std::to_string(answer.engine_epoch) + " is below " +
                                             std::to_string(record.engine_epoch));
  }
  SLUICE_TRY(time.Check(answer.now_ms, root().expires_ms));
  return answer;
}

Result<Freshness> Verifier::CheckFreshness(ByteView envelope, const StateRecord& record,
                                           const SecureTime& time) const {
  SLUICE_ASSIGN(Freshness freshness, trust_.Open<Freshness>(envelope));
  if (freshness.number < record.freshness) return Fail(ErrorCode::kReplay, "an older freshness");
  SLUICE_TRY(CheckEpoch(freshness.number.epoch));
  if (freshness.number.epoch < record.engine_epoch && freshness.number != record.freshness) {
    return Fail(ErrorCode::kStaleEngine, "a freshness of a former engine");
  }
  SLUICE_TRY(time.Check(freshness.now_ms, root().expires_ms));
  return freshness;
}

Result<std::optional<OrderReceived>> Verifier::CheckOrder(ByteView envelope,
                                                          const StateRecord& record,
                                                          const SequenceNumber& named) const {
  SLUICE_ASSIGN(Order order, trust_.Open<Order>(envelope));
  const Digest digest = Sha256(envelope);
  SLUICE_TRY(CheckNumber(order.number, record.order, digest == record.order_digest, named,
                         record.engine_epoch));
  if (order.number == record.order) return std::optional<OrderReceived>();
  return std::optional<OrderReceived>(
      OrderReceived{std::move(order), digest, Bytes(envelope.begin(), envelope.end())});
}

DirectiveChecked Verifier::CheckDirective(Bytes envelope, const Update& update,
                                          const SequenceNumber& named, std::int64_t now_ms) const {
  DirectiveChecked checked;
  checked.digest = Sha256(envelope);
  const auto refuse = [&](Error why) {
    checked.refusal = std::move(why);
    return checked;
  };
  // 1 size and shape, 2 signature, 3 fleet
  Result<Directive> opened = trust_.Open<Directive>(envelope);
  checked.envelope = std::move(envelope);
  if (!opened) return refuse(opened.error());
  // 4 device
  if (opened->device_id != self_.device_id) {
    return refuse({ErrorCode::kWrongDevice, "the directive is for device " + opened->device_id});
  }
  // 5 number
  const StateRecord& record = update.record;
  const Status number =
      CheckNumber(opened->number, record.directive, checked.digest == record.directive_digest,
                  named, record.engine_epoch);
  if (!number) return refuse(number.error());
  checked.directive = *std::move(opened);
  // 6 validity and standing orders
  const Status terms = CheckTerms(*checked.directive, update, now_ms);
  if (!terms) return refuse(terms.error());
  return checked;
}

Status Verifier::CheckTerms(const Directive& directive, const Update& update,
                            std::int64_t now_ms) const {
  // Words that stop or take back count at any age.
  if (directive.action != DirectiveAction::kInstall) return {};
  // What was taken on while it was valid is carried through.
  if (directive.number == update.record.directive && update.plan.directive) return {};
  if (now_ms < directive.not_before_ms)
    return Fail(ErrorCode::kNotYet, "the directive is not valid yet");
  if (now_ms >= directive.expires_ms)
    return Fail(ErrorCode::kExpired, "the directive has expired; issue it again");
  const auto word = OrderFor(update.plan.order, directive.rollout, directive.stage, self_.hardware);
  if (word && *word != OrderAction::kHold) {
    return Fail(ErrorCode::kWithdrawn,
                "rollout " + directive.rollout + " was stopped by the standing order");
  }
  return {};
}

Result<ReleaseManifest> Verifier::CheckManifest(ByteView envelope, const Update& update,
                                                std::int64_t now_ms) const {
  // 1 these are the bytes that the directive names
  if (Sha256(envelope) != update.plan.install->manifest) {
    return Fail(ErrorCode::kObjectHash, "the manifest is not the one that the directive names");
  }
  // 2 shape, 3 signature of the release role, 4 fleet
  SLUICE_ASSIGN(ReleaseManifest manifest, trust_.Open<ReleaseManifest>(envelope));
  // 5 model, hardware, runtime, agent
  SLUICE_TRY(CheckFit(manifest, self_));
  // 6 epoch
  if (manifest.security_epoch < update.record.floor_epoch) {
    return Fail(ErrorCode::kDowngrade, "security epoch " + std::to_string(manifest.security_epoch) +
                                           " is below this device's floor " +
                                           std::to_string(update.record.floor_epoch));
  }
  // 7 validity; a little slack, since a manifest may be signed on a machine whose clock runs ahead
  if (now_ms + limits::kClockSlackBack < manifest.created_ms) {
    return Fail(ErrorCode::kNotYet, "the manifest was signed in the future");
  }
  if (now_ms >= manifest.expires_ms)
    return Fail(ErrorCode::kExpired, "the manifest has expired; sign it again");
  return manifest;
}

}  // namespace sluice::device
