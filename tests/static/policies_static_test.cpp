// SPDX-License-Identifier: Apache-2.0
// The library's policies fulfil their roles, and none the role of another.
#include "posttrain/concepts/batch.hpp"
#include "posttrain/concepts/data.hpp"
#include "posttrain/concepts/experiment.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/concepts/model.hpp"
#include "posttrain/concepts/optimizer.hpp"
#include "posttrain/concepts/params.hpp"
#include "posttrain/data/answers.hpp"
#include "posttrain/data/documents.hpp"
#include "posttrain/data/messages.hpp"
#include "posttrain/data/mixture.hpp"
#include "posttrain/data/pipeline/stream.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/data/reward_pairs.hpp"
#include "posttrain/data/steps.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/losses/bradley_terry.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/losses/step_reward.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain::policies_test {

using models::Decoder;

static_assert(LossPolicy<NextToken>);
static_assert(!LossPolicy<Full> && !LossPolicy<AdamW> && !LossPolicy<Messages>);
static_assert(!needs_reference<NextToken>());
static_assert(NextToken::row_local);
static_assert(LossPolicy<Dpo> && MeasuresScores<Dpo> && needs_reference<Dpo>());
static_assert(LossPolicy<OnChosen<NextToken>> && !needs_reference<OnChosen<NextToken>>());
using Rpo = decltype(Dpo{} + 0.5 * OnChosen{NextToken{}});
static_assert(LossPolicy<Rpo> && CountsTerms<Rpo> && needs_reference<Rpo>());
static_assert(!GathersStatistics<Rpo> && !LossPolicy<WithFrozenReference<Full>>);

static_assert(LossPolicy<BradleyTerry> && MeasuresScores<BradleyTerry>);
static_assert(LossPolicy<StepReward> && MeasuresScores<StepReward> && StepReward::row_local);
static_assert(!needs_reference<BradleyTerry>() && !needs_reference<StepReward>());
static_assert(predicts_rewards<RewardBatch>() && predicts_rewards<StepRewardBatch>());
static_assert(!predicts_rewards<TokenBatch>() && !predicts_rewards<PairBatch>());
static_assert(predicts_rewards<hub::RewardModel>() && !predicts_rewards<Decoder>());
static_assert(!predicts_rewards<hub::PretrainedDecoder>());
static_assert(CutsSlices<RewardBatch> && MovesToDevice<RewardBatch>);
static_assert(CutsSlices<StepRewardBatch> && MovesToDevice<StepRewardBatch>);
static_assert(StreamsBatches<data::Stream<RewardKind>, RewardBatch>);
static_assert(StreamsBatches<data::Stream<StepKind>, StepRewardBatch>);
static_assert(std::is_same_v<BatchOfData<SteppedSolutions>::type, StepRewardBatch>);
static_assert(LoadsItems<SteppedSolutions> && !data::LoadsPairs<SteppedSolutions>);
static_assert(data::LoadsPairs<Preferences> && !data::LoadsPairs<Messages>);
static_assert(LoadsItems<RewardPairs<Preferences>>);
static_assert(ItemKind<SequenceKind> && ItemKind<PairKind> && ItemKind<RewardKind>);
static_assert(ItemKind<AnswerKind> && ItemKind<StepKind> && !ItemKind<NextToken>);
static_assert(PacksSteps<AnswerKind> && !PacksSteps<PairKind>);
static_assert(KeepsReference<PairKind> && !KeepsReference<RewardKind> && !KeepsReference<StepKind>);
static_assert(std::is_same_v<BatchOfData<RewardPairs<Preferences>>::type, RewardBatch>);

static_assert(AttachesTo<Full, Decoder>);
static_assert(AttachesTo<Full, hub::PretrainedDecoder>);
static_assert(!AttachesTo<NextToken, Decoder> && !AttachesTo<AdamW, Decoder>);
static_assert(std::is_same_v<StateOf<Full, Decoder>, FullState>);
static_assert(ListsTrainable<FullState> && ShowsTrainable<FullState> && NamesTensors<FullState>);
static_assert(trains<Full>() && AttachesTo<Frozen, Decoder> && !trains<Frozen>());
static_assert(!has_reference<Full>() && has_reference<WithFrozenReference<Full>>());
static_assert(has_storage<Full>() && has_storage<NextToken>());
static_assert(StoresMatrices<Dense> && !StoresMatrices<Full>);
static_assert(saves_model<Full>());

