// What every device has said, and the Directive that stands for it.
//
// One record per device, written whole in the batch of the turn that changed it. What a device says
// is kept in its own bytes, so that a newer program reads an older store.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/contract/codec.h"
#include "rollout_engine/engine/limits.h"
#include "rollout_engine/engine/turn.h"

namespace sluice {

/// The newest Directive of a device: sent again until named, in force until finished.
struct StandingDirective {
  Bytes envelope;
  Directive value;
  std::string release;    // of an install
  bool named = false;     // a hello or report has shown that the device has it
  bool finished = false;  // a terminal report about it is stored
};

struct Device {
  std::string id;

  // Durable.
  Bytes hello_bytes;
  std::optional<Hello> hello;
  Bytes report_bytes;
  std::optional<Report> report;  // newest of `instance`
  Instance instance{};
  Instance instance_before{};
  std::uint64_t report_seq = 0;  // highest stored of `instance`
  Digest active_artifact;        // by its newest word; zero = none
  SequenceNumber last_number;    // of its newest Directive
  std::optional<StandingDirective> directive;
  std::string quarantine;  // why it is left alone, "" = it is not
  std::uint64_t history_seq = 0;
  std::int64_t last_seen_ms = 0;  // wall clock, for people

  // Of this run of the engine.
  bool online = false;
  bool away = false;    // its last word was its will, or its good-bye
  bool behind = false;  // it knows numbers that this engine never used
  int bad_messages = 0;
  BootMs bad_since;
  std::uint64_t telemetry_heard = 0, telemetry_bad = 0;  // since the engine's start
  bool telemetry_doubted = false;                        // told already

  [[nodiscard]] const std::string& model() const;
  [[nodiscard]] const std::string& hardware() const;
  /// The slot that serves, by its newest hello; nullptr = none.
  [[nodiscard]] const SlotSummary* ActiveSlot() const;
  /// It holds a confirmed release beside the one that serves, by its newest hello.
  [[nodiscard]] bool HasFallback() const;
  /// Release names by what its slots hold; "" = unknown.
  [[nodiscard]] std::string ReleaseOf(const Digest& artifact) const;
  [[nodiscard]] bool Holds(const Digest& artifact) const;
  /// It is away, and has said for how long: hello.next_contact_s.
  [[nodiscard]] bool IsAsleep() const { return hello && hello->next_contact_s > 0 && !online; }
  /// An install Directive that still asks something of the device.
  [[nodiscard]] bool HasWork() const;
};

/// One line of a device's history.
struct HistoryLine {
  std::int64_t ts_ms = 0;
  std::string state;  // in operators' words
  std::string release;
  std::string rollout;
  std::string stage;  // name
  std::string code;
  std::string text;
  std::uint64_t bytes = 0;
};

/// What a hello or report was worth.
enum class Heard {
  kNew,
  kDuplicate,    // known already: answer, change nothing
  kNewInstance,  // the device was emptied: its old counters are closed
  kClash,        // two disks or two machines under one identity
};

class DeviceDirectory {
 public:
  Status Load(const Store& store);

  [[nodiscard]] const std::map<std::string, Device>& all() const { return devices_; }
  [[nodiscard]] const Device* Find(const std::string& id) const;
  /// nullptr when the directory is full.
  [[nodiscard]] Device* FindOrAdd(const std::string& id);
  [[nodiscard]] Device* FindMutable(const std::string& id);

  Heard TakeHello(Device& device, Hello hello, Bytes bytes, Turn& turn);
  Heard TakeReport(Device& device, Report report, Bytes bytes, Turn& turn);
  void TakePresence(Device& device, bool online, Turn& turn);
  /// Any message means online.
  void TakeSign(Device& device) { SetOnline(device, true); }

  /// Replaces what stands.
  void SetDirective(Device& device, StandingDirective directive, Turn& turn);
  void Quarantine(Device& device, std::string why, Turn& turn);
  void AddHistory(Device& device, const HistoryLine& line, Turn& turn);
  static Result<std::vector<HistoryLine>> History(const Store& store, const std::string& id,
                                                  std::size_t limit);

  /// Devices that changed since the last call, for the views.
  std::set<std::string> TakeChanged() { return std::exchange(changed_, {}); }
  void NoteChanged(const std::string& id) { changed_.insert(id); }
  [[nodiscard]] std::size_t online_count() const { return online_count_; }
  /// Devices that, in their newest hello, announced when they speak next.
  [[nodiscard]] const std::set<std::string>& sleepy() const { return sleepy_; }
  [[nodiscard]] std::size_t behind_count() const { return behind_count_; }
  void MarkBehind(Device& device, bool behind);
  /// Counts rubbish; true when it is more than a healthy device sends.
  static bool CountBad(Device& device, BootMs now);
  /// True once: when more than 5 % of what the device counts cannot be so.
  static bool CountTelemetry(Device& device, bool good);

 private:
  void Save(Device& device, Turn& turn);
  void NoteSleep(const Device& device);
  void SetOnline(Device& device, bool online);
  void NameDirective(Device& device, SequenceNumber number) const;

  std::map<std::string, Device> devices_;
  std::set<std::string> changed_;
  std::set<std::string> sleepy_;
  std::size_t online_count_ = 0;
  std::size_t behind_count_ = 0;
};

}  // namespace sluice
