// SPDX-License-Identifier: Apache-2.0
// Every member of a recipe does something: a table of member and what is seen of it. A field of an
// aggregate without a row here is a failure.
#include <cmath>
#include <csignal>
#include <set>

#include "posttrain/hub.hpp"
#include "support/catch.hpp"
#include "support/recipe_run.hpp"
#include "support/tensor_peak.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// A member, and a check that fails where a run takes no notice of it.
struct Row {
  std::string_view member;
  void (*acts)();
};

RecipeFolder& folder() {
  static RecipeFolder all;
  return all;
}

/// Three steps of four, four and two conversations; no model is saved.
template <class O>
O small() {
  O options{.model_path = folder().model(), .data_path = folder().chats()};
  options.num_epochs = 1;
  options.effective_batch_size = 4;
  options.learning_rate = 1e-2;
  options.lr_scheduler = "cosine";
  options.warmup_steps = 0;
  options.checkpoint_at_epoch = false;
  options.save_final_checkpoint = false;
  options.progress = false;
  return options;
}

/// The small run with something changed.
template <class O, class Change, class... Each>
RecipeRun run(const Change& change, Each... callbacks) {
  O options = small<O>();
  change(options);
  return folder().run(options, [&](const O& o) {
    if constexpr (std::is_same_v<O, SftOptions>) return sft(o, callbacks...);
    if constexpr (std::is_same_v<O, OsftOptions>) return osft(o, callbacks...);
    if constexpr (std::is_same_v<O, LoraSftOptions>) return lora_sft(o, callbacks...);
    if constexpr (std::is_same_v<O, PromptTuningSftOptions>) {
      return prompt_tuning_sft(o, callbacks...);
    }
  });
}
template <class O>
const RecipeRun& plain() {
  static const RecipeRun once = run<O>([](O&) {});
  REQUIRE(once.error.empty());
  return once;
}

/// The run has the plain run's losses before step `first`, and others from it on.
template <class O, class Change>
void changes_losses(std::size_t first, const Change& change) {
  const RecipeRun other = run<O>(change);
  CHECK(other.error == "");
  const std::vector<double> own = other.losses(), before = plain<O>().losses();
  REQUIRE(own.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    INFO("step " << i + 1 << ": " << own[i] << ", without it " << before[i]);
    // The first step does not depend on AdamW's betas but for their rounding.
    CHECK((std::abs(own[i] - before[i]) < 1e-5) == (i + 1 < first));
  }
}

std::int64_t number(const RecipeRun& run, const char* name) {
  CHECK(run.error == "");
  return run.record().at("footprint").at(name);
}

/// Every row of a table that is not among `others` has one here, and the other way round.
template <class Table, class Others>
void check_rows(const Table& table, const Others& others, const std::vector<Row>& rows) {
  std::set<std::string_view> fields, shown;
  for (const Field& field : table) fields.insert(field.name);
  for (const Field& field : others) fields.erase(field.name);
  for (const Row& row : rows) {
    INFO(row.member);
    CHECK(shown.insert(row.member).second);
    CHECK(fields.count(row.member) == 1);
    row.acts();
  }
  for (const std::string_view field : fields) {
    INFO(field);
    CHECK(shown.count(field) == 1);
  }
}

using Names = std::vector<std::string>;
using Numbers = std::vector<double>;
using Steps = std::vector<std::int64_t>;
using S = SftOptions;

/// Ends a run of three steps by a signal in the first; `heard` counts what reaches the process.
struct Signals {
  static inline volatile std::sig_atomic_t heard = 0;
  void on(const event::StepBegin& event) {
    if (event.step == 0) std::raise(SIGUSR1);
  }
};

/// Steps at which the state was saved.
struct Saved {
  Steps* steps;
  void on(const event::CheckpointSaved& event) { steps->push_back(event.step); }
};

void document(S& o) {
  static const std::string file = folder().write(
      "documents.jsonl", R"({"body": "One apple, two apples, three apples, four apples."})"
                         "\n"
                         R"({"body": "A cow says muh and a sheep says baa."})");
  o.data_path = file;
  o.is_pretraining = true;
  o.block_size = 8;
  o.document_column_name = "body";
}

void held_out(S& o) {
  o.validation_split = 0.3;
  o.validation_frequency = 1;
}

