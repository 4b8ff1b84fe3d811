// SPDX-License-Identifier: Apache-2.0
// draw_tokens by the kernel and by plain operations, each against a slow reference in double.
#include "posttrain/generate/token_sampler.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/generate/draw_key.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using namespace posttrain::test;
using kernel_test::normal;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Draw = Drawn (*)(const Tensor&, std::span<const DrawRow>, DrawRecord);
struct Implementation {
  std::string name;
  Draw draw;
  at::ScalarType type;
};

/// On the tests' device; results on the host.
Drawn draw_on_device(const Tensor& logits, std::span<const DrawRow> rows, DrawRecord record) {
  Drawn drawn = draw_tokens(logits.to(test_device()), rows, record);
  const bool one_tensor = drawn.plain_logps.is_same(drawn.logps);
  for (Tensor* tensor : {&drawn.ids, &drawn.logps, &drawn.plain_logps, &drawn.entropy,
                         &drawn.top_ids, &drawn.top_logps, &drawn.support, &drawn.support_sizes}) {
    if (tensor->defined()) *tensor = tensor->to(at::kCPU);
  }
  if (one_tensor) drawn.plain_logps = drawn.logps;
  return drawn;
}

/// Everything that draws.
std::vector<Implementation> implementations() {
  std::vector<Implementation> all{
      {"kernel, float32", posttrain::detail::draw_by_rows, at::kFloat},
      {"kernel, bfloat16", posttrain::detail::draw_by_rows, at::kBFloat16},
      {"operations, float32", posttrain::detail::draw_by_operations, at::kFloat},
      {"operations, bfloat16", posttrain::detail::draw_by_operations, at::kBFloat16},
      {"operations, float64", posttrain::detail::draw_by_operations, at::kDouble}};
  if (test_device().is_cuda()) {
    all.push_back({"kernel on CUDA, float32", draw_on_device, at::kFloat});
    all.push_back({"kernel on CUDA, bfloat16", draw_on_device, at::kBFloat16});
  }
  return all;
}

std::vector<double> numbers_of(const Tensor& tensor) {
  const Tensor wide = tensor.to(at::kCPU).to(at::kDouble).contiguous();
  const double* data = wide.const_data_ptr<double>();
  return {data, data + wide.numel()};
}
std::vector<std::int64_t> ids_of(const Tensor& tensor) {
  const Tensor wide = tensor.to(at::kCPU).contiguous();
  const std::int64_t* data = wide.const_data_ptr<std::int64_t>();
  return {data, data + wide.numel()};
}

/// The distribution of a row: what is drawn from, and under temperature alone.
struct Expected {
  std::vector<double> p, plain;    // [V]
  std::vector<std::int64_t> kept;  // likeliest first
  double entropy = 0;
};

std::vector<double> softmax(const std::vector<double>& z, double temperature) {
  const double largest = *std::max_element(z.begin(), z.end());
  std::vector<double> p;
  for (const double value : z) p.push_back(std::exp((value - largest) / temperature));
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= total;
  return p;
}

Expected expected_of(std::vector<double> z, const DrawRow& row) {
  const bool greedy = row.temperature == 0;
  const double temperature = greedy ? 1.0 : row.temperature;
  Expected expected;
  expected.plain = softmax(z, temperature);
  for (const TokenId id : row.suppressed) z[static_cast<std::size_t>(id)] = -kInfinity;
  for (const SeenToken& token : row.seen) {
    double& value = z[static_cast<std::size_t>(token.id)];
    value = value > 0 ? value / row.repetition_penalty : value * row.repetition_penalty;
    if (token.sampled > 0) {
      value -= row.frequency_penalty * static_cast<double>(token.sampled) + row.presence_penalty;
    }
  }
  expected.p = softmax(z, temperature);
  std::vector<std::int64_t> order(z.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return z[static_cast<std::size_t>(a)] > z[static_cast<std::size_t>(b)];
  });
  const auto at = [](const std::vector<double>& values, std::int64_t i) {
    return values[static_cast<std::size_t>(i)];
  };
  const double largest = at(z, order[0]);
  std::vector<std::int64_t> kept;
  double left = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double value = at(z, order[i]);
    if (value == -kInfinity) break;
    if (!greedy && row.min_p > 0 && value < largest + temperature * std::log(row.min_p)) break;
    if (!greedy && row.top_k > 0 && static_cast<std::int64_t>(i) >= row.top_k &&
        value < at(z, order[static_cast<std::size_t>(row.top_k - 1)])) {
      break;
    }
    kept.push_back(order[i]);
    left += at(expected.p, order[i]);
  }
  double before = 0;
  for (const std::int64_t id : kept) {
    if (!greedy && before >= row.top_p * left) break;
    before += at(expected.p, id);
    expected.kept.push_back(id);
  }
  std::vector<double> p(z.size(), 0.0);
  for (const std::int64_t id : expected.kept) {
    const double probability = at(expected.p, id) / before;
    p[static_cast<std::size_t>(id)] = probability;
    if (probability > 0) expected.entropy -= probability * std::log(probability);
  }
  expected.p = p;
  return expected;
}

