#include "core/script_module.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/error_text.h"
#include "core/file_bytes.h"

namespace sos {
namespace {

using namespace torch::jit;

void collect_operators(Block* block, std::set<std::string>& names) {
  for (Node* node : block->nodes()) {
    if (node->kind().is_aten()) names.insert(node->kind().toQualString());
    for (Block* inner : node->blocks()) collect_operators(inner, names);
  }
}

std::vector<std::string> operators_of(const Module& module) {
  std::set<std::string> names;
  for (const auto& method : module.get_methods()) {
    GraphFunction* function = tryToGraphFunction(method.function());
    if (function == nullptr) continue;
    function->ensure_defined();
    collect_operators(function->graph()->block(), names);
  }
  return {names.begin(), names.end()};
}

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

std::shared_ptr<ScriptModule> ScriptModule::load(const ByteSource& source,
                                                 std::optional<c10::Device> device) {
  auto extra_files = extra_files_of(source);
  torch::jit::ExtraFilesMap extra(extra_files.begin(), extra_files.end());
  try {
    auto module = torch::jit::load(open_source(source), device, extra);
    return std::make_shared<ScriptModule>(module, ExtraFiles(extra.begin(), extra.end()));
  } catch (const c10::Error& error) {
    refuse_archive(source, "ERR_NOT_TORCHSCRIPT",
                   std::string("it cannot be loaded: ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    refuse_archive(source, "ERR_NOT_TORCHSCRIPT", "it cannot be loaded: " + text_of(error));
  }
}

c10::IValue ScriptModule::run_method(const Method& method, Stack& stack, HookedRun& run) {
  std::shared_lock<std::shared_mutex> shared(*use_, std::defer_lock);
  std::unique_lock<std::shared_mutex> alone(*use_, std::defer_lock);
  shared.lock();
  if (trains()) {
    shared.unlock();
    alone.lock();
  }
  // The optimising executor profiles its first runs, which is slow, and gains nothing on a module that is not
  // frozen.
  const GraphOptimizerEnabledGuard optimizer(optimized_);
  if (run.taps.empty()) {
    method.function().run(stack);
    return std::move(stack.back());
  }
  stack.erase(stack.begin());
  return tapped(method.name(), run.taps)->run(stack, run);
}

std::shared_ptr<TappedMethod> ScriptModule::tapped(const std::string& method, const std::vector<Tap>& taps) {
  std::string key = method;
  for (const Tap& tap : taps) key += (tap.before ? "\n<" : "\n>") + tap.path + "\t" + tap.method;
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = tapped_.find(key);
  if (known != tapped_.end() && !known->second->outdated()) return known->second;
  // Hooks come and go in small numbers; a graph is some kilobytes.
  constexpr size_t kMostGraphs = 16;
  if (tapped_.size() >= kMostGraphs) tapped_.clear();
  return tapped_.insert_or_assign(key, std::make_shared<TappedMethod>(module_, method, taps)).first->second;
}

std::shared_ptr<ScriptModule> ScriptModule::submodule(const std::string& path) const {
  for (const auto& named : module_.named_modules()) {
    if (named.name != path) continue;
    auto found = std::make_shared<ScriptModule>(named.value);
    found->use_ = use_;
    return found;
  }
  throw Error("ERR_NO_SUCH_MODULE", "expected the path of a submodule but there is no '" + path + "'");
}

std::shared_ptr<ScriptModule> ScriptModule::clone() const {
  const std::shared_lock<std::shared_mutex> lock(*use_);
  const at::NoGradGuard no_grad;
  auto copy = std::make_shared<ScriptModule>(deep_copy(module_), extra_files_);
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
  const std::shared_lock<std::shared_mutex> lock(*use_);
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
  torch::jit::ExportModule(
      module_,
      [&file](const void* data, size_t length) {
        file.write(data, length);
        return length;
      },
      all);
  file.close();
}

std::unique_lock<std::shared_mutex> ScriptModule::lock_or_refuse(const char* what) {
  std::unique_lock<std::shared_mutex> lock(*use_, std::try_to_lock);
  if (lock) return lock;
  throw Error("ERR_BUSY",
              std::string(what) + " would change the module under a call that is at work: await it before");
}

void ScriptModule::train(bool mode) {
  const auto lock = lock_or_refuse("train() or eval()");
  module_.train(mode);
}

void ScriptModule::set_attribute(const std::string& name, const c10::IValue& value) {
  const auto lock = lock_or_refuse("setAttribute()");
  ScriptObject::set_attribute(name, value);
}

void ScriptModule::to(const Placement& placement) {
  const std::unique_lock<std::shared_mutex> lock(*use_);
  const at::NoGradGuard no_grad;
  const auto format_of = [&](const at::Tensor& tensor) -> std::optional<at::MemoryFormat> {
    if (placement.memory_format == at::MemoryFormat::ChannelsLast && tensor.dim() != 4) return std::nullopt;
    if (placement.memory_format == at::MemoryFormat::ChannelsLast3d && tensor.dim() != 5) return std::nullopt;
    return placement.memory_format;
  };
  const auto placed = [&](const at::Tensor& tensor) {
    const bool real = tensor.is_floating_point() || tensor.is_complex();
    return tensor.to(placement.device.value_or(tensor.device()),
                     real ? placement.dtype.value_or(tensor.scalar_type()) : tensor.scalar_type(),
                     /*non_blocking=*/false, /*copy=*/false, format_of(tensor));
  };
  // In place of the data: whoever holds a parameter goes on holding it.
  const auto place = [&](const at::Tensor& tensor) {
    tensor.set_data(placed(tensor));
    if (tensor.grad().defined()) tensor.mutable_grad() = placed(tensor.grad());
  };
  for (const auto& parameter : module_.parameters()) place(parameter);
  for (const auto& buffer : module_.buffers()) place(buffer);
}

bool ScriptModule::is_training() const {
  return module_.hasattr("training") && module_.is_training();
}

bool ScriptModule::trains() const {
  for (const auto& module : module_.modules()) {
    if (module.hasattr("training") && module.is_training()) return true;
  }
  return false;
}

std::vector<std::pair<std::string, at::Tensor>> ScriptModule::parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> found;
  for (const auto& parameter : module_.named_parameters())
    found.emplace_back(parameter.name, parameter.value);
  return found;
}

std::vector<std::pair<std::string, at::Tensor>> ScriptModule::buffers() const {
  std::vector<std::pair<std::string, at::Tensor>> found;
  for (const auto& buffer : module_.named_buffers()) found.emplace_back(buffer.name, buffer.value);
  return found;
}

std::vector<ModuleInfo> ScriptModule::modules() const {
  std::vector<ModuleInfo> found;
  for (const auto& named : module_.named_modules()) {
    ModuleInfo info{named.name, python_class(named.value), {}, operators_of(named.value)};
    for (const auto& parameter : named.value.named_parameters(false)) {
      info.parameters.emplace_back(parameter.name, parameter.value);
    }
    found.push_back(std::move(info));
  }
  return found;
}

std::vector<std::string> ScriptModule::called_submodules(const std::string& method) const {
  return sos::called_submodules(module_, method);
}

DataFlow ScriptModule::data_flow(const std::string& method) const {
  return sos::data_flow(module_, method);
}

ModuleKind ScriptModule::kind() const {
  return kind_of(module_);
}

}  // namespace sos
