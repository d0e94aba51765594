// An option whose value is one of a few words.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

namespace sluice {

/// Turns a word into its enumerator; the refusal names the words. For `option->transform`.
template <class Enum>
CLI::Validator OneOf(const std::map<std::string, Enum>& words) {
  return CLI::Validator(
      [words](std::string& input) {
        const auto found = words.find(input);
        if (found != words.end()) {
          input = std::to_string(static_cast<int>(found->second));
          return std::string();
        }
        std::string allowed;
        for (const auto& [word, value] : words) allowed += (allowed.empty() ? "" : ", ") + word;
        return "'" + input + "': allowed " + allowed;
      },
      "");
}

}  // namespace sluice
