#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/script/script_module.h"

namespace sos {
namespace {

Lane& lane_of(Napi::Env env) {
  return *EnvData::of(env).lane;
}

/// (module, "plain" | "eval" | "shift" | "work") → handle
Napi::Value module_view(const Napi::CallbackInfo& info) {
  const auto& module = unwrap_module(info[0]);
  const std::string kind = info[1].As<Napi::String>();
  if (kind == "work") return wrap_module(info.Env(), module->view_at_work());
  if (kind == "plain") return wrap_module(info.Env(), module->view());
  return wrap_module(info.Env(), module->view_in_eval(kind == "shift"));
}

/// (module, what would change it) throws `ERR_BUSY` while calls are pending or it is held in eval mode.
Napi::Value module_expect_idle(const Napi::CallbackInfo& info) {
  unwrap_module(info[0])->expect_idle(info[1].As<Napi::String>());
  return info.Env().Undefined();
}

/// (module) → booleans
Napi::Value module_modes(const Napi::CallbackInfo& info) {
  const auto modes = unwrap_module(info[0])->modes();
  auto array = Napi::Array::New(info.Env(), modes.size());
  for (uint32_t i = 0; i < modes.size(); ++i) array.Set(i, Napi::Boolean::New(info.Env(), modes[i]));
  return array;
}

/// (module, booleans) → Promise
Napi::Value module_give_back(const Napi::CallbackInfo& info) {
  const auto array = info[1].As<Napi::Array>();
  std::vector<bool> modes;
  for (uint32_t i = 0; i < array.Length(); ++i) modes.push_back(array.Get(i).As<Napi::Boolean>());
  const auto module = unwrap_module(info[0]);
  return lane_of(info.Env())
      .submit(info.Env(), Modes{}, StorageUse("train").add(module), [module, modes]() -> Lane::Finish {
        module->give_back(modes);
        return [](Napi::Env env) { return env.Undefined(); };
      });
}

/// (view that holds its module, weights, tensors, whether it is forced) → Promise
Napi::Value module_write(const Napi::CallbackInfo& info) {
  const auto module = unwrap_module(info[0]);
  const auto to = to_tensors(info[1]);
  const auto from = to_tensors(info[2]);
  const bool forced = info[3].As<Napi::Boolean>();
  for (const auto& weight : to) {
    if (!forced) lane_of(info.Env()).refuse_held_write(weight, "a shift");
  }
  return lane_of(info.Env())
      .submit(info.Env(), Modes{},
              StorageUse("shift").add(module).add(from).add_written(to, /*reshaped=*/false),
              [module, to, from, forced]() -> Lane::Finish {
                module->write(to, from, forced);
                return [](Napi::Env env) { return env.Undefined(); };
              });
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
