#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/device/device.h"
#include "core/script/script_module.h"
#include "core/script/shared_modules.h"

namespace sos {
namespace {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

Lane& lane_of(Napi::Env env) {
  return *EnvData::of(env).lane;
}

Napi::Array named_tensors_to_js(Napi::Env env, const NamedTensors& tensors) {
  auto array = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    auto pair = Napi::Array::New(env, 2);
    pair.Set(0u, Napi::String::New(env, tensors[i].first));
    pair.Set(1u, wrap_tensor(env, tensors[i].second));
    array.Set(i, pair);
  }
  return array;
}

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
  return lane_of(info.Env())
      .submit(info.Env(), Modes{}, StorageUse("load"), [source, device]() -> Lane::Finish {
        return
            [module = ScriptModule::load(source, device)](Napi::Env env) { return wrap_module(env, module); };
      });
}

Napi::Value captures_to_js(Napi::Env env, const std::vector<Capture>& captures) {
  auto array = Napi::Array::New(env, captures.size());
  for (uint32_t i = 0; i < captures.size(); ++i) {
    auto pair = Napi::Array::New(env, 2);
    pair.Set(0u, Napi::Number::New(env, static_cast<double>(captures[i].tap)));
    pair.Set(1u, to_js(env, captures[i].value));
    array.Set(i, pair);
  }
  return array;
}

std::string text_of(const Napi::Object& object, const char* name) {
  const auto value = object.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
}

/// { path, before, method?, replaces, expected, detach, reduce?, device? }[]
std::vector<Tap> to_taps(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<Tap> taps;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto object = array.Get(i).As<Napi::Object>();
    Tap tap;
    tap.path = text_of(object, "path");
    tap.before = object.Get("before").ToBoolean();
    tap.method = text_of(object, "method");
    tap.replaces = object.Get("replaces").ToBoolean();
    tap.expected = object.Get("expected").ToBoolean();
    tap.detach = object.Get("detach").ToBoolean();
    tap.reduce = text_of(object, "reduce");
    if (const auto device = text_of(object, "device"); !device.empty()) tap.device = expect_device(device);
    taps.push_back(std::move(tap));
  }
  return taps;
}

/// Calls (tap, value) → value | undefined on the JavaScript thread while the run waits.
HookedRun::Replace to_replace(Napi::Env env, const Napi::Value& value) {
  if (!value.IsFunction()) return nullptr;
  const auto js = EnvData::of(env).js;
  const auto function = shared_reference(js, Napi::Persistent(value.As<Napi::Function>()));
  return [js, function](size_t tap, const c10::IValue& passing) -> std::optional<c10::IValue> {
    return js->ask<std::optional<c10::IValue>>([function, tap, passing](Napi::Env env) {
      const auto result =
          function->Call({Napi::Number::New(env, static_cast<double>(tap)), to_js(env, passing)});
      return result.IsUndefined() ? std::nullopt : std::optional(to_ivalue(result));
    });
  };
}

/// (module, method, modes, positional, keyword | undefined, taps, replace | undefined) → Promise<[output,
/// captures]>; each capture is [index of its tap, value]
Napi::Value call_module(const Napi::CallbackInfo& info) {
  const std::string method = info[1].As<Napi::String>();
  const auto module = unwrap_module(info[0]);
  auto arguments = to_arguments(info[3], info[4]);
  auto use = StorageUse(method).add(arguments).add(module);
  HookedRun hooked{to_taps(info[5]), to_replace(info.Env(), info[6]), {}};
  return lane_of(info.Env())
      .submit(info.Env(), to_modes(info[2]), std::move(use),
              [module, method, arguments = std::move(arguments), hooked]() mutable -> Lane::Finish {
                auto output = module->call(method, arguments, hooked);
                return [output = std::move(output), captures = std::move(hooked.captures)](Napi::Env env) {
                  auto pair = Napi::Array::New(env, 2);
                  pair.Set(0u, to_js(env, output));
                  pair.Set(1u, captures_to_js(env, captures));
                  return pair;
                };
              });
}

