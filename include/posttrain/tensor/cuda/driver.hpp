// SPDX-License-Identifier: Apache-2.0
// NVIDIA's driver API, loaded by name: its functions that the library calls, with prototypes of its
// own, so that nothing of NVIDIA's is needed to compile or to link.
#pragma once

#include <dlfcn.h>

#include <string>

namespace posttrain::cuda {

class Driver {
 public:
  using Result = int;  // CUresult
  using Module = void*;
  using Function = void*;
  using Context = void*;

  std::string error;  // of the loader or the driver; empty: it works

  static const Driver& get() {
    static const Driver driver;
    return driver;
  }

  /// Ten times the compute capability of a device (90: 9.0); 0 where the driver does not say.
  int capability(int index) const {
    constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
    int device = 0, major = 0, minor = 0;
    if (device_get_(&device, index) != 0 || attribute_(&major, kMajor, device) != 0 ||
        attribute_(&minor, kMinor, device) != 0) {
      return 0;
    }
    return 10 * major + minor;
  }

  /// Which of all GPUs a device is, in hexadecimal digits; empty where the driver does not say.
  std::string uuid(int index) const {
    int device = 0;
    unsigned char bytes[16] = {};
    if (!uuid_ || device_get_(&device, index) != 0 || uuid_(bytes, device) != 0) return {};
    std::string text = "GPU-";
    for (const unsigned char byte : bytes) {
      constexpr const char* kDigits = "0123456789abcdef";
      text += {kDigits[byte / 16], kDigits[byte % 16]};
    }
    return text;
  }

  /// Makes the device's primary context, which LibTorch works in, that of this thread.
  Result enter(int index) const {
    int device = 0;
    Context wanted = nullptr, now = nullptr;
    if (const Result result = context_get_current_(&now); result != 0) return result;
    if (const Result result = device_get_(&device, index); result != 0) return result;
    if (const Result result = primary_retain_(&wanted, device); result != 0) return result;
    return now == wanted ? 0 : context_set_current_(wanted);
  }

  std::string text(Result result) const {
    const char* text = nullptr;
    return error_string_(result, &text) == 0 && text ? text : "error " + std::to_string(result);
  }

  Result (*module_load)(Module*, const void* image) = nullptr;
  Result (*module_function)(Function*, Module, const char* name) = nullptr;
  Result (*launch)(Function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream,
                   void** parameters, void** extra) = nullptr;

 private:
  Driver() {
    void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
      const char* text = ::dlerror();
      error = text ? text : "libcuda.so.1";
      return;
    }
    Result (*init)(unsigned) = nullptr;
    if (!find(library, "cuInit", init) || !find(library, "cuDeviceGet", device_get_) ||
        !find(library, "cuDeviceGetAttribute", attribute_) ||
        !find(library, "cuDevicePrimaryCtxRetain", primary_retain_) ||
        !find(library, "cuCtxGetCurrent", context_get_current_) ||
        !find(library, "cuCtxSetCurrent", context_set_current_) ||
        !find(library, "cuModuleLoadData", module_load) ||
        !find(library, "cuModuleGetFunction", module_function) ||
        !find(library, "cuLaunchKernel", launch) ||
        !find(library, "cuGetErrorString", error_string_)) {
      return;
    }
    // Of a part of a GPU (MIG) where the driver has it; nothing where it has neither.
    uuid_ =
        reinterpret_cast<Result (*)(unsigned char*, int)>(::dlsym(library, "cuDeviceGetUuid_v2"));
    if (!uuid_) {
      uuid_ =
          reinterpret_cast<Result (*)(unsigned char*, int)>(::dlsym(library, "cuDeviceGetUuid"));
    }
    if (const Result result = init(0); result != 0) error = "cuInit: " + std::to_string(result);
  }

  template <class Function>
  bool find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    if (!function) error = std::string("libcuda.so.1 lacks ") + name;
    return function != nullptr;
  }

  Result (*device_get_)(int*, int) = nullptr;
  Result (*attribute_)(int*, int, int) = nullptr;
  Result (*primary_retain_)(Context*, int) = nullptr;
  Result (*uuid_)(unsigned char*, int) = nullptr;
  Result (*context_get_current_)(Context*) = nullptr;
  Result (*context_set_current_)(Context) = nullptr;
  Result (*error_string_)(Result, const char**) = nullptr;
};

}  // namespace posttrain::cuda
