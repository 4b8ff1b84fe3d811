// SPDX-License-Identifier: Apache-2.0
// Definitions of run_process.hpp, compiled once (base/compiled.hpp). Linux only.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/rewards/process/run_process.hpp"

namespace posttrain::rewards {

namespace detail {

// Numbers that are the same on every architecture; headers of older systems lack them.
inline constexpr long kPidfdOpen = 434, kCloseRange = 436, kMountSetattr = 442;
inline constexpr std::uint64_t kMountReadOnly = 1;
inline constexpr unsigned kWholeTree = 0x8000;  // AT_RECURSIVE
inline constexpr unsigned kNoRoot = 1U | 2U;    // SECBIT_NOROOT and its lock

/// What the child needs, made before it exists: it may not allocate.
struct ChildPlan {
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  const char* folder = nullptr;
  int in = -1, out = -1, err = -1;
  bool root = false;            // the parent is
  bool becomes_nobody = false;  // so the child, whose folder is nobody's, becomes nobody
  bool namespaces = true;
  bool user_namespace = false;  // made by clone
  bool mount_namespace = false;
  bool counts_by_namespace = false;
  const char *uid_map = "", *gid_map = "";  // of a user namespace: the user to itself
  const ProcessLimits* limits = nullptr;
  int dumpable = 1;
  // Told to the parent, which reads them when the program runs or the child is gone.
  const char* failed = nullptr;
  int error = 0;
  bool files = false, user = false, processes = false;
};

// Only system calls from here to the program: the memory is the parent's, and the C library's
// functions for users change all threads of the process. Sanitizers know nothing of the child's
// stack: what one child leaves there they would hold against the next.
#define POSTTRAIN_CHILD __attribute__((no_sanitize("address", "undefined", "thread")))

template <class... Args>
POSTTRAIN_CHILD long call(long number, Args... args) {
  return ::syscall(number, args...);
}

POSTTRAIN_CHILD inline bool write_file(const char* path, const char* text) {
  const long fd = call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return false;
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  const bool written = call(SYS_write, fd, text, size) == static_cast<long>(size);
  call(SYS_close, fd);
  return written;
}

/// Maps the present user and group to themselves.
POSTTRAIN_CHILD inline bool map_ids(const ChildPlan& plan) {
  write_file("/proc/self/setgroups", "deny");
  return write_file("/proc/self/uid_map", plan.uid_map) &&
         write_file("/proc/self/gid_map", plan.gid_map);
}

/// Everything read-only but the scratch folder; a /proc of the own PID namespace where that is
/// allowed.
POSTTRAIN_CHILD inline bool confine_files(const ChildPlan& plan) {
  if (call(SYS_mount, nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (call(SYS_mount, plan.folder, plan.folder, nullptr, MS_BIND, nullptr) != 0) return false;
  call(SYS_mount, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  struct {
    std::uint64_t set, clear, propagation, user_namespace;
  } attributes{kMountReadOnly, 0, 0, 0};
  if (call(kMountSetattr, AT_FDCWD, "/", kWholeTree, &attributes, sizeof attributes) != 0) {
    return false;
  }
  attributes.set = 0;
  attributes.clear = kMountReadOnly;
  // The map of a user namespace is written there later.
  if (plan.becomes_nobody) {
    call(kMountSetattr, AT_FDCWD, "/proc", 0, &attributes, sizeof attributes);
  }
  return call(kMountSetattr, AT_FDCWD, plan.folder, 0, &attributes, sizeof attributes) == 0;
}

POSTTRAIN_CHILD inline bool limit(int resource, std::int64_t soft, std::int64_t hard) {
  const struct {
    std::uint64_t soft, hard;
  } values{static_cast<std::uint64_t>(soft), static_cast<std::uint64_t>(hard)};
  return call(SYS_prlimit64, 0, resource, &values, nullptr) == 0;
}

/// Tells the parent which step failed.
POSTTRAIN_CHILD inline void fails(ChildPlan& plan, const char* what) {
  plan.failed = what;
  plan.error = errno;
}

/// The child's way to the program; returns only if a step fails.
POSTTRAIN_CHILD inline void become_program(ChildPlan& plan) {
  // Handlers are functions of a program that will be gone.
  const std::uint64_t by_default[8] = {};  // the kernel's sigaction; SIG_DFL is 0
  for (int signal = 1; signal < 65; ++signal) {
    call(SYS_rt_sigaction, signal, &by_default[0], nullptr, 8);
  }
  call(SYS_setsid);
  if (plan.user_namespace && !map_ids(plan)) return fails(plan, "writing uid_map");
  if (plan.mount_namespace) plan.files = confine_files(plan);
  if (call(SYS_chdir, plan.folder) != 0) return fails(plan, "chdir");
  if (plan.becomes_nobody) {
    call(SYS_setgroups, 0, nullptr);
    if (call(SYS_setresgid, kNobody, kNobody, kNobody) != 0) return fails(plan, "setresgid");
    if (call(SYS_setresuid, kNobody, kNobody, kNobody) != 0) return fails(plan, "setresuid");
    call(SYS_prctl, PR_SET_DUMPABLE, plan.dumpable, 0, 0, 0);
    // Without this, processes of all who run as nobody would be counted.
    if (plan.namespaces && call(SYS_unshare, CLONE_NEWUSER) == 0) {
      if (!map_ids(plan)) return fails(plan, "writing uid_map");
      plan.user_namespace = true;
    }
  }
  // Root of a user namespace must not get its capabilities back from the program's file.
  const bool without_privileges = !plan.root || plan.becomes_nobody ||
                                  call(SYS_prctl, PR_SET_SECUREBITS, kNoRoot, 0, 0, 0) == 0;
  plan.user = without_privileges && (plan.becomes_nobody || plan.user_namespace);
  const ProcessLimits& limits = *plan.limits;
  if (!limit(RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1) ||
      !limit(RLIMIT_AS, limits.memory, limits.memory) ||
      !limit(RLIMIT_FSIZE, limits.file_size, limits.file_size) || !limit(RLIMIT_CORE, 0, 0) ||
      !limit(RLIMIT_NOFILE, 256, 256)) {
    return fails(plan, "setrlimit");
  }
  if (plan.user_namespace && plan.counts_by_namespace) {
    // The kernel counts no processes of the system's root, who may be behind a container's.
    plan.processes = limit(RLIMIT_NPROC, limits.processes, limits.processes) &&
                     (!plan.root || plan.becomes_nobody);
  }
  call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (call(SYS_dup3, plan.in, 0, 0) < 0 || call(SYS_dup3, plan.out, 1, 0) < 0 ||
      call(SYS_dup3, plan.err, 2, 0) < 0) {
    return fails(plan, "dup3");
  }
  if (call(kCloseRange, 3U, ~0U, 0U) != 0) {
    for (int fd = 3; fd < 65536; ++fd) call(SYS_close, fd);
  }
  const std::uint64_t no_signals = 0;
  call(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, 8);
  call(SYS_execve, plan.arguments[0], plan.arguments, plan.environment);
  fails(plan, "execve");
}

POSTTRAIN_CHILD inline int child_main(void* plan) {
  become_program(*static_cast<ChildPlan*>(plan));
  call(SYS_exit_group, 127);
  return 127;
}

#undef POSTTRAIN_CHILD

/// Memory for the child's stack.
class ChildStack {
 public:
  static constexpr std::size_t kSize = 256 * 1024;
  ChildStack()
      : base_(::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (base_ == MAP_FAILED) fail("expected memory for a child's stack, got none");
  }
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;
  ~ChildStack() { ::munmap(base_, kSize); }
  void* top() const { return static_cast<char*>(base_) + kSize; }

 private:
  void* base_;
};

/// Since Linux 5.14 a user namespace counts its processes by itself.
inline bool counts_by_namespace() {
  utsname names{};
  int major = 0, minor = 0;
  return ::uname(&names) == 0 && std::sscanf(names.release, "%d.%d", &major, &minor) == 2 &&
         (major > 5 || (major == 5 && minor >= 14));
}

/// A descriptor above the three standard ones.
inline io::Descriptor above_standard(int fd) {
  const io::Descriptor original(fd);
  io::Descriptor moved(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!moved) raise("expected a file for a program, got {}", std::strerror(errno));
  return moved;
}

struct Pipe {
  io::Descriptor read, write;
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      raise("expected a pipe for a program, got {}", std::strerror(errno));
    }
    read = above_standard(ends[0]);
    write = above_standard(ends[1]);
    ::fcntl(read.get(), F_SETFL, O_NONBLOCK);
  }
};

/// A file in memory with the program's input, at its beginning.
inline io::Descriptor input_file(std::string_view input) {
  io::Descriptor file = above_standard(::memfd_create("input", MFD_CLOEXEC));
  while (!input.empty()) {
    const ssize_t written = ::write(file.get(), input.data(), input.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) raise("expected room for a program's input, got {}", std::strerror(errno));
    input.remove_prefix(static_cast<std::size_t>(written));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

inline std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

/// Starts the program; the parent's thread sleeps until it runs. The child's id.
inline pid_t start_child(ChildPlan& plan, Containment& held, bool namespaces) {
  // One at a time: whether the process may be dumped is one flag, which a change of user resets.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  plan.root = ::geteuid() == 0;
  // A container's root may know no other user; then the folder could not be given away.
  struct stat folder {};
  plan.becomes_nobody = plan.root && ::stat(plan.folder, &folder) == 0 && folder.st_uid == kNobody;
  plan.counts_by_namespace = counts_by_namespace();
  plan.namespaces = namespaces;
  const unsigned uid = plan.becomes_nobody ? kNobody : ::geteuid();
  const unsigned gid = plan.becomes_nobody ? kNobody : ::getegid();
  const std::string uid_map = fmt::format("{0} {0} 1", uid),
                    gid_map = fmt::format("{0} {0} 1", gid);
  plan.uid_map = uid_map.c_str();
  plan.gid_map = gid_map.c_str();
  plan.dumpable = std::min(::prctl(PR_GET_DUMPABLE), 1);

  constexpr int kApart = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  std::array<int, 3> attempts{kApart | CLONE_NEWNS, kApart, 0};
  if (!plan.becomes_nobody) {
    attempts[0] |= CLONE_NEWUSER;
    attempts[1] |= CLONE_NEWUSER;
  }
  const ChildStack stack;
  sigset_t all{}, before{};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t child = -1;
  int error = 0;
  for (const int flags : attempts) {
    if (flags != 0 && !namespaces) continue;
    plan.user_namespace = (flags & CLONE_NEWUSER) != 0;
    plan.mount_namespace = (flags & CLONE_NEWNS) != 0;
    plan.failed = nullptr;
    child = ::clone(child_main, stack.top(), CLONE_VM | CLONE_VFORK | SIGCHLD | flags, &plan);
    error = errno;
    // A user namespace without a map is of no use.
    const bool unmapped = child >= 0 && plan.failed != nullptr && plan.user_namespace &&
                          std::string_view(plan.failed) == "writing uid_map";
    if (unmapped) {
      ::waitpid(child, nullptr, 0);
      child = -1;
      continue;
    }
    if (child >= 0) {
      held.pids = held.network = held.ipc = flags != 0;
      break;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (plan.becomes_nobody) ::prctl(PR_SET_DUMPABLE, plan.dumpable, 0, 0, 0);
  if (child < 0) raise("expected a process for a program, got {}", std::strerror(error));
  held.files = plan.files;
  held.user = plan.user;
  held.processes = plan.processes;
  return child;
}

/// Reads what is there. False at the end of the stream.
inline bool read_some(int fd, std::string& text, std::size_t& left) {
  std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN;
    if (size == 0) return false;
    const auto kept = std::min(static_cast<std::size_t>(size), left);
    text.append(buffer.data(), kept);
    left -= kept;
    if (kept < static_cast<std::size_t>(size)) {
      left = 0;
      return true;
    }
  }
}

}  // namespace detail

POSTTRAIN_INLINE ProcessResult run_process(const std::vector<std::string>& program,
                                           const std::vector<std::string>& environment,
                                           std::string_view input, const std::string& folder,
                                           const ProcessLimits& limits) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const auto deadline = begin + std::chrono::duration_cast<Clock::duration>(
                                    std::chrono::duration<double>(limits.seconds));
  ProcessResult result;
  const io::Descriptor in = detail::input_file(input);
  detail::Pipe out, err;
  const std::vector<char*> arguments = detail::pointers(program);
  const std::vector<char*> variables = detail::pointers(environment);
  detail::ChildPlan plan;
  plan.arguments = arguments.data();
  plan.environment = variables.data();
  plan.folder = folder.c_str();
  plan.in = in.get();
  plan.out = out.write.get();
  plan.err = err.write.get();
  plan.limits = &limits;
  const pid_t child = detail::start_child(plan, result.held, limits.namespaces);
  out.write.reset();
  err.write.reset();
  if (plan.failed != nullptr) {
    ::waitpid(child, nullptr, 0);
    raise("expected {} to start, got {} in {}{}", program[0], std::strerror(plan.error),
          plan.failed,
          plan.becomes_nobody
              ? "; hint: as root, programs run as the user nobody, who has to reach the file "
                "and the scratch folder"
              : "; hint: the path of an executable file");
  }

  const io::Descriptor exit(static_cast<int>(detail::call(detail::kPidfdOpen, child, 0)));
  std::size_t left = limits.output + 1;  // one more than is allowed tells that there was more
  bool out_open = true, err_open = true, running = true;
  while (running) {
    const auto now = Clock::now();
    if (now >= deadline || left == 0) {
      (left == 0 ? result.flooded : result.timed_out) = true;
      break;
    }
    constexpr int kTick = 5;  // milliseconds, where the kernel has no descriptors of processes
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
    std::array<pollfd, 3> files{pollfd{out_open ? out.read.get() : -1, POLLIN, 0},
                                pollfd{err_open ? err.read.get() : -1, POLLIN, 0},
                                pollfd{exit.get(), POLLIN, 0}};
    ::poll(files.data(), files.size(),
           exit ? static_cast<int>(std::min<std::int64_t>(rest, 1'000'000)) : kTick);
    if (files[0].revents != 0) out_open = detail::read_some(out.read.get(), result.output, left);
    if (files[1].revents != 0) err_open = detail::read_some(err.read.get(), result.errors, left);
    siginfo_t state{};
    const int waited =
        ::waitid(P_PID, static_cast<id_t>(child), &state, WEXITED | WNOHANG | WNOWAIT);
    if (waited != 0 && errno == ECHILD) {
      fail("expected the exit status of a program, got none; hint: this process ignores SIGCHLD");
    }
    running = waited != 0 || state.si_pid == 0;
  }
  // The leader is not waited for yet, so its group still has its number.
  ::kill(-child, SIGKILL);
  if (running) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (left > 0 && out_open) detail::read_some(out.read.get(), result.output, left);
  if (left > 0 && err_open) detail::read_some(err.read.get(), result.errors, left);
  if (left == 0) result.flooded = true;
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

}  // namespace posttrain::rewards
