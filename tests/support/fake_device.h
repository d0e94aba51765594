// A device as the engine sees it: says hello, obeys what is signed, reports. Without disk, payloads
// or a model.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/contract/topics.h"
#include "common/crypto/digest.h"
#include "common/crypto/trust.h"
#include "common/mqtt/memory_transport.h"

namespace sluice::test_support {

/// What a manifest stands for, so that a fake device need not fetch it.
struct KnownRelease {
  std::string name;
  Digest artifact;
};
using Catalog = std::map<Digest, KnownRelease>;  // by digest of the manifest's envelope

class FakeDevice final : public TransportEvents {
 public:
  struct Setup {
    std::string id;
    std::string model = "detector";
    std::string hardware = "edge-a";
    std::vector<std::pair<std::string, std::string>> attributes;
    /// Served since before the story: its manifest, or none.
    std::optional<Digest> installed;
  };
  FakeDevice(MemoryBroker& broker, ByteView root, const Catalog& catalog, Setup setup,
             std::uint64_t seed);

  /// Connects; says hello as soon as it is connected.
  void Start();
  void Stop() { transport_.Stop(); }

  // ---- what it does of its own ----
  void SayHello();
  /// The last hello's bytes again, as a broker may.
  void RepeatHello();
  void SendTelemetry(const Telemetry& telemetry);
  /// Cumulative counters of the current activation grow by these; then telemetry goes out.
  void Infer(std::uint32_t inferences, std::uint32_t errors, std::uint32_t slow = 0,
             std::uint32_t correct = 0);
  /// The last report's bytes again.
  void RepeatReport();
  void Publish(UpKind kind, ByteView payload, bool retain = false);
  void Fetch(const FetchRequest& request) { Publish(UpKind::kFetch, Encode(request)); }

  // ---- how it behaves ----
  bool takes_installs = true;     // else it only listens
  bool reports_confirmed = true;  // after it has activated
  std::string fails_with;         // a code: the install ends `failed` after the download
  bool forges_number = false;     // its hellos name numbers that no engine gave
  Bytes lat_bins;                 // the latency sketch of its next telemetry

  // ---- what it has seen and is ----
  [[nodiscard]] const std::string& id() const { return setup_.id; }
  [[nodiscard]] const Digest& active() const { return slots_[active_slot()].artifact; }
  [[nodiscard]] std::string release() const { return slots_[active_slot()].release; }
  [[nodiscard]] std::size_t active_slot() const { return active_slot_; }
  std::vector<Directive> directives;  // as received, repeats too
  std::vector<Bytes> directive_bytes;
  std::vector<Answer> answers;
  std::vector<Order> orders;
  std::vector<Chunk> chunks;
  std::vector<std::string> order_of_types;  // "answer", "order", ... since the last hello
  std::vector<Report> reports;
  int permits_used = 0;
  Hello hello;  // the next one is made from it

  void OnConnected() override;
  void OnDisconnected(const Error&) override {}
  void OnMessage(MqttMessage message) override;
  void OnPublished(std::uint64_t, bool) override {}

 private:
  void Take(const Directive& directive);
  void Take(const Order& order);
  void Take(const Answer& answer);
  void Install(const Directive& directive);
  void Activate();
  void Revert(const std::string& rollout, std::uint16_t stage, const SequenceNumber& number);
  void SendReport(ReportState state, const std::string& code = "");

  const Setup setup_;
  const Catalog& catalog_;
  const Trust trust_;
  SeededRandom random_;
  MemoryTransport transport_;
  std::vector<SlotSummary> slots_;
  std::size_t active_slot_ = 0;
  std::optional<Directive> work_;
  std::uint64_t report_seq_ = 0;
  std::uint32_t activation_ = 0;
  Telemetry telemetry_;
  Bytes last_hello_, last_report_;
  std::map<std::uint64_t, Bytes> outbox_;  // by seq: reports that no answer has covered
};

}  // namespace sluice::test_support
