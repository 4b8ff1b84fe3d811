// SPDX-License-Identifier: Apache-2.0
// Signals that ask a run to stop: finish the step, save, stop. A second one ends at once.
//
// SIGTERM and SIGINT, SIGHUP (a terminal that is closed), SIGUSR1 (Slurm's --signal, before a job's
// time is up). A file beyond the limit on its size (SIGXFSZ) is an error of the write instead.
#pragma once

#include <array>
#include <csignal>
#include <cstddef>

namespace posttrain {

namespace detail {
inline volatile std::sig_atomic_t stop_signal = 0;
}

/// Installs the handlers for its lifetime and puts the former ones back.
class SignalGuard {
 public:
  static constexpr std::array<int, 4> kStopping{SIGTERM, SIGINT, SIGHUP, SIGUSR1};

  /// `stopping`: whether the signals above are taken; else they do what they did.
  explicit SignalGuard(bool stopping = true) : stopping_(stopping) {
    detail::stop_signal = 0;
    struct sigaction action {};
    action.sa_handler = [](int signal) {
      if (detail::stop_signal != 0) {
        std::signal(signal, SIG_DFL);
        std::raise(signal);
      }
      detail::stop_signal = signal;
    };
    sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; stopping_ && i < kStopping.size(); ++i) {
      sigaction(kStopping[i], &action, &old_[i]);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &action, &old_xfsz_);
  }
  ~SignalGuard() {
    for (std::size_t i = 0; stopping_ && i < kStopping.size(); ++i) {
      sigaction(kStopping[i], &old_[i], nullptr);
    }
    sigaction(SIGXFSZ, &old_xfsz_, nullptr);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  /// The signal that asked to stop; 0: none.
  int stop_signal() const { return detail::stop_signal; }

 private:
  bool stopping_;
  std::array<struct sigaction, kStopping.size()> old_{};
  struct sigaction old_xfsz_ {};
};

}  // namespace posttrain
