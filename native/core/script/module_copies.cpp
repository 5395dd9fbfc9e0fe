#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

#include "core/base/error.h"
#include "core/script/script_module.h"
#include "core/serialization/file_bytes.h"

namespace sos {
namespace {

using namespace torch::jit;

/// libtorch's own functions cannot copy some values, such as complex numbers. An archive can hold all of
/// them.
Module copy_by_archive(const Module& module) {
  std::stringstream archive;
  module.save(archive);
  return torch::jit::load(archive);
}

/// Copies the values that the module holds. The graphs of its methods are shared.
Module deep_copy(const Module& module) {
  try {
    return module.deepcopy();
  } catch (const c10::Error&) {
    return copy_by_archive(module);
  }
}

/// Copies the graphs as well, for passes that rewrite them.
Module copy_with_graphs(const Module& module) {
  try {
    return module.clone();
  } catch (const c10::Error&) {
    return copy_by_archive(module);
  }
}

}  // namespace

std::shared_ptr<ScriptModule> ScriptModule::clone() const {
  const std::shared_lock<std::shared_mutex> lock(use_->mutex);
  if (hold_ != nullptr) hold_->expect_weights();
  const at::NoGradGuard no_grad;
  auto copy = std::make_shared<ScriptModule>(deep_copy(module_), extra_files_);
  if (hold_ == nullptr) set_modes(copy->module_, modes_of(module_));
  copy->optimized_ = optimized_;
  // Copies that are made without gradients are leaves, but no longer know which of them require gradients.
  const auto originals = parameters();
  const auto copies = copy->parameters();
  for (size_t i = 0; i < originals.size(); ++i) {
    copies[i].second.set_requires_grad(originals[i].second.requires_grad());
  }
  return copy;
}

std::shared_ptr<ScriptModule> ScriptModule::freeze(const std::vector<std::string>& preserved) const {
  const std::shared_lock<std::shared_mutex> lock(use_->mutex);
  if (is_training()) {
    throw Error("ERR_TRAINING",
                "expected a module in eval mode to freeze, but this one is in train mode; call eval() first");
  }
  auto frozen = std::make_shared<ScriptModule>(torch::jit::freeze(module_, preserved), extra_files_);
  frozen->optimized_ = true;
  return frozen;
}

std::shared_ptr<ScriptModule> ScriptModule::optimize_for_inference(
    const std::vector<std::string>& preserved) const {
  // A frozen module may still have submodules, such as one of an interface or a quantised one, and then
  // counts as another kind.
  auto copy = kind() == ModuleKind::frozen ? copy_with_graphs(module_) : freeze(preserved)->module_;
  std::vector<std::string> other_methods;
  for (const auto& name : preserved) {
    if (copy.find_method(name)) other_methods.push_back(name);
  }
  auto optimized =
      std::make_shared<ScriptModule>(torch::jit::optimize_for_inference(copy, other_methods), extra_files_);
  optimized->optimized_ = true;
  return optimized;
}

void ScriptModule::save(const std::string& path, const ExtraFiles& extra_files) const {
  torch::jit::ExtraFilesMap all(extra_files_.begin(), extra_files_.end());
  for (const auto& [name, text] : extra_files) all[name] = text;
  OutputFile file(path);
  // If the module is only held in eval mode, it is saved in the mode that it will get back.
  Module module = module_;
  if (is_held_from_training(module_)) {
    module = clone()->module_;
    set_modes(module, modes_of(module_));
  }
  torch::jit::ExportModule(
      module,
      [&file](const void* data, size_t length) {
        file.write(data, length);
        return length;
      },
      all);
  file.close();
}

}  // namespace sos
