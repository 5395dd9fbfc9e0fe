#pragma once
#include <napi.h>

#include <cstddef>
#include <utility>

#include "binding/promise.h"

namespace sos {

/// Runs `work` on one of libuv's threads, as on_pool() does.
Napi::Promise run_in_pool(Napi::Env env, PromiseWork work);

/// Runs `work` on one of libuv's threads, beside other such work and in no particular order. The work must
/// not touch JavaScript, nor a tensor that anything else may touch meanwhile, and it uses one thread. The
/// promise gets what `to_js(env, result)` makes of the work's result on the JavaScript thread, where the
/// result is freed too, or undefined if the work has no result.
template <class Work, class ToJs = std::nullptr_t>
Napi::Promise on_pool(const Napi::CallbackInfo& info, Work work, ToJs to_js = nullptr) {
  return run_in_pool(info.Env(), promise_work(std::move(work), std::move(to_js)));
}

}  // namespace sos
