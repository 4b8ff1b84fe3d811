// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/formats/reader.hpp"

#include "support/catch.hpp"
#include "support/gzip_file.hpp"
#include "support/temp_folder.hpp"

using posttrain::data::SampleReader;
using posttrain::data::SourceSample;
using posttrain::io::JsonLinesReader;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::write_gzip;

namespace {

std::vector<SourceSample> all(const std::string& path, std::string_view delimiter = "") {
  SampleReader reader(path, delimiter);
  std::vector<SourceSample> samples;
  while (auto sample = reader.next()) samples.push_back(*std::move(sample));
  return samples;
}

std::string joined(const std::string& path, std::string_view delimiter = "") {
  std::string text;
  for (const SourceSample& sample : all(path, delimiter))
    text += sample.value.get<std::string>() + ",";
  return text;
}

}  // namespace

TEST_CASE("a text file is one document, or several between delimiters, with their lines") {
  const TempFolder scratch;
  const std::string path = scratch.write("a.txt", "one\ntwo\n---\n\n---\nthree\n---\nfour");
  REQUIRE(all(path).size() == 1);
  const auto parts = all(path, "---\n");
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].value == "one\ntwo\n");
  CHECK(parts[1].value == "three\n");
  CHECK(parts[1].where == path + ":6");
  CHECK(parts[2].value == "four");
  CHECK(parts[2].where == path + ":8");
  CHECK(all(scratch.write("b.txt", "x---\n"), "---\n").size() == 1);
  CHECK(all(scratch.write("c.txt", " \n")).empty());
  CHECK(all(scratch.write("d.txt", "")).empty());
}

TEST_CASE("parts of a compressed text are the same wherever the chunks of reading fall") {
  const TempFolder scratch;
  std::string text;
  for (int i = 0; i < 200000; ++i) text += fmt::format("{}<|end|>", i);
  const auto plain = all(scratch.write("a.txt", text), "<|end|>");
  const auto packed = all(write_gzip(scratch / "b.txt.gz", text), "<|end|>");
  REQUIRE(packed.size() == 200000);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    if (packed[i].value != plain[i].value) FAIL("part " << i << " differs");
  }
  CHECK(all((scratch / "b.txt.gz").string()).front().value.get<std::string>() == text);
}

TEST_CASE("gzip is read as what it holds, in several members, whatever its name") {
  const TempFolder scratch;
  std::string lines;
  for (int i = 0; i < 60000; ++i) lines += fmt::format("{{\"number\": {}}}\n", i);
  const std::string path = write_gzip(scratch / "a.jsonl.gz", lines);
  write_gzip(path, "\"the end\"", true);
  const auto samples = all(path);
  REQUIRE(samples.size() == 60001);
  CHECK(samples[59999].value["number"] == 59999);
  CHECK(samples[59999].where == path + ":60000");
  CHECK(samples[60000].value == "the end");
  const std::string array =
      "[" + std::string(300000, ' ') + "{\"a\": \"" + std::string(700000, 'x') + "\"}, 2]";
  const auto elements = all(write_gzip(scratch / "b.data", array));
  REQUIRE(elements.size() == 2);
  CHECK(elements[0].value["a"].get<std::string>().size() == 700000);
  CHECK(elements[1].value == 2);
}

TEST_CASE("gzip that is cut off or damaged is an error, never a shorter file") {
  const TempFolder scratch;
  std::string lines;
  for (int i = 0; i < 50000; ++i) lines += fmt::format("{{\"n\": {}}}\n", i * 7919 % 10007);
  const std::string whole = posttrain::test::slurp(write_gzip(scratch / "whole.jsonl.gz", lines));
  const std::string cut =
      scratch.write("cut.jsonl.gz", std::string_view(whole).substr(0, whole.size() / 2));
  CHECK(contains(error_of([&] { all(cut); }), "cut.jsonl.gz: the gzip data is damaged or cut off"));
  const std::string tail =
      scratch.write("tail.jsonl.gz", std::string_view(whole).substr(0, whole.size() - 4));
  CHECK(contains(error_of([&] { all(tail); }), "damaged or cut off"));
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 0x55);
  CHECK(contains(error_of([&] { all(scratch.write("flip.jsonl.gz", flipped)); }), "damaged"));
}

