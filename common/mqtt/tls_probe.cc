#include "common/mqtt/tls_probe.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

namespace sluice {
namespace {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freed<SSL_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Addresses = std::unique_ptr<addrinfo, Freed<freeaddrinfo>>;
using Text = std::unique_ptr<BIO, Freed<BIO_free>>;

struct Endpoint {
  std::string host, port;
};

Endpoint EndpointOf(const std::string& url) {
  const std::string rest = url.substr(url.find("://") + 3);
  const std::size_t colon = rest.rfind(':');
  Endpoint endpoint{rest.substr(0, colon),
                    colon == std::string::npos ? "8883" : rest.substr(colon + 1)};
  if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']')) {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  return endpoint;
}

/// A socket that never blocks, and the time that is left for it.
class Socket {
 public:
  using Clock = std::chrono::steady_clock;

  Socket(int fd, Clock::time_point deadline) : fd_(fd), deadline_(deadline) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] bool Connect(const addrinfo& address) const {
    if (fd_ < 0) return false;
    if (::connect(fd_, address.ai_addr, address.ai_addrlen) == 0) return true;
    int failure = 0;
    socklen_t size = sizeof failure;
    return errno == EINPROGRESS && Await(POLLOUT) &&
           ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0;
  }
  /// Calls a step of OpenSSL until it is done, has failed or the time is up.
  template <class Step>
  int Run(SSL* session, const Step& step) const {
    for (;;) {
      ERR_clear_error();
      const int result = step();
      const int wants = SSL_get_error(session, result);
      const short event = wants == SSL_ERROR_WANT_READ    ? POLLIN
                          : wants == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                          : 0;
      if (event == 0 || !Await(event)) return result;
    }
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  [[nodiscard]] bool Await(short event) const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
    pollfd ready{.fd = fd_, .events = event, .revents = 0};
    return left.count() > 0 && ::poll(&ready, 1, static_cast<int>(left.count())) == 1;
  }

  int fd_;
  Clock::time_point deadline_;
};

/// Trusts and shows what the transport does, but goes on after a fault to tell it. E_USAGE for a
/// file that is not what it should be.
Result<Context> MakeContext(const TlsFiles& files) {
  Context context(SSL_CTX_new(TLS_client_method()));
  if (!context) return Fail(ErrorCode::kInternal, "OpenSSL gives no TLS context");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  if (files.ca_path.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_locations(context.get(), files.ca_path.c_str(), nullptr) != 1) {
    return Fail(ErrorCode::kUsage, "TLS file " + files.ca_path +
                                       " holds no certificate of an authority; give a PEM file");
  }
  if (files.certificate_path.empty()) return context;
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate_path.c_str()) != 1) {
    return Fail(ErrorCode::kUsage,
                "TLS file " + files.certificate_path + " holds no certificate; give a PEM file");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Fail(ErrorCode::kUsage, "TLS file " + files.key_path + " holds no key of certificate " +
                                       files.certificate_path + "; give that one");
  }
  return context;
}

bool ExpectHost(SSL* session, const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  if (::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
      ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
  }
  return SSL_set_tlsext_host_name(session, host.c_str()) == 1 &&
         SSL_set1_host(session, host.c_str()) == 1;
}

template <class Print>
std::string Printed(const Print& print) {
  const Text text(BIO_new(BIO_s_mem()));
  char* data = nullptr;
  if (!text || print(text.get()) <= 0) return "?";
  const long size = BIO_get_mem_data(text.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string DateOf(const ASN1_TIME* time) {
  return Printed([&](BIO* to) { return ASN1_TIME_print(to, time); });
}

std::string NameOf(const X509_NAME* name) {
  return Printed([&](BIO* to) { return X509_NAME_print_ex(to, name, 0, XN_FLAG_ONELINE); });
}

bool HasEnded(const ASN1_TIME* time) { return X509_cmp_current_time(time) < 0; }

/// What is wrong with the broker's certificate.
std::optional<Error> FaultOf(const PahoOptions& options, const Endpoint& endpoint,
                             X509* certificate, long result) {
  const std::string whose = options.broker_url + ": the broker's certificate ";
  const std::string trusted =
      options.tls.ca_path.empty() ? "the system's authorities" : options.tls.ca_path;
  const ASN1_TIME* const from = X509_get0_notBefore(certificate);
  const ASN1_TIME* const to = X509_get0_notAfter(certificate);
  if (result == X509_V_OK) return std::nullopt;
  // The same results stand for certificates further up, whose dates would be others.
  if (result == X509_V_ERR_CERT_HAS_EXPIRED && HasEnded(to)) {
    return Error{ErrorCode::kTlsCertExpired, whose + "has expired on " + DateOf(to) + "; renew it"};
  }
  if (result == X509_V_ERR_CERT_NOT_YET_VALID && !HasEnded(from)) {
    return Error{ErrorCode::kTlsClock, whose + "is valid from " + DateOf(from) +
                                           " on, which this clock has not reached; set the clock"};
  }
  if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    return Error{ErrorCode::kTlsHostname,
                 whose + "of " + NameOf(X509_get_subject_name(certificate)) + " is not for " +
                     endpoint.host + "; connect by a name in it"};
  }
  return Error{ErrorCode::kTlsUntrustedCa,
               whose + "by " + NameOf(X509_get_issuer_name(certificate)) + " is of none of " +
                   trusted + " (" + X509_verify_cert_error_string(result) +
                   "); give the right CA file"};
}

/// The alert that the broker ended the connection with, if any: it takes no certificate of ours.
std::optional<Error> RefusalOf(const PahoOptions& options) {
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL || ERR_GET_REASON(error) < SSL_AD_REASON_OFFSET) {
    return std::nullopt;
  }
  const char* const reason = ERR_reason_error_string(error);
  return Error{ErrorCode::kBrokerRefused, options.broker_url +
                                              " refused our side of the TLS handshake: " +
                                              (reason == nullptr ? "no reason given" : reason) +
                                              "; give a certificate and key that the broker takes"};
}

}  // namespace

std::optional<Error> ProbeTls(const PahoOptions& options) {
  const Result<Context> context = MakeContext(options.tls);
  if (!context) return context.error();
  const Endpoint endpoint = EndpointOf(options.broker_url);
  addrinfo hints{};
  hints.ai_flags = AI_ADDRCONFIG;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found) != 0) {
    return std::nullopt;
  }
  const Addresses addresses(found);
  const auto deadline = Socket::Clock::now() + kTlsProbeTimeout;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const Socket socket(
        ::socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
        deadline);
    if (!socket.Connect(*address)) continue;
    const Session session(SSL_new(context->get()));
    if (!session || !ExpectHost(session.get(), endpoint.host) ||
        SSL_set_fd(session.get(), socket.fd()) != 1) {
      return std::nullopt;
    }
    if (socket.Run(session.get(), [&] { return SSL_connect(session.get()); }) != 1) {
      return RefusalOf(options);
    }
    const Certificate certificate(SSL_get1_peer_certificate(session.get()));
    if (!certificate) return std::nullopt;
    if (auto fault =
            FaultOf(options, endpoint, certificate.get(), SSL_get_verify_result(session.get()))) {
      return fault;
    }
    // TLS 1.3 lets a client finish before the broker has looked at its certificate.
    char byte = 0;
    const int read = socket.Run(session.get(), [&] { return SSL_read(session.get(), &byte, 1); });
    return read > 0 ? std::nullopt : RefusalOf(options);
  }
  return std::nullopt;
}

}  // namespace sluice
