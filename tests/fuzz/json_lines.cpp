// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of samples: every record is read as whatever its format allows, or has an
// error of one line.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "posttrain/base/error.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/io/file.hpp"

namespace {

namespace data = posttrain::data;

template <class Record>
void read_all(const std::string& path) {
  data::RecordReader<Record> reader(path);
  while (const auto read = reader.next()) {
    if (read->record.has_value() == !read->error.empty()) std::abort();
    if (read->error.find('\n') != std::string::npos) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const std::string path =
      (std::filesystem::temp_directory_path() / ("posttrain-fuzz-" + std::to_string(::getpid())))
          .string();
  posttrain::io::OutputFile(path).write(
      {reinterpret_cast<const char*>(bytes), size});  // closed without flushing to disk
  const auto attempt = [](auto&& action) {
    try {
      action();
    } catch (const posttrain::Error&) {  // a format that is not read, damaged gzip
    }
  };
  attempt([] { read_all<data::SupervisedRecord>(path); });
  attempt([] { read_all<data::PairRecord>(path); });
  attempt([] { read_all<data::AnswerRecord>(path); });
  attempt([] { read_all<data::PromptRecord>(path); });
  attempt([&attempt] {
    data::SampleReader reader(path, "\n\n");
    while (const auto sample = reader.next()) attempt([&] { data::document_text(sample->value); });
  });
  ::unlink(path.c_str());
  return 0;
}
