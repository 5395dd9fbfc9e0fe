#pragma once
#include <ATen/core/ivalue.h>

#include <memory>
#include <string>
#include <vector>

#include "core/operators/arguments.h"

namespace sos {

class ScriptModule;

/// The memory that a call works on: what its arguments hold, however nested, and the weights of a module.
class StorageUse {
 public:
  explicit StorageUse(std::string name) : name_(std::move(name)) {}

  StorageUse& add(const c10::IValue& value);
  StorageUse& add(const Arguments& arguments);
  StorageUse& add(const std::vector<at::Tensor>& tensors);
  StorageUse& add(std::shared_ptr<const ScriptModule> module);

  /// What is written to, beside being used: nobody reads it meanwhile. Where the tensors may be `reshaped`
  /// too, as by an operator that resizes, nobody even looks at their shapes.
  StorageUse& add_written(const std::vector<at::Tensor>& tensors, bool reshaped);

  /// What is differentiated.
  StorageUse& add_graph_of(const std::vector<at::Tensor>& outputs);

  /// What works on it, for messages: `aten::matmul`, `forward`.
  const std::string& name() const { return name_; }

  /// Whether `tensor` shares its memory.
  bool covers(const at::Tensor& tensor) const;

  /// Whether what is written to is `tensor`, or shares its memory.
  bool writes(const at::Tensor& tensor) const;

  /// Whether `tensor` itself may get another shape or another memory.
  bool reshapes(const at::Tensor& tensor) const;

  /// Whether `tensor` is one of those that what is differentiated depends on.
  bool differentiates(const at::Tensor& tensor) const;

 private:
  /// A tensor with the storage that it had: an operator on the lane may give it another meanwhile.
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
  std::shared_ptr<void> pending_;  // counts as a call of the module
};

}  // namespace sos
