#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

#include "core/base/error.h"
#include "core/script/script_module.h"
#include "core/serialization/file_bytes.h"

namespace sos {
namespace {

using namespace torch::jit;

/// libtorch's own copies lack some values, as complex numbers; by way of an archive all come through.
Module copy_by_archive(const Module& module) {
  std::stringstream archive;
  module.save(archive);
  return torch::jit::load(archive);
}

/// Copies what the module holds; the graphs of its methods are shared.
Module deep_copy(const Module& module) {
  try {
    return module.deepcopy();
  } catch (const c10::Error&) {
    return copy_by_archive(module);
  }
}

/// Copies the graphs too, for passes that rewrite them.
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
  // Copies made without gradients are leaves, but forget which of them want gradients.
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
                "expected a module in eval mode to freeze but this one is in train mode; call eval() before");
  }
  auto frozen = std::make_shared<ScriptModule>(torch::jit::freeze(module_, preserved), extra_files_);
  frozen->optimized_ = true;
  return frozen;
}

std::shared_ptr<ScriptModule> ScriptModule::optimize_for_inference(
    const std::vector<std::string>& preserved) const {
  // What is frozen may still have submodules, as one of an interface or quantised, and be of another kind.
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
  // In eval mode for a while, it is saved in the mode that it is given back.
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
