// Directive, Order, Freshness and Answer: what the engine signs.
#include <set>

#include "answer_generated.h"
#include "common/contract/codec.h"
#include "common/contract/field_reader.h"
#include "common/contract/wire_message.h"
#include "common/contract/wire_object.h"
#include "directive_generated.h"
#include "freshness_generated.h"
#include "order_generated.h"

namespace sluice {
namespace {

const WireFormat kDirectiveFormat{"Directive", wire::DirectiveIdentifier(),
                                  limits::kDirectiveBytesMax};
const WireFormat kOrderFormat{"Order", wire::OrderIdentifier(), limits::kOrderBytesMax};
const WireFormat kFreshnessFormat{"Freshness", wire::FreshnessIdentifier(),
                                  limits::kFreshnessBytesMax};
const WireFormat kAnswerFormat{"Answer", wire::AnswerIdentifier(), limits::kAnswerBytesMax};

constexpr std::uint16_t kMinutesPerDay = 24 * 60;

std::unique_ptr<wire::PayloadOfferT> ToWire(const PayloadOffer& offer) {
  auto to = std::make_unique<wire::PayloadOfferT>();
  to->object = ToWireOptional(offer.object);
  to->head_digest = ToWireOptional(offer.head_digest);
  to->size_bytes = offer.size_bytes;
  to->head_size = offer.head_size;
  to->base = ToWireOptional(offer.base);
  to->codec_profile = offer.codec_profile;
  return to;
}

PayloadOffer ReadOffer(FieldReader& read, const wire::PayloadOffer& from) {
  PayloadOffer offer;
  offer.object = read.Digest("offers.object", from.object());
  offer.head_digest = read.Digest("offers.head_digest", from.head_digest());
  offer.size_bytes =
      read.Within("offers.size_bytes", from.size_bytes(), 1, limits::kPayloadBytesMax);
  offer.head_size = from.head_size();
  read.Require(offer.head_size >= 1 && offer.head_size <= offer.size_bytes, "offers.head_size",
               "the head is a part of the payload");
  offer.base = read.OptionalDigest(from.base());
  offer.codec_profile = from.codec_profile();
  return offer;
}

std::unique_ptr<wire::HeldVersionsT> ToWire(const HeldVersions& held) {
  auto to = std::make_unique<wire::HeldVersionsT>();
  to->root_version = held.root_version;
  to->order = ToWireOptional(held.order);
  to->revocation_version = held.revocation_version;
  to->revocation_digest = ToWireOptional(held.revocation_digest);
  return to;
}

HeldVersions ReadHeld(FieldReader& read, const wire::HeldVersions* from) {
  HeldVersions held;
  read.Require(from != nullptr, "held", "it is missing");
  if (from == nullptr) return held;
  held.root_version = from->root_version();
  read.Require(held.root_version >= 1, "held.root_version", "versions count from 1");
  held.order = read.OptionalNumber(from->order());
  held.revocation_version = from->revocation_version();
  held.revocation_digest = read.OptionalDigest(from->revocation_digest());
  read.Require(held.revocation_digest.IsZero() == (held.revocation_version == 0),
               "held.revocation_digest", "a list has a version and a digest, no list has neither");
  return held;
}

/// What each action needs: work needs a manifest, and only an install or a hold on one may offer
/// payloads.
void CheckActionFields(FieldReader& read, const Directive& directive) {
  const bool names_manifest = !directive.manifest.IsZero();
  switch (directive.action) {
    case DirectiveAction::kInstall:
      read.Require(names_manifest, "manifest", "an install names a manifest");
      read.Require(directive.attempts >= 1, "attempts", "an install needs at least one");
      break;
    case DirectiveAction::kRevert:
      read.Require(names_manifest, "manifest", "a revert names the manifest to leave");
      read.Require(directive.offers.empty(), "offers", "a revert offers nothing");
      break;
    case DirectiveAction::kHold:
      read.Require(names_manifest || directive.offers.empty(), "offers",
                   "without a manifest there is nothing to offer");
      break;
  }
  read.Require(directive.action != DirectiveAction::kInstall || directive.manifest_size > 0,
               "manifest_size", "an install says how long its manifest is");
}

}  // namespace

Bytes Encode(const Directive& value) {
  wire::DirectiveT to;
  to.fleet_id = value.fleet_id;
  to.device_id = value.device_id;
  to.number = ToWireOptional(value.number);
  to.rollout = value.rollout;
  to.stage = value.stage;
  to.action = static_cast<wire::DirectiveAction>(value.action);
  to.manifest = ToWireOptional(value.manifest);
  to.manifest_size = value.manifest_size;
  for (const PayloadOffer& offer : value.offers) to.offers.push_back(ToWire(offer));
  to.byte_budget = value.byte_budget;
  to.attempts = value.attempts;
  to.open_minute = value.window.open_minute;
  to.close_minute = value.window.close_minute;
  to.mode = static_cast<wire::ActivationMode>(value.mode);
  to.telemetry_interval_s = value.telemetry_interval_s;
  to.latency_limit_us = value.latency_limit_us;
  to.trial_ms = value.trial_ms;
  to.min_inferences = value.min_inferences;
  to.retry = value.retry;
  to.not_before_ms = value.not_before_ms;
  to.expires_ms = value.expires_ms;
  return PackMessage(to, kDirectiveFormat);
}

template <>
Result<Directive> Decode<Directive>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Directive>::Open(kDirectiveFormat, bytes));
  const wire::Directive& from = *message;
  FieldReader read(kDirectiveFormat.name);
  Directive directive;
  directive.fleet_id = read.RegistryId("fleet_id", from.fleet_id());
  directive.device_id = read.Identity("device_id", from.device_id());
  directive.number = read.Number("number", from.number());
  directive.rollout = read.OptionalRegistryId("rollout", from.rollout());
  directive.stage = from.stage();
  directive.action =
      read.Enum("action", from.action(), DirectiveAction::kInstall, DirectiveAction::kHold);
  directive.manifest = read.OptionalDigest(from.manifest());
  directive.manifest_size =
      read.Within("manifest_size", from.manifest_size(), 0, limits::kManifestBytesMax);
  for (const wire::PayloadOffer* offer :
       read.List("offers", from.offers(), 0, limits::kOffersMax)) {
    directive.offers.push_back(ReadOffer(read, *offer));
  }
  directive.byte_budget = from.byte_budget();
  directive.attempts = from.attempts();
  directive.window.open_minute =
      read.Within("open_minute", from.open_minute(), 0, kMinutesPerDay - 1);
  directive.window.close_minute =
      read.Within("close_minute", from.close_minute(), 0, kMinutesPerDay - 1);
  directive.mode = read.Enum("mode", from.mode(), ActivationMode::kAsk, ActivationMode::kFree);
  directive.telemetry_interval_s = read.Within("telemetry_interval_s", from.telemetry_interval_s(),
                                               1, limits::kIntervalSecondsMax);
  directive.latency_limit_us = from.latency_limit_us();
  directive.trial_ms = from.trial_ms();
  directive.min_inferences = from.min_inferences();
  directive.retry = from.retry();
  directive.not_before_ms = read.TimeMs("not_before_ms", from.not_before_ms());
  directive.expires_ms = read.TimeMs("expires_ms", from.expires_ms());
  read.Require(directive.expires_ms >= directive.not_before_ms, "expires_ms",
               "it must not lie before not_before_ms");
  CheckActionFields(read, directive);
  return read.Finish(std::move(directive));
}

