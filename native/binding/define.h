#pragma once
#include <napi.h>

#include "binding/guard.h"

namespace sos {

template <Napi::Value (*Body)(const Napi::CallbackInfo&)>
Napi::Value guarded_body(const Napi::CallbackInfo& info) noexcept {
  try {
    return Body(info);
  } catch (...) {
    throw_to_js(info.Env(), std::current_exception());
    return {};
  }
}

/// Adds a function to the exports. Whatever it throws arrives in JavaScript as an error with a `code`.
template <Napi::Value (*Body)(const Napi::CallbackInfo&)>
void define(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded_body<Body>>(env, name));
}

}  // namespace sos
