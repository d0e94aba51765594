// The stable error codes of Sluice: code branches on the enumerator, people and tools read the
// name.
//
// A code never changes its meaning; new ones are added. docs/errors.md lists what each asks of the
// reader, and a test holds that page against this table.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

// clang-format off
#define SLUICE_ERROR_CODES(X)                                                                     \
  /* general */                                                                                   \
  X(kInternal, "E_INTERNAL") X(kUsage, "E_USAGE") X(kIo, "E_IO") X(kNotFound, "E_NOT_FOUND")       \
  X(kTimeout, "E_TIMEOUT") X(kBackpressure, "E_BACKPRESSURE") X(kNotConnected, "E_NOT_CONNECTED") \
  X(kConflict, "E_CONFLICT") X(kIdReused, "E_ID_REUSED") X(kQueueFull, "E_QUEUE_FULL")            \
  X(kTooBig, "E_TOO_BIG") X(kState, "E_STATE")                                                    \
  /* YAML and configuration */                                                                    \
  X(kYamlSyntax, "E_YAML_SYNTAX") X(kYamlLimit, "E_YAML_LIMIT") X(kYamlAlias, "E_YAML_ALIAS")     \
  X(kYamlDepth, "E_YAML_DEPTH") X(kYamlDuplicate, "E_YAML_DUPLICATE")                             \
  X(kYamlUnknownKey, "E_YAML_UNKNOWN_KEY") X(kYamlType, "E_YAML_TYPE")                            \
  X(kCfgRange, "E_CFG_RANGE") X(kCfgOrder, "E_CFG_ORDER") X(kCfgIncomplete, "E_CFG_INCOMPLETE")   \
  X(kCfgNoDevices, "E_CFG_NO_DEVICES") X(kNoSuchVersion, "E_NO_SUCH_VERSION")                     \
  X(kConfigUnknownKey, "E_CONFIG_UNKNOWN_KEY")                                                    \
  /* registry */                                                                                  \
  X(kBadId, "E_BAD_ID") X(kBadIdentity, "E_BAD_IDENTITY") X(kImmutable, "E_IMMUTABLE")            \
  X(kArtifactEmpty, "E_ARTIFACT_EMPTY") X(kArtifactTooBig, "E_ARTIFACT_TOO_BIG")                  \
  X(kArtifactNotRegular, "E_ARTIFACT_NOT_REGULAR") X(kArtifactChanged, "E_ARTIFACT_CHANGED")      \
  X(kNotSigned, "E_NOT_SIGNED")                                                                   \
  /* contract bytes */                                                                            \
  X(kFbInvalid, "E_FB_INVALID") X(kFbRange, "E_FB_RANGE") X(kEnvFormat, "E_ENV_FORMAT")           \
  X(kTmRange, "E_TM_RANGE") X(kTopic, "E_TOPIC")                                                  \
  /* recorded looks */                                                                            \
  X(kSnapshotInvalid, "E_SNAPSHOT_INVALID") X(kSnapshotDiffers, "E_SNAPSHOT_DIFFERS")             \
  /* signatures and keys */                                                                       \
  X(kSigUnknownKey, "E_SIG_UNKNOWN_KEY") X(kSigBad, "E_SIG_BAD")                                  \
  X(kSigThreshold, "E_SIG_THRESHOLD") X(kSigRole, "E_SIG_ROLE")                                   \
  X(kSigDuplicateKey, "E_SIG_DUPLICATE_KEY") X(kKeyFormat, "E_KEY_FORMAT")                        \
  X(kKeyWeak, "E_KEY_WEAK") X(kRootChain, "E_ROOT_CHAIN")                                         \
  /* validity, numbers, fit */                                                                    \
  X(kExpired, "E_EXPIRED") X(kNotYet, "E_NOT_YET") X(kClock, "E_CLOCK")                           \
  X(kReplay, "E_REPLAY") X(kEquivocation, "E_EQUIVOCATION") X(kWrongDevice, "E_WRONG_DEVICE")     \
  X(kWrongFleet, "E_WRONG_FLEET") X(kWrongModel, "E_WRONG_MODEL")                                 \
  X(kStaleEngine, "E_STALE_ENGINE")                                                               \
  X(kStoreBehind, "E_STORE_BEHIND") X(kIdentityClash, "E_IDENTITY_CLASH")                         \
  X(kIncompatibleHw, "E_INCOMPATIBLE_HW") X(kAbi, "E_ABI") X(kAgentTooOld, "E_AGENT_TOO_OLD")     \
  X(kDowngrade, "E_DOWNGRADE") X(kRevoked, "E_REVOKED")                                           \
  /* transfer and payload */                                                                      \
  X(kBlockHash, "E_BLOCK_HASH") X(kChunkRange, "E_CHUNK_RANGE") X(kEndlessData, "E_ENDLESS_DATA") \
  X(kSlow, "E_SLOW") X(kBudget, "E_BUDGET") X(kNoBase, "E_NO_BASE")                               \
  X(kObjectHash, "E_OBJECT_HASH") X(kPayloadHead, "E_PAYLOAD_HEAD")                               \
  X(kCodecUnsupported, "E_CODEC_UNSUPPORTED") X(kDeltaBase, "E_DELTA_BASE")                       \
  X(kDeltaCorrupt, "E_DELTA_CORRUPT") X(kDeltaOps, "E_DELTA_OPS") X(kDeltaBomb, "E_DELTA_BOMB")   \
  X(kArtifactHash, "E_ARTIFACT_HASH") X(kNoSpace, "E_NO_SPACE") X(kDenied, "E_DENIED")            \
  /* device: validation, trial, slots */                                                          \
  X(kValidation, "E_VALIDATION") X(kLoad, "E_LOAD") X(kHealth, "E_HEALTH")                        \
  X(kStarts, "E_STARTS") X(kNoEvidence, "E_NO_EVIDENCE") X(kKnownBad, "E_KNOWN_BAD")              \
  X(kBusyTrial, "E_BUSY_TRIAL") X(kWithdrawn, "E_WITHDRAWN") X(kNoFallback, "E_NO_FALLBACK")      \
  X(kNoTrustedModel, "E_NO_TRUSTED_MODEL") X(kRevertOrdered, "E_REVERT_ORDERED")                  \
  X(kHookOutput, "E_HOOK_OUTPUT")                                                                 \
  X(kHookFailed, "E_HOOK_FAILED") X(kHookTimeout, "E_HOOK_TIMEOUT")                               \
  X(kHookUnavailable, "E_HOOK_UNAVAILABLE") X(kStoreIo, "E_STORE_IO")                             \
  /* engine store */                                                                              \
  X(kStoreCorrupt, "E_STORE_CORRUPT") X(kStoreReadonly, "E_STORE_READONLY")                       \
  X(kLocked, "E_LOCKED") X(kRateLimited, "E_RATE_LIMITED") X(kStoreSchema, "E_STORE_SCHEMA")      \
  /* rollout operations */                                                                        \
  X(kRolloutActive, "E_ROLLOUT_ACTIVE") X(kDenyListed, "E_DENY_LISTED")                           \
  /* rules */                                                                                     \
  X(kRuleExpr, "E_RULE_EXPR") X(kRuleAction, "E_RULE_ACTION") X(kRuleUnsafe, "E_RULE_UNSAFE")     \
  X(kRuleLoop, "E_RULE_LOOP") X(kRuleValue, "E_RULE_VALUE")                                       \
  /* broker and TLS */                                                                            \
  X(kBrokerRefused, "E_BROKER_REFUSED") X(kTlsUntrustedCa, "E_TLS_UNTRUSTED_CA")                  \
  X(kTlsCertExpired, "E_TLS_CERT_EXPIRED") X(kTlsHostname, "E_TLS_HOSTNAME")                      \
  X(kTlsClock, "E_TLS_CLOCK")
// clang-format on

enum class ErrorCode : std::uint16_t {
  kOk = 0,
#define SLUICE_ENUMERATOR(name, text) name,
  SLUICE_ERROR_CODES(SLUICE_ENUMERATOR)
#undef SLUICE_ENUMERATOR
};

/// The stable name, "E_..."; "OK" for kOk. Never empty: an unknown value gives "E_INTERNAL".
std::string_view CodeName(ErrorCode code) noexcept;

/// The code with that stable name, or nothing. "OK" is kOk.
std::optional<ErrorCode> CodeFromName(std::string_view name) noexcept;

}  // namespace sluice
