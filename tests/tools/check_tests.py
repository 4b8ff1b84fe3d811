# SPDX-License-Identifier: Apache-2.0
"""Every public header has a test of its path, tests/ROOM/NAME_test.cpp, or stands below with its reason.

A header with device code is tested by tests/device/kernels_test.cpp and compiled for every architecture by
tests/tensor/cuda/compiler_test.cpp: tests/support/device_programs.hpp must list it.
"""

import os

import repo

REASONS = {
    "posttrain/base/json.hpp": "a name for a type",
    "posttrain/base/compiled.hpp": "a macro; the build uses it both ways",
    "posttrain/fwd.hpp": "names only",
    "posttrain/distributed/cuda/nccl_library.hpp": "tested with distributed/nccl.hpp and by tests/static/nccl_prototypes.cpp",
    "posttrain/distributed/sharding.hpp": "an enum, tested with trainer/shards.hpp",
    "posttrain/distributed/mpi.hpp": "under mpirun: tests/end_to_end/ranks_test.py",
    "posttrain/params/attach_among.hpp": "a choice, tested with several ranks: tests/trainer/ranks_policies_test.cpp",
    "posttrain/trainer/stored_state.hpp": "tested with trainer/checkpoints.hpp, of slices with trainer/shards.hpp",
    "posttrain/tensor/side_stream.hpp": "tested with tensor/host_ring.hpp and, on the stand-in, distributed/nccl.hpp",
    "posttrain/data/rollouts/chosen_stream.hpp": "tested with data/online_pairs.hpp and data/best_of_group.hpp",
    "posttrain/data/rollouts/curriculum.hpp": "a concept, tested with data/rollouts/learnable.hpp, tests/compile_fail/curriculum_*",
    "posttrain/data/rollouts/prompt_kind.hpp": "tested with data/rollouts/prompt_loading.hpp",
    "posttrain/data/rollouts/rollout_stream.hpp": "the stream of data/rollouts.hpp, tested with it",
    "posttrain/generate/generator_core.hpp": "the work of generate/generator.hpp, tested with it",
    "posttrain/generate/generator_for.hpp": "a choice, tested with generate/rereader.hpp",
    "posttrain/generate/rereader_core.hpp": "the work of generate/rereader.hpp, tested with it",
    "posttrain/generate/run_requests.hpp": "what generators have in common, tested with both",
    "posttrain/generate/sample_in_work.hpp": "what generators have in common, tested with both",
    "posttrain/generate/sample_writer.hpp": "what generators have in common, tested with both",
    "posttrain/generate/generator_options.hpp": "options, tested with generate/generator.hpp",
    "posttrain/generate/request.hpp": "structs, tested with generate/generator.hpp",
    "posttrain/jinja/ast.hpp": "node types, tested with parser.hpp",
    "posttrain/jinja/escaping.hpp": "tested with text_filters.hpp",
    "posttrain/jinja/output.hpp": "a buffer, tested with evaluator.hpp",
    "posttrain/jinja/runtime.hpp": "an interface, tested with evaluator.hpp",
    "posttrain/jinja/self_reference.hpp": "tested with scope.hpp and evaluator.hpp",
    "posttrain/jinja/token.hpp": "token types, tested with lexer.hpp",
    "posttrain/losses/terms/f_divergence_name.hpp": "an enum, tested with f_divergence.hpp",
    "posttrain/models/families/common.hpp": "read by every family, tested with each of them",
    "posttrain/models/families/family.hpp": "the type that table.hpp lists",
    "posttrain/nn/activation.hpp": "an enum, tested with gated_activation.hpp",
    "posttrain/nn/attention_types.hpp": "structs, tested with attention.hpp",
    "posttrain/nn/cpu/attention.hpp": "a kernel, tested against the generic one with attention.hpp",
    "posttrain/nn/cpu/attention_backward.hpp": "a kernel, tested with attention.hpp",
    "posttrain/nn/cpu/attention_rows.hpp": "a part of the kernel, tested with attention_cached.hpp",
    "posttrain/nn/cpu/attention_tiles.hpp": "a part of the kernel, tested with attention.hpp",
    "posttrain/nn/row_blocks.hpp": "an enum, tested with packed_matrix.hpp and packed_matrices.hpp",
    "posttrain/nn/cpu/cached_products.hpp": "a part of the kernel, tested with attention_cached.hpp",
    "posttrain/tensor/kernels.hpp": "a switch; the tests run both ways",
    "posttrain/nn/model_call.hpp": "a struct of options, tested with models/decoder.hpp",
    "posttrain/nn/cuda/row_chunks.hpp": "a split, tested with the gradients of tests/device/kernels_test.cpp",
    "posttrain/tensor/cuda/device_code.hpp": "a macro, tested with every kernel: tests/device/kernels_test.cpp",
    "posttrain/tensor/cuda/dispatch.hpp": "a macro, tested with every kernel: tests/device/kernels_test.cpp",
    "posttrain/tensor/cuda/driver.hpp": "tested with tensor/device.hpp and every kernel",
    "posttrain/tensor/cuda/kernel.hpp": "tested with every kernel: tests/device/kernels_test.cpp",
    "posttrain/tensor/cuda/library_beside.hpp": "tested with tensor/device.hpp: tests/end_to_end/device_test.py",
    "posttrain/recipes/policy_training.hpp": "the work of grpo.hpp, lora_grpo.hpp and ppo.hpp, tested with them",
    "posttrain/recipes/chosen_params.hpp": "a choice, tested with recipes/estimate.hpp and measure.hpp",
    "posttrain/recipes/chosen_state.hpp": "a choice, tested with recipes/estimate.hpp and measure.hpp",
    "posttrain/recipes/names.hpp": "two enums, tested with recipes/recipe.hpp and recipes/any_optimizer.hpp",
    "posttrain/recipes/recipe_result.hpp": "a struct, tested with recipes/sft.hpp",
    "posttrain/rewards/math/token.hpp": "a token type, tested with lexer.hpp",
    "posttrain/storage/dense.hpp": "a tag without behavior",
    "posttrain/text/added_token.hpp": "a struct, tested with tokenizer/added_tokens.hpp",
    "posttrain/text/tokenizer/charsmap.hpp": "tested with tokenizer/normalizer.hpp",
    "posttrain/text/tokenizer/model.hpp": "a choice of models that have tests of their own",
    "posttrain/text/tokenizer/pipeline.hpp": "tested with tokenizer.hpp",
    "posttrain/text/tokenizer/tokens.hpp": "structs, tested with tokenizer.hpp",
    "posttrain/rewards/process/containment.hpp": "a struct, tested with rewards/command.hpp",
    "posttrain/rewards/sample.hpp": "two aggregates that the test of every verifier fills",
    "posttrain/unicode/pcre2_code.hpp": "one function, tested with regex.hpp and limited_regex.hpp",
    "posttrain/base/finish_reason.hpp": "an enum, tested with rewards/pool.hpp",
    "posttrain/tensor/ops.hpp": "a list of LibTorch's operators",
    "posttrain/tensor/tensor.hpp": "LibTorch's type under our name",
    "posttrain/concepts/check.hpp": "Compile errors only: tests/compile_fail has each of its messages.",
    "posttrain/concepts/batch.hpp": "Concepts only: tests/static/concepts_static_test.cpp.",
    "posttrain/concepts/data.hpp": "Concepts only: tests/static/concepts_static_test.cpp.",
    "posttrain/concepts/gives.hpp": "Concepts only: tests/static/concepts_static_test.cpp.",
    "posttrain/concepts/rollout.hpp": "Concepts only: tests/compile_fail/rollouts_*.cpp.",
    "posttrain/concepts/loss.hpp": "Concepts only: tests/static/concepts_static_test.cpp.",
    "posttrain/concepts/model.hpp": "Concepts only: tests/static/concepts_static_test.cpp.",
    "posttrain/concepts/optimizer.hpp": "Concepts only: tests/static/concepts_static_test.cpp.",
    "posttrain/concepts/params.hpp": "Concepts only: tests/static/concepts_static_test.cpp.",
    "posttrain/concepts/gate.hpp": "Concepts and compile errors: tests/static, tests/compile_fail/facet*.",
    "posttrain/data/pipeline/formatted_loading.hpp": "tested with record_loading.hpp and data/tokenized.hpp",
    "posttrain/data/formats/passage.hpp": "Two aggregates that tests/data/formats/messages_test.cpp fills.",
    "posttrain/params/from.hpp": "One declaration; its specialisations are tested with their files.",
    "posttrain/trainer.hpp": "The constructors of what tests/trainer/engine_test.cpp tests.",
}


def main():
    cases = repo.Cases()
    files = set(repo.files("_test.cpp"))
    headers = repo.headers()
    programs = {path for _, path, _ in repo.includes("tests/support/device_programs.hpp")}
    for header in headers:
        inside = header.removeprefix("posttrain/")[:-4]
        tested = f"tests/{inside}_test.cpp" in files or header in programs
        problems = []
        if not tested and header not in REASONS:
            problems.append(f"add tests/{inside}_test.cpp, or a reason in tests/tools/check_tests.py")
        if tested and header in REASONS:
            problems.append(f"{header} has a test: remove its reason from tests/tools/check_tests.py")
        cases.case("test of " + header, problems)
    for header in sorted(set(REASONS) - set(headers)):
        cases.case("reason for " + header, [f"there is no {header}"])
    cases.finish()


if __name__ == "__main__":
    main()
