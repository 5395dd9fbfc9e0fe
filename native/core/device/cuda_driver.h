#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace sos {

/// What CUDA's driver says of a device; libtorch's device-neutral interface does not name devices.
struct CudaProperties {
  std::string name;  ///< as "NVIDIA H100 80GB HBM3"
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

/// The properties of the CUDA device of that index. None where there is no driver or no such device.
std::optional<CudaProperties> cuda_properties(int index);

}  // namespace sos
