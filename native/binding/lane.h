#pragma once
#include <ATen/ThreadLocalState.h>
#include <napi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace sos {

/// The one native thread of an environment on which its long work runs, in the order in which it was asked
/// for.
///
/// The thread starts with the first task. Grad mode and libtorch's other thread-locals are taken where a task
/// is submitted and restored where it runs. While tasks are pending, the event loop is kept alive.
class Lane {
 public:
  /// Runs on the JavaScript thread once the work is done, and makes the promise's value.
  using Finish = std::function<Napi::Value(Napi::Env)>;
  /// Runs on the lane; touches no JavaScript.
  using Work = std::function<Finish()>;

  explicit Lane(Napi::Env env);
  ~Lane();

  /// Throws Error `ERR_STOPPED` once the lane was stopped.
  Napi::Promise submit(Napi::Env env, Work work);

  /// Drops what has not begun and waits for what has: libtorch must be idle when the process ends.
  void stop();
  size_t pending() const { return pending_; }

 private:
  struct Task {
    explicit Task(Napi::Env env, Work work)
        : deferred(Napi::Promise::Deferred::New(env)), work(std::move(work)) {}
    Napi::Promise::Deferred deferred;
    Work work;
    at::ThreadLocalState state;
    Finish finish;
    std::exception_ptr failure;
  };

  static void settle(Napi::Env env, Napi::Function, Lane* lane, Task* task);
  using Settled = Napi::TypedThreadSafeFunction<Lane, Task, &Lane::settle>;

  void loop();

  Settled settled_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::unique_ptr<Task>> queue_;
  bool stopping_ = false;
  size_t pending_ = 0;  // counted on the JavaScript thread
};

}  // namespace sos
