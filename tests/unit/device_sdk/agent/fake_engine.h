// An engine for tests of the agent: real signatures and payloads, and it says only what the test
// tells it to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/crypto/trust.h"
#include "common/mqtt/memory_transport.h"
#include "common/payload/container.h"

namespace sluice::device {

inline constexpr char kFleet[] = "plant-7";
inline constexpr char kDevice[] = "cam-1";
inline constexpr char kModelName[] = "detector";
inline constexpr char kHardware[] = "edge-a";
inline constexpr std::int64_t kStartMs =
    1'800'000'000'000;  // wall clock at the start of every test
inline constexpr std::uint64_t kEpoch = 1'800'000'000;

struct PublishedRelease {
  Bytes artifact;
  ReleaseManifest manifest;
  Bytes envelope;
  Digest digest;  // of the envelope
};

class FakeEngine final : public TransportEvents {
 public:
  explicit FakeEngine(MemoryBroker& broker);
  ~FakeEngine() override { transport_.Stop(); }

  // ---- what it says when asked
  bool answers = true;
  bool grants_permits = true;
  bool acknowledges_reports = true;
  bool serves_chunks = true;
  std::uint64_t epoch = kEpoch;
  std::uint32_t ask_again_s = 1;
  std::int64_t now_ms = kStartMs;  // the world moves it
  Order order;                     // offered in answers when its number is above the device's
  /// Changes a chunk before it is sent; false = it is not sent.
  std::function<bool(Chunk&)> on_chunk;

  Bytes last_answer;  // as it was sent
  // ---- what it heard
  std::vector<Hello> hellos;
  std::vector<Report> reports;
  std::vector<Telemetry> telemetry;
  std::vector<std::string> presence;
  std::vector<FetchRequest> fetches;
  [[nodiscard]] std::vector<std::string> ReportNames() const;

  // ---- publishing
  PublishedRelease Publish(const std::string& name, Bytes artifact,
                           const std::function<void(ReleaseManifest&)>& change = nullptr);
  /// The payload that builds `release` by raw blocks; as a delta if there is a base.
  PayloadOffer MakePayload(const PublishedRelease& release, const Digest& base = {},
                           std::uint64_t base_size = 0);
  Directive InstallOf(const PublishedRelease& release, const std::string& rollout = "r-1");
  /// Gives it the next number and signs it; it is in force and goes out with answers too.
  void Send(Directive directive);
  Bytes SealDirective(const Directive& directive) const;
  void SendOrder(const std::string& rollout, OrderAction action);
  Bytes SealOrder(const Order& value) const;
  void SendFreshness();
  void SendRaw(const std::string& topic, ByteView bytes);
  [[nodiscard]] SequenceNumber NextNumber() { return {epoch, ++last_seq_}; }
  [[nodiscard]] const Bytes& root() const { return root_; }
  [[nodiscard]] Bytes NextRoot(bool keep_director) const;
  [[nodiscard]] const std::string& directive_topic() const { return directive_topic_; }
  [[nodiscard]] const SigningKey& release_key() const { return release_key_; }
  [[nodiscard]] const SigningKey& director_key() const { return director_key_; }
  std::map<Digest, Bytes> objects;

  void OnConnected() override {}
  void OnDisconnected(const Error&) override {}
  void OnMessage(MqttMessage message) override;
  void OnPublished(std::uint64_t, bool) override {}

 private:
  void AnswerHello();
  void Serve(const FetchRequest& request);

  SigningKey root_key_, release_key_, director_key_;
  Bytes root_;
  const std::string directive_topic_, chunk_topic_;
  MemoryTransport transport_;
  std::uint64_t last_seq_ = 0;
  std::uint64_t release_seq_ = 0;
  Bytes directive_;
  SequenceNumber directive_number_;
  SequenceNumber named_;  // newest Directive that a hello or report spoke of
  std::uint64_t report_seq_ = 0;
};

}  // namespace sluice::device
