#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "core/device/device.h"
#include "core/device/switches.h"
#include "core/device/threads.h"

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

Napi::Value get_num_threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), threads());
}

Napi::Value set_num_interop_threads(const Napi::CallbackInfo& info) {
  set_interop_threads(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

Napi::Value get_num_interop_threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), interop_threads());
}

/// (name) → boolean. The names are those of core/device/switches.
Napi::Value read_switch(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), get_switch(info[0].As<Napi::String>()));
}

/// (name, on)
Napi::Value write_switch(const Napi::CallbackInfo& info) {
  set_switch(info[0].As<Napi::String>(), info[1].As<Napi::Boolean>());
  return info.Env().Undefined();
}

Napi::Value get_precision(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), float32_matmul_precision());
}

Napi::Value set_precision(const Napi::CallbackInfo& info) {
  set_float32_matmul_precision(info[0].As<Napi::String>());
  return info.Env().Undefined();
}

/// () → [mode, warn only]
Napi::Value get_determinism(const Napi::CallbackInfo& info) {
  return to_js_pair(info.Env(), deterministic_algorithms(), deterministic_algorithms_warn_only());
}

/// (mode, warn only)
Napi::Value set_determinism(const Napi::CallbackInfo& info) {
  use_deterministic_algorithms(info[0].As<Napi::Boolean>(), info[1].As<Napi::Boolean>());
  return info.Env().Undefined();
}

/// ((full: boolean) → void): the function that collects the garbage of this environment when tensors fill the
/// memory
Napi::Value set_collector(const Napi::CallbackInfo& info) {
  EnvData::of(info.Env()).collector.set_function(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

/// (class): what is thrown from now on is an instance of it
Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  EnvData::of(info.Env()).error_class = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

}  // namespace

void export_runtime_functions(Napi::Env env, Napi::Object exports) {
  define<runtime_info_to_js>(env, exports, "runtimeInfo");
  define<set_num_threads>(env, exports, "setNumThreads");
  define<get_num_threads>(env, exports, "getNumThreads");
  define<set_num_interop_threads>(env, exports, "setNumInteropThreads");
  define<get_num_interop_threads>(env, exports, "getNumInteropThreads");
  define<read_switch>(env, exports, "getSwitch");
  define<write_switch>(env, exports, "setSwitch");
  define<get_precision>(env, exports, "getFloat32MatmulPrecision");
  define<set_precision>(env, exports, "setFloat32MatmulPrecision");
  define<get_determinism>(env, exports, "getDeterminism");
  define<set_determinism>(env, exports, "setDeterminism");
  define<set_collector>(env, exports, "setCollector");
  define<set_error_class>(env, exports, "setErrorClass");
}

}  // namespace sos
