#pragma once
#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sos {

// The memory of an accelerator, as libtorch's caching allocator of it counts. A device without an index is
// the current one.

/// By Python's names, as `allocated_bytes.all.peak`.
std::vector<std::pair<std::string, int64_t>> device_memory_stats(c10::Device device);
void reset_peak_memory_stats(c10::Device device);
void reset_accumulated_memory_stats(c10::Device device);

/// Gives memory that is cached but not in use back to the device, for all devices of this type; on the CPU,
/// to the system.
void empty_cache(c10::DeviceType type);

/// Bytes that are free on the device, and all that it has.
std::pair<int64_t, int64_t> device_memory_info(c10::Device device);

}  // namespace sos