Bytes Encode(const Order& value) {
  wire::OrderT to;
  to.fleet_id = value.fleet_id;
  to.number = ToWireOptional(value.number);
  for (const OrderEntry& entry : value.entries) {
    auto& to_entry = to.entries.emplace_back(std::make_unique<wire::OrderEntryT>());
    to_entry->rollout = entry.rollout;
    to_entry->action = static_cast<wire::OrderAction>(entry.action);
    to_entry->lowest_stage = entry.lowest_stage;
    to_entry->hardware = entry.hardware;
  }
  to.created_ms = value.created_ms;
  return PackMessage(to, kOrderFormat);
}

template <>
Result<Order> Decode<Order>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Order>::Open(kOrderFormat, bytes));
  const wire::Order& from = *message;
  FieldReader read(kOrderFormat.name);
  Order order;
  order.fleet_id = read.RegistryId("fleet_id", from.fleet_id());
  order.number = read.Number("number", from.number());
  std::set<std::string> seen;
  for (const wire::OrderEntry* from_entry :
       read.List("entries", from.entries(), 0, limits::kOrderEntriesMax)) {
    OrderEntry entry;
    entry.rollout = read.RegistryId("entries.rollout", from_entry->rollout());
    entry.action = read.Enum("entries.action", from_entry->action(), OrderAction::kHold,
                             OrderAction::kRollBack);
    entry.lowest_stage = from_entry->lowest_stage();
    entry.hardware =
        read.RegistryIds("entries.hardware", from_entry->hardware(), 0, limits::kHardwareNamesMax);
    // One hardware may be rolled back while the rest of its rollout holds.
    std::string whose = entry.rollout;
    for (const std::string& hardware : entry.hardware) whose += '/' + hardware;
    read.Unique("entries", seen, whose);
    order.entries.push_back(std::move(entry));
  }
  order.created_ms = read.TimeMs("created_ms", from.created_ms());
  return read.Finish(std::move(order));
}

