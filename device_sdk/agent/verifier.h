// Decides which signed words of the engine count: one function per kind, its checks in the order of
// docs/protocol.md.
//
// Holds no state of its own but the trust; what was seen before is in the record. One thread.
#pragma once

#include <optional>

#include "common/crypto/trust.h"
#include "device_sdk/agent/agent_options.h"
#include "device_sdk/core/secure_time.h"
#include "device_sdk/core/update.h"

namespace sluice::device {

class Verifier {
 public:
  Verifier(Trust trust, const AgentOptions& self) : trust_(std::move(trust)), self_(self) {}

  [[nodiscard]] const Root& root() const { return trust_.root(); }
  [[nodiscard]] ByteView root_envelope() const { return trust_.envelope(); }

  /// The next Root: signed by the thresholds of both. `next` replaces the trust by TakeRoot once it
  /// is stored.
  struct NextRoot {
    Trust next;
    RootReplaced event;
  };
  [[nodiscard]] Result<NextRoot> CheckRoot(ByteView envelope) const;
  void TakeRoot(Trust next) { trust_ = std::move(next); }

  /// The answer to the hello with `nonce`: E_WRONG_DEVICE, E_REPLAY (another nonce),
  /// E_STALE_ENGINE, E_CLOCK.
  [[nodiscard]] Result<Answer> CheckAnswer(ByteView envelope, const Nonce& nonce,
                                           const StateRecord& record, const SecureTime& time) const;
  [[nodiscard]] Result<Freshness> CheckFreshness(ByteView envelope, const StateRecord& record,
                                                 const SecureTime& time) const;
  /// An Order newer than the record's, or nothing if it is the one held. `named` is the newest
  /// Answer's word.
  [[nodiscard]] Result<std::optional<OrderReceived>> CheckOrder(ByteView envelope,
                                                                const StateRecord& record,
                                                                const SequenceNumber& named) const;
  /// Never fails itself: a refusal is part of the event. `now_ms` is the secure time.
  [[nodiscard]] DirectiveChecked CheckDirective(Bytes envelope, const Update& update,
                                                const SequenceNumber& named,
                                                std::int64_t now_ms) const;
  /// REQUIRES: `update` has a directive in work; `envelope` is what was fetched for it.
  [[nodiscard]] Result<ReleaseManifest> CheckManifest(ByteView envelope, const Update& update,
                                                      std::int64_t now_ms) const;

  /// A directive or Order from our own disk, whose digest the record names: only the signature is
  /// checked again.
  template <class T>
  [[nodiscard]] Result<T> Reopen(ByteView envelope) const {
    return trust_.Open<T>(envelope);
  }

 private:
  [[nodiscard]] Status CheckEpoch(std::uint64_t epoch) const;
  [[nodiscard]] Status CheckNumber(const SequenceNumber& number, const SequenceNumber& held,
                                   bool same_bytes, const SequenceNumber& named,
                                   std::uint64_t epoch_seen) const;
  [[nodiscard]] Status CheckTerms(const Directive& directive, const Update& update,
                                  std::int64_t now_ms) const;

  Trust trust_;
  const AgentOptions& self_;
};

/// The release is for this model, hardware, runtime and agent: E_WRONG_MODEL, E_INCOMPATIBLE_HW,
/// E_ABI, E_AGENT_TOO_OLD, each with "need X, have Y".
Status CheckFit(const ReleaseManifest& manifest, const AgentOptions& self);

/// The manifest in an envelope whose digest the record names. For slots that are installed: a
/// release key that was removed since, or a manifest that expired, gates new installs only.
Result<ReleaseManifest> ManifestOfSlot(ByteView envelope, const SlotRecord& slot);

/// True iff version `have` ("1.2.3") is at least `need`; an empty need is always met.
bool MeetsVersion(std::string_view have, std::string_view need);

}  // namespace sluice::device
