#pragma once
#include <napi.h>

#include <cstddef>
#include <utility>

#include "binding/env_data.h"
#include "binding/promise.h"

namespace sos {

/// Runs `work` on the environment's lane in `modes`. The promise gets what `to_js(env, result)` makes of the
/// work's result on the JavaScript thread, or undefined if the work has no result. `use` says which memory
/// the work reads or writes, and how messages name it. Throws as Lane::submit().
template <class Work, class ToJs = std::nullptr_t>
Napi::Promise on_lane(const Napi::CallbackInfo& info, Modes modes, StorageUse use, Work work,
                      ToJs to_js = nullptr) {
  return lane_of(info).submit(info.Env(), modes, std::move(use),
                              promise_work(std::move(work), std::move(to_js)));
}

/// The same in the modes that libtorch has by default.
template <class Work, class ToJs = std::nullptr_t>
Napi::Promise on_lane(const Napi::CallbackInfo& info, StorageUse use, Work work, ToJs to_js = nullptr) {
  return on_lane(info, Modes{}, std::move(use), std::move(work), std::move(to_js));
}

}  // namespace sos
