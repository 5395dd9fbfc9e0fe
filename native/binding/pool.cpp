#include "binding/pool.h"

#include "binding/guard.h"
#include "core/device/threads.h"

namespace sos {
namespace {

using Finish = std::function<Napi::Value(Napi::Env)>;

/// Frees itself once the promise is settled.
class PoolTask final : public Napi::AsyncWorker {
 public:
  PoolTask(Napi::Env env, std::function<Finish()> work)
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
      settle();
    } catch (...) {
      // A worker that is being terminated runs no JavaScript any more: there is nobody to tell.
    }
  }

 private:
  void settle() {
    if (!failure_) {
      try {
        deferred_.Resolve(finish_(Env()));
        return;
      } catch (...) {
        failure_ = std::current_exception();
      }
    }
    deferred_.Reject(to_js_error(Env(), failure_).Value());
  }

  Napi::Promise::Deferred deferred_;
  std::function<Finish()> work_;
  Finish finish_;
  std::exception_ptr failure_;
};

}  // namespace

Napi::Promise run_in_pool(Napi::Env env, std::function<Finish()> work) {
  auto* task = new PoolTask(env, std::move(work));
  const auto promise = task->promise();
  task->Queue();
  return promise;
}

}  // namespace sos
