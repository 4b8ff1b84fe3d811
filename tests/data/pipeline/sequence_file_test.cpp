// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/sequence_file.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using posttrain::data::SequenceFile;
using posttrain::data::SequenceFileWriter;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

TEST_CASE("sequences written to a file come back, and any damaged byte is an error") {
  const TempFolder scratch;
  const auto path = scratch / "a.sequences";
  {
    SequenceFileWriter writer(path);
    writer.push_back({{1, 2, 3}, {0.0F, 0.5F, 1.0F}, 7});
    writer.push_back({{}, {}, 8});
    writer.push_back({{4}, {1.0F}, 9});
    CHECK_FALSE(std::filesystem::exists(path));
    writer.finish("note");
  }
  const SequenceFile file(path);
  REQUIRE(file.size() == 3);
  CHECK(file.note() == "note");
  CHECK(file.sequence(0).ids == posttrain::TokenIds{1, 2, 3});
  CHECK(file.sequence(0).weights == std::vector<float>{0.0F, 0.5F, 1.0F});
  CHECK(file.sequence(2).sample == 9);
  const std::string bytes = slurp(path);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    const std::string damaged = scratch.write("bad", bad);
    if (!contains(error_of([&] { SequenceFile{damaged}; }), "is damaged")) FAIL("byte " << i);
    const std::string cut = scratch.write("cut", std::string_view(bytes).substr(0, i));
    if (!contains(error_of([&] { SequenceFile{cut}; }), "is damaged")) FAIL("cut at " << i);
  }
  { SequenceFileWriter never(scratch / "never"); }
  CHECK_FALSE(std::filesystem::exists(scratch / "never"));
}
