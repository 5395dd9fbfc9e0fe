#pragma once
#include <napi.h>

#include <exception>

namespace sos {

/// The one place where a native exception becomes a JavaScript error with a `code`. No C++ backtrace gets
/// through.
Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& failure);

/// Runs `body` and throws what it throws as a JavaScript error.
template <class Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    throw to_js_error(env, std::current_exception());
  }
}

}  // namespace sos
