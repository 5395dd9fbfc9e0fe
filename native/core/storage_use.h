#pragma once
#include <ATen/core/ivalue.h>

#include <memory>
#include <string>
#include <vector>

#include "core/arguments.h"

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

  /// What is differentiated.
  StorageUse& add_graph_of(const std::vector<at::Tensor>& outputs);

  /// What works on it, for messages: `aten::matmul`, `forward`.
  const std::string& name() const { return name_; }

  /// Whether `tensor` shares its memory.
  bool covers(const at::Tensor& tensor) const;

  /// Whether `tensor` is one of those that what is differentiated depends on.
  bool differentiates(const at::Tensor& tensor) const;

 private:
  std::string name_;
  std::vector<at::Tensor> tensors_;
  std::vector<at::Tensor> differentiated_;
  std::shared_ptr<const ScriptModule> module_;
};

}  // namespace sos
