#include "binding/js_thread.h"

#include "binding/guard.h"
#include "binding/js_call.h"
#include "core/base/error.h"

namespace sos {
namespace {

/// What a waiting thread shares with the JavaScript thread. The waiting thread may give up before the work is
/// done.
struct Wait {
  bool done = false;
  bool abandoned = false;
  std::exception_ptr failure;
};

Error ending() {
  return Error("ERR_STOPPED", "the environment that a hook belongs to is ending");
}

}  // namespace

JsThread::JsThread(Napi::Env env) : env_(env), queue_(Queue::New(env, "optimum-shifting", 0, 1, nullptr)) {
  queue_.Unref(env);
}

bool JsThread::post(Work work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopped_) return false;
  auto held = std::make_unique<Work>(std::move(work));
  if (queue_.NonBlockingCall(held.get()) != napi_ok) return false;
  held.release();
  return true;
}

void JsThread::run(Napi::Env env, Napi::Function, std::nullptr_t*, Work* raw) {
  const std::unique_ptr<Work> work(raw);
  if (env == nullptr) return;  // the environment is being torn down
  try {
    const Napi::HandleScope scope(env);
    (*work)(env);
  } catch (...) {
    // A worker that is being terminated runs no JavaScript any more, so nobody could catch this.
  }
}

void JsThread::call(Work work) {
  if (std::this_thread::get_id() == id_) {
    run_listener(env_, work);
    return;
  }
  const auto wait = std::make_shared<Wait>();
  Work answer = [this, wait, work = std::move(work)](Napi::Env env) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (wait->abandoned) return;
    }
    ++calling_;
    try {
      run_listener(env, work);
    } catch (const PendingException&) {
      wait->failure = attending_ == 0 ? carried(take_pending(env)) : std::current_exception();
    } catch (...) {
      wait->failure = std::current_exception();
    }
    --calling_;
    const std::lock_guard<std::mutex> lock(mutex_);
    wait->done = true;
    changed_.notify_all();
  };
  if (!hand_to_attending(answer)) post(std::move(answer));
  std::unique_lock<std::mutex> lock(mutex_);
  // A listener that calls process.exit() never returns.
  changed_.wait(lock, [&] { return wait->done || stopped_; });
  if (!wait->done) {
    wait->abandoned = true;
    throw ending();
  }
  if (wait->failure) std::rethrow_exception(wait->failure);
}

bool JsThread::hand_to_attending(Work& work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (attending_ == 0) return false;
  asked_.push_back(std::move(work));
  changed_.notify_all();
  return true;
}

void JsThread::attend(const std::function<void(Done done)>& begin) {
  bool ended = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++attending_;
  }
  try {
    begin([this, &ended] {
      const std::lock_guard<std::mutex> lock(mutex_);
      ended = true;
      changed_.notify_all();
    });
  } catch (...) {  // there is no thread to wait for
    const std::lock_guard<std::mutex> lock(mutex_);
    --attending_;
    throw;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ended || !asked_.empty(); });
    if (asked_.empty()) break;
    const Work work = std::move(asked_.front());
    asked_.pop_front();
    lock.unlock();
    {
      const Napi::HandleScope scope(env_);
      work(env_);
    }
    lock.lock();
  }
  --attending_;
}

void JsThread::run_listener(Napi::Env env, const Work& work) {
  try {
    work(env);
  } catch (const Napi::Error& error) {
    std::rethrow_exception(carried(error));
  }
}

std::exception_ptr JsThread::carried(const Napi::Error& error) {
  try {
    return std::make_exception_ptr(JsFailure(shared_reference(shared_from_this(), Napi::Error(error))));
  } catch (const Napi::Error&) {
    return std::make_exception_ptr(ending());  // the environment makes no references any more
  }
}

void JsThread::hold(bool alive) {
  if (alive)
    queue_.Ref(env_);
  else
    queue_.Unref(env_);
}

void JsThread::stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopped_) return;
  stopped_ = true;
  queue_.Release();
  changed_.notify_all();
}

}  // namespace sos
