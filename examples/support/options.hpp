// SPDX-License-Identifier: Apache-2.0
// The command line of a program, made of the fields of its aggregates (base/describe.hpp): a field
// `learning_rate` is the option --learning-rate, its value the default that --help shows.
//
//   examples::CommandLine line("Fine-tunes a folder");
//   line.add(arguments, {"model"});  // --model must be given
//   line.add(options);
//   return line.run(argc, argv, [&] { … });
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/error_text.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/literal_string.hpp"

namespace examples {

/// A program's exit status; one that a signal interrupted ends with 128 and its number.
enum Status { kDone = 0, kFailed = 1, kRefused = 2 };

/// Something went wrong after the work had begun: status 1. What is thrown before is a refusal of
/// what the program was given, 2.
class Failure : public posttrain::Error {
 public:
  using Error::Error;
};

/// A signal stopped the work in good order.
struct Interrupted {
  int signal = 0;
};

/// Does a program's work: what it throws is a `Failure`.
template <class Work>
auto at_work(const Work& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    throw Failure(posttrain::error_text(error));
  }
}

class CommandLine {
 public:
  using Names = std::initializer_list<std::string_view>;

  explicit CommandLine(const std::string& description) : app_(description) {}

  /// One option for each field, but for those in `without`; those in `required` must be given. An
  /// aggregate within contributes its fields under both names: --lr-scheduler-type.
  template <class Fields>
  void add(Fields& fields, Names required = {}, Names without = {}) {
    add_fields(fields, "--", required, without);
  }

  /// Whether the command line has this option.
  bool given(const std::string& option) const { return app_.count(option) > 0; }

  /// Reads the command line and does the job: the program's exit status. What goes wrong is one
  /// line on standard error.
  template <class Job>
  int run(int argc, char** argv, const Job& job) {
    std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the limit on its size: an error of the write
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? kDone : kRefused;
    }
    const auto failed = [](const std::exception& error, Status status) {
      fmt::print(stderr, "error: {}\n", posttrain::error_text(error));
      return status;
    };
    try {
      job();
    } catch (const Interrupted& stop) {
      return 128 + stop.signal;
    } catch (const Failure& error) {
      return failed(error, kFailed);
    } catch (const std::exception& error) {
      return failed(error, kRefused);
    }
    return kDone;
  }

 private:
  template <class Fields>
  void add_fields(Fields& fields, const std::string& prefix, Names required, Names without) {
    posttrain::for_each_field(fields, [&](std::string_view name, auto& field) {
      if (std::ranges::count(without, name) > 0) return;
      std::string option = prefix + std::string(name);
      std::ranges::replace(option, '_', '-');
      CLI::Option* added = add_field(option, field);
      if (added && std::ranges::count(required, name) > 0) added->required();
    });
  }

  /// Null for an aggregate, which has options of its own.
  template <class Field>
  CLI::Option* add_field(const std::string& option, Field& field) {
    if constexpr (std::is_same_v<Field, bool>) {
      return app_.add_flag(field ? option + ",!--no-" + option.substr(2) : option, field);
    } else if constexpr (std::is_enum_v<Field>) {
      return add_choice(option, field);
    } else if constexpr (std::is_same_v<Field, posttrain::LiteralString>) {
      return app_
          .add_option_function<std::string>(
              option, [&field](const std::string& text) { field = text; }, "")
          ->default_str(printable(field.str()));
    } else if constexpr (std::is_same_v<Field, std::string>) {
      return app_.add_option(option, field)->default_str(printable(field));
    } else if constexpr (std::is_aggregate_v<Field>) {
      add_fields(field, option + "-", {}, {});
      return nullptr;
    } else {
      return app_.add_option(option, field)->capture_default_str();
    }
  }

  /// A default as --help shows it, on one line.
  static std::string printable(const std::string& text) {
    std::string all;
    for (const char c : text) {
      all += c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string(1, c);
    }
    return all;
  }

  /// An enumerator by its name, in which - stands for _ as well.
  template <class E>
  CLI::Option* add_choice(const std::string& option, E& field) {
    std::vector<std::string> names;
    for (int value = 0; value < 32; ++value) {
      const std::string_view name = posttrain::enum_name(static_cast<E>(value));
      const bool named = !name.empty() && (name.front() < '0' || name.front() > '9');
      if (named) names.emplace_back(name);
    }
    const std::string choices = posttrain::join(names, ", ");
    const auto set = [&field, option, choices](std::string text) {
      std::ranges::replace(text, '-', '_');
      for (int value = 0; value < 32; ++value) {
        if (posttrain::enum_name(static_cast<E>(value)) != text) continue;
        field = static_cast<E>(value);
        return;
      }
      throw CLI::ValidationError(option, fmt::format("expected one of {}, got {}", choices, text));
    };
    return app_.add_option_function<std::string>(option, set, choices)
        ->default_str(std::string(posttrain::enum_name(field)));
  }

  CLI::App app_;
};

}  // namespace examples
