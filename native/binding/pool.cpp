#include "binding/pool.h"

#include "core/device/threads.h"

namespace sos {
namespace {

/// It frees itself once its promise is settled.
class PoolTask final : public Napi::AsyncWorker {
 public:
  PoolTask(Napi::Env env, PromiseWork work)
      : Napi::AsyncWorker(env, "optimum-shifting"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    run_alone();
    try {
      finish_ = work_();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void OnOK() override {
    try {
      settle(Env(), deferred_, finish_, failure_);
    } catch (...) {
      // A worker that is being terminated runs no JavaScript any more, so nobody could catch this.
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  PromiseWork work_;
  Finish finish_;
  std::exception_ptr failure_;
};

}  // namespace

Napi::Promise run_in_pool(Napi::Env env, PromiseWork work) {
  auto* task = new PoolTask(env, std::move(work));
  const auto promise = task->promise();
  task->Queue();
  return promise;
}

}  // namespace sos
