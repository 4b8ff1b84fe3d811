// SPDX-License-Identifier: Apache-2.0
// Every concept of the headers of concepts/, fulfilled and not.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

namespace posttrain::concepts_test {

struct Nothing {};

// --- loss ----------------------------------------------------------------------------------------
struct OtherBatch {};
struct WithoutBatch {
  static constexpr bool row_local = true;
};
struct RowLocalOfAnotherType {
  using Batch = TokenBatch;
  static constexpr Nothing row_local{};
};
struct CountOfOther : fake::Loss {
  double count(const OtherBatch& batch) const;
};
struct CountOfTensor : fake::Loss {
  Tensor count(const Batch& batch) const;
};
struct CountNotConst : fake::Loss {
  double count(const Batch& batch);
};
struct SumOfDouble : fake::Loss {
  double sum(const Scores& scores, const Batch& batch) const;
};
struct SumWithoutBatch : fake::Loss {
  Tensor sum(const Scores& scores) const;
};
struct Items : TokenBatch {
  std::int64_t items() const;
};
struct OnItems {
  using Batch = Items;
  Tensor losses(const Scores& scores, const Batch& batch) const;
};
struct OnCoupledItems {
  using Batch = Items;
  using Statistics = Nothing;
  Statistics gather(const std::vector<Scored<Batch>>& step) const;
  Tensor losses(const Scores& scores, const Batch& batch, const Statistics& statistics) const;
};
struct OnNoItems : OnItems {
  using Batch = TokenBatch;
  Tensor losses(const Scores& scores, const Batch& batch) const;
};
struct OnPairs {
  using Batch = PairBatch;
  Tensor losses(const PairScores& pairs) const;
};
struct OnCoupledPairs {
  using Batch = PairBatch;
  using Statistics = Nothing;
  Statistics gather(const std::vector<Scored<Batch>>& step) const;
  Tensor losses(const PairScores& pairs, const Statistics& statistics) const;
};
struct OnPairsOfTokens : OnPairs {
  using Batch = TokenBatch;
};
struct OnPairsByNumbers {
  using Batch = PairBatch;
  std::vector<double> losses(const PairScores& pairs) const;
};
struct Comparing : fake::Loss {
  static constexpr bool needs_reference = true;
};
struct NotComparing : fake::Loss {
  static constexpr bool needs_reference = false;
};

static_assert(HasBatchType<fake::Loss> && !HasBatchType<WithoutBatch>);
static_assert(DeclaresRowLocal<fake::Loss> && !DeclaresRowLocal<Nothing>);
static_assert(!DeclaresRowLocal<RowLocalOfAnotherType>);
static_assert(CountsBatch<fake::Loss> && !CountsBatch<RowLocalOfAnotherType>);
static_assert(!CountsBatch<CountOfOther> && !CountsBatch<CountOfTensor>);
static_assert(!CountsBatch<CountNotConst> && !CountsBatch<WithoutBatch>);
static_assert(SumsScores<fake::Loss> && !SumsScores<SumOfDouble> && !SumsScores<SumWithoutBatch>);
static_assert(LossPolicy<fake::Loss> && LossPolicy<Comparing> && !LossPolicy<Nothing>);
static_assert(!LossPolicy<SumOfDouble> && !LossPolicy<CountOfOther>);
static_assert(ValuesItems<OnItems> && LossPolicy<OnItems> && !GathersStatistics<OnItems>);
static_assert(ValuesItems<OnCoupledItems> && LossPolicy<OnCoupledItems>);
static_assert(GathersStatistics<OnCoupledItems> && !ValuesItems<fake::Loss>);
static_assert(!ValuesItems<OnNoItems> && !LossPolicy<OnNoItems>);
static_assert(DeclaresRowLocal<OnItems> && !row_local<OnItems>() && row_local<fake::Loss>());
static_assert(ValuesPairs<OnPairs> && LossPolicy<OnPairs> && MeasuresScores<OnPairs>);
static_assert(!row_local<OnPairs>() && !needs_reference<OnPairs>());
static_assert(ValuesPairs<OnCoupledPairs> && GathersStatistics<OnCoupledPairs>);
static_assert(!ValuesPairs<OnPairsOfTokens> && !ValuesPairs<OnItems> && !MeasuresScores<OnItems>);
static_assert(NamesLosses<OnPairsByNumbers> && !ValuesItems<OnPairsByNumbers>);
static_assert(NamesLosses<OnPairs> && !NamesLosses<fake::Loss>);
static_assert(needs_reference<Comparing>());
static_assert(!needs_reference<NotComparing>() && !needs_reference<fake::Loss>());

// --- batches -------------------------------------------------------------------------------------
struct MovesInPlace : TokenBatch {
  void to(c10::Device device);
};
struct SliceOfBase : TokenBatch {};  // its slices and copies have lost what it adds

static_assert(CountsTokens<TokenBatch> && !CountsTokens<OtherBatch>);
static_assert(ListsPredictions<TokenBatch> && !ListsPredictions<OtherBatch>);
static_assert(NamesSamples<TokenBatch> && !NamesSamples<OtherBatch>);
static_assert(CutsSlices<TokenBatch> && !CutsSlices<OtherBatch> && !CutsSlices<SliceOfBase>);
static_assert(MovesToDevice<TokenBatch> && !MovesToDevice<MovesInPlace>);
static_assert(!MovesToDevice<SliceOfBase> && !MovesToDevice<OtherBatch>);

// --- parameters ----------------------------------------------------------------------------------
struct AttachesToOthers {
  fake::ParamsState attach(const Nothing& model) const;
};
struct AttachNotConst {
  fake::ParamsState attach(const auto& model);
};
struct TrainableByValue : fake::ParamsState {
  std::vector<ParameterGroup> trainable();
};
struct WithoutPublish {
  std::vector<ParameterGroup>& trainable();
};
struct WeightsNotConst : fake::ParamsState {
  std::vector<NamedTensor> weights();
};
struct ReadOnly : fake::Params {
  static constexpr bool trains = false;
};
struct WithReference : fake::Params {
  static constexpr bool has_reference = true;
};

static_assert(AttachesTo<fake::Params, fake::Model> && !AttachesTo<Nothing, fake::Model>);
static_assert(!AttachesTo<AttachesToOthers, fake::Model> && AttachesTo<AttachesToOthers, Nothing>);
static_assert(!AttachesTo<AttachNotConst, fake::Model>);
static_assert(std::is_same_v<StateOf<fake::Params, fake::Model>, fake::ParamsState>);
static_assert(ListsTrainable<fake::ParamsState> && !ListsTrainable<Nothing>);
static_assert(!ListsTrainable<TrainableByValue> && !ListsTrainable<WithoutPublish>);
static_assert(NamesTensors<fake::ParamsState> && !NamesTensors<Nothing>);
static_assert(!NamesTensors<WeightsNotConst>);
static_assert(ShowsTrainable<fake::ParamsState> && !ShowsTrainable<Nothing>);
static_assert(!ShowsTrainable<TrainableByValue> && !ShowsTrainable<WithoutPublish>);
static_assert(trains<fake::Params>() && trains<WithReference>() && !trains<ReadOnly>());
static_assert(has_reference<WithReference>() && !has_reference<fake::Params>());

// --- model ---------------------------------------------------------------------------------------
struct HiddenOfAnotherBatch {
  Tensor hidden(const auto& gate, const OtherBatch& batch) const;
};
struct HiddenWithoutGate {
  Tensor hidden(const TokenBatch& batch) const;
};
struct WithoutVocabulary {
  Tensor logits(const auto& gate, const Tensor& rows) const;
};
struct LogitsByReference {
  const Tensor& logits(const auto& gate, const Tensor& rows) const;
  std::int64_t vocab_size() const;
};

static_assert(ComputesHidden<fake::Model, fake::ParamsState, TokenBatch>);
static_assert(!ComputesHidden<fake::Model, fake::ParamsState, OtherBatch>);
static_assert(ComputesHidden<HiddenOfAnotherBatch, fake::ParamsState, OtherBatch>);
static_assert(!ComputesHidden<HiddenWithoutGate, fake::ParamsState, TokenBatch>);
static_assert(ComputesLogits<fake::Model, fake::ParamsState>);
static_assert(!ComputesLogits<WithoutVocabulary, fake::ParamsState>);
static_assert(!ComputesLogits<LogitsByReference, fake::ParamsState>);
static_assert(!ComputesLogits<Nothing, fake::ParamsState>);
static_assert(KnowsDevice<fake::Model> && !KnowsDevice<WithoutVocabulary>);

struct Torchlike {
  Tensor hidden(Tensor ids, Tensor positions, Tensor mask);
  Tensor logits(Tensor rows);
};
struct ForwardOnly {
  Tensor forward(Tensor ids);
};

static_assert(ReadsTokens<Torchlike> && ProjectsRows<Torchlike>);
static_assert(!ReadsTokens<ForwardOnly> && !ProjectsRows<ForwardOnly>);
static_assert(!ReadsTokens<const Torchlike>);  // a module may change in its forward pass
static_assert(check_module<Torchlike>());

// --- data ----------------------------------------------------------------------------------------
struct LoadsNothing {
  void load(const data::LoadContext& context) const;
};
struct OwnBatches {
  using Batch = OtherBatch;
  fake::Stream<Batch> open(const data::LoadContext& context,
                           std::int64_t effective_batch_size) const;
};
struct OpensWithoutBatch {
  int open(const data::LoadContext& context, std::int64_t effective_batch_size) const;
};

static_assert(LoadsSequences<fake::Data> && !LoadsSequences<LoadsNothing>);
static_assert(!LoadsItems<fake::Data> && !LoadsItems<LoadsNothing>);
static_assert(!LoadsSequences<OwnBatches> && !LoadsSequences<Nothing>);
static_assert(OpensStream<OwnBatches> && !OpensStream<OpensWithoutBatch>);
static_assert(!OpensStream<fake::Data>);
static_assert(std::is_same_v<BatchOfData<OwnBatches>::type, OtherBatch>);
static_assert(StreamsBatches<StreamOf<OwnBatches>, OtherBatch>);
static_assert(!StreamsBatches<StreamOf<OwnBatches>, TokenBatch>);
static_assert(!StreamsBatches<StreamOf<OpensWithoutBatch>, TokenBatch>);
static_assert(std::is_same_v<BatchOfData<fake::Data>::type, TokenBatch>);

// --- optimizer -----------------------------------------------------------------------------------
struct StepOfTwo {
  void step(std::vector<ParameterGroup>& groups, double learning_rate);
};
struct WithShortStep {
  StepOfTwo attach(const std::vector<ParameterGroup>& groups) const;
};

static_assert(AttachesToGroups<fake::Optimizer> && !AttachesToGroups<Nothing>);
static_assert(StepsGroups<fake::Optimizer> && !StepsGroups<WithShortStep>);
static_assert(AttachesToGroups<WithShortStep> && !StepsGroups<Nothing>);
static_assert(NamesMoments<fake::Optimizer> && !NamesMoments<WithShortStep>);
static_assert(!NamesMoments<Nothing>);

// --- events --------------------------------------------------------------------------------------
struct ByValue {
  void on(event::AfterStep e);
};
struct ByReference {
  void on(const event::Evaluated& e);
};
struct ConstCallback {
  void on(const event::TrainEnd& e) const;
};
struct OfMetrics {
  void on(const StepMetrics& metrics);
};

static_assert(Hears<ByValue, event::AfterStep> && !Hears<ByValue, event::TrainEnd>);
static_assert(Hears<ByReference, event::Evaluated> && !Hears<ByReference, event::AfterStep>);
static_assert(HearsSomething<ByValue> && HearsSomething<ByReference>);
static_assert(HearsSomething<ConstCallback> && Hears<const ConstCallback, event::TrainEnd>);
static_assert(!HearsSomething<Nothing> && !HearsSomething<OfMetrics>);
static_assert(!HooksUnknown<Nothing> && !HooksUnknown<OfMetrics> && !HooksUnknown<ByValue>);

// --- the check of a whole Trainer ----------------------------------------------------------------
static_assert(check_trainer<fake::Model, fake::Loss, fake::Params, fake::Data, fake::Optimizer>());
static_assert(check_trainer<fake::Model, Comparing, WithReference, fake::Data, fake::Optimizer>());
static_assert(check_trainer<fake::Model, fake::Loss, WithReference, fake::Data, fake::Optimizer>());
static_assert(check_callback<ByValue>());

}  // namespace posttrain::concepts_test
