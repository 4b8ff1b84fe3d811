// SPDX-License-Identifier: Apache-2.0
// The compiled library: models, parameters and what a run reads and writes
// (base/compiled.hpp).
#ifndef POSTTRAIN_COMPILED
#define POSTTRAIN_COMPILED
#endif
#define POSTTRAIN_COMPILED_SOURCE

#include "posttrain/data/pipeline/answer_stream_impl.hpp"
#include "posttrain/data/pipeline/token_stream_impl.hpp"
#include "posttrain/evaluate/retention_impl.hpp"
#include "posttrain/hub/pretrained_decoder_impl.hpp"
#include "posttrain/hub/reward_model_impl.hpp"
#include "posttrain/losses/bradley_terry_impl.hpp"
#include "posttrain/losses/length_desensitized_impl.hpp"
#include "posttrain/losses/next_token_impl.hpp"
#include "posttrain/losses/step_reward_impl.hpp"
#include "posttrain/losses/terms/answer_scores_impl.hpp"
#include "posttrain/losses/terms/counterparts_impl.hpp"
#include "posttrain/losses/terms/pair_scores_impl.hpp"
#include "posttrain/models/decoder_impl.hpp"
#include "posttrain/models/rotations_impl.hpp"
#include "posttrain/optim/clip_impl.hpp"
#include "posttrain/optim/host_staging_impl.hpp"
#include "posttrain/params/lora/files_impl.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft/complement_impl.hpp"
#include "posttrain/params/osft/factored_state_impl.hpp"
#include "posttrain/params/osft/files_impl.hpp"
#include "posttrain/params/osft/principal_angles_impl.hpp"
#include "posttrain/params/osft/subspace_impl.hpp"
#include "posttrain/params/prompt/files_impl.hpp"
#include "posttrain/params/weights/model_weights_impl.hpp"
#include "posttrain/params/weights/peft_folder_impl.hpp"
#include "posttrain/storage/bitsandbytes_impl.hpp"
#include "posttrain/storage/int8_impl.hpp"
#include "posttrain/storage/nf4_storage_impl.hpp"
#include "posttrain/trainer/checkpoint_impl.hpp"
#include "posttrain/trainer/reference_scores_impl.hpp"
#include "posttrain/trainer/run/footprint_impl.hpp"
#include "posttrain/trainer/run/log_impl.hpp"
#include "posttrain/trainer/run/record_impl.hpp"

template class posttrain::ModelWeights<posttrain::Dense>;
template class posttrain::OsftState<posttrain::Dense>;
