#pragma once
#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace sos {

/// The way from any thread onto the JavaScript thread of one environment. Closures that outlive a call, such
/// as a gradient's hook, hold it by shared_ptr: once the environment is gone it refuses.
class JsThread : public std::enable_shared_from_this<JsThread> {
 public:
  using Work = std::function<void(Napi::Env)>;

  explicit JsThread(Napi::Env env);

  /// Runs `work` at one of the next turns of the event loop. What it throws is dropped. False once stopped:
  /// `work` is destroyed where it is.
  bool post(Work work);

  /// Runs `work` there and waits for what it returns; directly where this is the JavaScript thread. A
  /// JavaScript error that it throws arrives as JsFailure. Throws Error `ERR_STOPPED` where the environment
  /// ends before, also by `work` itself, which owns what it works on: it may outlive this call.
  template <class Result>
  Result ask(std::function<Result(Napi::Env)> work) {
    const auto result = std::make_shared<Result>();
    call([result, work = std::move(work)](Napi::Env env) { *result = work(env); });
    return std::move(*result);
  }

  /// Lets another thread work, which `begin` tells to call `done` at the end, and waits for that; what the
  /// other one asks for meanwhile is run here. On the JavaScript thread only.
  using Done = std::function<void()>;
  void attend(const std::function<void(Done done)>& begin);

  /// Whether another thread waits in `call` for what runs now. On the JavaScript thread only.
  bool is_calling() const { return calling_ != 0; }

  /// Whether work in progress keeps the event loop alive. On the JavaScript thread only.
  void hold(bool alive);

  /// Refuses what comes from now on and wakes who waits. On the JavaScript thread only.
  void stop();

 private:
  void call(Work work);
  bool hand_to_attending(Work& work);
  void run_listener(Napi::Env env, const Work& work);
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
  std::deque<Work> asked_;  // while the JavaScript thread attends
};

/// A reference to a JavaScript value that may be dropped on any thread: it is freed on its own.
template <class Reference>
std::shared_ptr<Reference> shared_reference(std::shared_ptr<JsThread> thread, Reference reference) {
  return {new Reference(std::move(reference)),
          [thread](Reference* held) { thread->post([held](Napi::Env) { delete held; }); }};
}

}  // namespace sos
