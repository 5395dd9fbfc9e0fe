#pragma once
#include <ATen/core/ivalue.h>

#include <exception>
#include <functional>
#include <memory>

namespace sos {

/// Ends waits for other processes where this one is about to end: such a wait may last until a timeout, half
/// an hour.
class Interrupt {
 public:
  Interrupt();

  /// From now on, and of what is waited for now, nothing is waited for. On any thread.
  void raise();
  bool raised() const;

  /// A future that is completed as `work` is, its failure put into other words by `translate`, or fails with
  /// Error `ERR_STOPPED` where raise() comes before. That does not stop the work: what it uses must live on.
  /// `translate` is called on the thread that completes the work, and not after raise().
  using Translate = std::function<std::exception_ptr(const std::exception_ptr&)>;
  c10::intrusive_ptr<c10::ivalue::Future> guard(const c10::intrusive_ptr<c10::ivalue::Future>& work,
                                                Translate translate);

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace sos
