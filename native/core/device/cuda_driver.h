#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace sos {

/// The properties of a device that CUDA's driver knows. libtorch's device-neutral interface has no names of
/// devices.
struct CudaProperties {
  std::string name;  ///< such as "NVIDIA H100 80GB HBM3"
  int major = 0;     ///< compute capability
  int minor = 0;
  int64_t total_memory = 0;  ///< bytes
  int multi_processor_count = 0;
  int warp_size = 0;
  int max_threads_per_multi_processor = 0;
  int64_t l2_cache_size = 0;            ///< bytes
  int64_t shared_memory_per_block = 0;  ///< bytes
  bool integrated = false;
};

/// The properties of the CUDA device with that index, or nothing if there is no driver or no such device.
std::optional<CudaProperties> cuda_properties(int index);

}  // namespace sos
