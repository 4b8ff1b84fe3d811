// SPDX-License-Identifier: Apache-2.0
// Definitions of gnuplot.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/watch/gnuplot.hpp"

namespace posttrain::watch {

namespace detail {

/// Okabe and Ito's colors, which the color-blind tell apart.
inline constexpr std::array<std::string_view, 8> kPalette{"0072b2", "d55e00", "009e73", "cc79a7",
                                                          "e69f00", "56b4e9", "999999", "000000"};

/// A text in gnuplot's single quotes, in which nothing but the quote is special.
inline std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') result += '\'';
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + "'";
}

/// Lines with few points show them: a validation now and then, or the only one so far.
inline constexpr std::size_t kFewPoints = 30;

inline std::string style_of(const Line& line) {
  const std::string_view color = kPalette[line.color % kPalette.size()];
  const bool few = !line.faint && line.curve.x.size() <= kFewPoints;
  return fmt::format("with {} linewidth {} linecolor rgb '#{}{}'{}", few ? "linespoints" : "lines",
                     line.faint ? 1 : 2, line.faint ? "a0" : "00", color,
                     few ? " pointtype 7 pointsize 0.5" : "");
}

}  // namespace detail

POSTTRAIN_INLINE std::string gnuplot_script(const Figure& figure, std::string_view format,
                                            const std::string& output) {
  const std::size_t columns = figure.panels.size() > 1 ? 2 : 1;
  const std::size_t rows = (figure.panels.size() + columns - 1) / columns;
  std::string script = fmt::format(
      "set encoding utf8\n"
      "set terminal {} noenhanced font 'sans,11' size {},{} background rgb 'white'\n"
      "set output {}\n",
      format == "svg" ? "svg" : "pngcairo", 640 * columns, 400 * rows, detail::quoted(output));
  for (std::size_t p = 0; p < figure.panels.size(); ++p) {
    for (std::size_t l = 0; l < figure.panels[p].lines.size(); ++l) {
      script += fmt::format("$d{}_{} << EOD\n", p, l);
      const Curve& curve = figure.panels[p].lines[l].curve;
      for (std::size_t i = 0; i < curve.x.size(); ++i) {
        script += fmt::format("{} {}\n", curve.x[i], curve.y[i]);
      }
      script += "EOD\n";
    }
  }
  script += fmt::format(
      "set grid linetype 1 linecolor rgb '#dddddd'\n"
      "set border 3\n"
      "set tics nomirror\n"
      "set format '%g'\n"
      "set rmargin 5\n"
      "set xlabel {}\n"
      "set multiplot layout {},{}\n",
      detail::quoted(figure.x_label), rows, columns);
  for (std::size_t p = 0; p < figure.panels.size(); ++p) {
    script += fmt::format("set title {}\nplot ", detail::quoted(figure.panels[p].title));
    for (std::size_t l = 0; l < figure.panels[p].lines.size(); ++l) {
      const Line& line = figure.panels[p].lines[l];
      const std::string key =
          line.label.empty() ? "notitle" : "title " + detail::quoted(line.label);
      script += fmt::format("{}$d{}_{} using 1:2 {} {}", l == 0 ? "" : ", \\\n     ", p, l, key,
                            detail::style_of(line));
    }
    script += "\n";
  }
  return script + "unset multiplot\nset output\n";
}

POSTTRAIN_INLINE void run_gnuplot(const std::string& script) {
  // A socket instead of a pipe: where the reader has ended, writing says so and sends no signal.
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    io::raise_errno("socketpair", "gnuplot");
  }
  io::Descriptor own(ends[0]), given(ends[1]);
  const io::Descriptor said(::memfd_create("gnuplot", MFD_CLOEXEC));
  if (!said) io::raise_errno("memfd_create", "gnuplot");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, given.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, said.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, said.get(), STDERR_FILENO);
  // Without the user's own settings.
  std::array<char*, 3> words{const_cast<char*>("gnuplot"), const_cast<char*>("--default-settings"),
                             nullptr};
  pid_t child = -1;
  const int failure = ::posix_spawnp(&child, words[0], &actions, nullptr, words.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  given.reset();
  if (failure == ENOENT) {
    fail(
        "plots are drawn by gnuplot, which is not installed; hint: Debian's package is gnuplot-nox "
        "(apt-get install gnuplot-nox)");
  }
  if (failure != 0) raise("gnuplot does not start: {}", std::strerror(failure));
  std::string_view rest = script;
  while (!rest.empty()) {
    const ssize_t sent = ::send(own.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) break;  // it has ended, and its status says why
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  own.reset();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (rest.empty() && WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  std::array<char, 1000> text{};
  const ssize_t size = std::max<ssize_t>(0, ::pread(said.get(), text.data(), text.size(), 0));
  raise("gnuplot fails: {}", std::string_view(text.data(), static_cast<std::size_t>(size)));
}

}  // namespace posttrain::watch
