// Certificates for one test, made by the openssl program; keys of curve P-256.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/temporary_directory.h"

namespace sluice::test_support {

class Certificates {
 public:
  /// A certificate authority NAME.pem.
  void MakeAuthority(const std::string& name) {
    Run("openssl req -x509 " + NewKey(name) + " -out " + File(name + ".pem") +
        " -subj /CN=" + name + " -days 2");
  }
  /// NAME.pem and NAME.key, signed by that authority, for the host `san` ("DNS:localhost").
  void MakeServer(const std::string& name, const std::string& authority, const std::string& san,
                  int days = 2) {
    directory_.Write("san", "subjectAltName=" + san + "\n");
    Run("openssl req " + NewKey(name) + " -out " + File(name + ".csr") + " -subj /CN=" + name);
    Run("openssl x509 -req -in " + File(name + ".csr") + " -CA " + File(authority + ".pem") +
        " -CAkey " + File(authority + ".key") + " -CAcreateserial -out " + File(name + ".pem") +
        " -days " + std::to_string(days) + " -extfile " + File("san"));
  }
  /// The same for localhost, valid from the year 2100 on.
  void MakeServerOfTheFuture(const std::string& name, const std::string& authority) {
    directory_.Write("san", "subjectAltName=DNS:localhost\n");
    directory_.Write("index.txt", "");
    directory_.Write("ca.cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=" + File("index.txt") +
                                   "\nnew_certs_dir=" + File("") +
                                   "\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n" +
                                   "[p]\ncommonName=supplied\n");
    Run("openssl req " + NewKey(name) + " -out " + File(name + ".csr") + " -subj /CN=" + name);
    Run("openssl ca -batch -notext -config " + File("ca.cnf") + " -cert " +
        File(authority + ".pem") + " -keyfile " + File(authority + ".key") + " -in " +
        File(name + ".csr") + " -out " + File(name + ".pem") +
        " -startdate 21000101000000Z -enddate 21010101000000Z -extfile " + File("san"));
  }
  std::string File(const std::string& name) const { return directory_.File(name); }
  /// Mosquitto's listener with that certificate.
  std::string ListenerConfig(const std::string& name) const {
    return "certfile " + File(name + ".pem") + "\nkeyfile " + File(name + ".key") + "\n";
  }

 private:
  std::string NewKey(const std::string& name) const {
    return "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + File(name + ".key");
  }
  static void Run(const std::string& command) {
    ASSERT_EQ(std::system((command + " 2>/dev/null").c_str()), 0) << command;
  }

  TemporaryDirectory directory_;
};

}  // namespace sluice::test_support