/// What filters leave, ascending; none where there are no filters, or they leave all.
std::vector<std::int64_t> left_of(const Expected& expected, const DrawRow& row,
                                  std::int64_t width) {
  const bool cuts = row.temperature > 0 &&
                    ((row.top_k > 0 && row.top_k < width) || row.top_p < 1.0 || row.min_p > 0);
  if (!cuts || std::ssize(expected.kept) == width) return {};
  std::vector<std::int64_t> left = expected.kept;
  std::sort(left.begin(), left.end());
  return left;
}

/// How far `uniform` is outside of the part of [0, 1) that belongs to `id`.
double outside(const std::vector<double>& p, std::int64_t id, double uniform) {
  double before = 0;
  for (std::int64_t i = 0; i < id; ++i) before += p[static_cast<std::size_t>(i)];
  const double after = before + p[static_cast<std::size_t>(id)];
  return std::max({0.0, before - uniform, uniform - after});
}

/// Rows of options, with the ids that they refer to.
struct Rows {
  std::vector<DrawRow> rows;
  std::vector<TokenIds> suppressed;
  std::vector<std::vector<SeenToken>> seen;

  void add(DrawRow row, TokenIds not_these = {}, std::vector<SeenToken> counts = {}) {
    rows.push_back(row);
    suppressed.push_back(std::move(not_these));
    seen.push_back(std::move(counts));
  }
  std::span<const DrawRow> get() {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].suppressed = suppressed[i];
      rows[i].seen = seen[i];
    }
    return rows;
  }
};

/// Every option alone, some together, all together.
Rows option_rows(std::int64_t width, std::uint64_t seed) {
  Philox4x32 generator(seed, 1);
  const auto some_id = [&] {
    return static_cast<TokenId>(generator.below(static_cast<std::uint64_t>(width)));
  };
  TokenIds banned;
  SeenTokens seen;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(width / 3, 40); ++i) {
    banned.push_back(some_id());
    seen.add_prompt(TokenIds{some_id(), some_id()});
    seen.add_sampled(some_id());
    seen.add_sampled(some_id());
  }
  const std::vector<SeenToken> counts(seen.tokens().begin(), seen.tokens().end());
  const auto u = [&] { return generator.uniform(); };
  Rows rows;
  rows.add({.uniform = u()});
  rows.add({.uniform = u(), .temperature = 0.0});
  rows.add({.uniform = u(), .temperature = 0.6});
  rows.add({.uniform = u(), .temperature = 2.5});
  for (const std::int64_t k : {1, 2, 5, 40, 400, 5000}) rows.add({.uniform = u(), .top_k = k});
  for (const double p : {1e-6, 0.1, 0.5, 0.9, 0.95, 0.999}) rows.add({.uniform = u(), .top_p = p});
  for (const double p : {0.01, 0.1, 0.6, 1.0}) rows.add({.uniform = u(), .min_p = p});
  rows.add({.uniform = u(), .repetition_penalty = 1.7}, {}, counts);
  rows.add({.uniform = u(), .repetition_penalty = 0.8}, {}, counts);
  rows.add({.uniform = u(), .presence_penalty = 1.1}, {}, counts);
  rows.add({.uniform = u(), .frequency_penalty = 0.7}, {}, counts);
  rows.add({.uniform = u(), .frequency_penalty = -0.7}, {}, counts);
  rows.add({.uniform = u()}, banned);
  rows.add({.uniform = u(), .temperature = 0.0, .repetition_penalty = 1.3}, banned, counts);
  rows.add({.uniform = u(), .temperature = 1.4, .top_k = 20, .top_p = 0.8});
  rows.add({.uniform = u(), .temperature = 0.5, .top_p = 0.8, .min_p = 0.05});
  rows.add({.uniform = u(),
            .temperature = 0.8,
            .top_k = 30,
            .top_p = 0.9,
            .min_p = 0.02,
            .repetition_penalty = 1.2,
            .presence_penalty = 0.3,
            .frequency_penalty = 0.2},
           banned, counts);
  return rows;
}

}  // namespace

