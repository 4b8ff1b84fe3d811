// SPDX-License-Identifier: Apache-2.0
// Every update on every storage fulfils the role of a parameter policy.
#include "posttrain/concepts/data.hpp"
#include "posttrain/concepts/experiment.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/concepts/model.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/eva.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft/files.hpp"
#include "posttrain/params/osft_factored.hpp"
#include "posttrain/params/osft_on_inputs.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/params/with_moving_reference.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer/options.hpp"

namespace posttrain::updates_test {

using models::Decoder;

/// What the engine asks of a policy and of its state; a policy is an aggregate.
template <class Params>
constexpr bool trains_decoder() {
  using State = StateOf<Params, Decoder>;
  return AttachesTo<Params, Decoder> && trains<Params>() && ListsTrainable<State> &&
         NamesTensors<State> && ComputesHidden<Decoder, State, TokenBatch> &&
         ComputesLogits<Decoder, State> && std::is_aggregate_v<Params> && !LossPolicy<Params> &&
         !LoadsSequences<Params>;
}

template <template <class> class Update>
constexpr bool on_every_storage() {
  return trains_decoder<Update<Dense>>() && trains_decoder<Update<Nf4>>() &&
         trains_decoder<Update<Int8>>();
}

template <class Storage>
using LoraFolder = From<BasicLora<Storage>>;
template <class Storage>
using OsftFolder = From<BasicOsft<Storage>>;

static_assert(StoresMatrices<Dense> && StoresMatrices<Nf4> && StoresMatrices<Int8>);
static_assert(on_every_storage<BasicLora>() && on_every_storage<LoraFolder>());
static_assert(on_every_storage<BasicOsft>() && on_every_storage<OsftFolder>());
static_assert(on_every_storage<BasicOsftOnInputs>());
static_assert(trains_decoder<OsftFactored>());
static_assert(std::is_same_v<QLora, BasicLora<Nf4>>);
// Adapters and subspaces leave the base in reach; full fine-tuning needs a copy.
static_assert(has_reference<Lora>() && has_reference<QLora>() && has_reference<From<Lora>>());
static_assert(has_reference<Osft>() && has_reference<OsftOnInputs>());
static_assert(trains_decoder<WithFrozenReference<Full>>());
static_assert(trains_decoder<WithMovingReference<Full>>());
static_assert(has_reference<WithMovingReference<Full>>());
static_assert(saves_model<Osft>() && saves_model<Lora>());

constexpr auto kLora = checked(Experiment{NextToken{}, QLora{.rank = 8}, Tokenized{.path = "x"},
                                          AdamW{}, Options{.learning_rate = 1e-4}});
static_assert(kLora.params.rank == 8);
constexpr auto kOsft =
    checked(Experiment{NextToken{}, Osft{.unfreeze_rank_ratio = 0.25}, Tokenized{.path = "x"},
                       AdamW{}, Options{.learning_rate = 1e-5}});
static_assert(kOsft.params.unfreeze_rank_ratio == 0.25);

}  // namespace posttrain::updates_test
