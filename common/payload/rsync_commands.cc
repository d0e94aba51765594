#include "common/payload/rsync_commands.h"

namespace sluice {
namespace {

tl::unexpected<Error> CorruptCommands(const char* what) {
  return Fail(ErrorCode::kDeltaCorrupt,
              std::string("librsync delta: ") + what + "; encode the payload again");
}

}  // namespace

Result<RsyncCommandReader> RsyncCommandReader::Open(const ByteSource& delta) {
  RsyncCommandReader reader(delta);
  SLUICE_ASSIGN(const std::uint64_t magic, reader.TakeNumber(sizeof kRsyncDeltaMagic));
  if (magic != kRsyncDeltaMagic) return CorruptCommands("wrong magic");
  return reader;
}

Result<RsyncCommand> RsyncCommandReader::Next() {
  SLUICE_ASSIGN(const std::uint64_t code, TakeNumber(1));
  if (code == kRsyncEnd) {
    if (BytesLeft() != 0) return CorruptCommands("bytes after the end command");
    return RsyncCommand{};
  }
  if (code >= kRsyncReserved) return CorruptCommands("reserved command");

  RsyncCommand command;
  if (code >= kRsyncCopy11) {
    const std::uint64_t widths = code - kRsyncCopy11;
    command.kind = RsyncCommand::Kind::kCopy;
    SLUICE_ASSIGN(command.base_offset, TakeNumber(std::size_t{1} << (widths / 4)));
    SLUICE_ASSIGN(command.length, TakeNumber(std::size_t{1} << (widths % 4)));
    if (command.length == 0) return CorruptCommands("empty copy");
    return command;
  }
  command.kind = RsyncCommand::Kind::kLiteral;
  command.length = code;
  if (code >= kRsyncLiteral1) {
    SLUICE_ASSIGN(command.length, TakeNumber(std::size_t{1} << (code - kRsyncLiteral1)));
  }
  if (command.length == 0) return CorruptCommands("empty literal");
  if (command.length > BytesLeft()) return CorruptCommands("cut off in a literal");
  position_ += command.length;
  return command;
}

Result<std::uint64_t> RsyncCommandReader::TakeNumber(std::size_t width) {
  std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
  if (BytesLeft() < width) return CorruptCommands("cut off");
  SLUICE_TRY(delta_->ReadAt(position_, std::span(bytes).first(width)));
  position_ += width;
  std::uint64_t value = 0;
  for (const std::uint8_t byte : std::span(bytes).first(width)) value = value << 8 | byte;
  return value;
}

}  // namespace sluice
