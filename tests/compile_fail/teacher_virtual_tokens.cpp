// expected: posttrain: a teacher reads a batch without virtual tokens, which these Params put before it [docs/parameters.md#teachers]
// SPDX-License-Identifier: Apache-2.0
// A soft prompt beside a teacher.
#include "posttrain/models/decoder.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/with_teacher.hpp"

using namespace posttrain;

int main() {
  const models::Decoder model{models::DecoderConfig{}};
#ifdef LEGAL
  const WithTeacher params{Full{}, model};
#else
  const WithTeacher params{PromptTuning{.num_virtual_tokens = 4}, model};
#endif
  return params.attach(model).trainable().empty() ? 1 : 0;
}
