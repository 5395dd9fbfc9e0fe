#pragma once
#include <napi.h>

#include <cstdint>
#include <memory>

#include "binding/lane.h"

namespace sos {

/// What one JavaScript environment (the main thread or a worker) owns. It is made when the addon is loaded
/// there and freed after the environment's last finalizer; nothing of it is shared between environments.
struct EnvData {
  explicit EnvData(Napi::Env env) : lane(std::make_unique<Lane>(env)) {}

  static EnvData& of(Napi::BasicEnv env) { return *env.GetInstanceData<EnvData>(); }

  /// Notes that a handle holds `bytes` that the collector does not see, and collects where too many have
  /// gathered. Called on the JavaScript thread, outside of finalizers.
  void hold(Napi::Env env, int64_t bytes);

  /// Notes that they are freed. Finalizers may call it.
  void release(Napi::BasicEnv env, int64_t bytes);

  std::unique_ptr<Lane> lane;
  Napi::FunctionReference
      collect;  ///< (full: boolean) → void: runs V8's collector, finalizers too, before it returns
  int64_t live_tensors = 0;
  int64_t live_bytes = 0;

 private:
  int64_t limit_ = kSlack;  // collect where more than this lives
  int64_t reported_ = 0;    // what V8 believes
  static constexpr int64_t kSlack = 64 * 1024 * 1024;
};

}  // namespace sos
