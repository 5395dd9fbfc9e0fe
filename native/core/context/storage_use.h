#pragma once
#include <ATen/core/ivalue.h>

#include <memory>
#include <string>
#include <vector>

#include "core/operators/arguments.h"

namespace sos {

class ScriptModule;

/// The memory that a call works on: that of its arguments, however nested, and the weights of a module.
class StorageUse {
 public:
  explicit StorageUse(std::string name) : name_(std::move(name)) {}

  StorageUse& add(const c10::IValue& value);
  StorageUse& add(const Arguments& arguments);
  StorageUse& add(const std::vector<at::Tensor>& tensors);
  StorageUse& add(std::shared_ptr<const ScriptModule> module);

  /// Adds tensors that the call writes to, beside using them. Nobody may read them meanwhile. If they may be
  /// `reshaped` too, as by an operator that resizes, nobody may even look at their shapes.
  StorageUse& add_written(const std::vector<at::Tensor>& tensors, bool reshaped);

  /// Adds the graph of what the call differentiates.
  StorageUse& add_graph_of(const std::vector<at::Tensor>& outputs);

  /// The name of the call in messages, such as `aten::matmul` or `forward`.
  const std::string& name() const { return name_; }

  /// Whether the call uses the memory of `tensor`.
  bool covers(const at::Tensor& tensor) const;

  /// Whether the call writes to `tensor` or to its memory.
  bool writes(const at::Tensor& tensor) const;

  /// Whether the call may give `tensor` itself another shape or other memory.
  bool reshapes(const at::Tensor& tensor) const;

  /// Whether the call differentiates something that depends on `tensor`.
  bool differentiates(const at::Tensor& tensor) const;

 private:
  /// A tensor with the storage that it had at the call. An operator on the lane may give it another one
  /// meanwhile.
  struct Used {
    at::Tensor tensor;
    c10::Storage storage;
  };
  static Used used(const at::Tensor& tensor);
  static bool any_shares(const std::vector<Used>& used, const at::Tensor& tensor);

  std::string name_;
  std::vector<Used> tensors_;
  std::vector<Used> written_;
  bool reshapes_ = false;
  std::vector<at::Tensor> differentiated_;
  std::shared_ptr<const ScriptModule> module_;
  std::shared_ptr<void> pending_;  // makes this count as a call of the module
};

}  // namespace sos
