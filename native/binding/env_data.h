#pragma once
#include <ATen/core/stack.h>
#include <napi.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "binding/handle.h"
#include "binding/lane.h"
#include "binding/pins.h"
#include "core/device/threads.h"
#include "core/memory/cpu_memory.h"

namespace sos {

/// What one JavaScript environment (the main thread or a worker) owns. It is made when the addon is loaded
/// there and freed after the environment's last finalizer; nothing of it is shared between environments.
struct EnvData {
  explicit EnvData(Napi::Env env)
      : finalizing_env(env),
        js(std::make_shared<JsThread>(env)),
        lane(std::make_unique<Lane>(js)),
        pins(std::make_shared<Pins>(env, js)) {
    run_alone();
    // Hooks run before the environment's values are torn down, while a task may still be at work.
    env.AddCleanupHook([](Lane* lane) { lane->stop(); }, lane.get());
  }
  ~EnvData() { pins->close(); }

  static EnvData& of(Napi::BasicEnv env) { return *env.GetInstanceData<EnvData>(); }

  /// Notes that a handle holds `bytes` that the collector does not see, and collects where too many have
  /// gathered. Called on the JavaScript thread, outside of finalizers.
  void hold(Napi::Env env, int64_t bytes);

  /// Notes that they are freed. Finalizers may call it.
  void release(Napi::BasicEnv env, int64_t bytes);

  /// Where handles are finalized. While an error is on its way from native code to JavaScript it is pending
  /// in its Node-API environment, and V8 may collect then, since a message for the error must be allocated.
  /// Node-API takes an error that is pending when a finalizer returns for the finalizer's own, and ends the
  /// process. So this is a second Node-API environment of the same thread, in which nothing is ever called
  /// nor thrown.
  napi_env finalizing_env;
  std::shared_ptr<JsThread> js;
  std::unique_ptr<Lane> lane;
  std::shared_ptr<Pins> pins;
  Napi::FunctionReference
      collect;  ///< (full: boolean) → void: runs V8's collector, finalizers too, before it returns
  Napi::FunctionReference error_class;  ///< JavaScript's class of errors: new (code, message)
  int64_t live_tensors = 0;
  int64_t live_bytes = 0;
  // Memory that is used again: a collection frees handles by the thousand, which the C library does slowly.
  torch::jit::Stack spare_stack;
  std::vector<std::unique_ptr<Handle>> spare_handles;

 private:
  /// What lives: at least what the handles hold, at most all of the process, with what only graphs of
  /// gradients hold; and what a handle costs beside: libtorch's and V8's own objects.
  int64_t weight() const { return std::max(live_bytes, live_cpu_bytes()) + live_tensors * kHandleBytes; }

  void collect_all();

  /// Throws `ERR_TERMINATED` where the script is being ended.
  void call_collector(bool full);

  int64_t minor_limit_ = kYoung;  // scavenge where more than this lives
  int64_t major_limit_ = kOld;    // collect all where more than this is left of it
  int64_t in_use_ = 0;            // what lived when the last scavenge freed nothing, else 0
  int64_t reported_ = 0;          // what V8 believes
  std::chrono::steady_clock::time_point next_major_;
  static constexpr int64_t kHandleBytes = 1024;
  static constexpr int64_t kYoung = 4 * 1024 * 1024;  // what may gather between scavenges: it fits in a cache
  static constexpr int64_t kOld = 64 * 1024 * 1024;   // what may gather, or V8 need not know
};

}  // namespace sos
