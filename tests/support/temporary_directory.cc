#include "tests/support/temporary_directory.h"

#include <cstdlib>
#include <fstream>
#include <system_error>

#include "common/base/check.h"

namespace sluice::test_support {

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
  SLUICE_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  // What a test has left unreadable stays for the system's own cleaning.
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::Write(std::string_view name, std::string_view content) const {
  const std::string file = File(name);
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  SLUICE_CHECK(out.good());
  return file;
}

}  // namespace sluice::test_support
