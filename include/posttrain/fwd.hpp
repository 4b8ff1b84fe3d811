// SPDX-License-Identifier: Apache-2.0
// Names only, no ATen: for headers that mention the library's types in signatures.
#pragma once

namespace at {
class Tensor;
}

namespace c10 {
struct Device;
}

namespace posttrain {

using at::Tensor;
struct TokenBatch;
struct PairBatch;
struct AnswerBatch;
struct RewardBatch;
struct StepRewardBatch;
struct RolloutBatch;
struct Rollout;
struct SampleAdvantage;
struct RolloutNeeds;
struct SequenceKind;
struct Scores;
struct PairScores;
struct Need;
template <class Batch>
class Scored;
class MetricMeans;
class Communicator;
struct Weight;
struct ParameterGroup;
struct NamedTensor;
struct NextToken;
struct Dense;
template <class Storage>
struct BasicFull;
using Full = BasicFull<Dense>;
struct AdamW;

struct ModelCall;

namespace models {
class Decoder;
}  // namespace models

namespace data {
struct LoadContext;
class SequenceStore;
template <class Store>
struct Loaded;
using LoadedData = Loaded<SequenceStore>;
struct SamplerPosition;
struct DataReport;
}  // namespace data

template <class Model, class State, class Loss>
class PolicyView;
template <class Model, class Loss, class Params, class Data, class Optimizer>
class Trainer;

}  // namespace posttrain
