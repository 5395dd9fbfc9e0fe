#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_call.h"
#include "binding/on_lane.h"
#include "core/device/device.h"
#include "core/script/script_module.h"

namespace sos {
namespace {

std::string text_of(const Napi::Object& object, const char* name) {
  const auto value = object.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
}

/// { path, before, method?, replaces, expected, detach, reduce?, device? }
Tap to_tap(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  Tap tap;
  tap.path = text_of(object, "path");
  tap.before = object.Get("before").ToBoolean();
  tap.method = text_of(object, "method");
  tap.replaces = object.Get("replaces").ToBoolean();
  tap.expected = object.Get("expected").ToBoolean();
  tap.detach = object.Get("detach").ToBoolean();
  tap.reduce = text_of(object, "reduce");
  if (const auto device = text_of(object, "device"); !device.empty()) tap.device = expect_device(device);
  return tap;
}

/// Calls (tap, value) → value | undefined on the JavaScript thread while the run waits.
HookedRun::Replace to_replace(Napi::Env env, const Napi::Value& value) {
  if (!value.IsFunction()) return nullptr;
  const auto js = EnvData::of(env).js;
  const auto function = shared_reference(js, Napi::Persistent(value.As<Napi::Function>()));
  return [js, function](size_t tap, const c10::IValue& passing) -> std::optional<c10::IValue> {
    return js->ask<std::optional<c10::IValue>>([function, tap, passing](Napi::Env env) {
      const auto result =
          call_js(function->Value(), {Napi::Number::New(env, static_cast<double>(tap)), to_js(env, passing)});
      return result.IsUndefined() ? std::nullopt : std::optional(to_ivalue(result));
    });
  };
}

/// What a call of a method returned, and what its taps captured.
struct HookedResult {
  c10::IValue output;
  std::vector<Capture> captures;
};

/// → [output, [index of the tap, value][]]
Napi::Value hooked_result_to_js(Napi::Env env, const HookedResult& result) {
  const auto output = to_js(env, result.output);
  return to_js_pair(env, output, to_js_array(env, result.captures, [env](const Capture& capture) {
                      return to_js_pair(env, capture.tap, to_js(env, capture.value));
                    }));
}

/// (module, method, modes, positional, keyword | undefined, taps, replace | undefined) → Promise<[output,
/// captures]>
Napi::Value call_module(const Napi::CallbackInfo& info) {
  const auto module = unwrap_module(info[0]);
  const std::string method = info[1].As<Napi::String>();
  auto arguments = to_arguments(info[3], info[4]);
  auto use = StorageUse(method).add(arguments).add(module);
  HookedRun hooked{to_vector(info[5], to_tap), to_replace(info.Env(), info[6]), {}};
  return on_lane(
      info, to_modes(info[2]), std::move(use),
      [module, method, arguments = std::move(arguments), hooked = std::move(hooked)]() mutable {
        auto output = module->call(method, arguments, hooked);
        return HookedResult{std::move(output), std::move(hooked.captures)};
      },
      hooked_result_to_js);
}

}  // namespace

void export_module_call_functions(Napi::Env env, Napi::Object exports) {
  define<call_module>(env, exports, "callModule");
}

}  // namespace sos
