#pragma once
#include <napi.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace sos {

/// Makes the value of a promise, on the JavaScript thread.
using Finish = std::function<Napi::Value(Napi::Env)>;

/// Work for a promise. It runs on another thread and touches no JavaScript. What it returns makes the value.
using PromiseWork = std::function<Finish()>;

/// Work whose promise gets what `to_js(env, result)` makes of the result, or undefined if there is no result.
template <class Work, class ToJs>
PromiseWork promise_work(Work work, ToJs to_js) {
  return [work = std::move(work), to_js]() mutable -> Finish {
    if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
      static_assert(std::is_same_v<ToJs, std::nullptr_t>, "there is no result to bring to JavaScript");
      work();
      return [](Napi::Env env) { return env.Undefined(); };
    } else {
      return [result = work(), to_js](Napi::Env env) mutable -> Napi::Value { return to_js(env, result); };
    }
  };
}

/// Settles a promise on the JavaScript thread: with the error if the work failed, or with what `finish` makes
/// or throws.
void settle(Napi::Env env, const Napi::Promise::Deferred& deferred, const Finish& finish,
            std::exception_ptr failure);

}  // namespace sos
