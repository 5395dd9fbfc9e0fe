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

/// Throws it in JavaScript, once native code has returned there. Where the environment ends, as a worker that
/// is being terminated, nobody is left to be told: then it is dropped. Never throws itself.
void throw_to_js(Napi::Env env, const std::exception_ptr& failure) noexcept;

}  // namespace sos
