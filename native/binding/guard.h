#pragma once
#include <napi.h>

#include <exception>
#include <memory>

namespace sos {

/// The one place where a native exception becomes a JavaScript error with a `code`. C++ backtraces are left
/// out. Throws PendingException (js_call.h) if the failure is one, or if making the error caused one.
Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& failure);

/// A JavaScript error that a listener threw, on its way through native code back to JavaScript. Copies may be
/// dropped on any thread.
struct JsFailure : std::exception {
  explicit JsFailure(std::shared_ptr<Napi::Error> error) : error(std::move(error)) {}
  const char* what() const noexcept override { return "a listener threw"; }
  std::shared_ptr<Napi::Error> error;
};

/// Throws the failure in JavaScript once native code has returned there. If the environment is ending, as in
/// a worker that is being terminated, nobody is left to catch it, and it is dropped. This function itself
/// never throws.
void throw_to_js(Napi::Env env, const std::exception_ptr& failure) noexcept;

}  // namespace sos
