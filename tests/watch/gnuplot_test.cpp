// SPDX-License-Identifier: Apache-2.0
#include "posttrain/watch/gnuplot.hpp"

#include "support/catch.hpp"
#include "support/gnuplot.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::watch;
using posttrain::test::contains;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

Figure some_figure() {
  return {
      "step",
      {{"loss",
        {{"", 0, true, {{1, 2}, {0.5, 0.25}}}, {"it's_a^run", 0, false, {{1, 2}, {0.5, 0.375}}}}},
       {"lr\n", {{"b", 9, false, {{10}, {1e-5}}}}}}};
}

}  // namespace

TEST_CASE("a figure becomes gnuplot's commands with its data in them", "[watch]") {
  CHECK(gnuplot_script(some_figure(), "svg", "out/x's.svg") ==
        R"(set encoding utf8
set terminal svg noenhanced font 'sans,11' size 1280,400 background rgb 'white'
set output 'out/x''s.svg'
$d0_0 << EOD
1 0.5
2 0.25
EOD
$d0_1 << EOD
1 0.5
2 0.375
EOD
$d1_0 << EOD
10 1e-05
EOD
set grid linetype 1 linecolor rgb '#dddddd'
set border 3
set tics nomirror
set format '%g'
set rmargin 5
set xlabel 'step'
set multiplot layout 1,2
set title 'loss'
plot $d0_0 using 1:2 notitle with lines linewidth 1 linecolor rgb '#a00072b2', \
     $d0_1 using 1:2 title 'it''s_a^run' with linespoints linewidth 2 linecolor rgb '#000072b2' pointtype 7 pointsize 0.5
set title 'lr '
plot $d1_0 using 1:2 title 'b' with linespoints linewidth 2 linecolor rgb '#00d55e00' pointtype 7 pointsize 0.5
unset multiplot
set output
)");
  Figure tall = some_figure();
  tall.panels.push_back(tall.panels[0]);
  tall.panels[0].lines[1].curve = {std::vector<double>(31, 1.0), std::vector<double>(31, 1.0)};
  const std::string script = gnuplot_script(tall, "png", "x.png");
  CHECK(contains(script, "set terminal pngcairo noenhanced font 'sans,11' size 1280,800 "));
  CHECK(contains(script, "set multiplot layout 2,2"));
  CHECK(contains(script, "title 'it''s_a^run' with lines "));  // many points need no marks
  tall.panels.resize(1);
  CHECK(contains(gnuplot_script(tall, "svg", "x"), "size 640,400 "));
}

TEST_CASE("without gnuplot there is one line with the package's name", "[watch]") {
  const TempFolder nothing;
  const posttrain::test::PathOnly path(nothing.path().string());
  CHECK_THROWS_WITH(run_gnuplot("set output\n"),
                    "plots are drawn by gnuplot, which is not installed; hint: Debian's package is "
                    "gnuplot-nox (apt-get install gnuplot-nox)");
}

TEST_CASE("what gnuplot says is told where it fails, also where it ends before it has read all",
          "[watch]") {
  const TempFolder folder;
  folder.write("gnuplot", "#!/bin/sh\necho 'no such terminal' >&2\nexit 3\n");
  std::filesystem::permissions(folder / "gnuplot", std::filesystem::perms::owner_all);
  const posttrain::test::PathOnly path(folder.path().string());
  CHECK_THROWS_WITH(run_gnuplot("x"), Catch::Contains("gnuplot fails: no such terminal"));
  CHECK_THROWS_WITH(run_gnuplot(std::string(std::size_t{1} << 22U, 'x')),
                    Catch::Contains("gnuplot fails: no such terminal"));
}

TEST_CASE("gnuplot gets the script whole, without the user's settings", "[watch]") {
  const TempFolder folder;
  const std::string copy = (folder / "copy").string();
  folder.write("gnuplot", "#!/bin/sh\necho \"$@\" > " + copy + ".words\n/bin/cat > " + copy + "\n");
  std::filesystem::permissions(folder / "gnuplot", std::filesystem::perms::owner_all);
  const std::string script = gnuplot_script(some_figure(), "svg", "x.svg");
  {
    const posttrain::test::PathOnly path(folder.path().string());
    run_gnuplot(script);
  }
  CHECK(slurp(copy) == script);
  CHECK(slurp(copy + ".words") == "--default-settings\n");
}

TEST_CASE("gnuplot draws what it is given", "[watch]") {
  POSTTRAIN_GNUPLOT_OR_SKIP();
  const TempFolder folder;
  const std::string svg = (folder / "a.svg").string(), png = (folder / "a.png").string();
  run_gnuplot(gnuplot_script(some_figure(), "svg", svg));
  run_gnuplot(gnuplot_script(some_figure(), "png", png));
  CHECK(contains(slurp(svg), "<svg"));
  CHECK(contains(slurp(svg), "it's_a^run"));
  CHECK(slurp(png).starts_with("\x89PNG"));
  CHECK_THROWS_WITH(run_gnuplot("plot nonsense(\n"), Catch::Contains("gnuplot fails: "));
}
