#pragma once
#include <napi.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "core/memory/cpu_memory.h"

namespace sos {

/// Decides when V8's garbage collector runs. To V8 a tensor is a hundred bytes, so by itself it would let
/// gigabytes of tensors gather before it collects.
class Collector {
 public:
  /// (full: boolean) → void: runs V8's collector, with all finalizers, before it returns.
  void set_function(Napi::Function collect) { collect_ = Napi::Persistent(collect); }

  /// Notes that a handle holds `bytes` that V8 does not see, and collects if too many bytes have gathered.
  /// Called on the JavaScript thread, outside of finalizers.
  void hold(Napi::Env env, int64_t bytes);

  /// Notes that these bytes were freed. Finalizers may call it.
  void release(Napi::BasicEnv env, int64_t bytes);

  int64_t live_tensors = 0;  ///< the handles of tensors that live; the handles count them
  int64_t live_bytes() const { return live_bytes_; }

 private:
  /// The bytes that count as alive: those of the handles, or those of the whole process if they are more,
  /// since graphs of gradients hold memory too. Each handle also costs libtorch's and V8's own objects.
  int64_t weight() const { return std::max(live_bytes_, live_cpu_bytes()) + live_tensors * kHandleBytes; }

  void collect_all();

  /// Throws PendingException (js_call.h) if V8 ends the script meanwhile.
  void collect(bool full);

  static constexpr int64_t kHandleBytes = 1024;
  static constexpr int64_t kYoung = 4 * 1024 * 1024;  // may gather between two scavenges: it fits in a cache
  static constexpr int64_t kOld = 64 * 1024 * 1024;   // may gather between full collections, or unknown to V8

  Napi::FunctionReference collect_;
  int64_t live_bytes_ = 0;
  int64_t minor_limit_ = kYoung;  // if more than this lives, a scavenge runs
  int64_t major_limit_ = kOld;    // if more than this is left after the scavenge, a full collection runs
  int64_t in_use_ = 0;            // what lived when the last scavenge freed nothing, else 0
  int64_t reported_ = 0;          // what V8 was told
  std::chrono::steady_clock::time_point next_major_;
};

}  // namespace sos
