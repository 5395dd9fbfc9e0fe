#include "binding/js_thread.h"

#include "core/error.h"

namespace sos {
namespace {

/// What a waiting thread and the JavaScript thread share: the waiter may give up and be gone.
struct Wait {
  enum { kQueued, kRunning, kDone, kAbandoned } state = kQueued;
  std::exception_ptr failure;
};

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
  const Napi::HandleScope scope(env);
  (*work)(env);
}

void JsThread::call(const Work& work) {
  if (std::this_thread::get_id() == id_) {
    work(env_);
    return;
  }
  const auto wait = std::make_shared<Wait>();
  const bool posted = post([this, wait, &work](Napi::Env env) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (wait->state == Wait::kAbandoned) return;
      wait->state = Wait::kRunning;
    }
    try {
      work(env);
    } catch (...) {
      wait->failure = std::current_exception();
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    wait->state = Wait::kDone;
    changed_.notify_all();
  });
  std::unique_lock<std::mutex> lock(mutex_);
  // What runs is waited for: `work` is the waiter's.
  changed_.wait(lock,
                [&] { return wait->state == Wait::kDone || (stopped_ && wait->state != Wait::kRunning); });
  if (!posted || wait->state != Wait::kDone) {
    wait->state = Wait::kAbandoned;
    throw Error("ERR_STOPPED", "the environment that a hook belongs to is ending");
  }
  if (wait->failure) std::rethrow_exception(wait->failure);
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
