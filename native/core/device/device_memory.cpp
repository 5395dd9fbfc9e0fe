#include "core/device/device_memory.h"

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "core/device/device.h"
#include "core/memory/cpu_memory.h"

namespace sos {
namespace {

c10::DeviceAllocator& allocator_of(c10::DeviceType type) {
  at::globalContext().lazyInitDevice(type);
  return *c10::getDeviceAllocator(type);
}

}  // namespace

std::vector<std::pair<std::string, int64_t>> device_memory_stats(c10::Device device) {
  const auto stats = allocator_of(device.type()).getDeviceStats(with_index(device).index());
  std::vector<std::pair<std::string, int64_t>> named;
  const auto add = [&](const std::string& name, const auto& stat) {
    named.emplace_back(name + ".current", stat.current);
    named.emplace_back(name + ".peak", stat.peak);
    named.emplace_back(name + ".allocated", stat.allocated);
    named.emplace_back(name + ".freed", stat.freed);
  };
  const auto add_pools = [&](const std::string& name, const auto& array) {
    add(name + ".all", array[0]);
    add(name + ".small_pool", array[1]);
    add(name + ".large_pool", array[2]);
  };
  add_pools("allocation", stats.allocation);
  add_pools("segment", stats.segment);
  add_pools("active", stats.active);
  add_pools("inactive_split", stats.inactive_split);
  add_pools("allocated_bytes", stats.allocated_bytes);
  add_pools("reserved_bytes", stats.reserved_bytes);
  add_pools("active_bytes", stats.active_bytes);
  add_pools("inactive_split_bytes", stats.inactive_split_bytes);
  add_pools("requested_bytes", stats.requested_bytes);
  add("oversize_allocations", stats.oversize_allocations);
  add("oversize_segments", stats.oversize_segments);
  named.emplace_back("num_alloc_retries", stats.num_alloc_retries);
  named.emplace_back("num_ooms", stats.num_ooms);
  named.emplace_back("num_sync_all_streams", stats.num_sync_all_streams);
  named.emplace_back("num_device_alloc", stats.num_device_alloc);
  named.emplace_back("num_device_free", stats.num_device_free);
  named.emplace_back("max_split_size", stats.max_split_size);
  return named;
}

void reset_peak_memory_stats(c10::Device device) {
  allocator_of(device.type()).resetPeakStats(with_index(device).index());
}

void reset_accumulated_memory_stats(c10::Device device) {
  allocator_of(device.type()).resetAccumulatedStats(with_index(device).index());
}

void empty_cache(c10::DeviceType type) {
  if (type == c10::kCPU) {
    release_kept_cpu_memory();
  } else {
    allocator_of(type).emptyCache();
  }
}

std::pair<int64_t, int64_t> device_memory_info(c10::Device device) {
  const auto [free, total] = allocator_of(device.type()).getMemoryInfo(with_index(device).index());
  return {static_cast<int64_t>(free), static_cast<int64_t>(total)};
}

}  // namespace sos
