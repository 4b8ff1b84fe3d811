// SPDX-License-Identifier: Apache-2.0
// The compiled library: models, parameters and what a run reads and writes
// (core/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/data/judged_stream_impl.hpp"
#include "posttrain/data/token_stream_impl.hpp"
#include "posttrain/hub/pretrained_decoder_impl.hpp"
#include "posttrain/hub/reward_model_impl.hpp"
#include "posttrain/losses/bradley_terry_impl.hpp"
#include "posttrain/losses/counterparts_impl.hpp"
#include "posttrain/losses/judged_scores_impl.hpp"
#include "posttrain/losses/length_desensitized_impl.hpp"
#include "posttrain/losses/next_token_impl.hpp"
#include "posttrain/losses/pair_scores_impl.hpp"
#include "posttrain/losses/step_reward_impl.hpp"
#include "posttrain/models/decoder_impl.hpp"
#include "posttrain/models/rotations_impl.hpp"
#include "posttrain/optim/clip_impl.hpp"
#include "posttrain/optim/host_staging_impl.hpp"
#include "posttrain/params/bitsandbytes_impl.hpp"
#include "posttrain/params/complement_impl.hpp"
#include "posttrain/params/int8_impl.hpp"
#include "posttrain/params/lora_files_impl.hpp"
#include "posttrain/params/model_weights_impl.hpp"
#include "posttrain/params/nf4_storage_impl.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft_files_impl.hpp"
#include "posttrain/params/osft_reference_state_impl.hpp"
#include "posttrain/params/osft_subspace_impl.hpp"
#include "posttrain/params/peft_folder_impl.hpp"
#include "posttrain/params/principal_angles_impl.hpp"
#include "posttrain/params/prompt_files_impl.hpp"
#include "posttrain/trainer/checkpoint_impl.hpp"
#include "posttrain/trainer/footprint_impl.hpp"
#include "posttrain/trainer/record_impl.hpp"
#include "posttrain/trainer/reference_scores_impl.hpp"
#include "posttrain/trainer/retention_impl.hpp"
#include "posttrain/trainer/run_log_impl.hpp"

template class posttrain::ModelWeights<posttrain::Dense>;
template class posttrain::OsftState<posttrain::Dense>;
