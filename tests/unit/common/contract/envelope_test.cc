#include "common/contract/envelope.h"

#include <gtest/gtest.h>

#include "common/contract/limits.h"

namespace sluice {
namespace {

constexpr PayloadType kAllTypes[] = {PayloadType::kRoot,        PayloadType::kManifest,
                                     PayloadType::kRevocations, PayloadType::kDirective,
                                     PayloadType::kOrder,       PayloadType::kFreshness,
                                     PayloadType::kAnswer};

Envelope WithSignatures(std::size_t count, std::size_t payload_size) {
  Envelope envelope;
  envelope.type = PayloadType::kManifest;
  for (std::size_t i = 0; i < count; ++i) {
    Signature signature;
    signature.algorithm =
        i % 2 == 0 ? SignatureAlgorithm::kEd25519 : SignatureAlgorithm::kEcdsaP256;
    signature.key_id.bytes.fill(static_cast<std::uint8_t>(i + 1));
    signature.bytes.fill(static_cast<std::uint8_t>(0x80 + i));
    envelope.signatures.push_back(signature);
  }
  envelope.payload.assign(payload_size, 0x33);
  return envelope;
}

TEST(Envelope, HasTheDocumentedBytes) {
  const Bytes bytes = BuildEnvelope(WithSignatures(1, 2));
  EXPECT_EQ(ToHex(bytes),
            "534c4556"  // SLEV
            "0100"      // version
            "02"        // manifest
            "01"        // signatures
            "02000000"  // payload length
            "01000000" +
                ToHex(Bytes(32, 0x01)) + ToHex(Bytes(64, 0x80)) + "3333");
}

TEST(Envelope, SignsPrefixTypeLengthAndPayload) {
  EXPECT_EQ(ToHex(SignedBytes(PayloadType::kDirective, Bytes{0xaa, 0xbb})),
            ToHex(AsBytes("sluice/v1/envelope")) + "00" + "04" + "02000000" + "aabb");
}

TEST(Envelope, GivesBackWhatWasBuilt) {
  for (std::size_t count = 1; count <= limits::kSignaturesMax; ++count) {
    const Envelope envelope = WithSignatures(count, 100);
    const Bytes bytes = BuildEnvelope(envelope);
    const Result<Envelope> parsed = ParseEnvelope(bytes);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().Line();
    EXPECT_EQ(parsed->type, envelope.type);
    EXPECT_EQ(parsed->payload, envelope.payload);
    ASSERT_EQ(parsed->signatures.size(), count);
    EXPECT_EQ(parsed->signatures.back().key_id, envelope.signatures.back().key_id);
    EXPECT_EQ(parsed->signatures.back().bytes, envelope.signatures.back().bytes);
    EXPECT_EQ(BuildEnvelope(*parsed), bytes);
  }
}

TEST(Envelope, IsRefusedAtEveryOtherLength) {
  Bytes bytes = BuildEnvelope(WithSignatures(2, 5));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Result<Envelope> parsed = ParseEnvelope(ByteView(bytes).first(size));
    ASSERT_FALSE(parsed.has_value()) << size;
    EXPECT_EQ(parsed.error().code, ErrorCode::kEnvFormat) << size;
  }
  bytes.push_back(0);
  EXPECT_EQ(ParseEnvelope(bytes).error().code, ErrorCode::kEnvFormat);
}

TEST(Envelope, IsRefusedWithAFixedFieldChanged) {
  const Bytes good = BuildEnvelope(WithSignatures(1, 5));
  struct Row {
    std::size_t at;
    std::uint8_t value;
    std::string_view says;
  };
  for (const Row& row :
       {Row{0, 'X', "bad magic"}, Row{4, 2, "envelope version 2"},
        Row{5, 1, "envelope version 257"}, Row{6, 0, "unknown payload type 0"},
        Row{6, 8, "unknown payload type 8"}, Row{7, 0, "0 signatures, allowed 1..8"},
        Row{7, 9, "9 signatures, allowed 1..8"}, Row{8, 6, "announces 118 bytes"},
        Row{11, 0xff, "the envelope has 117"}, Row{12, 0, "unknown signature algorithm 0"},
        Row{12, 3, "unknown signature algorithm 3"}, Row{13, 1, "reserved bytes"},
        Row{14, 1, "reserved bytes"}, Row{15, 1, "reserved bytes"}}) {
    Bytes bad = good;
    bad[row.at] = row.value;
    const Result<Envelope> parsed = ParseEnvelope(bad);
    ASSERT_FALSE(parsed.has_value()) << row.says;
    EXPECT_EQ(parsed.error().code, ErrorCode::kEnvFormat);
    EXPECT_NE(parsed.error().text.find(row.says), std::string::npos) << parsed.error().Line();
  }
}

TEST(Envelope, CarriesSomething) {
  EXPECT_EQ(ParseEnvelope(BuildEnvelope(WithSignatures(1, 0))).error().code, ErrorCode::kEnvFormat);
}

TEST(Envelope, HasACapForEachType) {
  for (const PayloadType type : kAllTypes) {
    Envelope envelope = WithSignatures(1, EnvelopeBytesMax(type) - 112);
    envelope.type = type;
    EXPECT_TRUE(ParseEnvelope(BuildEnvelope(envelope)).has_value()) << PayloadTypeName(type);
    envelope.payload.push_back(0);
    const Result<Envelope> parsed = ParseEnvelope(BuildEnvelope(envelope));
    ASSERT_FALSE(parsed.has_value()) << PayloadTypeName(type);
    EXPECT_EQ(parsed.error().code, ErrorCode::kTooBig);
    EXPECT_NE(parsed.error().text.find(PayloadTypeName(type)), std::string::npos);
  }
  EXPECT_EQ(EnvelopeBytesMax(static_cast<PayloadType>(0)), 0u);
  EXPECT_EQ(PayloadTypeName(static_cast<PayloadType>(0)), "unknown");
}

TEST(Envelope, IsNotBuiltWithoutASignatureOrWithNine) {
  EXPECT_DEATH(BuildEnvelope(WithSignatures(0, 1)), "E_INTERNAL");
  EXPECT_DEATH(BuildEnvelope(WithSignatures(9, 1)), "E_INTERNAL");
}

}  // namespace
}  // namespace sluice
