// What the plugin's parts need of the broker they live in. The one implementation with mosquitto
// symbols is MosquittoBroker; tests bring their own.
//
// Broker thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/base/bytes.h"

namespace sluice::plugin {

/// Bytes from the broker's own allocator. A payload is written straight into them and handed over
/// whole: the broker frees what it routed.
class BrokerBuffer {
 public:
  using FreeFunction = void (*)(void*);

  BrokerBuffer() = default;
  BrokerBuffer(std::uint8_t* data, std::size_t size_bytes, FreeFunction free)
      : data_(data, free), size_bytes_(size_bytes) {}

  [[nodiscard]] explicit operator bool() const { return data_ != nullptr; }
  [[nodiscard]] std::uint8_t* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }
  /// Gives up ownership.
  std::uint8_t* Release() { return data_.release(); }

 private:
  std::unique_ptr<std::uint8_t, FreeFunction> data_{nullptr, [](void*) {}};
  std::size_t size_bytes_ = 0;
};

enum class LogLevel : std::uint8_t { kInfo, kWarning, kError };

class Broker {
 public:
  virtual ~Broker() = default;

  /// An empty buffer when the broker has no memory.
  [[nodiscard]] virtual BrokerBuffer Allocate(std::size_t size_bytes) = 0;
  /// Routes `payload` by topic to whoever subscribed, like a client's PUBLISH; false when the
  /// broker refused it. Never inside a MESSAGE callback for bulk: it would wait for the whole epoll
  /// batch.
  virtual bool Publish(std::string_view topic, BrokerBuffer payload, int qos, bool retain) = 0;
  /// Ends every connection of this username. Only from TICK: inside a callback it would free the
  /// client under the broker's hands.
  virtual void Kick(std::string_view username) = 0;
  virtual void Log(LogLevel level, std::string_view line) = 0;

  /// Copies `payload` into a buffer of the broker and publishes it.
  bool PublishCopy(std::string_view topic, ByteView payload, int qos, bool retain);
};

}  // namespace sluice::plugin
