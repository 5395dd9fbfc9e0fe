#pragma once
#include <ATen/core/ivalue.h>

#include <exception>
#include <functional>
#include <memory>

namespace sos {

/// Ends waits for other processes when this process is about to end. Without it such a wait may last until
/// its timeout, half an hour.
class Interrupt {
 public:
  Interrupt();

  /// Ends all waits, and all later ones at once. It may be called on any thread.
  void raise();
  bool raised() const;

  /// A future that completes as `work` does. If `work` fails, `translate` makes the error of the future. If
  /// raise() comes first, the future fails with Error `ERR_STOPPED`. That does not stop the work, so what the
  /// work uses must live on. `translate` is called on the thread that completes the work, and never after
  /// raise().
  using Translate = std::function<std::exception_ptr(const std::exception_ptr&)>;
  c10::intrusive_ptr<c10::ivalue::Future> guard(const c10::intrusive_ptr<c10::ivalue::Future>& work,
                                                Translate translate);

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace sos