Bytes Encode(const Freshness& value) {
  wire::FreshnessT to;
  to.fleet_id = value.fleet_id;
  to.number = ToWireOptional(value.number);
  to.now_ms = value.now_ms;
  to.held = ToWire(value.held);
  return PackMessage(to, kFreshnessFormat);
}

template <>
Result<Freshness> Decode<Freshness>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Freshness>::Open(kFreshnessFormat, bytes));
  const wire::Freshness& from = *message;
  FieldReader read(kFreshnessFormat.name);
  Freshness freshness;
  freshness.fleet_id = read.RegistryId("fleet_id", from.fleet_id());
  freshness.number = read.Number("number", from.number());
  freshness.now_ms = read.TimeMs("now_ms", from.now_ms());
  freshness.held = ReadHeld(read, from.held());
  return read.Finish(std::move(freshness));
}

Bytes Encode(const Answer& value) {
  wire::AnswerT to;
  to.fleet_id = value.fleet_id;
  to.device_id = value.device_id;
  to.nonce = ToWireToken(value.nonce);
  to.engine_epoch = value.engine_epoch;
  to.now_ms = value.now_ms;
  to.held = ToWire(value.held);
  to.directive = ToWireOptional(value.directive);
  to.report_seq = value.report_seq;
  to.permit = ToWireOptional(value.permit);
  to.ask_again_s = value.ask_again_s;
  to.telemetry_interval_s = value.telemetry_interval_s;
  return PackMessage(to, kAnswerFormat);
}

template <>
Result<Answer> Decode<Answer>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Answer>::Open(kAnswerFormat, bytes));
  const wire::Answer& from = *message;
  FieldReader read(kAnswerFormat.name);
  Answer answer;
  answer.fleet_id = read.RegistryId("fleet_id", from.fleet_id());
  answer.device_id = read.Identity("device_id", from.device_id());
  answer.nonce = read.Token("nonce", from.nonce());
  answer.engine_epoch = from.engine_epoch();
  read.Require(answer.engine_epoch >= 1, "engine_epoch", "epochs count from 1");
  answer.now_ms = read.TimeMs("now_ms", from.now_ms());
  answer.held = ReadHeld(read, from.held());
  answer.directive = read.OptionalNumber(from.directive());
  answer.report_seq = from.report_seq();
  answer.permit = read.OptionalDigest(from.permit());
  answer.ask_again_s =
      read.Within("ask_again_s", from.ask_again_s(), 0, limits::kIntervalSecondsMax);
  answer.telemetry_interval_s = read.Within("telemetry_interval_s", from.telemetry_interval_s(), 1,
                                            limits::kIntervalSecondsMax);
  return read.Finish(std::move(answer));
}

}  // namespace sluice