TEST_CASE("draws agree with a slow reference for every option", "[generate]") {
  for (const Implementation& each : implementations()) {
    for (const std::int64_t width : {1, 2, 3, 7, 64, 127, 128, 129, 300, 1000, 3000}) {
      for (const double spread : {1.0, 5.0}) {
        Rows rows = option_rows(width, static_cast<std::uint64_t>(width));
        const auto n = static_cast<std::int64_t>(rows.rows.size());
        const Tensor logits =
            (normal({n, width}, static_cast<std::uint64_t>(width) + 7) * spread).to(each.type);
        const std::int64_t top = 5;
        const Drawn drawn =
            each.draw(logits, rows.get(), {.entropy = true, .top_logps = top, .support = true});
        const std::vector<std::int64_t> support = ids_of(drawn.support),
                                        support_sizes = ids_of(drawn.support_sizes);
        REQUIRE(std::ssize(support_sizes) == n);
        auto next = support.begin();
        CHECK(drawn.logps.scalar_type() == (each.type == at::kDouble ? at::kDouble : at::kFloat));
        const std::vector<std::int64_t> ids = ids_of(drawn.ids), top_ids = ids_of(drawn.top_ids);
        const std::vector<double> logps = numbers_of(drawn.logps);
        const std::vector<double> plain = numbers_of(drawn.plain_logps);
        const std::vector<double> entropy = numbers_of(drawn.entropy);
        const std::vector<double> top_logps = numbers_of(drawn.top_logps);
        int wrong = 0;
        for (std::int64_t i = 0; i < n; ++i) {
          const auto row = static_cast<std::size_t>(i);
          const DrawRow& options = rows.rows[row];
          const Expected expected = expected_of(numbers_of(logits.select(0, i)), options);
          bool good = ids[row] >= 0 && ids[row] < width;
          if (good && options.temperature == 0) good = ids[row] == expected.kept[0];
          if (good && options.temperature > 0) {
            good = expected.p[static_cast<std::size_t>(ids[row])] > 0 &&
                   outside(expected.p, ids[row], options.uniform) < 1e-6;
          }
          const auto id = static_cast<std::size_t>(ids[row]);
          good = good && std::abs(logps[row] - std::log(expected.p[id])) < 3e-6 &&
                 std::abs(plain[row] - std::log(expected.plain[id])) < 3e-6 &&
                 std::abs(entropy[row] - expected.entropy) < 1e-5;
          for (std::int64_t j = 0; j < top && good; ++j) {
            const auto place = static_cast<std::size_t>(i * top + j);
            const bool is_kept = j < static_cast<std::int64_t>(expected.kept.size());
            const std::int64_t want = is_kept ? expected.kept[static_cast<std::size_t>(j)] : -1;
            good = top_ids[place] == want &&
                   (is_kept ? std::abs(top_logps[place] -
                                       std::log(expected.p[static_cast<std::size_t>(want)])) < 3e-6
                            : top_logps[place] == -kInfinity);
          }
          const std::vector<std::int64_t> left(next, next + support_sizes[row]);
          next += support_sizes[row];
          good = good && left == left_of(expected, options, width) &&
                 (left.empty() || std::binary_search(left.begin(), left.end(), ids[row]));
          if (!good) {
            ++wrong;
            UNSCOPED_INFO(each.name << ", V " << width << ", spread " << spread << ", row " << i
                                    << ": id " << ids[row] << ", log p " << logps[row]);
          }
        }
        CHECK(wrong == 0);
        CHECK(next == support.end());
      }
    }
  }
}

