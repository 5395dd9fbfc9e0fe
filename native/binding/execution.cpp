#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"

namespace sos {
namespace {

Lane& lane_of(Napi::Env env) {
  return *EnvData::of(env).lane;
}

/// () → the number of the task that was submitted last
Napi::Value last_task(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(lane_of(info.Env()).last_task()));
}

/// (task, reason): rejects it with the reason if it has not begun
Napi::Value cancel_task(const Napi::CallbackInfo& info) {
  const auto task = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  lane_of(info.Env()).cancel(info.Env(), task, info[1]);
  return info.Env().Undefined();
}

/// (what, tensors) → a number for releaseMemory: nobody writes to the tensors until then
Napi::Value hold_memory(const Napi::CallbackInfo& info) {
  auto use = StorageUse(info[0].As<Napi::String>()).add(to_tensors(info[1]));
  return Napi::Number::New(info.Env(), static_cast<double>(lane_of(info.Env()).hold(std::move(use))));
}

Napi::Value release_memory(const Napi::CallbackInfo& info) {
  lane_of(info.Env()).release(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  return info.Env().Undefined();
}

Napi::Value pending_tasks(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(lane_of(info.Env()).pending()));
}

Napi::Value set_queue_limit(const Napi::CallbackInfo& info) {
  lane_of(info.Env()).queue_limit = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  return info.Env().Undefined();
}

/// () → void; called when the process exits, which does not run the environment's cleanup hooks
Napi::Value stop_lane(const Napi::CallbackInfo& info) {
  lane_of(info.Env()).stop();
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
