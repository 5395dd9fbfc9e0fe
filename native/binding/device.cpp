#include "core/device/device.h"

#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "core/base/dtype.h"
#include "core/device/cuda_driver.h"
#include "core/device/device_memory.h"

namespace sos {
namespace {

Napi::Number to_js_bytes(Napi::Env env, int64_t bytes) {
  return Napi::Number::New(env, static_cast<double>(bytes));
}

c10::Device to_device(const Napi::Value& value) {
  return expect_device(value.As<Napi::String>());
}

/// (type, as 'cuda') → number
Napi::Value count_devices(const Napi::CallbackInfo& info) {
  const auto device = parse_device(info[0].As<Napi::String>());
  return Napi::Number::New(info.Env(), device ? device_count(device->type()) : 0);
}

/// (type) → the index of its current device
Napi::Value current_device(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), with_index(to_device(info[0])).index());
}

/// (device) → Promise; after what is on the lane already
Napi::Value synchronize_device(const Napi::CallbackInfo& info) {
  return EnvData::of(info.Env())
      .lane->submit(info.Env(), Modes{}, StorageUse("synchronize"),
                    [device = to_device(info[0])]() -> Lane::Finish {
                      synchronize(device);
                      return [](Napi::Env env) { return env.Undefined(); };
                    });
}

/// (device) → object, or null where no driver of CUDA knows the device
Napi::Value device_properties(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto device = with_index(to_device(info[0]));
  const auto found = device.is_cuda() ? cuda_properties(device.index()) : std::nullopt;
  if (!found) return env.Null();
  auto object = Napi::Object::New(env);
  object.Set("name", found->name);
  object.Set("major", found->major);
  object.Set("minor", found->minor);
  object.Set("totalMemory", to_js_bytes(env, found->total_memory));
  object.Set("multiProcessorCount", found->multi_processor_count);
  object.Set("warpSize", found->warp_size);
  object.Set("maxThreadsPerMultiProcessor", found->max_threads_per_multi_processor);
  object.Set("l2CacheSize", to_js_bytes(env, found->l2_cache_size));
  object.Set("sharedMemoryPerBlock", to_js_bytes(env, found->shared_memory_per_block));
  object.Set("integrated", Napi::Boolean::New(env, found->integrated));
  return object;
}

/// (device) → { name: number }
Napi::Value memory_stats_of_device(const Napi::CallbackInfo& info) {
  auto object = Napi::Object::New(info.Env());
  for (const auto& [name, value] : device_memory_stats(to_device(info[0]))) {
    object.Set(name, to_js_bytes(info.Env(), value));
  }
  return object;
}

/// (device) → [free, total]
Napi::Value memory_info_of_device(const Napi::CallbackInfo& info) {
  const auto [free, total] = device_memory_info(to_device(info[0]));
  auto pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, to_js_bytes(info.Env(), free));
  pair.Set(1u, to_js_bytes(info.Env(), total));
  return pair;
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
