// SPDX-License-Identifier: Apache-2.0
// Definitions of launch.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/name_pattern.hpp"
#include "posttrain/distributed/launch.hpp"

namespace posttrain {

namespace detail {

/// A parameter that is set, and where.
struct LaunchSetting {
  std::string name;  // "nnodes", or the variable "PET_NNODES"
  std::string value;
  bool is_argument = false;  // else of the environment

  std::string text() const { return name + " = " + value; }
};

/// The whole number that a text is.
inline std::optional<std::int64_t> whole_number(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool all = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return all ? std::optional(number) : std::nullopt;
}

inline std::int64_t number_between(const LaunchSetting& setting, std::int64_t least,
                                   std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
  const std::optional<std::int64_t> number = whole_number(setting.value);
  if (number && *number >= least && *number <= most) return *number;
  const bool open = most == std::numeric_limits<std::int64_t>::max();
  raise("expected {} to be a whole number {}, got {}", setting.name,
        open ? fmt::format("of at least {}", least) : fmt::format("from {} to {}", least, most),
        setting.value);
}

inline std::optional<LaunchSetting> given_setting(std::string_view name, std::string_view value) {
  if (value.empty()) return std::nullopt;
  return LaunchSetting{std::string(name), std::string(value), true};
}

/// PET_NAME of the environment, as torchrun has it.
inline std::optional<LaunchSetting> environment_setting(std::string_view name,
                                                        const EnvironmentVariables& environment) {
  std::string variable = fmt::format("PET_{}", name);
  std::ranges::transform(variable, variable.begin(), [](char c) {
    return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  });
  std::optional<std::string> value = environment.find(variable);
  if (!value) return std::nullopt;
  return LaunchSetting{std::move(variable), *std::move(value), false};
}

inline std::optional<LaunchSetting> launch_setting(std::string_view name, std::string_view given,
                                                   const EnvironmentVariables& environment) {
  if (auto found = given_setting(name, given)) return found;
  return environment_setting(name, environment);
}

/// One that the environment may say under two names.
inline std::optional<LaunchSetting> master_setting(std::string_view name, std::string_view given,
                                                   const char* bare,
                                                   const EnvironmentVariables& environment) {
  if (auto found = launch_setting(name, given, environment)) return found;
  const std::optional<std::string> value = environment.find(bare);
  if (!value) return std::nullopt;
  return LaunchSetting{bare, *value, false};
}

/// Throws where a setting of the environment has another value under its bare name.
inline void check_names_agree(const LaunchSetting& used, const char* bare,
                              const EnvironmentVariables& environment) {
  const std::optional<std::string> other = environment.find(bare);
  if (used.is_argument || !other || *other == used.value) return;
  raise("{} and {} = {} differ; hint: unset one of them", used.text(), bare, *other);
}

inline std::int64_t process_count(const LaunchSetting& setting, std::int64_t gpus) {
  std::string word(trimmed(setting.value));
  for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (word == "auto" || word == "gpu") {
    if (gpus > 0) return gpus;
    raise("{} asks for one process for each GPU, and there is none here; hint: a number",
          setting.text());
  }
  const std::optional<std::int64_t> number = whole_number(word);
  if (number && *number >= 1) return *number;
  raise("expected {} to be a number of processes, auto or gpu, got {}", setting.name,
        setting.value);
}

/// The two parts of "host:port"; an address of IPv6 stands in brackets.
inline void read_endpoint(const LaunchSetting& endpoint, Rendezvous& into) {
  const std::string_view text = trimmed(endpoint.value);
  const std::size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon == text.npos ? 0 : colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::string_view number = colon == text.npos ? std::string_view() : text.substr(colon + 1);
  const std::int64_t port = whole_number(number).value_or(0);
  if (host.empty() || host.find_first_of(" /[]") != host.npos ||
      (!bracketed && host.find(':') != host.npos) || port < 1 || port > 65535) {
    raise("expected {} as host:port with a port from 1 to 65535, got {}", endpoint.name,
          endpoint.value);
  }
  into.host = host;
  into.port = port;
}

/// What says where processes meet, brought to one place.
class RendezvousSettings {
 public:
  RendezvousSettings(const LaunchOptions& given, const EnvironmentVariables& environment)
      : environment_(environment),
        endpoint_(launch_setting("rdzv_endpoint", given.rdzv_endpoint.view(), environment)),
        address_(
            master_setting("master_addr", given.master_addr.view(), "MASTER_ADDR", environment)),
        port_(master_setting("master_port", given.master_port.text(), "MASTER_PORT", environment)) {
  }

  void read(Launch& launch) const {
    if (endpoint_ && address_ && endpoint_->is_argument == address_->is_argument) {
      raise("{} and {} both say where the processes meet; hint: give one of them", address_->text(),
            endpoint_->text());
    }
    if (endpoint_ && !(address_ && address_->is_argument)) return read_endpoint_of(launch);
    if (address_) return read_address_of(launch);
    if (port_) {
      raise("{} without an address; hint: master_addr, or rdzv_endpoint = host:port",
            port_->text());
    }
  }

