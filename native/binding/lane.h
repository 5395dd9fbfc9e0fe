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
#include "core/context/modes.h"
#include "core/context/storage_use.h"
#include "core/distributed/interrupt.h"

namespace sos {

/// The one native thread of an environment on which its long work runs, in the order in which it was asked
/// for.
///
/// The thread starts with the first task. libtorch keeps modes for each thread, so a task brings its own.
/// While tasks are pending, the event loop is kept alive.
class Lane {
 public:
  /// Runs on the JavaScript thread once the work is done, and makes the promise's value.
  using Finish = std::function<Napi::Value(Napi::Env)>;
  /// Runs on the lane; touches no JavaScript.
  using Work = std::function<Finish()>;

  explicit Lane(std::shared_ptr<JsThread> js) : js_(std::move(js)) {}
  ~Lane() { stop(); }

  /// `use` says which memory the work reads or writes, and how it is called in messages. Throws Error
  /// `ERR_STOPPED` once the lane was stopped, `ERR_QUEUE_FULL` where `queue_limit` tasks are pending.
  Napi::Promise submit(Napi::Env env, Modes modes, StorageUse use, Work work);

  /// Runs `work` on the lane's thread, where it is idle, and waits for it; else here. What it calls in
  /// JavaScript is answered meanwhile. What uses many threads is run so: OpenMP keeps threads for each thread
  /// that ever did, and lets all of them sleep between operators where there are more than processors.
  void run_now(Modes modes, const std::function<void()>& work);

  /// Rejects a task that has not begun with `reason`; leaves one that has alone. Tasks are numbered from 1.
  void cancel(Napi::Env env, uint64_t task, const Napi::Value& reason);
  uint64_t last_task() const { return last_task_; }

  /// Throws Error `ERR_BUSY` where `operator_name` would write to memory that a pending task uses, or that is
  /// held.
  void refuse_write(const at::Tensor& target, const std::string& operator_name) const;

  /// Keeps memory from being written to while something consists of several tasks, with JavaScript between
  /// them. Gives a number for release().
  uint64_t hold(StorageUse use);
  void release(uint64_t held) { held_.erase(held); }

  /// As refuse_write(), of held memory alone: for a task, which comes after those that are pending.
  void refuse_held_write(const at::Tensor& target, const std::string& operator_name) const;

  /// Whether any memory is used or held.
  bool uses_memory() const { return !pending_.empty() || !held_.empty(); }

  /// Throws Error `ERR_BUSY` where a pending task writes to the memory of `tensor`, or
  /// exchanges it, as an operator that resizes: what would be read is half written, or gone.
  void refuse_read(const at::Tensor& tensor, const std::string& what) const;

  /// The same of the shape of `tensor`, and of views of it.
  void refuse_look(const at::Tensor& tensor, const std::string& what) const;

  /// Throws Error `ERR_BUSY` where a pending gradient may read or write what autograd keeps for `tensor`: its
  /// hooks and its `grad`. Not while that gradient waits for this thread.
  void refuse_graph_use(const at::Tensor& tensor, const std::string& what) const;

  /// A shared pointer to something that is used on the lane alone and freed there, before the next task,
  /// wherever the last pointer is dropped. It need not be that the lane lives then.
  template <class T>
  std::shared_ptr<T> freed_here(std::unique_ptr<T> owned) {
    return {owned.release(), [dropped = dropped_](T* pointer) { dropped->add(std::shared_ptr<T>(pointer)); }};
  }

  /// Ends the waits of tasks for other processes once the lane is stopped.
  const std::shared_ptr<Interrupt>& interrupt() const { return interrupt_; }

  /// Drops what has not begun and waits for what has: libtorch must be idle when the process ends.
  void stop();
  size_t pending() const { return pending_.size(); }

  size_t queue_limit = 4096;

 private:
  struct Task {
    Task(Napi::Env env, uint64_t number, Modes modes, StorageUse use, Work work)
        : deferred(Napi::Promise::Deferred::New(env)),
          number(number),
          modes(modes),
          use(std::move(use)),
          work(std::move(work)) {}
    Napi::Promise::Deferred deferred;
    uint64_t number;
    Modes modes;
    StorageUse use;
    Work work;
    Finish finish;
    std::exception_ptr failure;
  };

  /// What waits for the lane to free it.
  class Dropped {
   public:
    void add(std::shared_ptr<void> object);
    void free();

   private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<void>> objects_;
  };

  void loop();
  void settle(Napi::Env env, const std::shared_ptr<Task>& task);
  void forget(const std::shared_ptr<Task>& task);

  std::shared_ptr<JsThread> js_;
  const std::shared_ptr<Interrupt> interrupt_ = std::make_shared<Interrupt>();
  const std::shared_ptr<Dropped> dropped_ = std::make_shared<Dropped>();
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::shared_ptr<Task>> queue_;
  std::function<void()> now_;  // what the JavaScript thread waits for
  bool stopping_ = false;
  std::list<std::shared_ptr<Task>> pending_;  // on the JavaScript thread
  std::map<uint64_t, StorageUse> held_;       // on the JavaScript thread
  uint64_t last_held_ = 0;                    // on the JavaScript thread
  bool running_now_ = false;                  // on the JavaScript thread
  uint64_t last_task_ = 0;
};

}  // namespace sos
