#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/base/dtype.h"
#include "core/script/script_module.h"

namespace sos {
namespace {

/// → [name, handle][]
Napi::Array named_tensors_to_js(Napi::Env env,
                                const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  return to_js_array(env, tensors, [env](const auto& named) {
    return to_js_pair(env, named.first, wrap_tensor(env, named.second));
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
  return to_js_array(env, unwrap_module(info[0])->modules(), [env](const ModuleInfo& module) {
    auto object = Napi::Object::New(env);
    object.Set("path", module.path);
    object.Set("type", module.type);
    object.Set("parameters", to_js_array(env, module.parameters, [env](const auto& named) {
                 auto parameter = Napi::Object::New(env);
                 parameter.Set("name", named.first);
                 parameter.Set("shape", to_js_ints(env, named.second.sizes()));
                 parameter.Set("dtype", dtype_name(named.second.scalar_type()));
                 return parameter;
               }));
    object.Set("operators", to_js_strings(env, module.operators));
    return object;
  });
}

/// (module, method) → paths
Napi::Value module_called(const Napi::CallbackInfo& info) {
  return to_js_strings(info.Env(), unwrap_module(info[0])->called_submodules(info[1].As<Napi::String>()));
}

Napi::Object source_to_js(Napi::Env env, const ArgumentSource& source);

Napi::Array sources_to_js(Napi::Env env, const std::vector<ArgumentSource>& sources) {
  return to_js_array(env, sources, [env](const ArgumentSource& source) { return source_to_js(env, source); });
}

/// → { input } | { attribute, dtype } | { value } | { resultOf, call?, output? } | { items } | { entries } |
/// { choices } | {}
Napi::Object source_to_js(Napi::Env env, const ArgumentSource& source) {
  auto object = Napi::Object::New(env);
  if (source.input) object.Set("input", *source.input);
  if (source.attribute) object.Set("attribute", *source.attribute);
  if (source.dtype) object.Set("dtype", dtype_name(*source.dtype));
  if (source.value) object.Set("value", to_js(env, *source.value));
  if (source.result_of) object.Set("resultOf", *source.result_of);
  if (source.call) object.Set("call", *source.call);
  if (source.output) object.Set("output", *source.output);
  if (source.items) object.Set("items", sources_to_js(env, *source.items));
  if (source.entries) object.Set("entries", sources_to_js(env, *source.entries));
  if (source.choices) object.Set("choices", sources_to_js(env, *source.choices));
  return object;
}

Napi::Object call_to_js(Napi::Env env, const OperatorCall& call) {
  auto arguments = Napi::Object::New(env);
  for (const auto& [name, source] : call.arguments) arguments.Set(name, source_to_js(env, source));
  auto object = Napi::Object::New(env);
  object.Set("operator", call.name);
  object.Set("module", call.module);
  object.Set("skipped", call.skipped);
  object.Set("arguments", arguments);
  return object;
}

/// (module, method) → { calls: { operator, module, skipped, arguments: { name: source } }[], result: source }
Napi::Value module_data_flow(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto flow = unwrap_module(info[0])->data_flow(info[1].As<Napi::String>());
  auto object = Napi::Object::New(env);
  object.Set("calls",
             to_js_array(env, flow.calls, [env](const auto& call) { return call_to_js(env, call); }));
  object.Set("result", source_to_js(env, flow.result));
  return object;
}

Napi::Array values_to_js(Napi::Env env, const std::vector<GraphValue>& values) {
  return to_js_array(env, values, [env](const GraphValue& value) {
    auto object = Napi::Object::New(env);
    object.Set("number", value.number);
    object.Set("type", value.type);
    return object;
  });
}

Napi::Array numbers_to_js(Napi::Env env, const std::vector<size_t>& numbers) {
  return to_js_array(env, numbers, [](size_t number) { return number; });
}

/// → { inputs: { number, type }[], nodes: { kind, inputs: number[], outputs: { number, type }[], attribute?,
/// blocks }[], outputs: number[] }
Napi::Object block_to_js(Napi::Env env, const GraphBlock& block) {
  auto object = Napi::Object::New(env);
  object.Set("inputs", values_to_js(env, block.inputs));
  object.Set("nodes", to_js_array(env, block.nodes, [env](const GraphNode& read) {
               auto node = Napi::Object::New(env);
               node.Set("kind", read.kind);
               node.Set("inputs", numbers_to_js(env, read.inputs));
               node.Set("outputs", values_to_js(env, read.outputs));
               if (read.attribute) node.Set("attribute", *read.attribute);
               node.Set("blocks", to_js_array(env, read.blocks, [env](const GraphBlock& inner) {
                          return block_to_js(env, inner);
                        }));
               return node;
             }));
  object.Set("outputs", numbers_to_js(env, block.outputs));
  return object;
}

/// (module, method) → block
Napi::Value module_graph_tree(const Napi::CallbackInfo& info) {
  return block_to_js(info.Env(), unwrap_module(info[0])->graph_tree(info[1].As<Napi::String>()));
}

Napi::Value module_kind(const Napi::CallbackInfo& info) {
  static constexpr const char* kNames[] = {"scripted", "traced", "frozen", "undetermined"};
  return Napi::String::New(info.Env(), kNames[static_cast<int>(unwrap_module(info[0])->kind())]);
}

/// (module) → { name: text }
Napi::Value module_extra_files(const Napi::CallbackInfo& info) {
  auto object = Napi::Object::New(info.Env());
  for (const auto& [name, text] : unwrap_module(info[0])->extra_files()) object.Set(name, text);
  return object;
}

}  // namespace

void export_module_structure_functions(Napi::Env env, Napi::Object exports) {
  define<module_parameters>(env, exports, "moduleParameters");
  define<module_buffers>(env, exports, "moduleBuffers");
  define<module_tree>(env, exports, "moduleTree");
  define<module_called>(env, exports, "moduleCalledSubmodules");
  define<module_data_flow>(env, exports, "moduleDataFlow");
  define<module_graph_tree>(env, exports, "moduleGraphTree");
  define<module_kind>(env, exports, "moduleKind");
  define<module_extra_files>(env, exports, "moduleExtraFiles");
}

}  // namespace sos
