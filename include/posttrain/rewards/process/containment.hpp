// SPDX-License-Identifier: Apache-2.0
// What kept a child process apart from the rest of the system: the kernel decides, the report says.
#pragma once

#include <string>
#include <string_view>

namespace posttrain::rewards {

struct Containment {
  bool pids = false;       // a PID namespace: nothing that the program starts outlives it
  bool network = false;    // a network namespace without a route: no connections
  bool files = false;      // the file system is read-only but for the scratch folder
  bool ipc = false;        // shared memory, semaphores and the host's name are its own
  bool user = false;       // no root outside of its namespace, and no capabilities
  bool processes = false;  // the limit on processes, counted in a user namespace of its own

  /// "pids, network, files", or "nothing".
  std::string text() const {
    std::string names;
    const auto add = [&](bool held, std::string_view name) {
      if (held) names += (names.empty() ? "" : ", ") + std::string(name);
    };
    add(pids, "pids");
    add(network, "network");
    add(files, "files");
    add(ipc, "ipc");
    add(user, "user");
    add(processes, "processes");
    return names.empty() ? "nothing" : names;
  }
};

}  // namespace posttrain::rewards