/// (module, path, extra files: [name, text][]) → Promise
Napi::Value save_module(const Napi::CallbackInfo& info) {
  const std::string path = info[1].As<Napi::String>();
  ExtraFiles extra_files;
  const auto entries = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < entries.Length(); ++i) {
    const auto pair = entries.Get(i).As<Napi::Array>();
    extra_files[pair.Get(0u).As<Napi::String>()] = pair.Get(1u).As<Napi::String>();
  }
  const auto module = unwrap_module(info[0]);
  return lane_of(info.Env())
      .submit(info.Env(), Modes{}, StorageUse("save").add(module),
              [module, path, extra_files]() -> Lane::Finish {
                module->save(path, extra_files);
                return [](Napi::Env env) { return env.Undefined(); };
              });
}

Napi::Value module_parameters(const Napi::CallbackInfo& info) {
  return named_tensors_to_js(info.Env(), unwrap_module(info[0])->parameters());
}

Napi::Value module_buffers(const Napi::CallbackInfo& info) {
  return named_tensors_to_js(info.Env(), unwrap_module(info[0])->buffers());
}

/// (module) → { path, type, parameters: { name, shape, dtype }[], operators }[]
Napi::Value module_tree(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto modules = unwrap_module(info[0])->modules();
  auto array = Napi::Array::New(env, modules.size());
  for (uint32_t i = 0; i < modules.size(); ++i) {
    auto parameters = Napi::Array::New(env, modules[i].parameters.size());
    for (uint32_t k = 0; k < modules[i].parameters.size(); ++k) {
      const auto& [name, tensor] = modules[i].parameters[k];
      auto parameter = Napi::Object::New(env);
      parameter.Set("name", name);
      parameter.Set("shape", to_js_ints(env, tensor.sizes()));
      parameter.Set("dtype", dtype_name(tensor.scalar_type()));
      parameters.Set(k, parameter);
    }
    auto module = Napi::Object::New(env);
    module.Set("path", modules[i].path);
    module.Set("type", modules[i].type);
    module.Set("parameters", parameters);
    module.Set("operators", to_js_strings(env, modules[i].operators));
    array.Set(i, module);
  }
  return array;
}

Napi::Value module_called(const Napi::CallbackInfo& info) {
  return to_js_strings(info.Env(), unwrap_module(info[0])->called_submodules(info[1].As<Napi::String>()));
}

Napi::Object source_to_js(Napi::Env env, const ArgumentSource& source);

Napi::Array sources_to_js(Napi::Env env, const std::vector<ArgumentSource>& sources) {
  auto array = Napi::Array::New(env, sources.size());
  for (uint32_t i = 0; i < sources.size(); ++i) array.Set(i, source_to_js(env, sources[i]));
  return array;
}

/// → { input } | { attribute, dtype } | { value } | { resultOf, call?, output? } | { items } | { entries } |
/// { choices } | {}
Napi::Object source_to_js(Napi::Env env, const ArgumentSource& source) {
  auto object = Napi::Object::New(env);
  if (source.input) object.Set("input", Napi::Number::New(env, static_cast<double>(*source.input)));
  if (source.attribute) object.Set("attribute", *source.attribute);
  if (source.dtype) object.Set("dtype", dtype_name(*source.dtype));
  if (source.value) object.Set("value", to_js(env, *source.value));
  if (source.result_of) object.Set("resultOf", *source.result_of);
  if (source.call) object.Set("call", Napi::Number::New(env, static_cast<double>(*source.call)));
  if (source.output) object.Set("output", Napi::Number::New(env, static_cast<double>(*source.output)));
  if (source.items) object.Set("items", sources_to_js(env, *source.items));
  if (source.entries) object.Set("entries", sources_to_js(env, *source.entries));
  if (source.choices) object.Set("choices", sources_to_js(env, *source.choices));
  return object;
}

/// (module, method) → { calls: { operator, module, skipped, arguments: { name: source } }[], result: source }
Napi::Value module_data_flow(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto [calls, result] = unwrap_module(info[0])->data_flow(info[1].As<Napi::String>());
  auto array = Napi::Array::New(env, calls.size());
  for (uint32_t i = 0; i < calls.size(); ++i) {
    auto arguments = Napi::Object::New(env);
    for (const auto& [name, source] : calls[i].arguments) arguments.Set(name, source_to_js(env, source));
    auto call = Napi::Object::New(env);
    call.Set("operator", calls[i].name);
    call.Set("module", calls[i].module);
    call.Set("skipped", calls[i].skipped);
    call.Set("arguments", arguments);
    array.Set(i, call);
  }
  auto flow = Napi::Object::New(env);
  flow.Set("calls", array);
  flow.Set("result", source_to_js(env, result));
  return flow;
}

