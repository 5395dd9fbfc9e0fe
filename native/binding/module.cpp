#include "core/script/script_module.h"

#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/on_lane.h"
#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/device/device.h"
#include "core/script/shared_modules.h"

namespace sos {
namespace {

std::vector<at::Tensor> weights_of(const ScriptModule& module) {
  std::vector<at::Tensor> weights;
  for (const auto& [name, tensor] : module.parameters()) weights.push_back(tensor);
  for (const auto& [name, tensor] : module.buffers()) weights.push_back(tensor);
  return weights;
}

/// (path | uint8 tensor, device) → Promise<handle>
Napi::Value load_module(const Napi::CallbackInfo& info) {
  const auto source = to_byte_source(info[0]);
  const auto device = expect_device(info[1].As<Napi::String>());
  return on_lane(
      info, StorageUse("load"), [source, device] { return ScriptModule::load(source, device); }, wrap_module);
}

/// (module, path, extra files: [name, text][]) → Promise
Napi::Value save_module(const Napi::CallbackInfo& info) {
  const auto module = unwrap_module(info[0]);
  const std::string path = info[1].As<Napi::String>();
  const auto extra_files = to_vector(info[2], [](const Napi::Value& entry) {
    const auto pair = to_strings(entry);
    return ExtraFiles::value_type(pair.at(0), pair.at(1));
  });
  return on_lane(info, StorageUse("save").add(module),
                 [module, path, files = ExtraFiles(extra_files.begin(), extra_files.end())] {
                   module->save(path, files);
                 });
}

Napi::Value module_train(const Napi::CallbackInfo& info) {
  unwrap_module(info[0])->train(info[1].As<Napi::Boolean>());
  return info.Env().Undefined();
}

Napi::Value module_is_training(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), unwrap_module(info[0])->is_training());
}

/// (module, path) → handle
Napi::Value module_submodule(const Napi::CallbackInfo& info) {
  return wrap_module(info.Env(), unwrap_module(info[0])->submodule(info[1].As<Napi::String>()));
}

/// An empty text leaves that part of the placement as it is.
Placement to_placement(const std::string& device, const std::string& dtype, const std::string& format) {
  Placement placement;
  if (!device.empty()) placement.device = expect_device(device);
  if (!dtype.empty()) placement.dtype = expect_dtype(dtype);
  if (format.empty()) return placement;
  placement.memory_format = parse_memory_format(format);
  if (placement.memory_format) return placement;
  throw Error("ERR_INVALID_ARGUMENT",
              "expected a memory format such as 'channels_last' but received '" + format + "'");
}

/// (module, device | "", dtype | "", memory format | "") → Promise
Napi::Value module_to(const Napi::CallbackInfo& info) {
  const auto placement =
      to_placement(info[1].As<Napi::String>(), info[2].As<Napi::String>(), info[3].As<Napi::String>());
  const auto module = unwrap_module(info[0]);
  module->expect_idle("to()");
  const auto weights = weights_of(*module);
  for (const auto& weight : weights) {
    refuse_exchange(weight, "to()");
    lane_of(info).refuse_held_write(weight, "to()");
  }
  return on_lane(info, StorageUse("to").add(module).add(weights).add_written(weights, /*reshaped=*/true),
                 [module, placement] { module->to(placement); });
}

/// (module, "clone" | "freeze" | "optimize", names of methods and attributes to keep) → Promise<handle>
Napi::Value module_copy(const Napi::CallbackInfo& info) {
  const auto module = unwrap_module(info[0]);
  const std::string kind = info[1].As<Napi::String>();
  return on_lane(
      info, StorageUse(kind).add(module),
      [module, kind, preserved = to_strings(info[2])] {
        if (kind == "clone") return module->clone();
        return kind == "freeze" ? module->freeze(preserved) : module->optimize_for_inference(preserved);
      },
      wrap_module);
}

/// (module) → number, which adoptModule() takes in another thread
Napi::Value share(const Napi::CallbackInfo& info) {
  for (const auto& weight : weights_of(*unwrap_module(info[0]))) {
    if (!weight.has_storage() || !Pins::hold(weight.storage())) continue;
    throw Error(
        "ERR_INVALID_ARGUMENT",
        "expected a module with memory of its own to share, but a parameter or a buffer uses the memory of "
        "a JavaScript array, which ends with this thread: give it the values by copy_() instead");
  }
  return Napi::Number::New(info.Env(), static_cast<double>(share_module(unwrap_module(info[0]))));
}

/// (number that shareModule() gave) → handle
Napi::Value adopt(const Napi::CallbackInfo& info) {
  return wrap_module(info.Env(),
                     adopt_module(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value())));
}

}  // namespace

void export_module_functions(Napi::Env env, Napi::Object exports) {
  define<load_module>(env, exports, "loadModule");
  define<save_module>(env, exports, "saveModule");
  define<module_train>(env, exports, "moduleTrain");
  define<module_is_training>(env, exports, "moduleIsTraining");
  define<module_submodule>(env, exports, "moduleSubmodule");
  define<share>(env, exports, "shareModule");
  define<adopt>(env, exports, "adoptModule");
  define<module_to>(env, exports, "moduleTo");
  define<module_copy>(env, exports, "moduleCopy");
}

}  // namespace sos
