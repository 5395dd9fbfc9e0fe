#pragma once
#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace sos {

/// The way from any thread onto the JavaScript thread of one environment. Closures that outlive a call, such
/// as a gradient's hook, hold it by shared_ptr: once the environment is gone it refuses.
class JsThread {
 public:
  using Work = std::function<void(Napi::Env)>;

  explicit JsThread(Napi::Env env);

  /// Runs `work` at one of the next turns of the event loop. What it throws is dropped. False once stopped:
  /// `work` is destroyed where it is.
  bool post(Work work);

  /// Runs `work` there and waits for its end; directly where this is the JavaScript thread. `work` throws no
  /// JavaScript error. Throws Error `ERR_STOPPED` where the environment ends before.
  void call(const Work& work);

  /// Whether work in progress keeps the event loop alive. On the JavaScript thread only.
  void hold(bool alive);

  /// Refuses what comes from now on and wakes who waits. On the JavaScript thread only.
  void stop();

 private:
  static void run(Napi::Env env, Napi::Function, std::nullptr_t*, Work* work);
  using Queue = Napi::TypedThreadSafeFunction<std::nullptr_t, Work, &JsThread::run>;

  Napi::Env env_;
  std::thread::id id_ = std::this_thread::get_id();
  Queue queue_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
};

/// A reference to a JavaScript value that may be dropped on any thread: it is freed on its own.
template <class Reference>
std::shared_ptr<Reference> shared_reference(std::shared_ptr<JsThread> thread, Reference reference) {
  return {new Reference(std::move(reference)),
          [thread](Reference* held) { thread->post([held](Napi::Env) { delete held; }); }};
}

}  // namespace sos
