// SPDX-License-Identifier: Apache-2.0
// The sequences of a data set, wherever they lie: in memory, or in a mapped file of which memory
// holds an index. A store is a list of places, so a part of one, or several joined, copy no token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "posttrain/core/sequence.hpp"
#include "posttrain/data/sequence_file.hpp"

namespace posttrain::data {

class SequenceStore {
 public:
  SequenceStore() = default;

  /// Entries [begin, end) of a file.
  SequenceStore(std::shared_ptr<const SequenceFile> file, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) places_.push_back({0, i, file->sample(i)});
    homes_.push_back({nullptr, std::move(file)});
  }

  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }

  /// A copy of sequence i.
  Sequence operator[](std::size_t i) const {
    const Place& place = places_[i];
    const Home& home = homes_[place.home];
    Sequence sequence = home.file ? home.file->sequence(place.index) : (*home.memory)[place.index];
    sequence.sample = place.sample;
    return sequence;
  }
  Sequence front() const { return (*this)[0]; }

  /// Tokens of sequence i.
  std::int64_t length(std::size_t i) const {
    const Place& place = places_[i];
    const Home& home = homes_[place.home];
    return home.file ? home.file->length(place.index)
                     : static_cast<std::int64_t>((*home.memory)[place.index].ids.size());
  }

  /// Its index in the data source.
  std::int64_t sample(std::size_t i) const { return places_[i].sample; }

  void push_back(Sequence sequence) {
    if (homes_.empty() || homes_.back().file || homes_.back().memory.use_count() > 1) {
      homes_.push_back({std::make_shared<std::vector<Sequence>>(), nullptr});
    }
    std::vector<Sequence>& memory = *homes_.back().memory;
    places_.push_back({homes_.size() - 1, memory.size(), sequence.sample});
    memory.push_back(std::move(sequence));
  }

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
  void append(const SequenceStore& other, std::int64_t first_sample) {
    for (Place place : other.places_) {
      place.home += homes_.size();
      place.sample += first_sample;
      places_.push_back(place);
    }
    homes_.insert(homes_.end(), other.homes_.begin(), other.homes_.end());
  }

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
