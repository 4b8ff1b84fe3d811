// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>
