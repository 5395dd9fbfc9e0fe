#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/on_lane.h"
#include "core/script/script_module.h"

namespace sos {
namespace {

/// (module, "plain" | "eval" | "shift" | "work") → handle
Napi::Value module_view(const Napi::CallbackInfo& info) {
  const auto& module = unwrap_module(info[0]);
  const std::string kind = info[1].As<Napi::String>();
  if (kind == "work") return wrap_module(info.Env(), module->view_at_work());
  if (kind == "plain") return wrap_module(info.Env(), module->view());
  return wrap_module(info.Env(), module->view_in_eval(kind == "shift"));
}

/// (module, what would change it): throws `ERR_BUSY` while calls are pending or the module is held in eval
/// mode
Napi::Value module_expect_idle(const Napi::CallbackInfo& info) {
  unwrap_module(info[0])->expect_idle(info[1].As<Napi::String>());
  return info.Env().Undefined();
}

/// (module) → booleans
Napi::Value module_modes(const Napi::CallbackInfo& info) {
  return to_js_array(info.Env(), unwrap_module(info[0])->modes(), [](bool training) { return training; });
}

/// (module, booleans) → Promise
Napi::Value module_give_back(const Napi::CallbackInfo& info) {
  const auto module = unwrap_module(info[0]);
  auto modes = to_vector(info[1], [](const Napi::Value& value) { return value.As<Napi::Boolean>().Value(); });
  return on_lane(info, StorageUse("train").add(module),
                 [module, modes = std::move(modes)] { module->give_back(modes); });
}

/// (view that holds its module, weights, tensors, whether the write is forced) → Promise
Napi::Value module_write(const Napi::CallbackInfo& info) {
  const auto module = unwrap_module(info[0]);
  const auto to = to_tensors(info[1]);
  const auto from = to_tensors(info[2]);
  const bool forced = info[3].As<Napi::Boolean>();
  for (const auto& weight : to) {
    if (!forced) lane_of(info).refuse_held_write(weight, "a shift");
  }
  return on_lane(info, StorageUse("shift").add(module).add(from).add_written(to, /*reshaped=*/false),
                 [module, to, from, forced] { module->write(to, from, forced); });
}

}  // namespace

void export_module_view_functions(Napi::Env env, Napi::Object exports) {
  define<module_view>(env, exports, "moduleView");
  define<module_expect_idle>(env, exports, "moduleExpectIdle");
  define<module_modes>(env, exports, "moduleModes");
  define<module_give_back>(env, exports, "moduleGiveBack");
  define<module_write>(env, exports, "moduleWrite");
}

}  // namespace sos
