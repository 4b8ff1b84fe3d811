// SPDX-License-Identifier: Apache-2.0
// NVIDIA's driver of the stand-in device: POSTTRAIN_STAND_IN_DEVICES GPUs (1) of the compute
// capability POSTTRAIN_STAND_IN_CAPABILITY (90: 9.0).
#include <cstdlib>

namespace {

int number_in(const char* name, int otherwise) {
  const char* given = std::getenv(name);
  return given ? std::atoi(given) : otherwise;
}

}  // namespace

extern "C" {
int cuInit(unsigned /*flags*/) { return 0; }

int cuDeviceGet(int* device, int index) {
  *device = index;
  return index < number_in("POSTTRAIN_STAND_IN_DEVICES", 1) ? 0 : 101;  // invalid device
}

int cuDeviceGetAttribute(int* value, int attribute, int /*device*/) {
  const int capability = number_in("POSTTRAIN_STAND_IN_CAPABILITY", 90);
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}
}
