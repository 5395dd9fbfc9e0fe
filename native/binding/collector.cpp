#include "binding/collector.h"

#include "binding/js_call.h"

namespace sos {

// Node-API offers napi_adjust_external_memory. V8 then marks incrementally in steps of 5 to 10 ms, and a loop
// of 1 MB tensors pays for such a step at every quarter of a megabyte. V8 11 (Node 20) may also fail a check
// of its own when it finishes such a marking from there ("marking_done_"). So we call the collector
// ourselves. A scavenge takes some tenths of a millisecond and frees what a loop dropped. A full collection
// follows only if what lives has really grown by half and by 64 MB. Scavenges come soon, because memory that
// is used again while a cache still holds it gains more time than they cost. If a scavenge found nothing to
// free, as in the middle of a training step, none follows until more lives than did then.
void Collector::hold(Napi::Env env, int64_t bytes) {
  live_bytes_ += bytes;
  if (weight() <= minor_limit_ || collect_.IsEmpty()) return;
  const int64_t before = weight();
  collect(false);
  in_use_ = before - weight() < kYoung / 4 ? weight() : 0;
  if (weight() > major_limit_) collect_all();
  minor_limit_ = std::max(weight(), in_use_) + kYoung;
  // V8 learns what survived, for its own decisions, while no marking is under way.
  Napi::MemoryManagement::AdjustExternalMemory(env, live_bytes_ - reported_);
  reported_ = live_bytes_;
}

void Collector::collect(bool full) {
  call_js(collect_.Value(), {Napi::Boolean::New(collect_.Env(), full)});
}

/// Memory that a forward on the lane holds for a while looks as if it lived. So full collections may take at
/// most a tenth of the time.
void Collector::collect_all() {
  const auto begin = std::chrono::steady_clock::now();
  if (begin < next_major_) return;
  collect(true);
  const auto end = std::chrono::steady_clock::now();
  next_major_ = end + 9 * (end - begin);
  major_limit_ = weight() + std::max(kOld, weight() / 2);
}

void Collector::release(Napi::BasicEnv env, int64_t bytes) {
  live_bytes_ -= bytes;
  minor_limit_ = std::min(minor_limit_, std::max(weight(), in_use_) + kYoung);
  major_limit_ = std::min(major_limit_, weight() + std::max(kOld, weight() / 2));
  if (live_bytes_ > reported_ - kOld) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, live_bytes_ - reported_);
  reported_ = live_bytes_;
}

}  // namespace sos
