// expected: posttrain: this Loss compares with a teacher and these Params have none; take WithTeacher [docs/parameters.md#teachers]
// SPDX-License-Identifier: Apache-2.0
// Distillation on parameters without a teacher.
#include "posttrain/data/packed.hpp"
#include "posttrain/losses/distillation.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_teacher.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

struct Sequences {
  data::LoadedData load(const data::LoadContext&) const { return {}; }
};

int main() {
  const models::Decoder teacher{models::DecoderConfig{}};
#ifdef LEGAL
  const WithTeacher params{Full{}, teacher};
#else
  const Full params;
#endif
  Trainer trainer(models::Decoder(models::DecoderConfig{}), Distillation{}, params, Sequences{},
                  AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