TEST_CASE("closed forms of each option", "[generate]") {
  // p = 1/2, 1/4, 1/8, 1/8.
  const double log2 = std::log(2.0);
  const Tensor base = at::tensor(std::vector<double>{3 * log2, 2 * log2, log2, log2}, at::kDouble);
  const auto probabilities = [&](const Implementation& each, const DrawRow& row) {
    const Drawn drawn =
        each.draw(base.to(each.type).unsqueeze(0), std::vector<DrawRow>{row}, {.top_logps = 4});
    std::vector<double> p(4, 0.0);
    for (int j = 0; j < 4; ++j) {
      const std::int64_t id = ids_of(drawn.top_ids)[static_cast<std::size_t>(j)];
      if (id < 0) continue;
      p[static_cast<std::size_t>(id)] =
          std::exp(numbers_of(drawn.top_logps)[static_cast<std::size_t>(j)]);
    }
    return p;
  };
  const TokenIds first{0};
  const std::vector<SeenToken> counts{{0, 0}, {1, 2}};
  const double root = std::sqrt(2.0);
  const std::vector<std::pair<DrawRow, std::vector<double>>> cases{
      {{}, {0.5, 0.25, 0.125, 0.125}},
      {{.temperature = 0.5}, {16.0 / 22, 4.0 / 22, 1.0 / 22, 1.0 / 22}},
      {{.temperature = 0.0}, {0.5, 0.25, 0.125, 0.125}},
      {{.top_k = 2}, {2.0 / 3, 1.0 / 3, 0, 0}},
      {{.top_k = 3}, {0.5, 0.25, 0.125, 0.125}},  // ties are kept
      {{.top_p = 0.4}, {1, 0, 0, 0}},
      {{.top_p = 0.7}, {2.0 / 3, 1.0 / 3, 0, 0}},        // the one that crosses is kept
      {{.top_p = 0.8}, {4.0 / 7, 2.0 / 7, 1.0 / 7, 0}},  // of ties the lowest id
      {{.min_p = 0.4}, {2.0 / 3, 1.0 / 3, 0, 0}},
      {{.min_p = 1.0}, {1, 0, 0, 0}},
      {{.top_k = 2, .top_p = 0.6}, {1, 0, 0, 0}},  // of what top-k leaves
      {{.top_p = 0.6, .min_p = 0.4}, {1, 0, 0, 0}},
      {{.suppressed = first}, {0, 0.5, 0.25, 0.25}},
      // 8, 4, 2, 2 become √8, 2, 2, 2.
      {{.repetition_penalty = 2.0, .seen = counts},
       {2 * root / (2 * root + 6), 2 / (2 * root + 6), 2 / (2 * root + 6), 2 / (2 * root + 6)}},
      // 8, 1, 2, 2: the prompt's id stays.
      {{.presence_penalty = 2 * log2, .seen = counts}, {8.0 / 13, 1.0 / 13, 2.0 / 13, 2.0 / 13}},
      {{.frequency_penalty = log2, .seen = counts}, {8.0 / 13, 1.0 / 13, 2.0 / 13, 2.0 / 13}},
  };
  for (const Implementation& each : implementations()) {
    if (each.type == at::kBFloat16) continue;  // has no log 2
    for (const auto& [row, expected] : cases) {
      const std::vector<double> p = probabilities(each, row);
      for (std::size_t i = 0; i < 4; ++i) CHECK(p[i] == Approx(expected[i]).margin(1e-6));
    }
  }
}

TEST_CASE("a repetition penalty multiplies logits that are not positive", "[generate]") {
  const std::vector<SeenToken> counts{{0, 1}, {1, 0}, {2, 1}};
  const Tensor logits = at::tensor(std::vector<double>{-2.0, 1.0, 0.0, 0.0}, at::kDouble);
  for (const Implementation& each : implementations()) {
    const std::vector<DrawRow> row{{.repetition_penalty = 2.0, .seen = counts}};
    const Drawn drawn = each.draw(logits.to(each.type).unsqueeze(0), row, {.top_logps = 4});
    const std::vector<double> logps = numbers_of(drawn.top_logps);
    CHECK(ids_of(drawn.top_ids) == std::vector<std::int64_t>{1, 2, 3, 0});
    CHECK(logps[0] - logps[1] == Approx(0.5));
    CHECK(logps[1] - logps[3] == Approx(4.0));
  }
}

TEST_CASE("greedy rows and top-p take the lowest id of equal logits", "[generate]") {
  for (const Implementation& each : implementations()) {
    Tensor logits = at::zeros({3, 500}, each.type);
    logits.select(0, 1).slice(0, 137, 400).fill_(2.5);
    logits.select(0, 2).select(0, 499).fill_(1.0);
    const std::vector<DrawRow> greedy(3, DrawRow{.uniform = 0.99, .temperature = 0.0});
    CHECK(ids_of(each.draw(logits, greedy, {}).ids) == std::vector<std::int64_t>{0, 137, 499});
    // Of 500 equal ones the first 51 make up more than a tenth.
    const std::vector<DrawRow> tenth(3, DrawRow{.uniform = 0.9999, .top_p = 0.1001});
    const Drawn drawn = each.draw(logits, tenth, {});
    CHECK(ids_of(drawn.ids)[0] == 50);
    CHECK(numbers_of(drawn.logps)[0] == Approx(-std::log(51.0)));
  }
}

