#include "tests/unit/rollout_engine/cli/sluice_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/check.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

std::string ReadAll(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Finished RunProgram(const std::string& directory, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment) {
  const test_support::TemporaryDirectory
      outputs;  // files, since a full pipe would block the program
  const std::string out = outputs.File("out");
  const std::string err = outputs.File("err");
  std::vector<std::string> words = {SLUICE_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = environment;
  variables.emplace_back("USER=operator");

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t process = 0;
  SLUICE_CHECK(::posix_spawn(&process, SLUICE_PROGRAM, &actions, nullptr, Pointers(words).data(),
                             Pointers(variables).data()) == 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  SLUICE_CHECK(::waitpid(process, &status, 0) == process);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadAll(out), ReadAll(err)};
}

}  // namespace sluice