/// Steps until early stopping where no loss is low enough to count.
std::int64_t steps_with_patience(std::int64_t patience, double threshold = 100.0) {
  const RecipeRun stopped = run<S>([&](S& o) {
    held_out(o);
    o.num_epochs = 2;
    o.early_stopping_patience = patience;
    o.early_stopping_threshold = threshold;
  });
  CHECK(stopped.error == "");
  CHECK(stopped.result.stopped_early == (stopped.result.steps < 4));
  return stopped.result.steps;
}

const std::vector<Row> kSftRows{
    {"model_path",
     [] {
       const std::string other = folder().path("other-model");
       write_tiny_model(other, 2);
       changes_losses<S>(1, [&](S& o) { o.model_path = other; });
     }},
    {"data_path",
     [] {
       const std::string other = folder().write("pears.jsonl", some_chats(6, "pears"));
       const RecipeRun both = run<S>([&](S& o) {
         o.data_path = {{folder().chats(), 1}, {other, 3}};
       });
       CHECK(both.data().size() == 16);
       CHECK(both.report().at("sources").size() == 2);
       const RecipeRun second = run<S>([&](S& o) { o.data_path = other; });
       CHECK(second.data().size() == 6);
     }},
    {"ckpt_output_dir",
     [] {
       const std::string out = folder().path("named");
       const RecipeRun named = run<S>([&](S& o) {
         o.ckpt_output_dir = out;
         o.save_final_checkpoint = true;
       });
       CHECK(named.result.model == out + "/hf_format/samples_10");
       CHECK(named.result.metrics_file == out + "/training_metrics_0.jsonl");
       CHECK(names_in(out) == Names{"checkpoints", "data", "hf_format", "lock", "run.json",
                                    "training_metrics_0.jsonl", "training_params.json"});
     }},
    {"num_epochs",
     [] { CHECK(run<S>([](S& o) { o.num_epochs = 2; }).numbers("epoch").back() == 2.0); }},
    {"effective_batch_size",
     [] {
       const RecipeRun five = run<S>([](S& o) { o.effective_batch_size = 5; });
       CHECK(five.numbers("num_samples") == Numbers{5, 5});
       CHECK(plain<S>().numbers("num_samples") == Numbers{4, 4, 2});
     }},
    {"learning_rate",
     [] { CHECK(run<S>([](S& o) { o.learning_rate = 0.5; }).numbers("lr")[0] == 0.5); }},
    {"max_seq_len",
     [] {
       const std::int64_t middle = plain<S>().data()[4].at("len");
       const RecipeRun shorter = run<S>([&](S& o) { o.max_seq_len = middle; });
       CHECK(shorter.report().at("too_long") == 5);
       CHECK(shorter.data().size() == 5);
       CHECK(shorter.said == fmt::format("warning: 5 of 10 sequences were dropped: longer than "
                                         "max_seq_len = {}; hint: raise it\n",
                                         middle));
     }},
    {"max_tokens_per_gpu",
     [] {
       const std::int64_t longest = plain<S>().data()[9].at("len");
       const RecipeRun narrow = run<S>([&](S& o) { o.max_tokens_per_gpu = longest; });
       CHECK(narrow.numbers("grad_accum")[0] > 1);
       CHECK(plain<S>().numbers("grad_accum")[0] == 1);
     }},
    {"max_steps",
     [] {
       CHECK(run<S>([](S& o) { o.max_steps = 1; }).result.steps == 1);
       CHECK(run<S>([](S& o) { o.max_steps = 4; }).result.steps == 4);
     }},
    {"data_output_dir",
     [] {
       const std::string own = folder().path("tokens");
       const RecipeRun elsewhere = run<S>([&](S& o) { o.data_output_dir = own; });
       CHECK(names_in(own) == Names{"data.jsonl"});
       CHECK_FALSE(std::filesystem::exists(elsewhere.folder / "data"));
     }},
    {"is_pretraining",
     [] {
       const std::vector<Json> blocks = run<S>(document).data();
       REQUIRE(blocks.size() > 2);
       for (const Json& block : blocks) {
         CHECK(block.at("num_loss_counted_tokens") == block.at("len").get<int>() - 1);
       }
     }},
    {"block_size",
     [] {
       const auto longest = [](std::int64_t size) {
         std::int64_t tokens = 0;
         const RecipeRun documents = run<S>([&](S& o) {
           document(o);
           o.block_size = size;
         });
         for (const Json& block : documents.data()) {
           tokens = std::max(tokens, block.at("len").get<std::int64_t>());
         }
         return tokens;
       };
       CHECK(longest(8) == 8);
       CHECK(longest(5) == 5);
     }},
    {"document_column_name",
     [] {
       const RecipeRun unnamed = run<S>([](S& o) {
         document(o);
         o.document_column_name = "";
       });
       CHECK(contains(unnamed.error, "documents.jsonl:1"));
       CHECK(run<S>(document).error == "");
     }},
    {"unmask_messages",
     [] {
       const std::vector<Json> own = plain<S>().data(),
                               all = run<S>([](S&o) { o.unmask_messages = true; }).data();
       CHECK(own[0].at("input_ids") == all[0].at("input_ids"));
       CHECK(all[0].at("num_loss_counted_tokens") > own[0].at("num_loss_counted_tokens"));
     }},
    {"use_processed_dataset",
     [] {
       const std::string tokens = (plain<S>().folder / "data/data.jsonl").string();
       const RecipeRun again = run<S>([&](S& o) {
         o.data_path = tokens;
         o.use_processed_dataset = true;
       });
       CHECK(again.error == "");
       CHECK(again.losses() == plain<S>().losses());
       CHECK(slurp(again.folder / "data/data.jsonl") == slurp(tokens));
     }},
    {"skip_bad_samples",
     [] {
       const std::string bad = folder().write("bad.jsonl", some_chats(4) + "{\"messages\": 3}\n");
       CHECK(contains(run<S>([&](S& o) { o.data_path = bad; }).error, "bad.jsonl:5"));
       const RecipeRun skipped = run<S>([&](S& o) {
         o.data_path = bad;
         o.skip_bad_samples = true;
       });
       CHECK(skipped.report().at("bad") == 1);
     }},
    {"deduplicate",
     [] {
       const std::string twice = folder().write("twice.jsonl", some_chats(4) + some_chats(2));
       const RecipeRun once = run<S>([&](S& o) {
         o.data_path = twice;
         o.deduplicate = true;
       });
       CHECK(once.report().at("duplicates") == 2);
       CHECK(once.data().size() == 4);
     }},
    {"warmup_steps",
     [] {
       CHECK(run<S>([](S& o) { o.warmup_steps = 2; }).numbers("lr") == Numbers{0, 0.005, 0.01});
     }},
    {"lr_scheduler",
     [] {
       const Numbers linear = run<S>([](S& o) { o.lr_scheduler = "linear"; }).numbers("lr");
       CHECK(linear[1] == Approx(0.01 * 2 / 3));
       const Numbers least = run<S>([](S& o) {
                               o.lr_scheduler =
                                   optim::Schedule{.type = optim::LrScheduler::cosine_with_min_lr,
                                                   .min_lr_rate = 0.9};
                             }).numbers("lr");
       CHECK(least[2] > 0.009);
       CHECK(plain<S>().numbers("lr")[2] == Approx(0.01 * 0.25));
     }},
    {"optimizer",
     [] {
       const RecipeRun small = run<S>([](S& o) { o.optimizer = "adamw_8bit"; });
       CHECK(2 * number(small, "optimizer") < number(plain<S>(), "optimizer"));
     }},
    {"beta1", [] { changes_losses<S>(3, [](S& o) { o.beta1 = 0.5; }); }},
    {"beta2", [] { changes_losses<S>(3, [](S& o) { o.beta2 = 0.5; }); }},
    {"eps", [] { changes_losses<S>(2, [](S& o) { o.eps = 1e-2; }); }},
    {"weight_decay", [] { changes_losses<S>(2, [](S& o) { o.weight_decay = 0.5; }); }},
    {"max_grad_norm", [] { changes_losses<S>(2, [](S& o) { o.max_grad_norm = 1e-6; }); }},
    {"gradient_checkpointing",
     [] {
       const std::string chats = folder().write("long.jsonl", chat_line("?", some_chats(12)));
       const auto peak = [&](bool again) {
         const TensorPeak measured;
         const RecipeRun run_of = run<S>([&](S& o) {
           o.data_path = chats;
           o.gradient_checkpointing = again;
         });
         CHECK(run_of.error == "");
         return measured.bytes();
       };
       const std::int64_t without = peak(false), with = peak(true);
       INFO(without << " bytes without, " << with << " with it");
       CHECK(with < without);
     }},
    {"train_dtype",
     [] {
       const RecipeRun half = run<S>([](S& o) { o.train_dtype = "bfloat16"; });
       CHECK(2 * number(half, "weights") == number(plain<S>(), "weights"));
     }},
    {"device", [] { CHECK(contains(run<S>([](S& o) { o.device = "abacus"; }).error, "abacus")); }},
    {"seed", [] { changes_losses<S>(1, [](S& o) { o.seed = 7; }); }},
    {"validation_split",
     [] {
       const RecipeRun split = run<S>(held_out);
       CHECK(split.report().at("validation") == 3);
       CHECK(json_lines(split.folder / "data/validation.jsonl").size() == 3);
       CHECK(split.data().size() == 7);
     }},
    {"validation_data_path",
     [] {
       const std::string other = folder().write("held-out.jsonl", some_chats(5, "plums"));
       const RecipeRun own = run<S>([&](S& o) {
         o.validation_data_path = other;
         o.validate_at_epoch = true;
       });
       CHECK(own.report().at("validation") == 5);
       CHECK(own.data().size() == 10);
     }},
    {"validation_frequency",
     [] {
       const RecipeRun often = run<S>([](S& o) {
         held_out(o);
         o.num_epochs = 2;
         o.validation_frequency = 3;
       });
       CHECK(often.validated() == Steps{3, 4});
     }},
    {"validate_at_epoch",
     [] {
       const RecipeRun both = run<S>([](S& o) {
         held_out(o);
         o.num_epochs = 2;
         o.validation_frequency = 3;
         o.validate_at_epoch = true;
       });
       CHECK(both.validated() == Steps{2, 3, 4});
     }},
    {"save_best_val_loss",
     [] {
       const RecipeRun best = run<S>([](S& o) {
         held_out(o);
         o.save_best_val_loss = true;
         o.save_final_checkpoint = true;
       });
       CHECK(best.models() == Names{"samples_7", "samples_7_best_val_loss"});
       CHECK(best.result.best == (best.folder / "hf_format/samples_7_best_val_loss").string());
       CHECK(run<S>(held_out).result.best == "");
     }},
    {"early_stopping_patience",
     [] {
       CHECK(steps_with_patience(1) == 2);
       CHECK(steps_with_patience(2) == 3);
     }},
    {"early_stopping_threshold",
     [] {
       CHECK(steps_with_patience(1, 0.0) == 4);
       CHECK(steps_with_patience(1, 0.5) == 2);
     }},
    {"save_samples",
     [] {
       const RecipeRun four = run<S>([](S& o) { o.save_samples = 4; });
       CHECK(four.models() == Names{"samples_4", "samples_8"});
     }},
    {"checkpoint_at_epoch",
     [] {
       const auto models = [](bool at_epoch) {
         return run<S>([&](S& o) {
                  o.num_epochs = 2;
                  o.checkpoint_at_epoch = at_epoch;
                })
             .models();
       };
       CHECK(models(true) == Names{"samples_10", "samples_20"});
       CHECK(models(false).empty());
     }},
    {"accelerate_full_state_at_epoch",
     [] {
       const auto steps = [](bool at_epoch) {
         Steps saved;
         const RecipeRun two = run<S>(
             [&](S& o) {
               o.num_epochs = 2;
               o.accelerate_full_state_at_epoch = at_epoch;
             },
             Saved{&saved});
         CHECK(two.checkpoints() == Names{"identity.json", "step-00000006"});
         return saved;
       };
       CHECK(steps(true) == Steps{3, 6});
       CHECK(steps(false) == Steps{6});
     }},
    {"save_final_checkpoint",
     [] {
       const RecipeRun saved = run<S>([](S& o) { o.save_final_checkpoint = true; });
       CHECK(saved.models() == Names{"samples_10"});
       CHECK(saved.result.model == (saved.folder / "hf_format/samples_10").string());
       CHECK(plain<S>().models().empty());
       CHECK(plain<S>().result.model == "");
     }},
    {"keep_last_checkpoint_only",
     [] {
       const RecipeRun last = run<S>([](S& o) {
         o.save_samples = 4;
         o.keep_last_checkpoint_only = true;
       });
       CHECK(last.models() == Names{"samples_8"});
     }},
    {"checkpoint_storage",
     [] {
       const std::string storage = folder().path("storage");
       CHECK(run<S>([&](S& o) { o.checkpoint_storage = storage; }).error == "");
       CHECK(names_in(storage) == Names{"step-00000003"});
     }},
    {"enable_jit_checkpoint",
     [] {
       const auto former = std::signal(SIGUSR1, [](int) { Signals::heard = Signals::heard + 1; });
       const RecipeRun taken = run<S>([](S&) {}, Signals{});
       CHECK(taken.result.interrupted);
       CHECK(taken.result.signal == SIGUSR1);
       CHECK(taken.result.steps == 1);
       CHECK(taken.checkpoints() == Names{"identity.json", "step-00000001"});
       CHECK(taken.models().empty());
       CHECK(Signals::heard == 0);
       const RecipeRun left = run<S>([](S& o) { o.enable_jit_checkpoint = false; }, Signals{});
       CHECK_FALSE(left.result.interrupted);
       CHECK(left.result.steps == 3);
       CHECK(Signals::heard == 1);
       std::signal(SIGUSR1, former);
     }},
    {"logging_steps",
     [] {
       CHECK(run<S>([](S& o) { o.logging_steps = 2; }).numbers("step") == Numbers{2, 3});
     }},
    {"tensorboard_log_dir",
     [] {
       const std::string events = folder().path("events");
       run<S>([&](S& o) { o.tensorboard_log_dir = events; });
       CHECK(names_in(events).size() == 1);
     }},
    {"progress",
     [] {
       CHECK(plain<S>().said == "");
       const std::string said = run<S>([](S& o) { o.progress = true; }).said;
       CHECK(contains(said, "10 samples read: 10 sequences for training"));
       CHECK(contains(said, "step 3/3 epoch 1.00 loss "));
     }},
    {"nproc_per_node",
     [] {
       CHECK(
           run<S>([](S& o) { o.nproc_per_node = 8; }).error ==
           "nproc_per_node = 8 asks for 8 processes on this machine, and no launcher started them; "
           "hint: torchrun --no-python --nproc-per-node 8 PROGRAM");
     }},
    {"nnodes",
     [] {
       CHECK(contains(run<S>([](S& o) { o.nnodes = "2"; }).error,
                      "nnodes = 2, and nothing says where the machines meet"));
     }},
    {"node_rank",
     [] {
       CHECK(contains(run<S>([](S& o) { o.node_rank = 1; }).error,
                      "expected node_rank to be below nnodes = 1, got 1"));
     }},
    // One process meets no other: the names are in the record alone.
    {"rdzv_id",
     [] { CHECK(run<S>([](S& o) { o.rdzv_id = 7; }).parameters().at("rdzv_id") == "7"); }},
    {"rdzv_endpoint",
     [] {
       CHECK(contains(run<S>([](S& o) { o.rdzv_endpoint = "node0"; }).error,
                      "expected rdzv_endpoint as host:port"));
     }},
    {"master_addr",
     [] {
       CHECK(contains(run<S>([](S& o) {
                        o.rdzv_endpoint = "node0:1";
                        o.master_addr = "node0";
                      }).error,
                      "master_addr = node0 and rdzv_endpoint = node0:1 both say"));
     }},
    {"master_port",
     [] {
       CHECK(contains(run<S>([](S& o) { o.master_port = 1; }).error,
                      "master_port = 1 without an address"));
     }},
    {"sharding",  // with several processes: tests/end_to_end/ranks_test.py
     [] {
       CHECK(run<S>([](S& o) { o.sharding = "optimizer"; }).parameters().at("sharding") ==
             "optimizer");
       CHECK(contains(error_of([] { S{}.sharding = "weights"; }),
                      "expected one of none, optimizer, got \"weights\""));
     }},
};

