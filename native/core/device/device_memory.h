#pragma once
#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sos {

// The memory of an accelerator, as libtorch's caching allocator counts it. A device without an index means
// the current one.

/// The statistics by Python's names, such as `allocated_bytes.all.peak`.
std::vector<std::pair<std::string, int64_t>> device_memory_stats(c10::Device device);
void reset_peak_memory_stats(c10::Device device);
void reset_accumulated_memory_stats(c10::Device device);

/// Gives memory that is cached but not in use back to the device, for all devices of this type. On the CPU it
/// goes back to the system.
void empty_cache(c10::DeviceType type);

/// The bytes that are free on the device, and all bytes that it has.
std::pair<int64_t, int64_t> device_memory_info(c10::Device device);

}  // namespace sos
