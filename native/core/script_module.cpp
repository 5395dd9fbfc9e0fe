#include "core/script_module.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <set>

#include "core/error.h"

namespace sos {
namespace {

using namespace torch::jit;

/// `__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d` → `torch.nn.modules.conv.Conv2d`
std::string python_class(const Module& module) {
  std::string name = module.type()->name() ? module.type()->name()->qualifiedName() : "";
  std::string result;
  for (size_t start = 0; start <= name.size();) {
    const size_t dot = std::min(name.find('.', start), name.size());
    const std::string atom = name.substr(start, dot - start);
    if (atom != "__torch__" && atom.rfind("___torch_mangle_", 0) != 0)
      result += (result.empty() ? "" : ".") + atom;
    start = dot + 1;
  }
  return result;
}

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

}  // namespace

std::shared_ptr<ScriptModule> ScriptModule::load(const ByteSource& source,
                                                 std::optional<c10::Device> device) {
  auto extra_files = extra_files_of(source);
  torch::jit::ExtraFilesMap extra(extra_files.begin(), extra_files.end());
  try {
    auto module = torch::jit::load(open_source(source), device, extra);
    return std::shared_ptr<ScriptModule>(
        new ScriptModule(std::move(module), ExtraFiles(extra.begin(), extra.end())));
  } catch (const c10::Error& error) {
    refuse_archive(source, "ERR_NOT_TORCHSCRIPT",
                   std::string("it cannot be loaded: ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    refuse_archive(source, "ERR_NOT_TORCHSCRIPT", std::string("it cannot be loaded: ") + error.what());
  }
}

c10::IValue ScriptModule::call(const std::string& method, const Arguments& arguments,
                               const std::vector<Tap>& taps, std::vector<Capture>& captures) {
  const auto found = module_.find_method(method);
  if (!found) {
    throw Error("ERR_NO_METHOD",
                "expected the name of a method of the module but it has no '" + method + "'");
  }
  const auto& schema = found->function().getSchema();
  std::string reason;
  Match match;
  const c10::IValue self = module_._ivalue();
  if (!match_arguments(schema, arguments, match, &reason, &self)) {
    throw Error("ERR_METHOD_ARGUMENTS", method + ": " + reason + "\n  " + c10::toString(schema));
  }
  // The optimising executor profiles its first runs, which is slow, and gains nothing on a module that is not
  // frozen.
  torch::jit::GraphOptimizerEnabledGuard plain(false);
  if (taps.empty()) {
    found->function().run(match.stack);
    return std::move(match.stack.back());
  }
  match.stack.erase(match.stack.begin());
  return tapped(method, taps)->run(match.stack, captures);
}

std::shared_ptr<TappedMethod> ScriptModule::tapped(const std::string& method, const std::vector<Tap>& taps) {
  std::string key = method;
  for (const Tap& tap : taps) key += (tap.before ? "\n<" : "\n>") + tap.path;
  std::lock_guard<std::mutex> lock(mutex_);
  if (const auto known = tapped_.find(key); known != tapped_.end()) return known->second;
  // Hooks come and go in small numbers; a graph is some kilobytes.
  constexpr size_t kMostGraphs = 16;
  if (tapped_.size() >= kMostGraphs) tapped_.clear();
  return tapped_.emplace(key, std::make_shared<TappedMethod>(module_, method, taps)).first->second;
}

void ScriptModule::save(const std::string& path, const ExtraFiles& extra_files) const {
  torch::jit::ExtraFilesMap all(extra_files_.begin(), extra_files_.end());
  for (const auto& [name, text] : extra_files) all[name] = text;
  module_.save(path, all);
}

void ScriptModule::train(bool mode) {
  module_.train(mode);
}

bool ScriptModule::is_training() const {
  return module_.hasattr("training") && module_.is_training();
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

ModuleKind ScriptModule::kind() const {
  return kind_of(module_);
}

}  // namespace sos
