#pragma once
#include <ATen/core/stack.h>
#include <napi.h>

#include <memory>
#include <vector>

#include "binding/collector.h"
#include "binding/handle.h"
#include "binding/lane.h"
#include "binding/pins.h"
#include "core/device/threads.h"

namespace sos {

/// What one JavaScript environment (the main thread or a worker) owns. It is made when the addon is loaded
/// there, and freed after the environment's last finalizer. Environments share nothing of it.
struct EnvData {
  explicit EnvData(Napi::Env env)
      : finalizing_env(env),
        js(std::make_shared<JsThread>(env)),
        lane(std::make_unique<Lane>(js)),
        pins(std::make_shared<Pins>(env, js)) {
    run_alone();
    // Cleanup hooks run before the environment's values are torn down, while a task may still be running.
    env.AddCleanupHook([](Lane* lane) { lane->stop(); }, lane.get());
  }
  ~EnvData() { pins->close(); }

  static EnvData& of(Napi::BasicEnv env) { return *env.GetInstanceData<EnvData>(); }

  /// The Node-API environment in which handles are finalized. While an error is on its way from native code
  /// to JavaScript, it is pending in its Node-API environment. V8 may collect garbage at that moment, since
  /// it allocates a message for the error. If an error is pending when a finalizer returns, Node-API takes it
  /// for the finalizer's own and ends the process. So this is a second Node-API environment of the same
  /// thread, in which nothing is ever called or thrown.
  napi_env finalizing_env;
  std::shared_ptr<JsThread> js;
  std::unique_ptr<Lane> lane;
  std::shared_ptr<Pins> pins;
  Collector collector;
  Napi::FunctionReference error_class;  ///< JavaScript's class of errors: new (code, message)
  // Memory that is used again: a collection frees thousands of handles, which the C library does slowly.
  torch::jit::Stack spare_stack;
  std::vector<std::unique_ptr<Handle>> spare_handles;
};

/// The lane of the environment that called.
inline Lane& lane_of(const Napi::CallbackInfo& info) {
  return *EnvData::of(info.Env()).lane;
}

}  // namespace sos
