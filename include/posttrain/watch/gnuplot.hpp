// SPDX-License-Identifier: Apache-2.0
// Figures of curves, drawn by gnuplot: a script with the data in it, handed over through a pipe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/watch/run_metrics.hpp"

namespace posttrain::watch {

struct Line {
  std::string label{};    // in the panel's key; empty: none
  std::size_t color = 0;  // of the palette's eight, from the first again behind the last
  bool faint = false;     // what a smoothed line is of
  Curve curve{};
};

struct Panel {
  std::string title{};
  std::vector<Line> lines{};
};

/// Panels side by side, two in a row.
struct Figure {
  std::string x_label{};
  std::vector<Panel> panels{};
};

/// The commands that draw a figure into the file `output`, as "svg" or "png". Texts stand as they
/// are: none of their characters is markup.
std::string gnuplot_script(const Figure& figure, std::string_view format,
                           const std::string& output);

/// Has gnuplot run a script. An error where it is not installed, with its package's name, and where
/// it fails, with what it says.
void run_gnuplot(const std::string& script);

}  // namespace posttrain::watch

#ifndef POSTTRAIN_COMPILED
#include "posttrain/watch/impl/gnuplot.ipp"
#endif
