// SPDX-License-Identifier: Apache-2.0
// What every program with LibTorch starts in (the linker's --wrap=main). LibTorch takes a third of
// a second of processor time to load, and half of that to leave: with POSTTRAIN_SERVED=1 a program
// loads it once and forks for each call that it reads, so that each has a process of its own
// (tests/parity/common.py).
//
// A call on standard input: the number of strings, then each with its length in front; numbers are
// std::uint32_t. The first three name the files of the call's input, output and errors, the rest
// are its arguments, the program's name first. The answer on standard output is the exit status as
// std::int32_t, negative that of a signal.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

extern "C" int __real_main(int argc, char** argv);

namespace {

bool read_all(void* to, std::size_t size) {
  for (auto* next = static_cast<char*>(to); size > 0;) {
    const ::ssize_t count = ::read(STDIN_FILENO, next, size);
    if (count <= 0) return false;
    next += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

bool read_call(std::vector<std::string>& strings) {
  std::uint32_t count = 0, size = 0;
  if (!read_all(&count, sizeof(count))) return false;
  strings.resize(count);
  for (std::string& string : strings) {
    if (!read_all(&size, sizeof(size))) return false;
    string.resize(size);
    if (!read_all(string.data(), size)) return false;
  }
  return true;
}

void redirect(int stream, const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags, 0600);
  if (file < 0 || ::dup2(file, stream) < 0) {
    std::perror(path.c_str());
    ::_exit(127);
  }
  ::close(file);
}

[[noreturn]] void call(std::vector<std::string>& strings) {
  redirect(STDIN_FILENO, strings[0], O_RDONLY);
  redirect(STDOUT_FILENO, strings[1], O_WRONLY | O_CREAT | O_TRUNC);
  redirect(STDERR_FILENO, strings[2], O_WRONLY | O_CREAT | O_TRUNC);
  std::vector<char*> arguments;
  for (std::size_t i = 3; i < strings.size(); ++i) arguments.push_back(strings[i].data());
  arguments.push_back(nullptr);
  const int status = __real_main(static_cast<int>(arguments.size()) - 1, arguments.data());
  std::cout.flush();
  std::fflush(nullptr);
  ::_exit(status);  // LibTorch's objects end with the server
}

int serve() {
  std::vector<std::string> strings;
  while (read_call(strings) && strings.size() > 3) {
    const ::pid_t child = ::fork();
    if (child < 0) return 1;
    if (child == 0) call(strings);
    int status = 0;
    if (::waitpid(child, &status, 0) != child) return 1;
    const std::int32_t answer = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (::write(STDOUT_FILENO, &answer, sizeof(answer)) != sizeof(answer)) return 1;
  }
  return 0;
}

}  // namespace

extern "C" int __wrap_main(int argc, char** argv) {
  const char* served = std::getenv("POSTTRAIN_SERVED");
  if (served == nullptr || std::string_view(served) != "1") return __real_main(argc, argv);
  ::unsetenv("POSTTRAIN_SERVED");
  return serve();
}
