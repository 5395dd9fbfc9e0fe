#include <napi.h>

#include "binding/env_data.h"
#include "binding/functions.h"
#include "core/memory/cpu_memory.h"

namespace {

constexpr const char* kFinalizerOf = "finalizerOf";

/// The addon is loaded twice in each JavaScript thread. The second time it gets an object whose `finalizerOf`
/// holds the exports of the first. That load gives the Node-API environment of EnvData::finalizing_env, and
/// no functions.
Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  if (exports.Has(kFinalizerOf)) {
    const auto first = exports.Get(kFinalizerOf).As<Napi::Object>();
    first.Get("environment").As<Napi::External<sos::EnvData>>().Data()->finalizing_env = env;
    return exports;
  }
  sos::install_cpu_memory();
  // Set before any external exists. Finalizers run from the newest to the oldest, so this outlives all
  // externals.
  auto* data = new sos::EnvData(env);
  env.SetInstanceData<sos::EnvData>(data);
  exports.Set("environment", Napi::External<sos::EnvData>::New(env, data));
  sos::export_tensor_functions(env, exports);
  sos::export_buffer_functions(env, exports);
  sos::export_operator_functions(env, exports);
  sos::export_object_functions(env, exports);
  sos::export_module_functions(env, exports);
  sos::export_module_call_functions(env, exports);
  sos::export_module_structure_functions(env, exports);
  sos::export_module_view_functions(env, exports);
  sos::export_storage_functions(env, exports);
  sos::export_archive_functions(env, exports);
  sos::export_execution_functions(env, exports);
  sos::export_gradient_functions(env, exports);
  sos::export_process_group_functions(env, exports);
  sos::export_random_functions(env, exports);
  sos::export_device_functions(env, exports);
  sos::export_image_functions(env, exports);
  sos::export_runtime_functions(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(sos_native, initialize)
