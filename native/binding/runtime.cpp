#include <ATen/CPUGeneratorImpl.h>

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/device.h"

namespace sos {
namespace {

Napi::Value runtime_info_to_js(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto runtime = runtime_info();
  auto object = Napi::Object::New(env);
  object.Set("torchVersion", runtime.torch_version);
  object.Set("library", runtime.library);
  object.Set("devices", to_js_strings(env, runtime.devices));
  object.Set("threads", Napi::Number::New(env, runtime.threads));
  object.Set("cpuCapability", runtime.cpu_capability);
  return object;
}

Napi::Value set_num_threads(const Napi::CallbackInfo& info) {
  set_threads(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

/// (seed) → handle of a generator of its own on the CPU, which draws what Python's
/// torch.Generator().manual_seed draws
Napi::Value create_generator(const Napi::CallbackInfo& info) {
  const auto seed = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  return wrap_generator(info.Env(), at::detail::createCPUGenerator(seed));
}

/// ((full: boolean) → void): how this environment's garbage is collected when tensors fill the memory
Napi::Value set_collector(const Napi::CallbackInfo& info) {
  EnvData::of(info.Env()).collect = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

/// () → void; called when the process exits, which does not run the environment's cleanup hooks
Napi::Value stop_lane(const Napi::CallbackInfo& info) {
  EnvData::of(info.Env()).lane->stop();
  return info.Env().Undefined();
}

}  // namespace

void export_runtime_functions(Napi::Env env, Napi::Object exports) {
  define<runtime_info_to_js>(env, exports, "runtimeInfo");
  define<set_num_threads>(env, exports, "setNumThreads");
  define<create_generator>(env, exports, "createGenerator");
  define<set_collector>(env, exports, "setCollector");
  define<stop_lane>(env, exports, "stopLane");
}

}  // namespace sos
