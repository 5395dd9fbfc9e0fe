#include "core/script/script_module.h"

#include <c10/util/ScopeExit.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/base/error_text.h"

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
  std::shared_lock<std::shared_mutex> shared(use_->mutex, std::defer_lock);
  std::unique_lock<std::shared_mutex> alone(use_->mutex, std::defer_lock);
  shared.lock();
  if (trains()) {
    shared.unlock();
    alone.lock();
  }
  if (hold_ != nullptr) {
    hold_->expect_weights();
  } else if (is_held_from_training(module_)) {
    throw Error("ERR_BUSY",
                "a call of a module in train mode would run in eval mode, since an evaluation, capture or "
                "shift holds the module in that mode: await it first, or give it a clone() of the module");
  }
  const auto noted = c10::make_scope_exit([this] {
    if (hold_ != nullptr) hold_->note_buffers();
  });
  // The optimising executor profiles its first runs, which is slow. It gains nothing on a module that is not
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
  for (const Tap& tap : taps) {
    key += (tap.before ? "\n<" : "\n>") + tap.path + "\t" + tap.method + (tap.expected ? "\t!" : "");
  }
  auto& [mutex, methods] = *tapped_;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto known = methods.find(key);
  if (known != methods.end() && !known->second->outdated()) return known->second;
  // Hooks come and go in small numbers, and a graph takes some kilobytes.
  constexpr size_t kMostGraphs = 16;
  if (methods.size() >= kMostGraphs) methods.clear();
  return methods.insert_or_assign(key, std::make_shared<TappedMethod>(module_, method, taps)).first->second;
}

std::shared_ptr<ScriptModule> ScriptModule::submodule(const std::string& path) const {
  for (const auto& named : module_.named_modules()) {
    if (named.name == path) return part(named.value);
  }
  throw Error("ERR_NO_SUCH_MODULE", "expected the path of a submodule but there is no '" + path + "'");
}

std::shared_ptr<ScriptModule> ScriptModule::view() const {
  auto view = std::make_shared<ScriptModule>(module_, extra_files_);
  view->optimized_ = optimized_;
  view->use_ = use_;
  view->tapped_ = tapped_;
  view->hold_ = hold_;
  return view;
}

std::shared_ptr<ScriptModule> ScriptModule::view_in_eval(bool to_write) const {
  auto held = view();
  if (hold_ != nullptr) return held;
  held->hold_ = std::make_shared<EvalHold>(module_, to_write, [this]() -> std::shared_ptr<void> {
    refuse_while_pending("eval()");
    return std::make_shared<std::unique_lock<std::shared_mutex>>(lock_or_refuse("eval()"));
  });
  return held;
}

std::shared_ptr<ScriptModule> ScriptModule::view_at_work() const {
  auto working = view();
  working->at_work_ = pending_call();
  refuse_while_held("a step of training");
  return working;
}

std::shared_ptr<ScriptModule> ScriptModule::part(const Module& module) const {
  auto found = std::make_shared<ScriptModule>(module);
  found->use_ = use_;
  found->hold_ = hold_;
  return found;
}

std::shared_ptr<void> ScriptModule::pending_call() const {
  ++use_->pending;
  return std::shared_ptr<void>(use_.get(), [use = use_](void*) { --use->pending; });
}

void ScriptModule::refuse_while_pending(const std::string& what) const {
  const size_t pending = use_->pending;
  if (pending == 0) return;
  throw Error("ERR_BUSY", what + " would change the module under " + std::to_string(pending) +
                              " pending call(s): await them first");
}

void ScriptModule::refuse_while_held(const std::string& what) const {
  if (!is_held(module_)) return;
  throw Error("ERR_BUSY", what +
                              " would change the module while an evaluation, capture or shift of it is "
                              "running: await it first, or give it a clone() of the module");
}

void ScriptModule::expect_idle(const std::string& what) const {
  refuse_while_pending(what);
  refuse_while_held(what);
}

std::unique_lock<std::shared_mutex> ScriptModule::lock_or_refuse(const char* what) const {
  std::unique_lock<std::shared_mutex> lock(use_->mutex, std::try_to_lock);
  if (lock) return lock;
  throw Error(
      "ERR_BUSY",
      std::string(what) + " would change the module while a call of it is running: await that call first");
}

void ScriptModule::train(bool mode) {
  if (stays_in(module_, mode)) return;
  expect_idle(mode ? "train()" : "eval()");
  const auto lock = lock_or_refuse(mode ? "train()" : "eval()");
  module_.train(mode);
}

void ScriptModule::give_back(const std::vector<bool>& modes) {
  const std::unique_lock<std::shared_mutex> lock(use_->mutex);
  set_modes(module_, modes);
}

void ScriptModule::set_attribute(const std::string& name, const c10::IValue& value) {
  const auto lock = lock_or_refuse("setAttribute()");
  refuse_while_held("setAttribute()");
  ScriptObject::set_attribute(name, value);
}

void ScriptModule::write(const std::vector<at::Tensor>& to, const std::vector<at::Tensor>& from,
                         bool forced) {
  if (hold_ == nullptr)
    throw Error("ERR_INVALID_ARGUMENT", "expected a view that holds its module in eval mode");
  const std::unique_lock<std::shared_mutex> lock(use_->mutex);
  if (!forced) {
    hold_->expect_weights();
    hold_->expect_no_reader();
  }
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
  hold_->note_weights();
}

void ScriptModule::to(const Placement& placement) {
  const std::unique_lock<std::shared_mutex> lock(use_->mutex);
  refuse_while_held("to()");
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
  // This replaces the data within each tensor, so whoever holds a parameter still holds it afterwards.
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

GraphBlock ScriptModule::graph_tree(const std::string& method) const {
  return sos::graph_tree(module_, method);
}

ModuleKind ScriptModule::kind() const {
  return kind_of(module_);
}

}  // namespace sos
