#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"

namespace sos {
namespace {

/// () → the number of the task that was submitted last
Napi::Value last_task(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(lane_of(info).last_task()));
}

/// (task, reason): rejects the task with the reason if it has not begun
Napi::Value cancel_task(const Napi::CallbackInfo& info) {
  const auto task = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  lane_of(info).cancel(info.Env(), task, info[1]);
  return info.Env().Undefined();
}

/// (what, tensors) → a number for releaseMemory(). Nobody may write to the tensors until it is released.
Napi::Value hold_memory(const Napi::CallbackInfo& info) {
  auto use = StorageUse(info[0].As<Napi::String>()).add(to_tensors(info[1]));
  return Napi::Number::New(info.Env(), static_cast<double>(lane_of(info).hold(std::move(use))));
}

/// (number that holdMemory() gave)
Napi::Value release_memory(const Napi::CallbackInfo& info) {
  lane_of(info).release(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  return info.Env().Undefined();
}

Napi::Value pending_tasks(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(lane_of(info).pending()));
}

Napi::Value set_queue_limit(const Napi::CallbackInfo& info) {
  lane_of(info).queue_limit = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  return info.Env().Undefined();
}

/// Called when the process exits, since that does not run the environment's cleanup hooks.
Napi::Value stop_lane(const Napi::CallbackInfo& info) {
  lane_of(info).stop();
  return info.Env().Undefined();
}

}  // namespace

void export_execution_functions(Napi::Env env, Napi::Object exports) {
  define<last_task>(env, exports, "lastTask");
  define<cancel_task>(env, exports, "cancelTask");
  define<hold_memory>(env, exports, "holdMemory");
  define<release_memory>(env, exports, "releaseMemory");
  define<pending_tasks>(env, exports, "pendingTasks");
  define<set_queue_limit>(env, exports, "setQueueLimit");
  define<stop_lane>(env, exports, "stopLane");
}

}  // namespace sos
