// SPDX-License-Identifier: Apache-2.0
// Verification beside generation: threads take samples as they finish.
//
//   VerifierPool pool{RewardSum{MathAnswer{}, Weigh{FormatTags{}, 0.2}}, {.threads = 2}};
//   pool.begin(/*samples=*/128, /*group_size=*/8);
//   … pool.add(index, sample) for each as it ends, in any order …
//   const Verified verified = pool.finish();       // one verdict for each sample and verifier
//
// No signals, and no exceptions across threads: a verifier that throws, gives what is no number or
// takes longer than `timeout` is a failure, reported with its sample and counted. A thread that
// hangs is left alone with what it refers to (it cannot be stopped) and replaced; Command ends its
// program itself. Verdicts stand at their sample's index, whatever the order in which they were
// made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/reward_sum.hpp"
#include "posttrain/rewards/sample.hpp"
#include "posttrain/rewards/verifier.hpp"

namespace posttrain {

/// What becomes of a sample whose verifier failed.
enum class OnError {
  stop,            // finish() throws an Error that names the first one
  zero,            // the verifier's value is 0
  not_applicable,  // the verifier does not count
};

struct VerifierPoolOptions {
  int threads = 1;       // 1 to 256
  double timeout = 5.0;  // seconds of one call of a verifier
  OnError on_error = OnError::stop;

  void validate() const;
};

/// A verifier that failed on a sample.
struct VerifierFailure {
  std::size_t sample = 0;  // its index
  std::string verifier;
  std::string what;  // in one line
  bool timed_out = false;
};

/// One verifier over all samples of a round.
struct VerifierTotals {
  std::string name;
  std::int64_t judged = 0;      // verdicts, the failures' included
  std::int64_t applicable = 0;  // verdicts with a value
  std::int64_t failed = 0;      // timeouts included
  std::int64_t timed_out = 0;
  double sum = 0.0;      // of the values
  double seconds = 0.0;  // of its calls, added over threads

  /// Of the applicable values; 0 where there are none.
  double mean() const { return applicable > 0 ? sum / static_cast<double>(applicable) : 0.0; }
};

/// A round's result.
struct Verified {
  std::vector<std::vector<Verdict>> verdicts;  // [sample][verifier]
  std::vector<Verdict> rewards;                // [sample], by weights
  std::vector<VerifierFailure> failures;       // by sample, then verifier
  std::vector<VerifierTotals> totals;          // [verifier]
};

namespace rewards {

/// The verifiers that a pool runs, without their types. `judge` is called by several threads.
class Judges {
 public:
  virtual ~Judges() = default;
  virtual const std::vector<std::string>& names() const = 0;
  virtual bool takes_group(std::size_t verifier) const = 0;
  virtual std::vector<Verdict> judge(std::size_t verifier, std::span<const Sample>) const = 0;
  virtual Verdict combined(std::span<const Verdict> of_verifiers) const = 0;
};

/// The threads and the rounds of a VerifierPool.
class PoolThreads {
 public:
  PoolThreads(std::shared_ptr<const Judges> judges, const VerifierPoolOptions& options);
  PoolThreads(const PoolThreads&) = delete;
  PoolThreads& operator=(const PoolThreads&) = delete;
  ~PoolThreads();

  void begin(std::size_t samples, std::size_t group_size);
  void add(std::size_t index, Sample sample);
  Verified finish();
  std::size_t judged() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

template <class... V>
class JudgesOf : public Judges {
 public:
  explicit JudgesOf(RewardSum<V...> verifiers) : verifiers_(std::move(verifiers)) {}

  const std::vector<std::string>& names() const override { return verifiers_.names(); }
  bool takes_group(std::size_t verifier) const override {
    return RewardSum<V...>::takes_group()[verifier];
  }
  std::vector<Verdict> judge(std::size_t verifier, std::span<const Sample> samples) const override {
    return verifiers_.judge(verifier, samples);
  }
  Verdict combined(std::span<const Verdict> of_verifiers) const override {
    return verifiers_.combined(of_verifiers);
  }

 private:
  RewardSum<V...> verifiers_;
};

}  // namespace rewards

/// Judges rounds of samples by verifiers, which must be safe to call from several threads at once
/// (those of the library are).
class VerifierPool {
 public:
  /// Options and verifiers are checked here.
  template <class... V>
  explicit VerifierPool(RewardSum<V...> verifiers, const VerifierPoolOptions& options = {})
      : threads_(nullptr) {
    verifiers.validate();
    threads_ = std::make_unique<rewards::PoolThreads>(
        std::make_shared<rewards::JudgesOf<V...>>(std::move(verifiers)), options);
  }

  /// Of one verifier.
  template <Verifier V>
  explicit VerifierPool(V verifier, const VerifierPoolOptions& options = {})
      : VerifierPool(RewardSum{std::move(verifier)}, options) {}

  /// Expects samples 0 … samples − 1, `group_size` in a row of one prompt.
  void begin(std::size_t samples, std::size_t group_size = 1) {
    threads_->begin(samples, group_size);
  }

  /// Hands a sample over; returns at once. An index twice, or beyond the round, is an error.
  void add(std::size_t index, Sample sample) { threads_->add(index, std::move(sample)); }

  /// Verdicts of this round that are there; for progress.
  std::size_t judged() const { return threads_->judged(); }

  /// Waits for the verdicts of all samples. A sample that was never added is an error.
  Verified finish() { return threads_->finish(); }

  /// A round of samples that are all there.
  Verified verify(std::vector<Sample> samples, std::size_t group_size = 1) {
    begin(samples.size(), group_size);
    for (std::size_t i = 0; i < samples.size(); ++i) add(i, std::move(samples[i]));
    return finish();
  }

 private:
  std::unique_ptr<rewards::PoolThreads> threads_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/pool.ipp"
#endif
