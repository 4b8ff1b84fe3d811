// SPDX-License-Identifier: Apache-2.0
// NVIDIA's driver API, loaded by name: its functions that the library calls, with prototypes of its
// own, so that nothing of NVIDIA's is needed to compile or to link.
#pragma once

#include <dlfcn.h>

#include <string>

namespace posttrain::detail {

class CudaDriver {
 public:
  std::string error;  // of the loader or the driver; empty: it works

  static const CudaDriver& get() {
    static const CudaDriver driver;
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

 private:
  using Result = int;  // CUresult

  CudaDriver() {
    void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
      const char* text = ::dlerror();
      error = text ? text : "libcuda.so.1";
      return;
    }
    Result (*init)(unsigned) = nullptr;
    if (!find(library, "cuInit", init) || !find(library, "cuDeviceGet", device_get_) ||
        !find(library, "cuDeviceGetAttribute", attribute_)) {
      return;
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
};

}  // namespace posttrain::detail
