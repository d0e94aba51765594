// `sluice`: the command line of operators and publishers.
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>

#include "rollout_engine/cli/session.h"

int main(int argc, char** argv) {
  const sluice::SystemClock clock;
  sluice::SystemRandom random;
  sluice::Session session{std::cout, std::cerr, clock, random};
  session.live = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  try {
    return sluice::RunSluice(argc, argv, session);
  } catch (const std::exception& error) {  // memory
    std::cerr << "E_INTERNAL: " << error.what() << "\n";
    return sluice::kExitOther;
  }
}
