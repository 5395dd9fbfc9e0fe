#pragma once
#include <ATen/core/dispatch/Dispatcher.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "core/arguments.h"

namespace sos {

/// All overloads of one operator, as `aten::add`. Every operator that is registered with the dispatcher is
/// reached through here, boxed, with autograd, on every device.
class OperatorPacket {
 public:
  /// Finds `NAMESPACE::NAME`, or `NAMESPACE::NAME.OVERLOAD` for that overload alone. The packet lives as long
  /// as the process. Throws Error `ERR_OPERATOR_UNKNOWN`.
  static const OperatorPacket& find(const std::string& name);

  /// Told each tensor that a call is about to write to; throws to refuse.
  using BeforeWrite = std::function<void(const at::Tensor& target, const std::string& operator_name)>;

  /// Runs a call that is worth many threads: it computes, on the CPU, on at least 131,072 elements.
  using RunLarge = std::function<void(const std::function<void()>& call)>;

  /// Calls the overload that the arguments fit best and leaves its results on `stack`, whose memory it
  /// reuses; through `run_large`, where it is given, if the call is large. Throws Error
  /// `ERR_OPERATOR_ARGUMENTS`, naming each candidate and the argument that failed.
  void call(const Arguments& arguments, torch::jit::Stack& stack, const BeforeWrite& before_write = nullptr,
            const RunLarge& run_large = nullptr) const;

  torch::jit::Stack call(const Arguments& arguments) const {
    torch::jit::Stack stack;
    call(arguments, stack);
    return stack;
  }

  const std::string& name() const { return name_; }

 private:
  OperatorPacket(std::string name, std::vector<c10::OperatorHandle> overloads)
      : name_(std::move(name)), overloads_(std::move(overloads)) {}

  /// The overload that fits best, with `match` filled in; null where none fits.
  const c10::OperatorHandle* choose(const Arguments& arguments, Match& match) const;

  std::string name_;
  std::vector<c10::OperatorHandle> overloads_;
  // Which overload the last kinds of arguments chose: signature << 8 | index. Trying them all costs more than
  // a small operator.
  mutable std::array<std::atomic<uint64_t>, 8> chosen_{};
};

/// The schemas of all operators of the dispatcher, as text, sorted.
std::vector<std::string> operator_schemas();

}  // namespace sos