Napi::Value module_kind(const Napi::CallbackInfo& info) {
  static constexpr const char* kNames[] = {"scripted", "traced", "frozen", "undetermined"};
  return Napi::String::New(info.Env(), kNames[static_cast<int>(unwrap_module(info[0])->kind())]);
}

Napi::Value module_extra_files(const Napi::CallbackInfo& info) {
  auto object = Napi::Object::New(info.Env());
  for (const auto& [name, text] : unwrap_module(info[0])->extra_files()) object.Set(name, text);
  return object;
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

/// (module, device | "", dtype | "", memory format | "") → Promise
Napi::Value module_to(const Napi::CallbackInfo& info) {
  Placement placement;
  if (const std::string device = info[1].As<Napi::String>(); !device.empty())
    placement.device = expect_device(device);
  if (const std::string dtype = info[2].As<Napi::String>(); !dtype.empty())
    placement.dtype = expect_dtype(dtype);
  if (const std::string format = info[3].As<Napi::String>(); !format.empty()) {
    placement.memory_format = parse_memory_format(format);
    if (!placement.memory_format) {
      throw Error("ERR_INVALID_ARGUMENT",
                  "expected a memory format such as 'channels_last' but received '" + format + "'");
    }
  }
  const auto module = unwrap_module(info[0]);
  module->expect_idle("to()");
  const auto weights = weights_of(*module);
  for (const auto& weight : weights) {
    refuse_exchange(weight, "to()");
    lane_of(info.Env()).refuse_held_write(weight, "to()");
  }
  return lane_of(info.Env())
      .submit(info.Env(), Modes{},
              StorageUse("to").add(module).add(weights).add_written(weights, /*reshaped=*/true),
              [module, placement]() -> Lane::Finish {
                module->to(placement);
                return [](Napi::Env env) { return env.Undefined(); };
              });
}

/// (module, "clone" | "freeze" | "optimize", names of methods and attributes to keep) → Promise<handle>
Napi::Value module_copy(const Napi::CallbackInfo& info) {
  const std::string kind = info[1].As<Napi::String>();
  const auto module = unwrap_module(info[0]);
  return lane_of(info.Env())
      .submit(info.Env(), Modes{}, StorageUse(kind).add(module),
              [module, kind, preserved = to_strings(info[2])]() -> Lane::Finish {
                const auto copy = kind == "clone"    ? module->clone()
                                  : kind == "freeze" ? module->freeze(preserved)
                                                     : module->optimize_for_inference(preserved);
                return [copy](Napi::Env env) { return wrap_module(env, copy); };
              });
}

/// (module) → number; (number) → handle
Napi::Value share(const Napi::CallbackInfo& info) {
  for (const auto& weight : weights_of(*unwrap_module(info[0]))) {
    if (!weight.has_storage() || !Pins::hold(weight.storage())) continue;
    throw Error(
        "ERR_INVALID_ARGUMENT",
        "expected a module with memory of its own to share but a parameter or a buffer uses that of a "
        "JavaScript array, which ends with this thread: copy_() the values instead");
  }
  return Napi::Number::New(info.Env(), static_cast<double>(share_module(unwrap_module(info[0]))));
}

Napi::Value adopt(const Napi::CallbackInfo& info) {
  return wrap_module(info.Env(),
                     adopt_module(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value())));
}

}  // namespace

void export_module_functions(Napi::Env env, Napi::Object exports) {
  define<load_module>(env, exports, "loadModule");
  define<call_module>(env, exports, "callModule");
  define<save_module>(env, exports, "saveModule");
  define<module_parameters>(env, exports, "moduleParameters");
  define<module_buffers>(env, exports, "moduleBuffers");
  define<module_tree>(env, exports, "moduleTree");
  define<module_called>(env, exports, "moduleCalledSubmodules");
  define<module_data_flow>(env, exports, "moduleDataFlow");
  define<module_kind>(env, exports, "moduleKind");
  define<module_extra_files>(env, exports, "moduleExtraFiles");
  define<module_train>(env, exports, "moduleTrain");
  define<module_is_training>(env, exports, "moduleIsTraining");
  define<module_submodule>(env, exports, "moduleSubmodule");
  define<share>(env, exports, "shareModule");
  define<adopt>(env, exports, "adoptModule");
  define<module_to>(env, exports, "moduleTo");
  define<module_copy>(env, exports, "moduleCopy");
}

}  // namespace sos
