#include "binding/lane.h"

#include "binding/guard.h"
#include "core/error.h"

namespace sos {

Lane::Lane(Napi::Env env) : settled_(Settled::New(env, "optimum-shifting lane", 0, 1, this)) {
  settled_.Unref(env);
  // Hooks run before the environment's values are torn down, while a task may still be at work.
  env.AddCleanupHook([](Lane* lane) { lane->stop(); }, this);
}

Lane::~Lane() {
  stop();
}

Napi::Promise Lane::submit(Napi::Env env, Work work) {
  if (stopping_) throw Error("ERR_STOPPED", "the process is ending: no more work is taken");
  auto task = std::make_unique<Task>(env, std::move(work));
  const auto promise = task->deferred.Promise();
  if (pending_++ == 0) settled_.Ref(env);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
    queue_.push_back(std::move(task));
  }
  ready_.notify_one();
  return promise;
}

void Lane::loop() {
  for (;;) {
    std::unique_ptr<Task> task;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      const at::ThreadLocalStateGuard state(task->state);
      task->finish = task->work();
    } catch (...) {
      task->failure = std::current_exception();
    }
    task->work = nullptr;  // frees what the work held here, not on the JavaScript thread
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;  // nobody waits any more
    if (settled_.NonBlockingCall(task.get()) == napi_ok) task.release();
  }
}

void Lane::settle(Napi::Env env, Napi::Function, Lane* lane, Task* raw) {
  const std::unique_ptr<Task> task(raw);
  if (env == nullptr) return;  // the environment is being torn down: nobody waits any more
  if (--lane->pending_ == 0) lane->settled_.Unref(env);
  const Napi::HandleScope scope(env);
  if (!task->failure) {
    try {
      task->deferred.Resolve(task->finish(env));
      return;
    } catch (...) {
      task->failure = std::current_exception();
    }
  }
  task->deferred.Reject(to_js_error(env, task->failure).Value());
}

void Lane::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    queue_.clear();
  }
  ready_.notify_all();
  if (thread_.joinable()) thread_.join();
  settled_.Release();
}

}  // namespace sos
