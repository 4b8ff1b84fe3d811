// SPDX-License-Identifier: Apache-2.0
// A teacher beside the trained parameters: a frozen model with the same vocabulary, whose
// distribution a loss compares with (losses/distillation.hpp).
//
//   const hub::PretrainedDecoder teacher("big", {.dtype = at::kBFloat16});   // has to live as long
//   Trainer(model, OnPolicyDistillation{}, WithTeacher{Lora{}, teacher, Nf4{}}, Rollouts<…>{…}, …);
//
// It reads the ids that the model reads, in the same micro-batches; its logits exist chunk by
// chunk. Vocabularies are compared token by token where both models have a tokenizer: one of the
// same size would be read without an error. Both compute in one dtype on one device. Soft prompts
// and prefixes would shift the rows, and are refused. TRL: teacher_model of DistillationTrainer.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/params/attach_among.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/storage/dense.hpp"

namespace posttrain {

/// The gate of the inner parameters, with the teacher's model and gate beside it.
template <class Inner, class Teacher, class TeacherGate>
class TeacherState : public Inner {
  static_assert(!HasVirtualTokens<Inner>,
                "posttrain: a teacher reads a batch without virtual tokens, which these Params put "
                "before it [docs/parameters.md#teachers]");

 public:
  TeacherState(Inner inner, const Teacher& teacher, TeacherGate teacher_gate)
      : Inner(std::move(inner)), teacher_(&teacher), teacher_gate_(std::move(teacher_gate)) {}

  /// The teacher's hidden rows [T, d] of a batch, without a graph.
  Tensor teacher_hidden(const TokenBatch& batch) const {
    at::NoGradGuard no_grad;
    return teacher_->hidden(teacher_gate_, batch);
  }
  /// Logits [n, V] of some of them.
  Tensor teacher_logits(const Tensor& rows) const { return teacher_->logits(teacher_gate_, rows); }

 private:
  const Teacher* teacher_;
  TeacherGate teacher_gate_;
};

namespace detail {

/// Throws where the models' tokens differ.
template <class Model, class Teacher>
void check_same_tokens(const Model& model, const Teacher& teacher) {
  if (teacher.vocab_size() != model.vocab_size()) {
    raise(
        "expected a teacher with the model's vocabulary of {} ids, got {}; hint: distributions "
        "over "
        "other tokens cannot be compared",
        model.vocab_size(), teacher.vocab_size());
  }
  if constexpr (requires {
                  model.text()->tokenizer();
                  teacher.text()->tokenizer();
                }) {
    if (model.text() == nullptr || teacher.text() == nullptr) return;
    const auto& own = model.text()->tokenizer();
    const auto& other = teacher.text()->tokenizer();
    const std::int64_t size = std::max(own.vocab_size(), other.vocab_size());
    for (std::int64_t id = 0; id < size; ++id) {
      const std::string* a = own.find_token(static_cast<TokenId>(id));
      const std::string* b = other.find_token(static_cast<TokenId>(id));
      if ((a == nullptr) != (b == nullptr) || (a != nullptr && *a != *b)) {
        raise("expected a teacher with the model's vocabulary, got {} for id {} instead of {}",
              b == nullptr ? "nothing" : fmt::format("\"{}\"", *b), id,
              a == nullptr ? "nothing" : fmt::format("\"{}\"", *a));
      }
    }
  }
}

}  // namespace detail

template <class Params, class Teacher, class Storage = Dense>
struct WithTeacher {
  static constexpr bool trains = posttrain::trains<Params>();
  static constexpr bool has_reference = posttrain::has_reference<Params>();
  static constexpr bool saves_model = posttrain::saves_model<Params>();

  Params params;
  const Teacher* teacher;
  Storage storage;  // of the teacher's matrices

  WithTeacher(Params inner, const Teacher& model, Storage of_teacher = {})
      : params(std::move(inner)), teacher(&model), storage(std::move(of_teacher)) {}

  void validate() const {
    if constexpr (requires { params.validate(); }) params.validate();
    storage.validate();
  }

  std::string description() const {
    std::string content;
    if constexpr (requires { teacher->content(); }) content = teacher->content().text();
    return fmt::format("WithTeacher{{{}, {}, {}}}", describe(params), content, describe(storage));
  }

  template <class Model>
  auto attach(const Model& model, const std::shared_ptr<Communicator>& ranks = nullptr) const {
    detail::check_same_tokens(model, *teacher);
    if (teacher->dtype() != model.dtype() || teacher->device() != model.device()) {
      raise("expected a teacher of the model's dtype on its device, {} on {}, got {} on {}",
            c10::toString(model.dtype()), model.device().str(), c10::toString(teacher->dtype()),
            teacher->device().str());
    }
    auto gate = BasicFrozen<Storage>{storage}.attach(*teacher);
    return TeacherState<StateOf<Params, Model>, Teacher, decltype(gate)>(
        attach_among(ranks, params, model), *teacher, std::move(gate));
  }
};

}  // namespace posttrain