TEST_CASE("both implementations draw the same ids with the same log-probabilities", "[generate]") {
  std::int64_t draws = 0, different = 0;
  double worst = 0;
  for (const std::int64_t width : {5, 100, 1000, 3000, 33000}) {
    for (std::uint64_t seed = 0; seed < (width > 10000 ? 2 : 20); ++seed) {
      Rows rows = option_rows(width, seed);
      const auto n = static_cast<std::int64_t>(rows.rows.size());
      Tensor logits = normal({n, width}, seed + 100, at::kFloat) * (seed % 2 == 0 ? 1.0 : 4.0);
      if (seed % 5 == 1) logits = logits.to(at::kBFloat16);  // with equal ones
      if (seed % 5 == 2) logits = (logits * 2.0).round() * 0.5;
      const Drawn a = posttrain::detail::draw_by_rows(logits, rows.get(), {.entropy = true});
      const Drawn b = posttrain::detail::draw_by_operations(logits, rows.get(), {.entropy = true});
      const std::vector<std::int64_t> one = ids_of(a.ids), other = ids_of(b.ids);
      const Tensor error =
          at::maximum((a.logps - b.logps).abs() / a.logps.abs().clamp_min(1.0),
                      (a.plain_logps - b.plain_logps).abs() / a.plain_logps.abs().clamp_min(1.0));
      const std::vector<double> errors = numbers_of(error);
      for (std::size_t i = 0; i < one.size(); ++i) {
        different += one[i] != other[i];
        if (one[i] == other[i]) worst = std::max(worst, errors[i]);
      }
      draws += n;
    }
  }
  INFO(different << " of " << draws);
  CHECK(static_cast<double>(different) <= 1e-4 * static_cast<double>(draws) + 1);
  CHECK(worst < 1e-6);
}

TEST_CASE("a row's results do not depend on its batch, its slot or the threads", "[generate]") {
  const int threads = at::get_num_threads();
  for (const Implementation& each : implementations()) {
    const std::int64_t width = 1500;
    Rows rows = option_rows(width, 3);
    const auto n = static_cast<std::int64_t>(rows.rows.size());
    const Tensor logits = (normal({n, width}, 5) * 2.0).to(each.type);
    const DrawRecord record{.entropy = true, .top_logps = 3};
    const Drawn all = each.draw(logits, rows.get(), record);
    const auto same = [](const Tensor& a, const Tensor& b) {
      return at::equal(a.contiguous(), b.contiguous());
    };
    at::set_num_threads(1);
    const std::vector<DrawRow> backwards(rows.rows.rbegin(), rows.rows.rend());
    const Drawn flipped = each.draw(logits.flip(0), backwards, record);
    CHECK(same(flipped.ids.flip(0), all.ids));
    CHECK(same(flipped.logps.flip(0), all.logps));
    CHECK(same(flipped.entropy.flip(0), all.entropy));
    CHECK(same(flipped.top_logps.flip(0), all.top_logps));
    at::set_num_threads(threads);
    for (std::int64_t i = 0; i < n; ++i) {
      const Drawn alone = each.draw(logits.narrow(0, i, 1),
                                    rows.get().subspan(static_cast<std::size_t>(i), 1), record);
      CHECK(same(alone.ids, all.ids.narrow(0, i, 1)));
      CHECK(same(alone.logps, all.logps.narrow(0, i, 1)));
      CHECK(same(alone.plain_logps, all.plain_logps.narrow(0, i, 1)));
      CHECK(same(alone.entropy, all.entropy.narrow(0, i, 1)));
      CHECK(same(alone.top_ids, all.top_ids.narrow(0, i, 1)));
      CHECK(same(alone.top_logps, all.top_logps.narrow(0, i, 1)));
    }
  }
}

