// One operation as the command line asks for it: the options that every operation has, and the
// call.
#pragma once

#include <cstdint>
#include <string>

#include "rollout_engine/cli/session.h"

namespace sluice {

struct OperationOptions {
  std::string id;  // "" = a new one
  std::string reason;
  std::uint64_t expect_rev = 0;
  bool has_expect_rev = false;
};

/// Adds --reason and --id.
void AddOperationOptions(CLI::App& command, OperationOptions& options);

/// The operation id of this call.
std::string OperationId(Session& session, const OperationOptions& options);

/// POSTs `op` to `path`/operations and prints "OBJECT OP: what the engine says", or the document.
/// `to` is promote's stage, "" for the rest.
Status CallOperation(Session& session, const std::string& path, const std::string& object,
                     const std::string& op, const OperationOptions& options,
                     const std::string& to = "");

}  // namespace sluice
