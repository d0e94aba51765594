#include "tests/bench/latency_probe.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace sluice::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr const char* kTopic = "plant/line/1";
constexpr std::chrono::milliseconds kInterval{2};
constexpr std::size_t kPayloadBytes = 32;
constexpr int kReadPollMs = 20;

std::uint64_t NowNs() {
  return static_cast<std::uint64_t>(SteadyClock::now().time_since_epoch().count());
}

}  // namespace

double Latencies::Quantile(double q) const {
  if (ms.empty()) return NAN;
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(ms.size())));
  return ms[std::clamp<std::size_t>(rank, 1, ms.size()) - 1];
}

Result<std::unique_ptr<LatencyProbe>> LatencyProbe::Start(std::uint16_t port) {
  SLUICE_ASSIGN(MqttConnection sender, MqttConnection::Open(port, "probe-sender"));
  SLUICE_ASSIGN(MqttConnection receiver, MqttConnection::Open(port, "probe-receiver"));
  SLUICE_TRY(receiver.Subscribe(kTopic, 0));
  return std::unique_ptr<LatencyProbe>(new LatencyProbe(std::move(sender), std::move(receiver)));
}

LatencyProbe::LatencyProbe(MqttConnection sender, MqttConnection receiver)
    : sender_(std::move(sender)),
      receiver_(std::move(receiver)),
      sending_([this](const std::stop_token& stop) { Send(stop); }),
      receiving_([this](const std::stop_token& stop) { Receive(stop); }) {}

void LatencyProbe::Send(const std::stop_token& stop) {
  auto next = SteadyClock::now();
  while (!stop.stop_requested()) {
    Bytes payload;
    AppendLe(payload, NowNs());
    payload.resize(kPayloadBytes);
    if (!sender_.Publish(kTopic, payload)) lost_ = true;
    next += kInterval;
    std::this_thread::sleep_until(next);
  }
}

void LatencyProbe::Receive(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto read = receiver_.ReadWithin(kReadPollMs, [&](std::string_view, ByteView payload) {
      const std::uint64_t sent_ns = LoadLe<std::uint64_t>(payload.data());
      seen_.ms.push_back(static_cast<double>(NowNs() - sent_ns) / 1e6);
    });
    if (!read) {
      lost_ = true;
      return;
    }
  }
}

Result<Latencies> LatencyProbe::Stop() {
  sending_.request_stop();
  sending_.join();
  receiving_.request_stop();
  receiving_.join();
  if (lost_) return Fail(ErrorCode::kNotConnected, "the probe lost its connection");
  std::sort(seen_.ms.begin(), seen_.ms.end());
  return std::move(seen_);
}

}  // namespace sluice::bench
