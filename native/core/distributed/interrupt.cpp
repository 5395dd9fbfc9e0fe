#include "core/distributed/interrupt.h"

#include <mutex>
#include <unordered_map>

#include "core/base/error.h"

namespace sos {
namespace {

using Future = c10::ivalue::Future;

std::exception_ptr ending() {
  return std::make_exception_ptr(
      Error("ERR_STOPPED", "the process is ending, so it no longer waits for other processes"));
}

}  // namespace

/// The callbacks of running work share it, and may outlive the Interrupt.
struct Interrupt::State {
  std::mutex mutex;
  bool raised = false;
  std::unordered_map<Future*, c10::intrusive_ptr<Future>> guarded;  // not yet completed

  /// Whether the caller is the one who has to complete the future.
  bool take(Future* future) {
    const std::lock_guard<std::mutex> lock(mutex);
    return guarded.erase(future) != 0;
  }
};

Interrupt::Interrupt() : state_(std::make_shared<State>()) {}

void Interrupt::raise() {
  std::unordered_map<Future*, c10::intrusive_ptr<Future>> guarded;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->raised = true;
    guarded.swap(state_->guarded);
  }
  for (const auto& [key, future] : guarded) future->setError(ending());
}

bool Interrupt::raised() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->raised;
}

c10::intrusive_ptr<Future> Interrupt::guard(const c10::intrusive_ptr<Future>& work, Translate translate) {
  auto future = c10::make_intrusive<Future>(work->elementType(), work->devices());
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->raised) {
      future->setError(ending());
      return future;
    }
    state_->guarded.emplace(future.get(), future);
  }
  work->addCallback([state = state_, future, translate = std::move(translate)](Future& done) {
    if (!state->take(future.get())) return;
    if (done.hasError())
      future->setError(translate(done.exception_ptr()));
    else
      future->markCompleted(done.value());
  });
  return future;
}

}  // namespace sos
