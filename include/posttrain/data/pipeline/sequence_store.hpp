// SPDX-License-Identifier: Apache-2.0
// The sequences of a data set, wherever they lie: in memory, or in a mapped file of which memory
// holds an index. A store is a list of places, so a part of one, or several joined, copy no token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "posttrain/base/sequence.hpp"

namespace posttrain::data {

class SequenceFile;  // data/pipeline/sequence_file.hpp

class SequenceStore {
 public:
  SequenceStore() = default;

  /// Entries [begin, end) of a file.
  SequenceStore(std::shared_ptr<const SequenceFile> file, std::size_t begin, std::size_t end);

  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }

  /// A copy of sequence i.
  Sequence operator[](std::size_t i) const;
  Sequence front() const { return (*this)[0]; }

  /// Tokens of sequence i.
  std::int64_t length(std::size_t i) const;

  /// Its index in the data source.
  std::int64_t sample(std::size_t i) const { return places_[i].sample; }

  void push_back(Sequence sequence);

  /// The sequences with `take(i)`, in order.
  template <class Take>
  SequenceStore where(const Take& take) const {
    SequenceStore chosen;
    chosen.homes_ = homes_;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (take(i)) chosen.places_.push_back(places_[i]);
    }
    return chosen;
  }

  /// Puts another store behind this one; its samples are counted on from `first_sample`.
  void append(const SequenceStore& other, std::int64_t first_sample);

  class Iterator {
   public:
    Iterator(const SequenceStore* store, std::size_t i) : store_(store), i_(i) {}
    Sequence operator*() const { return (*store_)[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const SequenceStore* store_;
    std::size_t i_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  struct Home {
    std::shared_ptr<std::vector<Sequence>> memory;  // one of the two
    std::shared_ptr<const SequenceFile> file;
  };
  struct Place {
    std::size_t home = 0;
    std::size_t index = 0;
    std::int64_t sample = 0;
  };

  std::vector<Home> homes_;
  std::vector<Place> places_;
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/sequence_store.ipp"
#endif