 private:
  void read_endpoint_of(Launch& launch) const {
    if (port_ && port_->is_argument == endpoint_->is_argument) {
      raise("{} beside {}, which has a port of its own; hint: give one of them", port_->text(),
            endpoint_->text());
    }
    if (port_ && port_->is_argument) {
      raise("{} without an address, and {} has a port of its own; hint: master_addr", port_->text(),
            endpoint_->text());
    }
    if (address_) launch.notes.push_back(ignored(*endpoint_, *address_));
    if (port_) launch.notes.push_back(ignored(*endpoint_, *port_));
    read_endpoint(*endpoint_, launch.rendezvous);
  }

  void read_address_of(Launch& launch) const {
    if (endpoint_) launch.notes.push_back(ignored(*address_, *endpoint_));
    check_names_agree(*address_, "MASTER_ADDR", environment_);
    launch.rendezvous.host = trimmed(address_->value);
    if (!port_) return;
    check_names_agree(*port_, "MASTER_PORT", environment_);
    launch.rendezvous.port = number_between(*port_, 1, 65535);
  }

  static std::string ignored(const LaunchSetting& used, const LaunchSetting& other) {
    return fmt::format("{} goes before {} of the environment, which is ignored", used.text(),
                       other.text());
  }

  const EnvironmentVariables& environment_;
  std::optional<LaunchSetting> endpoint_, address_, port_;
};

}  // namespace detail

POSTTRAIN_INLINE Launch resolve_launch(const LaunchOptions& given,
                                       const EnvironmentVariables& environment, std::int64_t gpus) {
  using detail::launch_setting;
  Launch launch;
  if (const auto found =
          launch_setting("nproc_per_node", given.nproc_per_node.text(), environment)) {
    launch.processes = detail::process_count(*found, gpus);
    launch.given.processes = found->is_argument;
  }
  if (const auto found = launch_setting("nnodes", given.nnodes.text(), environment)) {
    launch.nodes = detail::number_between(*found, 1);
    launch.given.nodes = found->is_argument;
  }
  if (const auto found = launch_setting("node_rank", given.node_rank.text(), environment)) {
    launch.rank = detail::number_between(*found, 0);
    launch.given.rank = found->is_argument;
    if (launch.rank >= launch.nodes) {
      raise("expected {} to be below nnodes = {}, got {}; hint: machines are counted from 0",
            found->name, launch.nodes, launch.rank);
    }
  }
  if (const auto found = launch_setting("rdzv_id", given.rdzv_id.text(), environment)) {
    launch.rendezvous.id = detail::trimmed(found->value);
    launch.given.id = found->is_argument;
  }
  detail::RendezvousSettings(given, environment).read(launch);
  return launch;
}

namespace detail {

/// Throws where a launcher started something else than was given.
inline void check_started(const Launch& launch, const RankPlace& place,
                          const EnvironmentVariables& environment) {
  constexpr std::string_view kHint = "leave it to the launcher";
  const std::string run = environment.find("TORCHELASTIC_RUN_ID").value_or("");
  if (launch.given.id && place.launcher == "torchrun" && launch.rendezvous.id != run) {
    raise("rdzv_id = {} and torchrun, whose run is {}, contradict each other; hint: {}",
          launch.rendezvous.id, run, kHint);
  }
  if (place.local_size == 0) return;  // it does not say how many there are on a machine
  if (launch.given.processes && launch.processes != place.local_size) {
    raise(
        "nproc_per_node = {} and {}, which started {} on this machine, contradict each other; "
        "hint: {}",
        launch.processes, place.launcher, place.local_size, kHint);
  }
  if (launch.given.nodes && launch.nodes * place.local_size != place.size) {
    raise(
        "nnodes = {} and {}, which started {} processes, {} of them on this machine, contradict "
        "each other; hint: {}",
        launch.nodes, place.launcher, place.size, place.local_size, kHint);
  }
  if (launch.given.rank && launch.rank != place.rank / place.local_size) {
    raise(
        "node_rank = {} and {}, which made this process rank {} of {}, contradict each other; "
        "hint: {}",
        launch.rank, place.launcher, place.rank, place.size, kHint);
  }
}

}  // namespace detail

POSTTRAIN_INLINE RankPlace place_in(const Launch& launch, const EnvironmentVariables& environment) {
  const Rendezvous& meeting = launch.rendezvous;
  RankPlace started = rank_place(environment, meeting.host, meeting.port);
  if (!started.launcher.empty()) {
    detail::check_started(launch, started, environment);
    if (launch.given.id && started.launcher != "torchrun")
      started.run = fmt::format("{}/{}", meeting.id, started.run);
    return started;
  }
  if (launch.processes > 1) {
    raise(
        "nproc_per_node = {0} asks for {0} processes on this machine, and no launcher started "
        "them; hint: torchrun --no-python --nproc-per-node {0}{1} PROGRAM",
        launch.processes, launch.nodes > 1 ? fmt::format(" --nnodes {}", launch.nodes) : "");
  }
  if (launch.nodes == 1) return {};
  if (meeting.host.empty() || meeting.port == 0) {
    raise(
        "nnodes = {}, and nothing says where the machines meet; hint: master_addr and "
        "master_port, or rdzv_endpoint = host:port, of the machine with node_rank 0",
        launch.nodes);
  }
  return {.rank = launch.rank,
          .size = launch.nodes,
          .launcher = "node_rank",
          .host = meeting.host,
          .port = meeting.port,
          .run = meeting.id};
}

}  // namespace posttrain
