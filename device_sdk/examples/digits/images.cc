#include "device_sdk/examples/digits/images.h"

#include <zlib.h>

#include <charconv>
#include <cmath>
#include <memory>
#include <string_view>

namespace sluice::digits {
namespace {

constexpr std::size_t kRows = 1'797;
constexpr std::size_t kTrainRows = 1'078;
constexpr std::size_t kValidateRows = 360;
constexpr int kInkMax = 16;
constexpr std::size_t kCsvBytesMax = 1 << 20;

constexpr std::string_view kSetMagic = "DIG1";
constexpr std::size_t kSetHeadBytes = 8;
constexpr std::size_t kSetImageBytes = kPixels + 1;
constexpr std::uint32_t kSetImagesMax = 100'000;

struct CloseGzip {
  void operator()(gzFile file) const { gzclose(file); }
};

Result<std::string> Unzip(const std::string& path) {
  const std::unique_ptr<gzFile_s, CloseGzip> file(gzopen(path.c_str(), "rb"));
  if (!file) return Fail(ErrorCode::kIo, path + ": cannot be opened");
  std::string text(kCsvBytesMax + 1, '\0');
  const int got = gzread(file.get(), text.data(), static_cast<unsigned>(text.size()));
  int state = Z_OK;
  gzerror(file.get(), &state);  // a stream that ends too early is told here only
  if (got < 0 || state < 0) return Fail(ErrorCode::kIo, path + ": not a complete gzip file");
  if (static_cast<std::size_t>(got) > kCsvBytesMax) {
    return Fail(ErrorCode::kTooBig, path + ": unpacks to more than 1 MiB");
  }
  text.resize(static_cast<std::size_t>(got));
  return text;
}

/// Takes the number before the next `separator` off `line`; nothing if there is none in 0..max.
bool TakeNumber(std::string_view& line, int max, int& number) {
  const char* const end = line.data() + line.size();
  const auto [stop, error] = std::from_chars(line.data(), end, number);
  if (error != std::errc() || number < 0 || number > max) return false;
  line.remove_prefix(static_cast<std::size_t>(stop - line.data()));
  return true;
}

bool ParseRow(std::string_view line, LabelledImage& image) {
  int number = 0;
  for (float& pixel : image.pixels) {
    if (!TakeNumber(line, kInkMax, number) || !line.starts_with(',')) return false;
    line.remove_prefix(1);
    pixel = static_cast<float>(number) / kInkMax;
  }
  if (!TakeNumber(line, kClasses - 1, number)) return false;
  image.label = static_cast<std::uint8_t>(number);
  return line.empty() || line == "\r";
}

}  // namespace

Result<DigitImages> LoadDigits(const std::string& path) {
  SLUICE_ASSIGN(const std::string text, Unzip(path));
  DigitImages digits;
  std::string_view rest = text;
  std::size_t row = 0;
  for (; !rest.empty(); ++row) {
    const std::size_t newline = std::min(rest.find('\n'), rest.size());
    LabelledImage image;
    if (row == kRows || !ParseRow(rest.substr(0, newline), image)) {
      return Fail(ErrorCode::kFbInvalid,
                  path + ": row " + std::to_string(row) + " is not 64 values of 0-16 and a digit");
    }
    Images& part = row < kTrainRows                   ? digits.train
                   : row < kTrainRows + kValidateRows ? digits.validate
                                                      : digits.field;
    part.push_back(image);
    rest.remove_prefix(std::min(newline + 1, rest.size()));
  }
  if (row != kRows) {
    return Fail(ErrorCode::kFbInvalid, path + ": " + std::to_string(row) + " rows, not 1797");
  }
  return digits;
}

Bytes EncodeValidationSet(const Images& images) {
  Bytes bytes;
  bytes.reserve(kSetHeadBytes + images.size() * kSetImageBytes);
  Append(bytes, AsBytes(kSetMagic));
  AppendLe(bytes, static_cast<std::uint32_t>(images.size()));
  for (const LabelledImage& image : images) {
    for (const float pixel : image.pixels) {
      bytes.push_back(static_cast<std::uint8_t>(std::lround(pixel * kInkMax)));
    }
    bytes.push_back(image.label);
  }
  return bytes;
}

Result<Images> DecodeValidationSet(ByteView bytes) {
  if (bytes.size() < kSetHeadBytes || AsText(bytes.first(kSetMagic.size())) != kSetMagic) {
    return Fail(ErrorCode::kFbInvalid, "the validation set does not begin with DIG1");
  }
  const auto count = LoadLe<std::uint32_t>(bytes.data() + kSetMagic.size());
  if (count == 0 || count > kSetImagesMax ||
      bytes.size() != kSetHeadBytes + count * kSetImageBytes) {
    return Fail(ErrorCode::kFbInvalid,
                "the validation set's size does not fit its " + std::to_string(count) + " images");
  }
  Images images(count);
  const std::uint8_t* at = bytes.data() + kSetHeadBytes;
  for (LabelledImage& image : images) {
    for (float& pixel : image.pixels) {
      if (*at > kInkMax) return Fail(ErrorCode::kFbInvalid, "a pixel above 16 in the set");
      pixel = static_cast<float>(*at++) / kInkMax;
    }
    if (*at >= kClasses) return Fail(ErrorCode::kFbInvalid, "a label above 9 in the set");
    image.label = *at++;
  }
  return images;
}

}  // namespace sluice::digits
