// SPDX-License-Identifier: Apache-2.0
// Shows what a run would train on, before the run: counts, lengths, what is dropped and why, and
// the first samples with the trained tokens marked (in colour on a terminal, else in brackets).
//   07_inspect_data --model DIR --data chats.jsonl --show 2
#include <unistd.h>

#include <algorithm>

#include "posttrain/data/documents.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/messages.hpp"
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
  bool skip_bad_samples = false, deduplicate = false;
  std::int64_t block_size = 0;   // of documents; 0: whole ones
  std::int64_t max_seq_len = 0;  // in tokens; 0: no limit
  bool truncate = false;         // cut longer sequences instead of dropping them
  std::uint32_t show = 3;        // samples to print
  Colour colour = Colour::automatic;
};

/// Loads with the policy that the first good record asks for.
data::LoadedData load(const Arguments& arguments, const data::LoadContext& context) {
  data::FormatReader first(
      arguments.data, [](data::Format) { return true; }, "training data");
  while (!first.format()) {
    const auto sample = first.next();
    if (!sample) raise("{}: expected at least one good record", arguments.data);
    if (!sample->error.empty() && !context.skip_bad_samples) {
      raise("{}: {}", sample->where, sample->error);
    }
  }
  const data::Format format = *first.format();
  if (format == data::Format::tokenized) {
    return Tokenized{.path = arguments.data}.load(context);
  }
  if (format == data::Format::document) {
    return Documents{.path = arguments.data, .block_size = arguments.block_size}.load(context);
  }
  return Messages{.path = arguments.data, .turns = arguments.turns, .unmask = arguments.unmask}
      .load(context);
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

void inspect(const Arguments& arguments) {
  const text::ChatTokenizer text(text::read_chat_files(arguments.model));
  data::LoadContext context;
  context.text = &text;
  context.max_seq_len = arguments.max_seq_len;
  context.truncate = arguments.truncate;
  context.skip_bad_samples = arguments.skip_bad_samples;
  context.deduplicate = arguments.deduplicate;
  const data::LoadedData data = load(arguments, context);
  fmt::print("{}", data.report.summary());
  std::vector<std::int64_t> lengths, trained;
  for (const Sequence& sequence : data.train) {
    lengths.push_back(static_cast<std::int64_t>(sequence.ids.size()));
    trained.push_back(sequence.counted());
  }
  print_lengths("tokens", lengths);
  print_lengths("trained", trained);
  fmt::print(
      "share of tokens trained: {:.1f} %\n",
      100.0 * static_cast<double>(data.report.scored) / static_cast<double>(data.report.tokens));
  const bool colour = arguments.colour == Colour::always ||
                      (arguments.colour == Colour::automatic && ::isatty(STDOUT_FILENO) == 1);
  const auto count = std::min<std::size_t>(arguments.show, data.train.size());
  for (std::size_t i = 0; i < count; ++i) {
    const Sequence sequence = data.train[i];
    fmt::print("\n--- sample {}: {} tokens, {} trained\n{}\n", sequence.sample, sequence.ids.size(),
               sequence.counted(), marked(text.tokenizer(), sequence, colour));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  examples::CommandLine line("Shows what a run would train on");
  line.add(arguments, {"model", "data"});
  return line.run(argc, argv, [&] { inspect(arguments); });
}
