#pragma once
#include <napi.h>

#include <functional>

namespace sos {

/// Runs `work` on one of libuv's threads, beside other such work and in no order with it. It touches no
/// JavaScript, and no tensor that anything else may touch meanwhile; it uses one thread. It gives what makes
/// the promise's value, on the JavaScript thread, where it is also freed.
Napi::Promise run_in_pool(Napi::Env env, std::function<std::function<Napi::Value(Napi::Env)>()> work);

}  // namespace sos