using L = LoraSftOptions;

const std::vector<Row> kLoraSftRows{
    {"lora_r",
     [] {
       CHECK(number(run<L>([](L& o) { o.lora_r = 32; }), "trained_parameters") ==
             2 * number(plain<L>(), "trained_parameters"));
     }},
    {"lora_alpha", [] { changes_losses<L>(2, [](L& o) { o.lora_alpha = 4; }); }},
    {"lora_dropout", [] { changes_losses<L>(2, [](L& o) { o.lora_dropout = 0.5; }); }},
    {"target_modules",
     [] {
       CHECK(number(run<L>([](L& o) { o.target_modules = "q_proj"; }), "trained_parameters") ==
             2 * 16 * (16 + 16));
     }},
    {"modules_to_save",
     [] {
       CHECK(number(run<L>([](L& o) { o.modules_to_save = "norm"; }), "trained_parameters") ==
             number(plain<L>(), "trained_parameters") + 16);
     }},
    {"rank_pattern",
     [] {
       CHECK(number(run<L>([](L& o) { o.rank_pattern = "q_proj=1"; }), "trained_parameters") ==
             number(plain<L>(), "trained_parameters") - 2 * 15 * (16 + 16));
     }},
    {"alpha_pattern", [] { changes_losses<L>(2, [](L& o) { o.alpha_pattern = "down_proj=1"; }); }},
    {"use_rslora", [] { changes_losses<L>(2, [](L& o) { o.use_rslora = true; }); }},
    {"use_dora",
     [] {
       CHECK(number(run<L>([](L& o) { o.use_dora = true; }), "trained_parameters") >
             number(plain<L>(), "trained_parameters"));
     }},
    {"init_lora_weights",
     [] { changes_losses<L>(2, [](L& o) { o.init_lora_weights = "gaussian"; }); }},
    {"loraplus_lr_ratio", [] { changes_losses<L>(2, [](L& o) { o.loraplus_lr_ratio = 4; }); }},
    {"load_in_4bit",
     [] {
       const std::int64_t four = number(run<L>([](L& o) { o.load_in_4bit = true; }), "weights");
       const std::int64_t eight = number(run<L>([](L& o) { o.load_in_8bit = true; }), "weights");
       CHECK(four < eight);
     }},
    {"load_in_8bit",
     [] {
       CHECK(number(run<L>([](L& o) { o.load_in_8bit = true; }), "weights") <
             number(plain<L>(), "weights"));
     }},
    {"merge_adapter",
     [] {
       const auto saved = [](bool merged) {
         return names_in(run<L>([&](L& o) {
                           o.merge_adapter = merged;
                           o.save_final_checkpoint = true;
                         }).result.model);
       };
       const Names merged = saved(true);
       CHECK(std::count(merged.begin(), merged.end(), "model.safetensors") == 1);
       CHECK(saved(false) ==
             Names{"README.md", "adapter_config.json", "adapter_model.safetensors"});
     }},
};

