// SPDX-License-Identifier: Apache-2.0
// Variables of the environment, as a value: a function that depends on them takes one, and gets the
// process's own or those of a test.
#pragma once

#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace posttrain {

class Environment {
 public:
  using Variables = std::map<std::string, std::string, std::less<>>;

  /// The process's variables, read when they are asked for.
  Environment() = default;
  /// These variables and no others.
  explicit Environment(Variables variables) : given_(std::move(variables)) {}

  /// A variable's value; nothing where it is not set, or is set to an empty text.
  std::optional<std::string> find(std::string_view name) const {
    std::string value;
    if (!given_) {
      const char* found = std::getenv(std::string(name).c_str());
      if (found != nullptr) value = found;
    } else if (const auto found = given_->find(name); found != given_->end()) {
      value = found->second;
    }
    return value.empty() ? std::nullopt : std::optional(std::move(value));
  }

 private:
  std::optional<Variables> given_;  // nothing: the process's
};

}  // namespace posttrain
