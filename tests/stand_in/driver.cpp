// SPDX-License-Identifier: Apache-2.0
// NVIDIA's driver of the stand-in device: POSTTRAIN_STAND_IN_DEVICES GPUs (1) of the compute
// capability POSTTRAIN_STAND_IN_CAPABILITY (90: 9.0). It runs the library's kernels on the host,
// threads in ascending order or, with
// POSTTRAIN_STAND_IN_STRIDE (a prime above 32), in another one. POSTTRAIN_STAND_IN_GPU tells the
// GPUs of several processes apart.
#include "stand_in/emulation.hpp"
// Behind what gives device code its meaning.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "stand_in/kernels.hpp"
#include "support/stand_in_cuda.hpp"

namespace {

int number_in(const char* name, int otherwise) {
  const char* given = std::getenv(name);
  return given ? std::atoi(given) : otherwise;
}

constexpr int kNotFound = 500, kInvalid = 1;

/// The bytes of an address of the stand-in's memory, which its CUDA library has.
void* host_address(const void* device) {
  using Find = void* (*)(const void*);
  static const auto find =
      reinterpret_cast<Find>(::dlsym(RTLD_DEFAULT, "posttrain_stand_in_host_address"));
  return find ? find(device) : nullptr;
}

/// Counted where operations are.
void count_kernel() {
  using Find = posttrain::stand_in::Counts* (*)();
  static const auto find =
      reinterpret_cast<Find>(::dlsym(RTLD_DEFAULT, "posttrain_stand_in_counts"));
  if (!find) return;
  find()->operations += 1;
  find()->kernels += 1;
}

int context;

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

/// POSTTRAIN_STAND_IN_GPU: which GPU this process sees (0).
int cuDeviceGetUuid_v2(unsigned char* uuid, int device) {
  std::memset(uuid, 0, 16);
  uuid[14] = static_cast<unsigned char>(number_in("POSTTRAIN_STAND_IN_GPU", 0));
  uuid[15] = static_cast<unsigned char>(device);
  return 0;
}

int cuDevicePrimaryCtxRetain(void** retained, int /*device*/) {
  *retained = &context;
  return 0;
}
int cuCtxGetCurrent(void** current) {
  *current = nullptr;
  return 0;
}
int cuCtxSetCurrent(void* /*context*/) { return 0; }

int cuGetErrorString(int error, const char** text) {
  *text = error == kNotFound ? "named symbol not found" : "invalid argument";
  return 0;
}

/// A module is the form that its program was compiled for: what the stand-in's compiler gives.
int cuModuleLoadData(void** module, const void* image) {
  *module = new std::string(static_cast<const char*>(image));
  return 0;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
  const auto& all = posttrain::stand_in::kernels();
  const auto found = all.find(std::string(name) + " " + *static_cast<std::string*>(module));
  if (found == all.end()) return kNotFound;
  *function = reinterpret_cast<void*>(found->second);
  return 0;
}

int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                   void* /*stream*/, void** parameters, void** /*extra*/) {
  if (grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1 || shared_bytes != 0 ||
      grid_x == 0) {
    return kInvalid;
  }
  count_kernel();
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  const auto bind = reinterpret_cast<posttrain::stand_in::Binder>(function);
  static const int stride = number_in("POSTTRAIN_STAND_IN_STRIDE", 1);
  posttrain::stand_in::Fibers::get().run(grid_x, static_cast<int>(block_x), stride,
                                         bind(parameters, &host_address));
  return 0;
}
}
