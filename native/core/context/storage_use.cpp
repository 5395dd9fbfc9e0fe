#include "core/context/storage_use.h"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <unordered_set>

#include "core/script/script_module.h"

namespace sos {
StorageUse::Used StorageUse::used(const at::Tensor& tensor) {
  return {tensor, tensor.defined() && tensor.has_storage() ? tensor.storage() : c10::Storage()};
}

bool StorageUse::any_shares(const std::vector<Used>& used, const at::Tensor& tensor) {
  if (!tensor.defined()) return false;
  const auto same = [&](const Used& one) { return one.tensor.is_same(tensor); };
  if (std::any_of(used.begin(), used.end(), same)) return true;
  if (!tensor.has_storage()) return false;
  const auto shares = [&](const Used& one) {
    return one.storage && one.storage.is_alias_of(tensor.storage());
  };
  return std::any_of(used.begin(), used.end(), shares);
}

StorageUse& StorageUse::add(const c10::IValue& value) {
  if (value.isTensor()) {
    tensors_.push_back(used(value.toTensor()));
  } else if (value.isList() || value.isTuple() || value.isGenericDict()) {
    value.visit([this](const c10::IValue& inner) {
      if (inner.isTensor()) tensors_.push_back(used(inner.toTensor()));
      return false;
    });
  }
  return *this;
}

StorageUse& StorageUse::add(const Arguments& arguments) {
  for (const auto& value : arguments.positional) add(value);
  for (const auto& [name, value] : arguments.keyword) add(value);
  return *this;
}

StorageUse& StorageUse::add(const std::vector<at::Tensor>& tensors) {
  for (const auto& tensor : tensors) tensors_.push_back(used(tensor));
  return *this;
}

StorageUse& StorageUse::add_written(const std::vector<at::Tensor>& tensors, bool reshaped) {
  reshapes_ = reshaped;
  for (const auto& tensor : tensors) written_.push_back(used(tensor));
  return *this;
}

StorageUse& StorageUse::add_graph_of(const std::vector<at::Tensor>& outputs) {
  differentiated_ = outputs;
  return *this;
}

StorageUse& StorageUse::add(std::shared_ptr<const ScriptModule> module) {
  module_ = std::move(module);
  pending_ = module_->pending_call();
  return *this;
}

bool StorageUse::covers(const at::Tensor& tensor) const {
  if (any_shares(tensors_, tensor)) return true;
  if (module_ == nullptr) return false;
  const auto named = [&](const auto& entry) { return any_shares({used(entry.second)}, tensor); };
  const auto parameters = module_->parameters();
  const auto buffers = module_->buffers();
  return std::any_of(parameters.begin(), parameters.end(), named) ||
         std::any_of(buffers.begin(), buffers.end(), named);
}

bool StorageUse::writes(const at::Tensor& tensor) const {
  return any_shares(written_, tensor);
}

bool StorageUse::reshapes(const at::Tensor& tensor) const {
  return reshapes_ && std::any_of(written_.begin(), written_.end(),
                                  [&](const Used& used) { return used.tensor.is_same(tensor); });
}

bool StorageUse::differentiates(const at::Tensor& tensor) const {
  if (differentiated_.empty() || !tensor.defined()) return false;
  const auto node_of = [](const at::Tensor& of) -> const torch::autograd::Node* {
    if (const auto& made_by = of.grad_fn()) return made_by.get();
    return torch::autograd::impl::try_get_grad_accumulator(of).get();
  };
  const auto* wanted = node_of(tensor);
  if (wanted == nullptr) return false;
  std::vector<const torch::autograd::Node*> open;
  std::unordered_set<const torch::autograd::Node*> seen;
  for (const auto& output : differentiated_) open.push_back(node_of(output));
  while (!open.empty()) {
    const auto* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (node == wanted) return true;
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return false;
}

}  // namespace sos
