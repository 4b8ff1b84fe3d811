// SPDX-License-Identifier: Apache-2.0
// Definitions of sequence_store.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/pipeline/sequence_file.hpp"
#include "posttrain/data/pipeline/sequence_store.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE SequenceStore::SequenceStore(std::shared_ptr<const SequenceFile> file,
                                              std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) places_.push_back({0, i, file->sample(i)});
  homes_.push_back({nullptr, std::move(file)});
}

POSTTRAIN_INLINE Sequence SequenceStore::operator[](std::size_t i) const {
  const Place& place = places_[i];
  const Home& home = homes_[place.home];
  Sequence sequence = home.file ? home.file->sequence(place.index) : (*home.memory)[place.index];
  sequence.sample = place.sample;
  return sequence;
}

POSTTRAIN_INLINE std::int64_t SequenceStore::length(std::size_t i) const {
  const Place& place = places_[i];
  const Home& home = homes_[place.home];
  return home.file ? home.file->length(place.index)
                   : static_cast<std::int64_t>((*home.memory)[place.index].ids.size());
}

POSTTRAIN_INLINE void SequenceStore::push_back(Sequence sequence) {
  if (homes_.empty() || homes_.back().file || homes_.back().memory.use_count() > 1) {
    homes_.push_back({std::make_shared<std::vector<Sequence>>(), nullptr});
  }
  std::vector<Sequence>& memory = *homes_.back().memory;
  places_.push_back({homes_.size() - 1, memory.size(), sequence.sample});
  memory.push_back(std::move(sequence));
}

POSTTRAIN_INLINE void SequenceStore::append(const SequenceStore& other, std::int64_t first_sample) {
  for (Place place : other.places_) {
    place.home += homes_.size();
    place.sample += first_sample;
    places_.push_back(place);
  }
  homes_.insert(homes_.end(), other.homes_.begin(), other.homes_.end());
}

}  // namespace posttrain::data