TEST_CASE("100,000 draws have the frequencies of the distribution, for each option", "[generate]") {
  const std::int64_t width = 20, draws = 100000;
  const std::vector<double> values = numbers_of(normal({width}, 11, at::kFloat) * 1.5);
  const Tensor row_of_logits = at::tensor(values, at::kDouble).to(at::kFloat);
  const TokenIds banned{4, 9};
  const std::vector<SeenToken> counts{{0, 0}, {1, 1}, {5, 3}, {12, 2}, {17, 0}};
  const std::vector<std::pair<std::string, DrawRow>> options{
      {"none", {}},
      {"temperature", {.temperature = 0.7}},
      {"high temperature", {.temperature = 1.8}},
      {"top_k", {.top_k = 7}},
      {"top_p", {.top_p = 0.85}},
      {"min_p", {.min_p = 0.08}},
      {"repetition_penalty", {.repetition_penalty = 1.5, .seen = counts}},
      {"presence_penalty", {.presence_penalty = 0.9, .seen = counts}},
      {"frequency_penalty", {.frequency_penalty = 0.5, .seen = counts}},
      {"suppressed", {.suppressed = banned}},
      {"all",
       {.temperature = 1.2,
        .top_k = 12,
        .top_p = 0.9,
        .min_p = 0.02,
        .repetition_penalty = 1.2,
        .presence_penalty = 0.2,
        .frequency_penalty = 0.1,
        .suppressed = banned,
        .seen = counts}}};
  std::vector<double> uniforms;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(draws); ++i) {
    uniforms.push_back(uniform_at({.seed = 5, .prompt = i}, 3));
  }
  for (const Implementation& each : implementations()) {
    if (each.type != at::kFloat) continue;
    const std::int64_t here =
        each.draw == draw_on_device ? draws / 20 : draws;  // emulated: minutes
    for (const auto& [name, options_of_all] : options) {
      std::vector<DrawRow> rows(static_cast<std::size_t>(here), options_of_all);
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i].uniform = uniforms[i];
      const Drawn drawn = each.draw(row_of_logits.unsqueeze(0).expand({here, width}), rows, {});
      std::vector<double> found(static_cast<std::size_t>(width), 0.0);
      for (const std::int64_t id : ids_of(drawn.ids)) found[static_cast<std::size_t>(id)] += 1;
      const Expected expected = expected_of(values, options_of_all);
      double chi_square = 0, never = 0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        const double count = expected.p[i] * static_cast<double>(here);
        if (count == 0) {
          never += found[i];
        } else {
          chi_square += (found[i] - count) * (found[i] - count) / count;
        }
      }
      INFO(each.name << ", " << name << ": chi-square " << chi_square << " with "
                     << expected.kept.size() - 1 << " degrees of freedom");
      CHECK(never == 0);
      // Mean and variance are k and 2k: four standard deviations, at this seed.
      const auto degrees = static_cast<double>(expected.kept.size() - 1);
      CHECK(chi_square < degrees + 4 * std::sqrt(2 * degrees));
    }
  }
}

TEST_CASE("a row that cannot be drawn from has id −1, and no other is disturbed", "[generate]") {
  for (const Implementation& each : implementations()) {
    for (const std::int64_t width : {3, 300}) {
      Tensor logits = normal({9, width}, 2).to(each.type);
      const auto row = [&](std::int64_t i) { return logits.select(0, i); };
      row(1).select(0, 2).fill_(kNan);
      row(2).select(0, 0).fill_(kInfinity);
      row(3).fill_(-kInfinity);
      row(4).fill_(kNan);
      row(5).select(0, 1).fill_(-kInfinity);  // one that can
      row(8).select(0, 1).fill_(-kNan);
      TokenIds every(static_cast<std::size_t>(width));
      std::iota(every.begin(), every.end(), 0);
      const TokenIds the_nan{2};
      const std::vector<SeenToken> counts{{0, 1}};
      for (const DrawRow& base :
           {DrawRow{.uniform = 0.3}, DrawRow{.uniform = 0.3, .temperature = 0.0},
            DrawRow{.uniform = 0.3, .top_k = 2, .top_p = 0.5, .min_p = 0.1},
            DrawRow{.uniform = 0.3, .presence_penalty = 1.0, .seen = counts}}) {
        std::vector<DrawRow> rows(9, base);
        rows[6].suppressed = every;
        // NaN or +inf stays one, whether it may be drawn or not.
        rows[1].suppressed = the_nan;
        const Drawn drawn = each.draw(logits, rows, {.entropy = true, .top_logps = 2});
        const std::vector<std::int64_t> ids = ids_of(drawn.ids), top = ids_of(drawn.top_ids);
        for (const std::size_t i : {1U, 2U, 3U, 4U, 6U, 8U}) {
          CHECK(ids[i] == -1);
          CHECK(std::isnan(numbers_of(drawn.logps)[i]));
          CHECK(std::isnan(numbers_of(drawn.plain_logps)[i]));
          CHECK(std::isnan(numbers_of(drawn.entropy)[i]));
          CHECK(top[2 * i] == -1);
          CHECK(numbers_of(drawn.top_logps)[2 * i] == -kInfinity);
        }
        for (const std::size_t i : {0U, 5U, 7U}) {
          CHECK(ids[i] >= 0);
          CHECK(ids[i] < width);
          CHECK(std::isfinite(numbers_of(drawn.logps)[i]));
          CHECK(std::isfinite(numbers_of(drawn.entropy)[i]));
        }
        CHECK(ids[5] != 1);
      }
    }
  }
}

