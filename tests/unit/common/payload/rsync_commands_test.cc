#include "common/payload/rsync_commands.h"

#include <gtest/gtest.h>

#include "tests/unit/common/payload/encoded_blocks.h"

namespace sluice {
namespace {

// Reads to the end; the last element is kEnd.
Result<std::vector<RsyncCommand>> ReadAll(const Bytes& delta) {
  const MemorySource source(delta);
  SLUICE_ASSIGN(RsyncCommandReader reader, RsyncCommandReader::Open(source));
  std::vector<RsyncCommand> commands;
  do {
    SLUICE_ASSIGN(const RsyncCommand command, reader.Next());
    commands.push_back(command);
  } while (commands.back().kind != RsyncCommand::Kind::kEnd);
  return commands;
}

TEST(RsyncCommands, ReadsALiteralOfEveryWidth) {
  for (const unsigned width : {1u, 2u, 4u, 8u}) {
    const auto commands = ReadAll(Joined({DeltaMagic(), LiteralHead(width, 3), {7, 8, 9}, End()}));
    ASSERT_TRUE(commands) << commands.error().Line();
    ASSERT_EQ(commands->size(), 2u);
    EXPECT_EQ((*commands)[0].kind, RsyncCommand::Kind::kLiteral);
    EXPECT_EQ((*commands)[0].length, 3u);
  }
}

TEST(RsyncCommands, ReadsALiteralWithItsLengthInTheCommand) {
  for (const std::uint8_t length : std::initializer_list<std::uint8_t>{1, 64}) {
    const auto commands = ReadAll(Joined({DeltaMagic(), {length}, Bytes(length), End()}));
    ASSERT_TRUE(commands) << commands.error().Line();
    EXPECT_EQ((*commands)[0].length, length);
  }
}

TEST(RsyncCommands, ReadsACopyOfEveryPairOfWidths) {
  for (const unsigned offset_width : {1u, 2u, 4u, 8u}) {
    for (const unsigned length_width : {1u, 2u, 4u, 8u}) {
      const auto commands =
          ReadAll(Joined({DeltaMagic(), Copy(offset_width, 200, length_width, 100), End()}));
      ASSERT_TRUE(commands) << commands.error().Line();
      ASSERT_EQ(commands->size(), 2u);
      EXPECT_EQ((*commands)[0].kind, RsyncCommand::Kind::kCopy);
      EXPECT_EQ((*commands)[0].base_offset, 200u);
      EXPECT_EQ((*commands)[0].length, 100u);
    }
  }
}

TEST(RsyncCommands, RefusesEveryReservedCommand) {
  for (unsigned code = kRsyncReserved; code <= 0xFF; ++code) {
    const auto commands =
        ReadAll(Joined({DeltaMagic(), {static_cast<std::uint8_t>(code)}, Bytes(16), End()}));
    ASSERT_FALSE(commands) << code;
    EXPECT_EQ(commands.error().code, ErrorCode::kDeltaCorrupt);
  }
}

TEST(RsyncCommands, RefusesADeltaCutOffAnywhere) {
  const Bytes delta =
      Joined({DeltaMagic(), Literal(Bytes(9, 1)), Copy(8, 5, 4, 6), {2, 1, 1}, End()});
  ASSERT_TRUE(ReadAll(delta));
  for (std::size_t size = 0; size < delta.size(); ++size) {
    const auto commands =
        ReadAll(Bytes(delta.begin(), delta.begin() + static_cast<std::ptrdiff_t>(size)));
    ASSERT_FALSE(commands) << size;
    EXPECT_EQ(commands.error().code, ErrorCode::kDeltaCorrupt);
  }
}

TEST(RsyncCommands, RefusesWrongMagicEmptyCommandsAndBytesAfterTheEnd) {
  const std::vector<Bytes> bad = {
      Joined({BigEndian(0x72730136, 4), End()}),  // a signature's magic
      Joined({DeltaMagic(), LiteralHead(1, 0), End()}),
      Joined({DeltaMagic(), Copy(1, 0, 1, 0), End()}),
      Joined({DeltaMagic(), End(), End()}),
      Joined({DeltaMagic(), LiteralHead(8, UINT64_MAX), Bytes(9), End()}),
  };
  for (const Bytes& delta : bad) {
    const auto commands = ReadAll(delta);
    ASSERT_FALSE(commands) << ToHex(delta);
    EXPECT_EQ(commands.error().code, ErrorCode::kDeltaCorrupt);
  }
}

}  // namespace
}  // namespace sluice
