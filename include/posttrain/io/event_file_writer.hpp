// SPDX-License-Identifier: Apache-2.0
// TensorBoard's event files: a run's numbers, for its viewer, one file for each session of the run.
//
// A file is a sequence of records: length (8 bytes), its masked CRC32C (4), an Event, the masked
// CRC32C of the Event. Event, Summary and SessionLog are written by hand, field by field: LibTorch
// brings a protobuf of its own, which a second one in the process would meet. Each record is handed
// to the system at once.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/io/file.hpp"

namespace posttrain::io {

class EventFileWriter {
 public:
  /// Begins a new file in `folder`, which is created, behind those that are there by name.
  /// `first_step`: the first step that it will tell of. Where there are files of earlier sessions,
  /// a SessionLog START says so, and readers forget what those told of that step and later ones.
  EventFileWriter(const fs::path& folder, std::int64_t first_step);

  /// The numbers of a step, by tag; kept as float32, nan and infinities included.
  void write(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);

  /// Whether the folder held event files before.
  bool follows_others() const { return follows_others_; }
  const fs::path& path() const { return file_.path(); }

 private:
  OutputFile opened(const fs::path& folder);
  void write_event(std::int64_t step, std::string_view content);

  bool follows_others_ = false;
  OutputFile file_;
};

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/event_file_writer.ipp"
#endif
