// One load of the plugin: the guard, events, the control topic, the lease and whoever serves
// chunks, behind plain calls for the broker's callbacks.
//
// Broker thread only. No call throws: a bug, of ours or of the chunk service, ends in a fault, and
// a faulty plugin denies sluice-dev/, serves nothing and says so, while the rest of the broker goes
// on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "broker_plugin/broker.h"
#include "broker_plugin/chunk_service.h"
#include "broker_plugin/control.h"
#include "broker_plugin/events.h"
#include "broker_plugin/guard.h"
#include "broker_plugin/lease.h"
#include "broker_plugin/plugin_config.h"

namespace sluice::plugin {

/// Makes the chunk service once a configuration with `serving on` is in force; null or an error
/// when there is none, and then the engine serves.
using ChunkServiceFactory = std::function<Result<std::unique_ptr<ChunkService>>(
    const ServingConfig& config, Broker& broker, const Clock& clock)>;

struct InstanceOptions {
  PluginOptions options;  // of mosquitto.conf; read again at each reload
  std::string boot;       // tells this load from the next
  std::string version;
  ChunkServiceFactory make_chunks;  // may be empty
};

class PluginInstance final : private ControlActions {
 public:
  /// Reads the configuration. A bad one is logged and leaves the plugin closed until a reload
  /// brings a good one. May throw std::bad_alloc.
  PluginInstance(Broker& broker, const Clock& clock, InstanceOptions options);
  ~PluginInstance() override;
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;

  /// What to register, as `acl` and `basic_auth` said when the broker started.
  [[nodiscard]] bool wants_acl() const { return wants_acl_; }
  [[nodiscard]] bool wants_basic_auth() const { return wants_basic_auth_; }

  /// kAllow, kDeny or kDefer.
  Verdict OnAclCheck(const Client& client, const AclRequest& request) noexcept;
  /// The same for a topic that IsSurelyForeign: whose connection it is does not matter then.
  Verdict OnForeignAclCheck(const void* client, Access access) noexcept;
  /// kDeny or kDefer.
  Verdict OnBasicAuth(const Client& client) noexcept;
  /// kRoute, kDrop or kRefuse.
  Verdict OnMessage(const Client& client, const InboundMessage& message) noexcept;
  /// A message outside sluice-dev/, which is routed whatever it is.
  void OnForeignMessage() noexcept;
  void OnDisconnect(const Client& client) noexcept;
  /// A message on $CONTROL/sluice/v1.
  void OnControl(const Client& client, ByteView payload) noexcept;
  void OnTick() noexcept;
  void OnReload() noexcept;

  /// Switches the plugin off for good, because of a bug that `what` tells of. The first one counts.
  void Fault(std::string_view what) noexcept;

 private:
  enum class Mode : std::uint8_t {
    kClosed,  // no good configuration yet
    kOpen,
    kFault,
  };
  static std::string_view ModeName(Mode mode) noexcept;

  // ControlActions
  [[nodiscard]] StatusReport Report() const override;
  [[nodiscard]] ChunkService* Chunks() override { return chunks_.get(); }
  Status SetQuarantine(std::string_view device, bool on, std::uint32_t seconds) override;
  void KickDevice(std::string_view device) override;
  Status ReloadConfig() override;
  Status BlockObjects(const std::set<Digest>& objects, std::optional<std::uint64_t> seq) override;

  /// `call()`, or `otherwise` after a fault.
  template <class T, class Call>
  T Contain(T otherwise, Call&& call) noexcept;
  void TakeConfig(PluginConfig config);
  void MakeChunks();
  [[nodiscard]] bool TicksCome() const;
  void NoteTickSilence();
  void Tick();

  Broker& broker_;
  const Clock& clock_;
  const InstanceOptions options_;
  PluginConfig config_;
  bool wants_acl_ = true;
  bool wants_basic_auth_ = true;
  Mode mode_ = Mode::kClosed;
  std::string why_not_open_;
  Events events_;
  Lease lease_;
  Guard guard_;
  std::unique_ptr<ChunkService> chunks_;
  std::set<Digest> blocked_;
  std::uint64_t policy_seq_ = 0;  // of blocked_; 0 = no engine has said anything yet
  std::uint32_t idle_turns_ = 0;
  BootMs last_tick_;
  bool tick_silence_logged_ = false;
};

}  // namespace sluice::plugin
