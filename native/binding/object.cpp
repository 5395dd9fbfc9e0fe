#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/on_lane.h"
#include "core/script/shared_modules.h"

namespace sos {
namespace {

/// (object, method, modes, positional, keyword | undefined) → Promise<output>
Napi::Value call_object(const Napi::CallbackInfo& info) {
  const auto object = unwrap_object(info[0]);
  const std::string method = info[1].As<Napi::String>();
  auto arguments = to_arguments(info[3], info[4]);
  auto use = StorageUse(method).add(arguments);
  return on_lane(
      info, to_modes(info[2]), std::move(use),
      [object, method, arguments = std::move(arguments)] {
        HookedRun without_hooks;
        return object->call(method, arguments, without_hooks);
      },
      to_js);
}

Napi::Value object_type(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), unwrap_object(info[0])->type());
}

Napi::Value object_methods(const Napi::CallbackInfo& info) {
  return to_js_strings(info.Env(), unwrap_object(info[0])->methods());
}

/// (object) → [name, type][]
Napi::Value object_attributes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return to_js_array(env, unwrap_object(info[0])->attributes(), [env](const AttributeInfo& attribute) {
    return to_js_pair(env, attribute.name, attribute.type);
  });
}

Napi::Value object_attribute(const Napi::CallbackInfo& info) {
  const auto object = unwrap_object(info[0]);
  const auto value = object->attribute(info[1].As<Napi::String>());
  const auto* owner = dynamic_cast<const ScriptModule*>(object.get());
  if (owner == nullptr || !value.isModule()) return to_js(info.Env(), value);
  auto marked = Napi::Object::New(info.Env());
  marked.Set("module", wrap_module(info.Env(), owner->part(value.toModule())));
  return marked;
}

/// Memory that ends with this thread must not go to a module that other threads use.
void refuse_if_lent(const ScriptModule& module, const c10::IValue& value) {
  bool pinned = false;
  value.visit([&](const c10::IValue& inner) {
    pinned = pinned || (inner.isTensor() && inner.toTensor().defined() && inner.toTensor().has_storage() &&
                        Pins::hold(inner.toTensor().storage()));
    return false;
  });
  if (!pinned) return;
  for (const auto& [name, tensor] : module.parameters()) refuse_exchange(tensor, "setAttribute()");
}

Napi::Value object_set_attribute(const Napi::CallbackInfo& info) {
  const auto value = to_ivalue(info[2]);
  const auto object = unwrap_object(info[0]);
  if (const auto* module = dynamic_cast<const ScriptModule*>(object.get())) refuse_if_lent(*module, value);
  object->set_attribute(info[1].As<Napi::String>(), value);
  return info.Env().Undefined();
}

Napi::Value object_code(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), unwrap_object(info[0])->code(info[1].As<Napi::String>()));
}

/// (object, method, inlined)
Napi::Value object_graph(const Napi::CallbackInfo& info) {
  return Napi::String::New(
      info.Env(), unwrap_object(info[0])->graph(info[1].As<Napi::String>(), info[2].As<Napi::Boolean>()));
}

}  // namespace

void export_object_functions(Napi::Env env, Napi::Object exports) {
  define<call_object>(env, exports, "callObject");
  define<object_type>(env, exports, "objectType");
  define<object_methods>(env, exports, "objectMethods");
  define<object_attributes>(env, exports, "objectAttributes");
  define<object_attribute>(env, exports, "objectAttribute");
  define<object_set_attribute>(env, exports, "objectSetAttribute");
  define<object_code>(env, exports, "objectCode");
  define<object_graph>(env, exports, "objectGraph");
}

}  // namespace sos
