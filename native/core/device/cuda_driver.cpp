#include "core/device/cuda_driver.h"

#include <dlfcn.h>

#include <array>
#include <cstddef>

namespace sos {
namespace {

// The functions of the driver, whose interface is stable, found by name. Their header comes with the CUDA
// toolkit, which we do not require.
struct Driver {
  int (*initialize)(unsigned) = nullptr;
  int (*get)(int* device, int ordinal) = nullptr;
  int (*get_name)(char* name, int length, int device) = nullptr;
  int (*get_attribute)(int* value, int attribute, int device) = nullptr;
  int (*total_memory)(size_t* bytes, int device) = nullptr;

  static const Driver* load() {
    static const auto driver = []() -> std::optional<Driver> {
      void* library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
      if (library == nullptr) return std::nullopt;
      Driver found;
      const auto find = [&](auto& function, const char* name) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
        return function != nullptr;
      };
      const bool complete = find(found.initialize, "cuInit") && find(found.get, "cuDeviceGet") &&
                            find(found.get_name, "cuDeviceGetName") &&
                            find(found.get_attribute, "cuDeviceGetAttribute") &&
                            find(found.total_memory, "cuDeviceTotalMem_v2") && found.initialize(0) == 0;
      return complete ? std::optional(found) : std::nullopt;
    }();
    return driver ? &*driver : nullptr;
  }
};

// Values of the driver's enumeration CUdevice_attribute.
enum Attribute {
  kSharedMemoryPerBlock = 8,
  kWarpSize = 10,
  kMultiProcessorCount = 16,
  kIntegrated = 18,
  kL2CacheSize = 38,
  kMaxThreadsPerMultiProcessor = 39,
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
};

}  // namespace

std::optional<CudaProperties> cuda_properties(int index) {
  const auto* driver = Driver::load();
  int device = 0;
  if (driver == nullptr || driver->get(&device, index) != 0) return std::nullopt;
  const auto attribute = [&](Attribute which) {
    int value = 0;
    driver->get_attribute(&value, which, device);
    return value;
  };
  std::array<char, 256> name{};
  size_t total = 0;
  driver->get_name(name.data(), static_cast<int>(name.size()), device);
  driver->total_memory(&total, device);
  return CudaProperties{
      .name = name.data(),
      .major = attribute(kComputeCapabilityMajor),
      .minor = attribute(kComputeCapabilityMinor),
      .total_memory = static_cast<int64_t>(total),
      .multi_processor_count = attribute(kMultiProcessorCount),
      .warp_size = attribute(kWarpSize),
      .max_threads_per_multi_processor = attribute(kMaxThreadsPerMultiProcessor),
      .l2_cache_size = attribute(kL2CacheSize),
      .shared_memory_per_block = attribute(kSharedMemoryPerBlock),
      .integrated = attribute(kIntegrated) != 0,
  };
}

}  // namespace sos