using O = OsftOptions;

const std::vector<Row> kOsftRows{
    {"unfreeze_rank_ratio",
     [] {
       CHECK(number(run<O>([](O& o) { o.unfreeze_rank_ratio = 0.75; }), "trained_parameters") >
             number(plain<O>(), "trained_parameters"));
     }},
    {"target_patterns",
     [] {
       CHECK(number(run<O>([](O& o) { o.target_patterns = "q_proj"; }), "trained_parameters") !=
             number(plain<O>(), "trained_parameters"));
     }},
    {"osft_memory_efficient_init",
     [] {
       CHECK(contains(run<O>([](O& o) { o.osft_memory_efficient_init = false; }).error,
                      "osft_memory_efficient_init = false is not offered"));
     }},
    {"load_in_4bit",
     [] {
       CHECK(number(run<O>([](O& o) { o.load_in_4bit = true; }), "weights") <
             number(plain<O>(), "weights"));
     }},
};

using P = PromptTuningSftOptions;

const std::vector<Row> kPromptTuningSftRows{
    {"num_virtual_tokens",
     [] {
       CHECK(number(run<P>([](P& o) { o.num_virtual_tokens = 3; }), "trained_parameters") ==
             3 * 16);
     }},
    {"prompt_tuning_init",
     [] { changes_losses<P>(1, [](P& o) { o.prompt_tuning_init = "random"; }); }},
    {"prompt_tuning_init_text",
     [] {
       const auto losses = [](const char* text) {
         const RecipeRun of_text = run<P>([&](P& o) {
           o.prompt_tuning_init = "text";
           o.prompt_tuning_init_text = text;
         });
         CHECK(of_text.error == "");
         return of_text.losses();
       };
       CHECK(losses("apples") != losses("pears and plums"));
     }},
};

}  // namespace

TEST_CASE("every member of sft does something", "[recipes]") {
  check_rows(kSftFields, std::array<Field, 0>{}, kSftRows);
}

TEST_CASE("every member that lora_sft has alone does something", "[recipes]") {
  check_rows(kLoraSftFields, kSftFields, kLoraSftRows);
}

TEST_CASE("every member that osft has alone does something", "[recipes]") {
  check_rows(kOsftFields, kSftFields, kOsftRows);
}

TEST_CASE("every member that prompt_tuning_sft has alone does something", "[recipes]") {
  check_rows(kPromptTuningSftFields, kSftFields, kPromptTuningSftRows);
}