TEST_CASE("a folder stands for its files and those of its folders, by name") {
  const TempFolder scratch;
  scratch.write("2.jsonl", "\"b\"\n\"c\"\n");
  scratch.write("1.txt", "a");
  scratch.write("3.json", "[\"d\"]");
  scratch.write("notes.md", "not read");
  std::filesystem::create_directories(scratch / "4/deeper");
  std::filesystem::create_directories(scratch / ".git");
  write_gzip(scratch / "4/deeper/x.ndjson.gz", "\"e\"");
  scratch.write(".git/index.json", "\"no\"");
  scratch.write(".x.json.tmp-1-1", "\"no\"");
  CHECK(joined(scratch.path().string()) == "a,b,c,d,e,");
  const TempFolder empty;
  CHECK(contains(error_of([&] { all(empty.path().string()); }), "in the folder"));
}

TEST_CASE("files of a folder that are held out by their names are not trained on") {
  const TempFolder scratch;
  const std::string folder = scratch.path().string();
  scratch.write("train.jsonl", "\"a\"");
  scratch.write("contest.jsonl", "\"b\"");  // no word of it
  for (const char* name : {"test.jsonl", "data-validation-00000-of-00001.jsonl", "x_dev.json"}) {
    scratch.write(name, "\"no\"");
  }
  std::filesystem::create_directories(scratch / "Eval");
  scratch.write("Eval/x.jsonl", "\"no\"");
  CHECK(joined(folder) == "b,a,");
  CHECK(SampleReader(folder).description("data") ==
        "data (2 files, without the held-out " + folder + "/Eval/x.jsonl and 3 more)");
  CHECK(joined((scratch / "test.jsonl").string()) == "no,");
  std::filesystem::remove(scratch / "train.jsonl");
  std::filesystem::remove(scratch / "contest.jsonl");
  CHECK(joined(folder) == "no,no,no,no,");  // there is nothing else to be meant
}

TEST_CASE("text that is not UTF-8 is an error with its place") {
  const TempFolder scratch;
  const auto samples = all(scratch.write("a.txt",
                                         "Gr\xFC\xDF"
                                         "e"));
  REQUIRE(samples.size() == 1);
  CHECK(contains(samples[0].error,
                 "expected UTF-8, got the byte 0xfc at place 3 of the text; hint: iconv"));
}

TEST_CASE("what an unknown name holds is told by its first character") {
  const TempFolder scratch;
  CHECK(all(scratch.write("a.data", "\xEF\xBB\xBF\n {\"x\": 1}"))[0].value["x"] == 1);
  CHECK(joined(scratch.write("readme", "plain words")) == "plain words,");
}

TEST_CASE("formats that are not read are named, with the command that converts them") {
  const TempFolder scratch;
  const auto error = [&](std::string_view name, std::string_view content) {
    return error_of([&] { all(scratch.write(name, content)); });
  };
  CHECK(contains(error("a.parquet", "PAR1...."),
                 "a.parquet: expected JSON or text, found Parquet; hint: python3 -c \"import "
                 "pandas; pandas.read_parquet('IN').to_json("));
  CHECK(contains(error("a.arrow", "ARROW1\0"), "found Arrow"));
  CHECK(contains(error("a.csv", "a,b\n1,2\n"), "found CSV"));
  CHECK(contains(error("a.jsonl.zst", "\x28\xb5\x2f\xfd"), "hint: unzstd FILE"));
  CHECK(contains(error("a.zip.txt", "PK\x03\x04"), "found a ZIP archive; hint: unzip FILE"));
  CHECK(contains(error("a.txt", "%PDF-1.7"), "found PDF"));
  CHECK(contains(error("b.txt", std::string(257, 'x') + "ustar "), "found a tar archive"));
  CHECK(contains(error("c.txt",
                       "\xff\xfe"
                       "a"),
                 "found UTF-16; hint: iconv"));
  CHECK(contains(error("d.jsonl", std::string("{\0\"\0", 4)), "found UTF-16"));
  CHECK(contains(error("e.jsonl", "\xff\xff\xff\xff"), "found an Arrow stream"));
  const TempFolder folder;
  folder.write("a.jsonl", "1");
  folder.write("b.parquet", "PAR1");
  CHECK(contains(error_of([&] { all(folder.path().string()); }), "b.parquet: expected JSON"));
}

TEST_CASE("a record may not nest so deep that walking it overflows the stack") {
  const TempFolder scratch;
  const std::string deep(600, '['), text = "\"[[\\\"[[\"";
  const auto samples = all(scratch.write(
      "a.jsonl", "{\"a\": " + deep + std::string(600, ']') + "}\n{\"a\": " + text + "}\n"));
  REQUIRE(samples.size() == 2);
  CHECK(contains(samples[0].error, "nests at most 500 deep"));
  CHECK(samples[1].value["a"] == "[[\"[[");
  CHECK(contains(all(scratch.write("b.jsonl", std::string(100000, '[')))[0].error,
                 "expected the array to end"));
}
