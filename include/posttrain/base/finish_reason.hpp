// SPDX-License-Identifier: Apache-2.0
// Why a generated sample ended, as the sampler knows it; it is never inferred from the last id.
#pragma once

namespace posttrain {

enum class FinishReason {
  stop_id,      // an end-of-sequence id, or one of the options' `stop_ids`, was drawn
  stop_string,  // the text completed one of the options' `stop_strings`
  length,       // cut off: `max_new_tokens`, `max_turns`, or no room left
  environment,  // the environment (a tool, a game) ended the conversation
  error,        // the sample could not be finished; its text says nothing
};

}  // namespace posttrain