using PromptStateOf = StateOf<PromptTuning, Decoder>;
using PrefixStateOf = StateOf<PrefixTuning, Decoder>;
static_assert(std::is_same_v<StateOf<From<PromptTuning>, Decoder>, PromptStateOf>);
static_assert(std::is_same_v<StateOf<From<PrefixTuning>, Decoder>, PrefixStateOf>);
static_assert(ListsTrainable<PromptStateOf> && NamesTensors<PromptStateOf>);
static_assert(ListsTrainable<PrefixStateOf> && NamesTensors<PrefixStateOf>);
static_assert(PreparesBatches<PromptStateOf> && PreparesBatches<PrefixStateOf>);
static_assert(!PreparesBatches<FullState>);
static_assert(has_reference<PromptTuning>() && has_reference<PrefixTuning>());
static_assert(has_reference<From<PromptTuning>>() && has_reference<From<PrefixTuning>>());
static_assert(!saves_model<PromptTuning>() && !saves_model<PrefixTuning>());
static_assert(ComputesHidden<Decoder, PromptStateOf, TokenBatch>);
static_assert(ComputesHidden<Decoder, PrefixStateOf, TokenBatch>);

static_assert(ComputesHidden<Decoder, FullState, TokenBatch>);
static_assert(ComputesLogits<Decoder, FullState> && KnowsDevice<Decoder>);
static_assert(ComputesHidden<hub::PretrainedDecoder, FullState, TokenBatch>);
static_assert(ComputesLogits<hub::PretrainedDecoder, FullState>);

static_assert(LoadsSequences<Messages> && LoadsSequences<Documents> && LoadsSequences<Tokenized>);
static_assert(LoadsSequences<Mixture<Messages, Documents>>);
static_assert(!OpensStream<Messages> && !OpensStream<Documents> && !OpensStream<Tokenized>);
static_assert(std::is_same_v<BatchOfData<Messages>::type, TokenBatch>);
static_assert(StreamsBatches<data::TokenStream<>, TokenBatch>);
static_assert(CountsTokens<TokenBatch> && ListsPredictions<TokenBatch> && NamesSamples<TokenBatch>);
static_assert(CutsSlices<TokenBatch> && MovesToDevice<TokenBatch>);
static_assert(!LoadsSequences<NextToken> && !LoadsSequences<Full>);

static_assert(AttachesToGroups<AdamW> && StepsGroups<AdamW> && NamesMoments<AdamW>);
static_assert(AttachesToGroups<AdamW8bit> && StepsGroups<AdamW8bit> && NamesMoments<AdamW8bit>);
static_assert(!AttachesToGroups<NextToken>);

// Policies are aggregates of hyperparameters.
static_assert(std::is_aggregate_v<NextToken> && std::is_aggregate_v<Full>);
static_assert(std::is_aggregate_v<Frozen>);
static_assert(std::is_aggregate_v<PromptTuning> && std::is_aggregate_v<PrefixTuning>);
static_assert(std::is_aggregate_v<AdamW> && std::is_aggregate_v<AdamW8bit>);
static_assert(std::is_aggregate_v<Options>);
static_assert(std::is_aggregate_v<Messages> && std::is_aggregate_v<Documents>);
static_assert(std::is_aggregate_v<Tokenized> && std::is_aggregate_v<optim::Schedule>);

// A legal combination is an engine, a whole experiment is a constant.
static_assert(std::is_base_of_v<Engine<Decoder, NextToken, Full, Tokenized, AdamW>,
                                Trainer<Decoder, NextToken, Full, Tokenized, AdamW>>);
constexpr auto kRun =
    checked(Experiment{NextToken{.z_loss = 1e-4}, Full{}, Tokenized{.path = "tokens.jsonl"},
                       AdamW{.weight_decay = 0.1}, Options{.learning_rate = 1e-4}});
static_assert(kRun.options.learning_rate == 1e-4 && kRun.optimizer.weight_decay == 0.1);
constexpr auto kPrompt =
    checked(Experiment{NextToken{}, PromptTuning{.num_virtual_tokens = 8}, Tokenized{.path = "x"},
                       AdamW{}, Options{.learning_rate = 0.1}});
static_assert(kPrompt.params.init == PromptInit::sample_vocab);
static_assert(kRun.data.path == "tokens.jsonl");

}  // namespace posttrain::policies_test
