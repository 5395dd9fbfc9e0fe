#pragma once
#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace sos {

/// The way from any thread onto the JavaScript thread of one environment. Closures that outlive a call, such
/// as a gradient's hook, hold it by shared_ptr. Once the environment is gone, it refuses all work.
class JsThread : public std::enable_shared_from_this<JsThread> {
 public:
  using Work = std::function<void(Napi::Env)>;

  explicit JsThread(Napi::Env env);

  /// Runs `work` at one of the next turns of the event loop. What it throws is dropped. Once the thread was
  /// stopped, it returns false and destroys `work` on the calling thread.
  bool post(Work work);

  /// Runs `work` on the JavaScript thread and waits for its result. On that thread itself it runs at once. A
  /// JavaScript error that `work` throws arrives as JsFailure, or as PendingException if a native function
  /// that JavaScript called waits for it. Throws Error `ERR_STOPPED` if the environment ends first, perhaps
  /// by `work` itself. So `work` may outlive this call, and must own what it works on.
  template <class Result>
  Result ask(std::function<Result(Napi::Env)> work) {
    const auto result = std::make_shared<Result>();
    call([result, work = std::move(work)](Napi::Env env) { *result = work(env); });
    return std::move(*result);
  }

  /// Waits for another thread, which `begin` sets to work and which calls `done` at the end. Meanwhile it
  /// runs here what that thread asks for. On the JavaScript thread only.
  using Done = std::function<void()>;
  void attend(const std::function<void(Done done)>& begin);

  /// Whether what runs now was asked for by another thread, which waits for it. On the JavaScript thread
  /// only.
  bool is_calling() const { return calling_ != 0; }

  /// Keeps the event loop alive, or no longer does. On the JavaScript thread only.
  void hold(bool alive);

  /// Refuses all work from now on and wakes all waiting threads. On the JavaScript thread only.
  void stop();

 private:
  void call(Work work);
  bool hand_to_attending(Work& work);
  void run_listener(Napi::Env env, const Work& work);
  std::exception_ptr carried(const Napi::Error& error);
  static void run(Napi::Env env, Napi::Function, std::nullptr_t*, Work* work);
  using Queue = Napi::TypedThreadSafeFunction<std::nullptr_t, Work, &JsThread::run>;

  Napi::Env env_;
  std::thread::id id_ = std::this_thread::get_id();
  Queue queue_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  int calling_ = 0;
  int attending_ = 0;
  std::deque<Work> asked_;  // waits for the JavaScript thread while that is in attend()
};

/// A reference to a JavaScript value that may be dropped on any thread. It is freed on the JavaScript thread.
template <class Reference>
std::shared_ptr<Reference> shared_reference(std::shared_ptr<JsThread> thread, Reference reference) {
  return {new Reference(std::move(reference)),
          [thread](Reference* held) { thread->post([held](Napi::Env) { delete held; }); }};
}

}  // namespace sos
