#pragma once
#include <ATen/core/dispatch/Dispatcher.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "core/operators/arguments.h"

namespace sos {

/// All overloads of one operator, such as `aten::add`. Every operator that is registered with the dispatcher
/// can be called through this class: boxed, with autograd, on every device.
class OperatorPacket {
 public:
  /// Finds `NAMESPACE::NAME`, or that one overload if the name is `NAMESPACE::NAME.OVERLOAD`. The packet
  /// lives as long as the process. Throws Error `ERR_OPERATOR_UNKNOWN`.
  static const OperatorPacket& find(const std::string& name);

  /// Called with each tensor that a call is about to use, and how it uses the tensor. A `view` reads no
  /// element. It throws to refuse the call.
  enum class Use { view, read, write };
  using BeforeUse = std::function<void(const at::Tensor& tensor, Use use)>;

  /// Runs a call that is worth many threads: one that computes on the CPU, on at least 131,072 elements.
  using RunLarge = std::function<void(const std::function<void()>& call)>;

  /// Calls the overload that the arguments fit best and leaves its results on `stack`, whose memory it uses
  /// again. A large call goes through `run_large`, if that is given. Throws Error `ERR_OPERATOR_ARGUMENTS`,
  /// which names each candidate and the argument that failed.
  void call(const Arguments& arguments, torch::jit::Stack& stack, const BeforeUse& before_use = nullptr,
            const RunLarge& run_large = nullptr) const;

  torch::jit::Stack call(const Arguments& arguments) const {
    torch::jit::Stack stack;
    call(arguments, stack);
    return stack;
  }

  /// What a call with these arguments would write to, and whether that may get another shape, as by
  /// `aten::resize_` or as `out`. Throws as call() does if no overload fits.
  struct Writes {
    std::vector<at::Tensor> tensors;
    bool reshaped;
  };
  Writes writes_of(const Arguments& arguments) const;

  /// Whether a call gives the tensor that it writes to other memory, as `aten::set_` does.
  bool exchanges_memory() const { return exchanges_memory_; }

  const std::string& name() const { return name_; }

 private:
  OperatorPacket(std::string name, std::vector<c10::OperatorHandle> overloads);

  /// The overload that fits best, with `match` filled in; null if none fits.
  const c10::OperatorHandle* choose(const Arguments& arguments, Match& match) const;
  const c10::OperatorHandle& expect(const Arguments& arguments, Match& match) const;
  bool reshapes(const c10::OperatorHandle& overload) const {
    return reshapes_[&overload - overloads_.data()];
  }

  std::string name_;
  bool exchanges_memory_;
  std::vector<bool> reshapes_;  // for each overload
  std::vector<c10::OperatorHandle> overloads_;
  // The overloads that the last kinds of arguments chose, as signature << 8 | index. Trying all overloads
  // costs more than a small operator.
  mutable std::array<std::atomic<uint64_t>, 8> chosen_{};
};

/// The schemas of all operators of the dispatcher as text, sorted.
std::vector<std::string> operator_schemas();

}  // namespace sos
