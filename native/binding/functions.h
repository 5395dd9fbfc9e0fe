#pragma once
#include <napi.h>

namespace sos {

/// Each file of the binding adds its functions to the addon's exports. The TypeScript side of the same table
/// is `interface Addon` in src/torch/native/addon.ts. Its callers pass only valid, positional arguments.
void export_tensor_functions(Napi::Env env, Napi::Object exports);
void export_buffer_functions(Napi::Env env, Napi::Object exports);
void export_operator_functions(Napi::Env env, Napi::Object exports);
void export_object_functions(Napi::Env env, Napi::Object exports);
void export_module_functions(Napi::Env env, Napi::Object exports);
void export_module_call_functions(Napi::Env env, Napi::Object exports);
void export_module_structure_functions(Napi::Env env, Napi::Object exports);
void export_module_view_functions(Napi::Env env, Napi::Object exports);
void export_storage_functions(Napi::Env env, Napi::Object exports);
void export_archive_functions(Napi::Env env, Napi::Object exports);
void export_execution_functions(Napi::Env env, Napi::Object exports);
void export_gradient_functions(Napi::Env env, Napi::Object exports);
void export_process_group_functions(Napi::Env env, Napi::Object exports);
void export_random_functions(Napi::Env env, Napi::Object exports);
void export_device_functions(Napi::Env env, Napi::Object exports);
void export_image_functions(Napi::Env env, Napi::Object exports);
void export_runtime_functions(Napi::Env env, Napi::Object exports);

}  // namespace sos
