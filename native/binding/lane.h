#pragma once
#include <napi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "binding/js_thread.h"
#include "binding/promise.h"
#include "core/context/modes.h"
#include "core/context/storage_use.h"
#include "core/distributed/interrupt.h"

namespace sos {

/// The one native thread of an environment on which its long work runs, in the order of the calls.
///
/// The thread starts with the first task. libtorch keeps its modes for each thread, so a task brings its own
/// modes. While tasks are pending, the event loop is kept alive.
class Lane {
 public:
  explicit Lane(std::shared_ptr<JsThread> js) : js_(std::move(js)) {}
  ~Lane() { stop(); }

  /// Queues a task. The binding's functions call on_lane() instead (binding/on_lane.h). `use` says which
  /// memory the work reads or writes, and how messages name the call. Throws Error `ERR_STOPPED` once the
  /// lane was stopped, and `ERR_QUEUE_FULL` if `queue_limit` tasks are pending.
  Napi::Promise submit(Napi::Env env, Modes modes, StorageUse use, PromiseWork work);

  /// Runs `work` on the lane's thread if that is idle, and waits for it; otherwise runs it here. While it
  /// waits, it answers what the work calls in JavaScript. This is for work that uses many threads: OpenMP
  /// keeps a pool of threads for each thread that ever ran in parallel, and if there are more of them than
  /// processors, all of them sleep between operators.
  void run_now(Modes modes, const std::function<void()>& work);

  /// Rejects a task with `reason` if it has not begun; otherwise does nothing. Tasks are numbered from 1.
  void cancel(Napi::Env env, uint64_t task, const Napi::Value& reason);
  uint64_t last_task() const { return last_task_; }

  /// Throws Error `ERR_BUSY` if a pending task uses the memory of `target`, or if that memory is held.
  void refuse_write(const at::Tensor& target, const std::string& operator_name) const;

  /// Keeps memory from being written to during work that consists of several tasks with JavaScript between
  /// them. Returns a number for release().
  uint64_t hold(StorageUse use);
  void release(uint64_t held) { held_.erase(held); }

  /// Does what refuse_write() does, for held memory alone: a task that writes runs after the pending tasks.
  void refuse_held_write(const at::Tensor& target, const std::string& operator_name) const;

  /// Whether a task is pending or memory is held.
  bool uses_memory() const { return !pending_.empty() || !held_.empty(); }

  /// Throws Error `ERR_BUSY` if a pending task writes to the memory of `tensor`, or exchanges it, as an
  /// operator that resizes does. A read could find it half written, or freed.
  void refuse_read(const at::Tensor& tensor, const std::string& what) const;

  /// Throws Error `ERR_BUSY` if a pending task may give `tensor` another shape or other memory.
  void refuse_look(const at::Tensor& tensor, const std::string& what) const;

  /// Throws Error `ERR_BUSY` if a pending gradient may read or write the hooks or the `grad` of `tensor`. It
  /// does not throw while that gradient waits for this thread.
  void refuse_graph_use(const at::Tensor& tensor, const std::string& what) const;

  /// A shared pointer to something that is used on the lane alone. It is freed there, before the next task,
  /// on whatever thread the last pointer is dropped. The lane may be gone by then.
  template <class T>
  std::shared_ptr<T> freed_here(std::unique_ptr<T> owned) {
    return {owned.release(), [dropped = dropped_](T* pointer) { dropped->add(std::shared_ptr<T>(pointer)); }};
  }

  /// It ends the waits of tasks for other processes once the lane is stopped.
  const std::shared_ptr<Interrupt>& interrupt() const { return interrupt_; }

  /// Drops the tasks that have not begun and waits for the one that has: libtorch must be idle when the
  /// process ends.
  void stop();
  size_t pending() const { return pending_.size(); }

  size_t queue_limit = 4096;

 private:
  struct Task {
    Task(Napi::Env env, uint64_t number, Modes modes, StorageUse use, PromiseWork work)
        : deferred(Napi::Promise::Deferred::New(env)),
          number(number),
          modes(modes),
          use(std::move(use)),
          work(std::move(work)) {}
    Napi::Promise::Deferred deferred;
    uint64_t number;
    Modes modes;
    StorageUse use;
    PromiseWork work;
    Finish finish;
    std::exception_ptr failure;
  };

  /// Objects that the lane will free.
  class Dropped {
   public:
    void add(std::shared_ptr<void> object);
    void free();

   private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<void>> objects_;
  };

  void loop();
  void end(Napi::Env env, const std::shared_ptr<Task>& task);
  void forget(const std::shared_ptr<Task>& task);

  std::shared_ptr<JsThread> js_;
  const std::shared_ptr<Interrupt> interrupt_ = std::make_shared<Interrupt>();
  const std::shared_ptr<Dropped> dropped_ = std::make_shared<Dropped>();
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::shared_ptr<Task>> queue_;
  std::function<void()> now_;  // the work that the JavaScript thread waits for
  bool stopping_ = false;
  // The rest is used on the JavaScript thread only.
  std::list<std::shared_ptr<Task>> pending_;
  std::map<uint64_t, StorageUse> held_;
  uint64_t last_held_ = 0;
  bool running_now_ = false;
  uint64_t last_task_ = 0;
};

}  // namespace sos
