#pragma once
#include <napi.h>

#include <exception>
#include <memory>

namespace sos {

/// The one place where a native exception becomes a JavaScript error with a `code`. No C++ backtrace gets
/// through.
Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& failure);

/// An error of JavaScript's own, thrown by a listener that native code called, on its way back there. Copies
/// may be dropped on any thread.
struct JsFailure : std::exception {
  explicit JsFailure(std::shared_ptr<Napi::Error> error) : error(std::move(error)) {}
  const char* what() const noexcept override { return "a listener threw"; }
  std::shared_ptr<Napi::Error> error;
};

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