TEST_CASE("extreme numbers give ids in range", "[generate]") {
  const double last = 1.0 - 0x1.0p-53;
  for (const Implementation& each : implementations()) {
    for (const std::int64_t width : {1, 4, 1000}) {
      Tensor logits = (normal({1, width}, 4) * 3.0).to(each.type);
      if (width > 1) logits.select(1, width - 1).fill_(-kInfinity);
      const std::int64_t likeliest = logits.argmax().item<std::int64_t>();
      const auto id_of = [&](const DrawRow& row) {
        const Drawn drawn = each.draw(logits, std::vector<DrawRow>{row}, {.entropy = true});
        CHECK(std::isfinite(numbers_of(drawn.logps)[0]));
        CHECK(std::isfinite(numbers_of(drawn.entropy)[0]));
        return ids_of(drawn.ids)[0];
      };
      CHECK(id_of({.uniform = 0.0}) == 0);
      // The last column has probability 0.
      CHECK(id_of({.uniform = last, .temperature = 1e30}) == std::max<std::int64_t>(width - 2, 0));
      for (const double temperature : {1e-300, 1e-30, 1e-6}) {
        CHECK(id_of({.uniform = last, .temperature = temperature}) == likeliest);
        CHECK(id_of({.uniform = 0.5, .temperature = temperature, .top_p = 0.5, .min_p = 0.1}) ==
              likeliest);
      }
      for (const double temperature : {1e6, 1e30, 1e300}) {
        const std::int64_t id =
            id_of({.uniform = 0.5, .temperature = temperature, .top_k = 3, .top_p = 0.9});
        CHECK(id < std::max<std::int64_t>(width - 1, 1));
        CHECK(id_of({.uniform = last, .temperature = temperature, .min_p = 1e-300}) <
              std::max<std::int64_t>(width - 1, 1));
      }
      CHECK(id_of({.uniform = last, .top_p = 1e-300}) == likeliest);
      CHECK(id_of({.uniform = last, .top_k = 1}) == likeliest);
      CHECK(id_of({.uniform = last, .top_p = last}) < std::max<std::int64_t>(width - 1, 1));
    }
  }
}

TEST_CASE("numbers under temperature alone are those drawn with where nothing makes them differ",
          "[generate]") {
  const std::vector<SeenToken> counts{{0, 1}};
  const TokenIds banned{1};
  for (const Implementation& each : implementations()) {
    const Tensor logits = normal({2, 30}, 8).to(each.type);
    const auto is_one_tensor = [&](const DrawRow& row) {
      const std::vector<DrawRow> rows{{.uniform = 0.4}, row};
      const Drawn drawn = each.draw(logits, rows, {});
      CHECK_FALSE(drawn.entropy.defined());
      CHECK_FALSE(drawn.top_ids.defined());
      CHECK_FALSE(drawn.top_logps.defined());
      CHECK(at::equal(drawn.logps.narrow(0, 0, 1), drawn.plain_logps.narrow(0, 0, 1)));
      return drawn.plain_logps.is_same(drawn.logps);
    };
    CHECK(is_one_tensor({.temperature = 0.5}));
    CHECK(is_one_tensor({.temperature = 0.0, .top_k = 3, .top_p = 0.5}));
    CHECK(is_one_tensor({.top_k = 30}));
    CHECK(is_one_tensor({.seen = counts}));
    CHECK_FALSE(is_one_tensor({.top_k = 3}));
    CHECK_FALSE(is_one_tensor({.top_p = 0.9}));
    CHECK_FALSE(is_one_tensor({.min_p = 0.1}));
    CHECK_FALSE(is_one_tensor({.suppressed = banned}));
    CHECK_FALSE(is_one_tensor({.temperature = 0.0, .presence_penalty = 0.5, .seen = counts}));
  }
}

TEST_CASE("ids that the logits do not have are passed over", "[generate]") {
  const TokenIds banned{-1, 30, 100000, 2};
  const std::vector<SeenToken> counts{{-5, 1}, {30, 2}, {3, 1}};
  const TokenIds banned_here{2};
  const std::vector<SeenToken> counts_here{{3, 1}};
  for (const Implementation& each : implementations()) {
    const Tensor logits = normal({1, 30}, 8).to(each.type);
    const std::vector<DrawRow> given{{.uniform = 0.7,
                                      .repetition_penalty = 1.5,
                                      .frequency_penalty = 0.5,
                                      .suppressed = banned,
                                      .seen = counts}};
    std::vector<DrawRow> within = given;
    within[0].suppressed = banned_here;
    within[0].seen = counts_here;
    const Drawn a = each.draw(logits, given, {}), b = each.draw(logits, within, {});
    CHECK(at::equal(a.ids, b.ids));
    CHECK(at::equal(a.logps, b.logps));
  }
}

