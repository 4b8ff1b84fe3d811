// SPDX-License-Identifier: Apache-2.0
// Shows what a run would train on, before the run: counts, lengths, what is dropped and why, and
// the first samples with the scored tokens marked (in colour on a terminal, else in brackets). The
// data's format says which policy reads it: chats, documents, token ids, preference pairs, judged
// answers, or solutions in judged steps, whose rewards stand at the marked tokens.
//   07_inspect_data --model DIR --data chats.jsonl --show 2
#include <unistd.h>

#include <algorithm>

#include "posttrain/data/answers.hpp"
#include "posttrain/data/documents.hpp"
#include "posttrain/data/messages.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/data/steps.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/text/chat_folder.hpp"
#include "support/options.hpp"

namespace {

using namespace posttrain;

enum class Colour { automatic, always, never };

struct Arguments {
  std::string model, data;               // folder with the tokenizer; file or folder of data
  text::Turns turns = text::Turns::all;  // which assistant turns are trained
  bool unmask = false;                   // train on everything but system messages
  bool parse_arguments = true;           // calls' texts as objects, where the template wants those
  bool drop_nulls = false;               // leave null fields out of calls and schemas of tools
  bool skip_bad_samples = false, deduplicate = false;
  std::int64_t block_size = 0;                          // of documents; 0: whole ones
  Truncation truncation_mode = Truncation::keep_start;  // of pairs and answers
  std::string step_separator = "\n";                    // behind each judged step
  std::int64_t max_seq_len = 0;                         // in tokens; 0: no limit
  bool truncate = false;   // cut longer sequences instead of dropping them
  std::uint32_t show = 3;  // samples to print
  Colour colour = Colour::automatic;
};

/// The format of the first good record.
data::Format format_of(const Arguments& arguments) {
  data::FormatReader first(
      arguments.data, [](data::Format) { return true; }, "training data");
  while (!first.format()) {
    const auto sample = first.next();
    if (!sample) raise("{}: expected at least one good record", arguments.data);
    if (!sample->error.empty() && !arguments.skip_bad_samples) {
      raise("{}: {}", sample->where, sample->error);
    }
  }
  return *first.format();
}

/// What a model reads of an item, with a weight at the tokens that are scored.
struct View {
  std::string what;
  Sequence sequence;
};

View answer_view(std::string what, const TokenIds& prompt, const Sequence& answer) {
  Sequence whole = PairKind::prompt_part(prompt);
  whole.ids.insert(whole.ids.end(), answer.ids.begin(), answer.ids.end());
  whole.weights.insert(whole.weights.end(), answer.weights.begin(), answer.weights.end());
  return {std::move(what), std::move(whole)};
}

std::vector<View> views(const Sequence& sequence) { return {{"", sequence}}; }

std::vector<View> views(const AnswerPair& pair) {
  return {answer_view("chosen: ", pair.prompt, pair.chosen),
          answer_view("rejected: ", pair.prompt, pair.rejected)};
}

std::vector<View> views(const Answer& answer) {
  return {answer_view(answer.desirable ? "desirable: " : "undesirable: ", answer.prompt,
                      answer.answer)};
}

std::vector<View> views(const SteppedSolution& solution) {
  Sequence steps;
  for (const TokenIds& step : solution.steps) {
    steps.ids.insert(steps.ids.end(), step.begin(), step.end());
    steps.weights.resize(steps.ids.size(), 0.0F);
    steps.weights.back() = 1.0F;
  }
  const std::string labels = fmt::format("{}", fmt::join(solution.labels, ", "));
  return {answer_view("steps judged " + labels + ": ", solution.prompt, steps)};
}

void print_lengths(const char* what, std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  double sum = 0.0;
  for (const std::int64_t value : values) sum += static_cast<double>(value);
  const auto percentile = [&](std::size_t percent) {  // nearest rank
    const std::size_t rank = (values.size() * percent + 99) / 100;
    return values[std::max<std::size_t>(rank, 1) - 1];
  };
  fmt::print("{:<8} min {}, mean {:.1f}, median {}, 90 % {}, 99 % {}, max {}\n", what,
             values.front(), sum / static_cast<double>(values.size()), percentile(50),
             percentile(90), percentile(99), values.back());
}

/// The text of a sequence, the trained tokens marked.
std::string marked(const text::Tokenizer& tokenizer, const Sequence& sequence, bool colour) {
  std::string text;
  for (std::size_t begin = 0; begin < sequence.ids.size();) {
    const auto trained = [&](std::size_t i) { return i > 0 && sequence.weights[i] != 0.0F; };
    std::size_t end = begin + 1;
    while (end < sequence.ids.size() && trained(end) == trained(begin)) ++end;
    const std::string run = tokenizer.decode({sequence.ids.data() + begin, end - begin});
    if (!trained(begin)) {
      text += run;
    } else {
      text += colour ? "\x1b[32m" + run + "\x1b[0m" : "[" + run + "]";
    }
    begin = end;
  }
  return text;
}

/// Loads with a policy, and prints the report, the lengths and the first samples.
template <class Kind, class Policy>
void show(const Arguments& arguments, const data::LoadContext& context, const Kind& kind,
          const Policy& policy) {
  const auto data = policy.load(context);
  fmt::print("{}", data.report.summary());
  std::vector<std::int64_t> lengths, scored;
  for (std::size_t i = 0; i < data.train.size(); ++i) {
    lengths.push_back(kind.length(data.train[i]));
    scored.push_back(kind.counted(data.train[i]));
  }
  print_lengths("tokens", lengths);
  print_lengths("trained", scored);
  fmt::print(
      "share of tokens trained: {:.1f} %\n",
      100.0 * static_cast<double>(data.report.scored) / static_cast<double>(data.report.tokens));
  const bool colour = arguments.colour == Colour::always ||
                      (arguments.colour == Colour::automatic && ::isatty(STDOUT_FILENO) == 1);
  const auto count = std::min<std::size_t>(arguments.show, data.train.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto& item = data.train[i];
    for (const View& view : views(item)) {
      fmt::print("\n--- sample {}: {}{} tokens, {} trained\n{}\n", item.sample, view.what,
                 view.sequence.ids.size(), view.sequence.counted(),
                 marked(context.text->tokenizer(), view.sequence, colour));
    }
  }
}

void inspect(const Arguments& arguments) {
  const text::ChatTokenizer text(text::read_chat_files(arguments.model));
  const data::LoadContext context{.text = &text,
                                  .max_seq_len = arguments.max_seq_len,
                                  .truncate = arguments.truncate,
                                  .skip_bad_samples = arguments.skip_bad_samples,
                                  .deduplicate = arguments.deduplicate};
  const auto with = [&](const auto& policy) {
    if constexpr (requires { policy.kind(); }) {
      show(arguments, context, policy.kind(), policy);
    } else {
      show(arguments, context, SequenceKind{}, policy);
    }
  };
  switch (format_of(arguments)) {
    case data::Format::tokenized:
      return with(Tokenized{.path = arguments.data});
    case data::Format::document:
      return with(Documents{.path = arguments.data, .block_size = arguments.block_size});
    case data::Format::preference:
    case data::Format::implicit_preference:
    case data::Format::ranked_preference:
      return with(Preferences{.path = arguments.data,
                              .truncation_mode = arguments.truncation_mode,
                              .parse_arguments = arguments.parse_arguments,
                              .drop_nulls = arguments.drop_nulls});
    case data::Format::unpaired_preference:
      return with(Answers{.path = arguments.data,
                          .truncation_mode = arguments.truncation_mode,
                          .parse_arguments = arguments.parse_arguments,
                          .drop_nulls = arguments.drop_nulls});
    case data::Format::stepwise:
      return with(SteppedSolutions{.path = arguments.data,
                                   .step_separator = arguments.step_separator,
                                   .parse_arguments = arguments.parse_arguments,
                                   .drop_nulls = arguments.drop_nulls});
    default:
      return with(Messages{.path = arguments.data,
                           .turns = arguments.turns,
                           .unmask = arguments.unmask,
                           .parse_arguments = arguments.parse_arguments,
                           .drop_nulls = arguments.drop_nulls});
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  examples::CommandLine line("Shows what a run would train on");
  line.add(arguments, {"model", "data"});
  return line.run(argc, argv, [&] { inspect(arguments); });
}
