# SPDX-License-Identifier: Apache-2.0
"""Every public header has a test of its path, tests/ROOM/NAME_test.cpp, or stands below with its reason."""

import os

import repo

REASONS = {
    "posttrain/batch/steps.hpp": "tested in tests/batch/rewards_test.cpp",
    "posttrain/batch/virtual_tokens.hpp": "tested in tests/params/prompt_tuning_test.cpp",
    "posttrain/concepts/check.hpp": "tested in tests/compile_fail/",
    "posttrain/concepts/concepts.hpp": "tested in tests/static/concepts_static_test.cpp",
    "posttrain/concepts/gate.hpp": "tested in tests/compile_fail/ and static/",
    "posttrain/data/formats/passage.hpp": "tested in tests/data/formats/records_test.cpp",
    "posttrain/params/forwarding.hpp": "tested in tests/trainer/own_policies_test.cpp",
    "posttrain/params/from.hpp": "tested in tests/params/lora_test.cpp, osft_test.cpp, prompt_tuning_test.cpp",
    "posttrain/params/from_state.hpp": "tested in tests/params/osft_test.cpp",
    "posttrain/params/lora/adapters.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/lora/files.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/lora/init.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/lora/options.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/lora/policy.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/lora/state.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/lora/table.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/osft/base.hpp": "tested in tests/params/osft_test.cpp",
    "posttrain/params/osft/factored_state.hpp": "tested in tests/params/osft_factored_test.cpp",
    "posttrain/params/osft/files.hpp": "tested in tests/params/osft_test.cpp",
    "posttrain/params/osft/principal_angles.hpp": "tested in tests/params/osft_test.cpp",
    "posttrain/params/osft/site.hpp": "tested in tests/params/osft_test.cpp",
    "posttrain/params/osft/state.hpp": "tested in tests/params/osft_test.cpp",
    "posttrain/params/osft/subspace.hpp": "tested in tests/params/osft_test.cpp",
    "posttrain/params/osft_on_inputs.hpp": "tested in tests/params/calibration/layer_importance_test.cpp",
    "posttrain/params/prefix_tuning.hpp": "tested in tests/params/prompt_tuning_test.cpp",
    "posttrain/params/prompt/files.hpp": "tested in tests/params/prompt_tuning_test.cpp",
    "posttrain/params/prompt/init.hpp": "tested in tests/params/prompt_tuning_test.cpp",
    "posttrain/params/qlora.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/weights/matrix_change.hpp": "tested in tests/params/osft_test.cpp",
    "posttrain/params/weights/model_weights.hpp": "tested in tests/params/full_test.cpp",
    "posttrain/params/weights/peft_folder.hpp": "tested in tests/params/lora_test.cpp",
    "posttrain/params/weights/site_weights.hpp": "tested in tests/params/full_test.cpp",
    "posttrain/params/with_frozen_reference.hpp": "tested in tests/batch/pairs_test.cpp",
    "posttrain/params/with_moving_reference.hpp": "tested in tests/batch/pairs_test.cpp",
    "posttrain/params/with_reference_scores.hpp": "tested in tests/batch/pairs_test.cpp",
    "posttrain/trainer.hpp": "tested in tests/trainer/trainer_test.cpp",
    "posttrain/trainer/checkpoint.hpp": "tested in tests/trainer/trainer_test.cpp",
    "posttrain/trainer/engine.hpp": "tested in tests/trainer/trainer_test.cpp",
    "posttrain/trainer/objective.hpp": "tested in tests/trainer/trainer_test.cpp",
    "posttrain/trainer/reference_scores.hpp": "tested in tests/batch/pairs_test.cpp",
    "posttrain/trainer/scorer.hpp": "tested in tests/trainer/trainer_test.cpp",
    "posttrain/base/compiled.hpp": "a macro; the build uses it both ways",
    "posttrain/fwd.hpp": "names only",
    "posttrain/jinja/ast.hpp": "node types, tested with parser.hpp",
    "posttrain/jinja/escaping.hpp": "tested with text_filters.hpp",
    "posttrain/jinja/json_data.hpp": "tested with json.hpp and evaluator.hpp",
    "posttrain/jinja/output.hpp": "a buffer, tested with evaluator.hpp",
    "posttrain/jinja/runtime.hpp": "an interface, tested with evaluator.hpp",
    "posttrain/jinja/self_reference.hpp": "tested with scope.hpp and evaluator.hpp",
    "posttrain/jinja/token.hpp": "token types, tested with lexer.hpp",
    "posttrain/models/families/common.hpp": "read by every family, tested with each of them",
    "posttrain/models/families/family.hpp": "the type that table.hpp lists",
    "posttrain/nn/activation.hpp": "an enum, tested with gated_activation.hpp",
    "posttrain/nn/attention_types.hpp": "structs, tested with attention.hpp",
    "posttrain/nn/cpu/attention.hpp": "a kernel, tested against the generic one with attention.hpp",
    "posttrain/nn/cpu/attention_backward.hpp": "a kernel, tested with attention.hpp",
    "posttrain/nn/cpu/attention_rows.hpp": "a part of the kernel, tested with attention.hpp",
    "posttrain/nn/cpu/attention_tiles.hpp": "a part of the kernel, tested with attention.hpp",
    "posttrain/nn/model_call.hpp": "a struct of options, tested with models/decoder.hpp",
    "posttrain/storage/dense.hpp": "a tag without behavior",
    "posttrain/text/added_token.hpp": "a struct, tested with tokenizer/added_tokens.hpp",
    "posttrain/text/tokenizer/charsmap.hpp": "tested with tokenizer/normalizer.hpp",
    "posttrain/text/tokenizer/model.hpp": "a choice of models that have tests of their own",
    "posttrain/text/tokenizer/pipeline.hpp": "tested with tokenizer.hpp",
    "posttrain/text/tokenizer/tokens.hpp": "structs, tested with tokenizer.hpp",
    "posttrain/tensor/ops.hpp": "a list of LibTorch's operators",
    "posttrain/tensor/tensor.hpp": "LibTorch's type under our name",
}


def main():
    cases = repo.Cases()
    files = set(repo.files("_test.cpp"))
    headers = repo.headers()
    for header in headers:
        inside = header.removeprefix("posttrain/")[:-4]
        tested = f"tests/{inside}_test.cpp" in files
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