TEST_CASE("draw_tokens takes views, empty batches and whatever device", "[generate]") {
  Rows rows = option_rows(200, 6);
  const auto n = static_cast<std::int64_t>(rows.rows.size());
  const DrawRecord record{.entropy = true, .top_logps = 3};
  const Tensor logits = normal({n, 200}, 9, at::kFloat);
  const Drawn drawn = draw_tokens(logits, rows.get(), record);
  const Drawn transposed = draw_tokens(logits.t().contiguous().t(), rows.get(), record);
  CHECK(at::equal(drawn.ids, transposed.ids));
  CHECK(at::equal(drawn.logps, transposed.logps));
  const Tensor wider = normal({n, 400}, 9, at::kFloat);
  const Drawn of_view = draw_tokens(wider.narrow(1, 100, 200), rows.get(), record);
  const Drawn of_copy = draw_tokens(wider.narrow(1, 100, 200).contiguous(), rows.get(), record);
  CHECK(at::equal(of_view.ids, of_copy.ids));
  CHECK(at::equal(of_view.logps, of_copy.logps));

  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const Drawn none = draw_tokens(at::empty({0, 200}, type), {}, record);
    CHECK(none.ids.sizes() == at::IntArrayRef({0}));
    CHECK(none.logps.sizes() == at::IntArrayRef({0}));
    CHECK(none.top_ids.sizes() == at::IntArrayRef({0, 3}));
  }

  const Tensor there = uploaded(logits, test_device());
  const TransferCounts before = transfer_counts();
  const Drawn on_device = draw_tokens(there, rows.get(), record);
  const TransferCounts after = transfer_counts();
  CHECK(after.reads == before.reads);
  CHECK(after.uploads - before.uploads == (there.is_cpu() ? 0 : 1));
  CHECK(on_device.ids.device() == there.device());
  CHECK(ids_of(on_device.ids) == ids_of(drawn.ids));
  CHECK(ids_of(on_device.top_ids) == ids_of(drawn.top_ids));
  CHECK(kernel_test::relative_error(on_device.logps.to(at::kCPU), drawn.logps) < 1e-6);
  CHECK(kernel_test::relative_error(on_device.entropy.to(at::kCPU), drawn.entropy) < 1e-6);
}

TEST_CASE("draw_tokens says what is wrong with what it is given", "[generate]") {
  const Tensor logits = normal({2, 5}, 1, at::kFloat);
  const auto with = [&](const DrawRow& row) {
    return draw_tokens(logits, std::vector<DrawRow>{{}, row});
  };
  CHECK_THROWS_WITH(
      draw_tokens(logits, std::vector<DrawRow>(3)),
      Catch::Contains("expected floating logits [3, V]") && Catch::Contains("got [2, 5]"));
  CHECK_THROWS_WITH(draw_tokens(logits.select(0, 0), std::vector<DrawRow>(5)),
                    Catch::Contains("got [5]"));
  CHECK_THROWS_WITH(draw_tokens(logits.to(at::kLong), std::vector<DrawRow>(2)),
                    Catch::Contains("floating"));
  CHECK_THROWS_WITH(draw_tokens(logits.narrow(1, 0, 0), std::vector<DrawRow>(2)),
                    Catch::Contains("got [2, 0]"));
  CHECK_THROWS_WITH(draw_tokens(Tensor(), std::vector<DrawRow>(2)), Catch::Contains("undefined"));
  CHECK_THROWS_WITH(draw_tokens(logits, std::vector<DrawRow>(2), {.top_logps = -1}),
                    Catch::Contains("top_logps"));
  CHECK_THROWS_WITH(with({.uniform = 1.0}), Catch::Contains("DrawRow.uniform of row 1"));
  CHECK_THROWS_WITH(with({.temperature = kNan}), Catch::Contains("temperature of row 1"));
  CHECK_THROWS_WITH(with({.top_k = -1}), Catch::Contains("top_k"));
  CHECK_THROWS_WITH(with({.top_p = 0.0}), Catch::Contains("top_p"));
  CHECK_THROWS_WITH(with({.min_p = 2.0}), Catch::Contains("min_p"));
  CHECK_THROWS_WITH(with({.repetition_penalty = 0.0}), Catch::Contains("repetition_penalty"));
  CHECK_THROWS_WITH(with({.presence_penalty = kInfinity}), Catch::Contains("presence_penalty"));
  CHECK_THROWS_WITH(with({.frequency_penalty = kNan}), Catch::Contains("frequency_penalty"));
}
