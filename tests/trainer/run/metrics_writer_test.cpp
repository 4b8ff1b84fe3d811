// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/metrics_writer.hpp"

#include <cmath>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::io::MetricsWriter;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

nlohmann::ordered_json step(int number) { return {{"step", number}}; }
nlohmann::ordered_json with_loss(int number) { return {{"step", number}, {"loss", 0.1 * number}}; }

}  // namespace

TEST_CASE("a resumed run cuts off the steps that it will do again [C25]", "[trainer][C25]") {
  const TempFolder scratch;
  const std::string path = scratch.write(
      "m.jsonl", "{\"note\":1}\n{\"step\":1}\n{\"step\":\"x\"}\n{\"step\":2}\n{\"step\":3}\n");
  { MetricsWriter(path, 2).write(step(3)); }
  CHECK(slurp(path) ==
        "{\"note\":1}\n{\"step\":1}\n{\"step\":\"x\"}\n{\"step\":2}\n{\"step\":3}\n");
  { MetricsWriter(path, 0); }
  CHECK(slurp(path) == "{\"note\":1}\n");
}

TEST_CASE("what follows a damaged line is not trusted", "[trainer]") {
  const TempFolder scratch;
  const std::string path =
      scratch.write("m.jsonl", "{\"step\":1}\n{\"step\":\n{\"step\":2}\n{\"st");
  { MetricsWriter(path, 9).write(step(2)); }
  CHECK(slurp(path) == "{\"step\":1}\n{\"step\":2}\n");
}

TEST_CASE("a record is in the file as soon as it is written, in a folder made for it",
          "[trainer]") {
  const TempFolder scratch;
  const auto path = scratch / "a/b/m.jsonl";
  MetricsWriter metrics(path);
  metrics.write({{"z", 1}, {"a", 2}});
  CHECK(slurp(path) == "{\"z\":1,\"a\":2}\n");
  scratch.write("file", "");
  CHECK(contains(error_of([&] { MetricsWriter bad(scratch / "file/m.jsonl"); }), "found a file"));
}

TEST_CASE("metrics continue after the step of the checkpoint [C25]", "[trainer][C25]") {
  const TempFolder scratch;
  const auto path = scratch / "run/metrics.jsonl";
  {
    MetricsWriter metrics(path);
    metrics.write({{"options", "x"}});
    for (int i = 1; i <= 5; ++i) metrics.write(with_loss(i));
  }
  const std::string whole = slurp(path);
  CHECK(whole.starts_with("{\"options\":\"x\"}\n{\"step\":1,\"loss\":0.1}\n"));
  {
    posttrain::io::OutputFile torn(path, true);
    torn.write("{\"step\":6,\"lo");
    torn.close();
  }
  { MetricsWriter cut(path, 100); }
  CHECK(slurp(path) == whole);
  {
    MetricsWriter resumed(path, 3);
    for (int i = 4; i <= 5; ++i) resumed.write(with_loss(i));
  }
  CHECK(slurp(path) == whole);
  { MetricsWriter fresh(scratch / "other.jsonl", 3); }
  CHECK(slurp(scratch / "other.jsonl").empty());
  MetricsWriter again(path);
  again.write({{"loss", std::nan("")}, {"text", "\xff"}});
  CHECK(slurp(path) == "{\"loss\":null,\"text\":\"\xEF\xBF\xBD\"}\n");
}
