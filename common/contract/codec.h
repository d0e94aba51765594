// FlatBuffers <-> the plain structs of the contract. The only place that includes generated code.
//
// Encode is deterministic. Every Decode checks size (E_TOO_BIG), structure with tight Verifier
// limits (E_FB_INVALID), then enums, ranges, lengths, charsets and finiteness (E_FB_RANGE;
// E_TM_RANGE for Telemetry), which the Verifier does not. Decode copies to aligned storage first.
// REQUIRES (Encode): a value that Decode would accept.
#pragma once

#include "common/contract/directive.h"
#include "common/contract/fetch.h"
#include "common/contract/hello.h"
#include "common/contract/manifest.h"
#include "common/contract/root.h"

namespace sluice {

Bytes Encode(const Root& value);
Bytes Encode(const RevocationList& value);
Bytes Encode(const ReleaseManifest& value);
Bytes Encode(const Directive& value);
Bytes Encode(const Order& value);
Bytes Encode(const Freshness& value);
Bytes Encode(const Answer& value);
Bytes Encode(const Hello& value);
Bytes Encode(const Report& value);
Bytes Encode(const Telemetry& value);
Bytes Encode(const FetchRequest& value);
Bytes Encode(const Chunk& value);

template <class T>
Result<T> Decode(ByteView bytes);
template <>
Result<Root> Decode<Root>(ByteView bytes);
template <>
Result<RevocationList> Decode<RevocationList>(ByteView bytes);
template <>
Result<ReleaseManifest> Decode<ReleaseManifest>(ByteView bytes);
template <>
Result<Directive> Decode<Directive>(ByteView bytes);
template <>
Result<Order> Decode<Order>(ByteView bytes);
template <>
Result<Freshness> Decode<Freshness>(ByteView bytes);
template <>
Result<Answer> Decode<Answer>(ByteView bytes);
template <>
Result<Hello> Decode<Hello>(ByteView bytes);
template <>
Result<Report> Decode<Report>(ByteView bytes);
template <>
Result<Telemetry> Decode<Telemetry>(ByteView bytes);
template <>
Result<FetchRequest> Decode<FetchRequest>(ByteView bytes);
template <>
Result<Chunk> Decode<Chunk>(ByteView bytes);

}  // namespace sluice
