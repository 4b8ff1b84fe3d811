// SPDX-License-Identifier: Apache-2.0
// Token sequences on disk: written front to back, mapped for reading, whole or not there at all.
//
//   magic (16 bytes) | ids and weights of each sequence | index: offset, length, sample of each |
//   note (text) | footer: number of sequences, bytes of the note, hash of all before it
//
// 8 bytes per token, in this machine's byte order. Memory holds the index only: 24 bytes per
// sequence.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/hash.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/io/atomic_file.hpp"

namespace posttrain::data {

namespace detail {

struct SequenceEntry {
  std::uint64_t offset = 0;  // of the ids, in bytes; the weights follow them
  std::int64_t length = 0;
  std::int64_t sample = 0;
};

struct SequenceFooter {
  std::uint64_t entries = 0;
  std::uint64_t note = 0;
  ContentHash::Value hash{};
};

constexpr std::string_view kSequenceMagic = "posttrain-seq-01";

}  // namespace detail

/// Writes such a file; it appears under its name with `finish`.
class SequenceFileWriter {
 public:
  explicit SequenceFileWriter(const io::fs::path& path) : file_(path) {
    put(std::as_bytes(std::span(detail::kSequenceMagic)));
  }

  void push_back(const Sequence& sequence) {
    entries_.push_back({written_, static_cast<std::int64_t>(sequence.ids.size()), sequence.sample});
    put(std::as_bytes(std::span(sequence.ids)));
    put(std::as_bytes(std::span(sequence.weights)));
  }

  std::size_t size() const { return entries_.size(); }

  /// `note`: whatever belongs to the sequences (a report).
  void finish(std::string_view note) {
    put(std::as_bytes(std::span(entries_)));
    put(std::as_bytes(std::span(note.data(), note.size())));
    const detail::SequenceFooter footer{entries_.size(), note.size(), hash_.value()};
    put(std::as_bytes(std::span(&footer, 1)));
    flush();
    file_.commit();
  }

 private:
  void put(std::span<const std::byte> bytes) {
    hash_.add(bytes);
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    written_ += bytes.size();
    if (buffer_.size() >= std::size_t{1} << 20) flush();
  }

  void flush() {
    file_.write(buffer_);
    buffer_.clear();
  }

  io::AtomicFile file_;
  std::string buffer_;
  std::uint64_t written_ = 0;
  std::vector<detail::SequenceEntry> entries_;
  ContentHash hash_;
};

/// Reads such a file; one that is damaged in any byte is an error.
class SequenceFile {
 public:
  explicit SequenceFile(const io::fs::path& path) : map_(path) {
    using namespace detail;
    const std::span<const std::byte> bytes = map_.bytes();
    const auto damaged = [&](bool bad) {
      if (bad) raise("{} is damaged", path.string());
    };
    damaged(bytes.size() < kSequenceMagic.size() + sizeof(SequenceFooter));
    SequenceFooter footer;
    const std::size_t body = bytes.size() - sizeof footer;
    std::memcpy(&footer, bytes.data() + body, sizeof footer);
    damaged(footer.note > body || footer.entries > body / sizeof(SequenceEntry));
    const std::size_t index_bytes = footer.entries * sizeof(SequenceEntry);
    damaged(footer.note + index_bytes > body);
    const std::size_t index = body - footer.note - index_bytes;
    entries_.resize(footer.entries);
    if (index_bytes > 0) std::memcpy(entries_.data(), bytes.data() + index, index_bytes);
    note_.assign(reinterpret_cast<const char*>(bytes.data()) + body - footer.note, footer.note);
    // The pieces are hashed as they were put.
    ContentHash hash;
    std::size_t at = 0;
    const auto take = [&](std::size_t size) {
      damaged(size > body - at);
      hash.add(bytes.subspan(at, size));
      at += size;
    };
    take(kSequenceMagic.size());
    for (const SequenceEntry& entry : entries_) {
      damaged(entry.offset != at || entry.length < 0 ||
              static_cast<std::uint64_t>(entry.length) > body / 4);
      take(static_cast<std::size_t>(entry.length) * sizeof(TokenId));
      take(static_cast<std::size_t>(entry.length) * sizeof(float));
    }
    damaged(at != index);
    take(index_bytes);
    take(footer.note);
    damaged(at != body || hash.value() != footer.hash);
  }

  std::size_t size() const { return entries_.size(); }
  const std::string& note() const { return note_; }
  std::int64_t length(std::size_t i) const { return entries_[i].length; }
  std::int64_t sample(std::size_t i) const { return entries_[i].sample; }

  Sequence sequence(std::size_t i) const {
    const detail::SequenceEntry& entry = entries_[i];
    const auto length = static_cast<std::size_t>(entry.length);
    Sequence sequence;
    sequence.ids.resize(length);
    sequence.weights.resize(length);
    sequence.sample = entry.sample;
    if (length == 0) return sequence;
    const std::byte* data = map_.bytes().data() + entry.offset;
    std::memcpy(sequence.ids.data(), data, length * sizeof(TokenId));
    std::memcpy(sequence.weights.data(), data + length * sizeof(TokenId), length * sizeof(float));
    return sequence;
  }

 private:
  io::MappedFile map_;
  std::vector<detail::SequenceEntry> entries_;
  std::string note_;
};

}  // namespace posttrain::data
