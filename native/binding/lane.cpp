#include "binding/lane.h"

#include <c10/util/ScopeExit.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/device/threads.h"

namespace sos {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& would, const StorageUse& use,
                         const std::string& does) {
  throw Error("ERR_BUSY", what + " would " + would + " that the pending call of " + use.name() + " " + does +
                              ": await that call first");
}

}  // namespace

Napi::Promise Lane::submit(Napi::Env env, Modes modes, StorageUse use, PromiseWork work) {
  if (stopping_) throw Error("ERR_STOPPED", "the process is ending: no more work is taken");
  if (pending_.size() >= queue_limit) {
    throw Error("ERR_QUEUE_FULL", "expected at most " + std::to_string(queue_limit) +
                                      " asynchronous calls at a time but as many are pending; await some of "
                                      "them, or raise the limit by setQueueLimit()");
  }
  const auto task = std::make_shared<Task>(env, ++last_task_, modes, std::move(use), std::move(work));
  if (pending_.empty()) js_->hold(true);
  pending_.push_back(task);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
    queue_.push_back(task);
  }
  ready_.notify_one();
  return task->deferred.Promise();
}

void Lane::run_now(Modes modes, const std::function<void()>& work) {
  if (!pending_.empty() || running_now_ || stopping_) {
    const AllThreads all;
    work();
    return;
  }
  std::exception_ptr failure;
  running_now_ = true;
  const auto ended = c10::make_scope_exit([this] { running_now_ = false; });
  js_->attend([&](const JsThread::Done& done) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
      now_ = [&work, &failure, modes, done] {
        try {
          adopt_threads();
          const ModeGuard guard(modes);
          work();
        } catch (...) {
          failure = std::current_exception();
        }
        done();
      };
    }
    ready_.notify_one();
  });
  if (failure) std::rethrow_exception(failure);
}

void Lane::cancel(Napi::Env env, uint64_t number, const Napi::Value& reason) {
  std::shared_ptr<Task> task;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(queue_.begin(), queue_.end(),
                                    [&](const auto& queued) { return queued->number == number; });
    if (found == queue_.end()) return;
    task = *found;
    queue_.erase(found);
  }
  forget(task);
  task->deferred.Reject(reason);
}

void Lane::refuse_write(const at::Tensor& target, const std::string& operator_name) const {
  for (const auto& task : pending_) {
    if (task->use.covers(target)) refuse(operator_name, "write to memory", task->use, "uses");
  }
  refuse_held_write(target, operator_name);
}

uint64_t Lane::hold(StorageUse use) {
  held_.emplace(++last_held_, std::move(use));
  return last_held_;
}

void Lane::refuse_held_write(const at::Tensor& target, const std::string& operator_name) const {
  for (const auto& [number, use] : held_) {
    if (use.covers(target)) refuse(operator_name, "write to memory", use, "uses");
  }
}

void Lane::refuse_read(const at::Tensor& tensor, const std::string& what) const {
  for (const auto& task : pending_) {
    if (task->use.writes(tensor)) refuse(what, "read memory", task->use, "writes to");
  }
}

void Lane::refuse_look(const at::Tensor& tensor, const std::string& what) const {
  for (const auto& task : pending_) {
    if (task->use.reshapes(tensor))
      refuse(what, "look at a tensor", task->use, "may give another shape or other memory");
  }
}

void Lane::refuse_graph_use(const at::Tensor& tensor, const std::string& what) const {
  if (js_->is_calling()) return;
  for (const auto& task : pending_) {
    if (task->use.differentiates(tensor)) refuse(what, "use a tensor", task->use, "computes gradients of");
  }
}

void Lane::loop() {
  for (;;) {
    std::shared_ptr<Task> task;
    std::function<void()> now;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || now_ != nullptr || !queue_.empty(); });
      std::swap(now, now_);
      if (now == nullptr) {
        if (stopping_) return;
        task = std::move(queue_.front());
        queue_.pop_front();
      }
    }
    if (now != nullptr) {
      now();
      continue;
    }
    dropped_->free();
    try {
      adopt_threads();
      const ModeGuard guard(task->modes);
      task->finish = task->work();
    } catch (...) {
      task->failure = std::current_exception();
    }
    task->work = nullptr;  // frees what the work held on this thread, not on the JavaScript thread
    js_->post([this, task](Napi::Env env) { end(env, task); });
  }
}

void Lane::end(Napi::Env env, const std::shared_ptr<Task>& task) {
  forget(task);
  // The lane's thread may hold the task a moment longer, so what the task works on is released here.
  const Finish finish = std::move(task->finish);
  task->use = StorageUse("");
  settle(env, task->deferred, finish, task->failure);
}

void Lane::forget(const std::shared_ptr<Task>& task) {
  pending_.remove(task);
  if (pending_.empty()) js_->hold(false);
}

void Lane::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    queue_.clear();
  }
  js_->stop();          // first, since the thread may be waiting for a hook
  interrupt_->raise();  // or for another process
  ready_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Lane::Dropped::add(std::shared_ptr<void> object) {
  const std::lock_guard<std::mutex> lock(mutex_);
  objects_.push_back(std::move(object));
}

void Lane::Dropped::free() {
  std::vector<std::shared_ptr<void>> objects;
  const std::lock_guard<std::mutex> lock(mutex_);
  objects.swap(objects_);
}

}  // namespace sos
