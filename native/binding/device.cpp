#include "core/device/device.h"

#include "binding/arrays.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/on_lane.h"
#include "core/base/dtype.h"
#include "core/device/cuda_driver.h"
#include "core/device/device_memory.h"

namespace sos {
namespace {

c10::Device to_device(const Napi::Value& value) {
  return expect_device(value.As<Napi::String>());
}

/// (type such as 'cuda') → number
Napi::Value count_devices(const Napi::CallbackInfo& info) {
  const auto device = parse_device(info[0].As<Napi::String>());
  return Napi::Number::New(info.Env(), device ? device_count(device->type()) : 0);
}

/// (type) → the index of its current device
Napi::Value current_device(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), with_index(to_device(info[0])).index());
}

/// (device) → Promise. It waits for the tasks that are on the lane already, too.
Napi::Value synchronize_device(const Napi::CallbackInfo& info) {
  return on_lane(info, StorageUse("synchronize"), [device = to_device(info[0])] { synchronize(device); });
}

/// (device) → object, or null if no driver of CUDA knows the device
Napi::Value device_properties(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto device = with_index(to_device(info[0]));
  const auto found = device.is_cuda() ? cuda_properties(device.index()) : std::nullopt;
  if (!found) return env.Null();
  auto object = Napi::Object::New(env);
  object.Set("name", found->name);
  object.Set("major", found->major);
  object.Set("minor", found->minor);
  object.Set("totalMemory", found->total_memory);
  object.Set("multiProcessorCount", found->multi_processor_count);
  object.Set("warpSize", found->warp_size);
  object.Set("maxThreadsPerMultiProcessor", found->max_threads_per_multi_processor);
  object.Set("l2CacheSize", found->l2_cache_size);
  object.Set("sharedMemoryPerBlock", found->shared_memory_per_block);
  object.Set("integrated", found->integrated);
  return object;
}

/// (device) → { name: number }
Napi::Value memory_stats_of_device(const Napi::CallbackInfo& info) {
  auto object = Napi::Object::New(info.Env());
  for (const auto& [name, value] : device_memory_stats(to_device(info[0]))) {
    object.Set(name, value);
  }
  return object;
}

/// (device) → [free, total]
Napi::Value memory_info_of_device(const Napi::CallbackInfo& info) {
  const auto [free, total] = device_memory_info(to_device(info[0]));
  return to_js_pair(info.Env(), free, total);
}

Napi::Value reset_peak_stats(const Napi::CallbackInfo& info) {
  reset_peak_memory_stats(to_device(info[0]));
  return info.Env().Undefined();
}

Napi::Value reset_accumulated_stats(const Napi::CallbackInfo& info) {
  reset_accumulated_memory_stats(to_device(info[0]));
  return info.Env().Undefined();
}

/// (type)
Napi::Value empty_device_cache(const Napi::CallbackInfo& info) {
  empty_cache(to_device(info[0]).type());
  return info.Env().Undefined();
}

}  // namespace

void export_device_functions(Napi::Env env, Napi::Object exports) {
  define<count_devices>(env, exports, "deviceCount");
  define<current_device>(env, exports, "currentDevice");
  define<synchronize_device>(env, exports, "synchronize");
  define<device_properties>(env, exports, "deviceProperties");
  define<memory_stats_of_device>(env, exports, "deviceMemoryStats");
  define<memory_info_of_device>(env, exports, "deviceMemoryInfo");
  define<reset_peak_stats>(env, exports, "resetPeakMemoryStats");
  define<reset_accumulated_stats>(env, exports, "resetAccumulatedMemoryStats");
  define<empty_device_cache>(env, exports, "emptyCache");
}

}  // namespace sos
