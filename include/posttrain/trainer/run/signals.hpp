// SPDX-License-Identifier: Apache-2.0
// SIGTERM and SIGINT while training: finish the step, save, stop. A second one ends at once.
#pragma once

#include <csignal>

namespace posttrain {

namespace detail {
inline volatile std::sig_atomic_t stop_requested = 0;
}

/// Installs the handlers for its lifetime and puts the former ones back.
class SignalGuard {
 public:
  SignalGuard() {
    detail::stop_requested = 0;
    struct sigaction action {};
    action.sa_handler = [](int signal) {
      if (detail::stop_requested != 0) {
        std::signal(signal, SIG_DFL);
        std::raise(signal);
      }
      detail::stop_requested = 1;
    };
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, &old_term_);
    sigaction(SIGINT, &action, &old_int_);
  }
  ~SignalGuard() {
    sigaction(SIGTERM, &old_term_, nullptr);
    sigaction(SIGINT, &old_int_, nullptr);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  bool stop_requested() const { return detail::stop_requested != 0; }

 private:
  struct sigaction old_term_ {};
  struct sigaction old_int_ {};
};

}  // namespace posttrain
