#include "binding/env_data.h"

#include <algorithm>

#include "core/base/error.h"

namespace sos {

// A tensor is a hundred bytes to V8, which would let gigabytes gather before it thinks of collecting.
// Node-API offers napi_adjust_external_memory: V8 then marks incrementally in steps of 5 to 10 ms, which a
// loop of 1 MB tensors pays for at every quarter megabyte, and V8 11 (Node 20) may fail a check of its own
// when it finishes such a marking from there ("marking_done_"). So the collector is called: a scavenge, some
// tenths of a millisecond, frees what a loop dropped; a full collection follows only where what lives has
// really grown by half and by 64 MB. Scavenges come soon: memory that is used again while a cache still holds
// it is worth more than they cost. But where one found nothing to free, as at the height of a training's
// step, none follows until more lives than did then.
void EnvData::hold(Napi::Env env, int64_t bytes) {
  live_bytes += bytes;
  if (weight() <= minor_limit_ || collect.IsEmpty()) return;
  const int64_t before = weight();
  call_collector(false);
  in_use_ = before - weight() < kYoung / 4 ? weight() : 0;
  if (weight() > major_limit_) collect_all();
  minor_limit_ = std::max(weight(), in_use_) + kYoung;
  // V8 is told of what survived, for its own decisions, when no marking is under way.
  Napi::MemoryManagement::AdjustExternalMemory(env, live_bytes - reported_);
  reported_ = live_bytes;
}

void EnvData::call_collector(bool full) {
  try {
    collect.Call({Napi::Boolean::New(collect.Env(), full)});
  } catch (const Napi::Error&) {
    // The collector throws nothing: V8 was told to end this script. Newer versions take that as done once
    // Node-API has returned, so the script is ended by an error.
    throw Error("ERR_TERMINATED", "the script was ended, by its timeout or with its worker");
  }
}

/// What a forward on the lane holds for a while looks as if it lived: full collections may take a tenth of
/// the time at most.
void EnvData::collect_all() {
  const auto begin = std::chrono::steady_clock::now();
  if (begin < next_major_) return;
  call_collector(true);
  const auto end = std::chrono::steady_clock::now();
  next_major_ = end + 9 * (end - begin);
  major_limit_ = weight() + std::max(kOld, weight() / 2);
}

void EnvData::release(Napi::BasicEnv env, int64_t bytes) {
  live_bytes -= bytes;
  minor_limit_ = std::min(minor_limit_, std::max(weight(), in_use_) + kYoung);
  major_limit_ = std::min(major_limit_, weight() + std::max(kOld, weight() / 2));
  if (live_bytes > reported_ - kOld) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, live_bytes - reported_);
  reported_ = live_bytes;
}

}  // namespace sos
