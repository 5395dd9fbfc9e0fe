#pragma once
#include <torch/csrc/jit/api/module.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/script/data_flow.h"
#include "core/script/eval_hold.h"
#include "core/script/graph_tree.h"
#include "core/script/module_kind.h"
#include "core/script/script_object.h"
#include "core/serialization/archive.h"
#include "core/serialization/byte_source.h"

namespace sos {

/// One module of the tree.
struct ModuleInfo {
  std::string path;  ///< the dotted path; "" for the root
  std::string type;  ///< the Python class, such as `torch.nn.modules.conv.Conv2d`
  std::vector<std::pair<std::string, at::Tensor>> parameters;  ///< its own, without those of its children
  /// The operators that its own methods call, such as `aten::linear`, each once.
  std::vector<std::string> operators;
};

/// Where weights are to be, and in which dtype and memory format.
struct Placement {
  std::optional<c10::Device> device;
  std::optional<at::ScalarType> dtype;  ///< of floating-point and complex tensors; other tensors keep theirs
  /// Of the tensors that have the number of dimensions that it needs.
  std::optional<at::MemoryFormat> memory_format;
};

/// A TorchScript module. Several threads may share one. Calls in eval mode run side by side. Calls that
/// change the module run alone: calls in train mode, in which batch norms write their statistics, `to` and
/// `train`.
class ScriptModule : public ScriptObject {
 public:
  /// Throws Error: `ERR_FILE_NOT_FOUND`, `ERR_NOT_TORCHSCRIPT`, `ERR_LEGACY_TORCHSCRIPT`, `ERR_STATE_DICT`.
  static std::shared_ptr<ScriptModule> load(const ByteSource& source, std::optional<c10::Device> device);

  explicit ScriptModule(const torch::jit::Module& module, ExtraFiles extra_files = {})
      : ScriptObject(module), module_(module), extra_files_(std::move(extra_files)) {}

  /// The submodule at the dotted path. It shares the weights. Throws Error `ERR_NO_SUCH_MODULE`.
  std::shared_ptr<ScriptModule> submodule(const std::string& path) const;

  /// Another object for the same module.
  std::shared_ptr<ScriptModule> view() const;

  /// A view that holds the module in eval mode, perhaps to write to it in the end. If this is itself such a
  /// view, the new one shares its hold. Throws Error `ERR_BUSY` if the module is in train mode and calls of
  /// it are pending.
  std::shared_ptr<ScriptModule> view_in_eval(bool to_write) const;

  /// A view that counts as a pending call as long as it lives. Throws Error `ERR_BUSY` if the module is held
  /// in eval mode.
  std::shared_ptr<ScriptModule> view_at_work() const;

  /// A submodule that was read from an attribute.
  std::shared_ptr<ScriptModule> part(const torch::jit::Module& module) const;

  /// What is returned counts as a pending call of the module as long as it lives.
  std::shared_ptr<void> pending_call() const;

  /// Throws Error `ERR_BUSY` if calls are pending, or if the module is held in eval mode.
  void expect_idle(const std::string& what) const;

  /// A copy with weights of its own, in the mode that this module has when nobody holds it.
  std::shared_ptr<ScriptModule> clone() const;

  /// A copy for inference: weights become constants of the graph, and batch norms are folded. Throws Error
  /// `ERR_TRAINING` in train mode.
  std::shared_ptr<ScriptModule> freeze(const std::vector<std::string>& preserved) const;

  /// The same, with libtorch's optimisations for the processor of this machine.
  std::shared_ptr<ScriptModule> optimize_for_inference(const std::vector<std::string>& preserved) const;

  /// Writes the archive to `path`, with the extra files that the module was loaded with and those of
  /// `extra_files`.
  void save(const std::string& path, const ExtraFiles& extra_files) const;

  /// Throws Error `ERR_BUSY` if calls are running, or if others hold the module in eval mode.
  void train(bool mode);
  bool is_training() const;

  /// Gives the parts the modes that `modes_of` returned. A part that is held gets its mode when the hold
  /// ends.
  void give_back(const std::vector<bool>& modes);
  std::vector<bool> modes() const { return modes_of(module_); }

  /// Throws Error `ERR_BUSY` if others hold the module.
  void to(const Placement& placement);

  /// Copies tensors into weights, between two calls of any thread. This must be a view that holds the module.
  /// Throws Error `ERR_BUSY` if the weights are not those with which the hold began, or if others hold the
  /// module too. A `forced` write, which takes back an earlier one, does not check this.
  void write(const std::vector<at::Tensor>& to, const std::vector<at::Tensor>& from, bool forced);

  /// As the method of the object. Throws Error `ERR_BUSY` if calls are running.
  void set_attribute(const std::string& name, const c10::IValue& value) override;

  std::vector<std::pair<std::string, at::Tensor>> parameters() const;
  std::vector<std::pair<std::string, at::Tensor>> buffers() const;
  std::vector<ModuleInfo> modules() const;
  std::vector<std::string> called_submodules(const std::string& method) const;
  DataFlow data_flow(const std::string& method) const;
  GraphBlock graph_tree(const std::string& method) const;
  ModuleKind kind() const;
  const ExtraFiles& extra_files() const { return extra_files_; }

 private:
  c10::IValue run_method(const torch::jit::Method& method, torch::jit::Stack& stack, HookedRun& run) override;
  bool trains() const;  // whether the module or a part of it is in train mode
  std::unique_lock<std::shared_mutex> lock_or_refuse(const char* what) const;
  void refuse_while_pending(const std::string& what) const;
  void refuse_while_held(const std::string& what) const;
  std::shared_ptr<TappedMethod> tapped(const std::string& method, const std::vector<Tap>& taps);

  torch::jit::Module module_;
  ExtraFiles extra_files_;
  /// A module shares it with its submodules and views.
  struct Use {
    std::shared_mutex mutex;
    std::atomic<size_t> pending = 0;
  };
  struct Tapped {
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<TappedMethod>> methods;
  };

  bool optimized_ = false;  // the optimising executor runs it
  std::shared_ptr<Use> use_ = std::make_shared<Use>();
  std::shared_ptr<Tapped> tapped_ = std::make_shared<Tapped>();
  std::shared_ptr<EvalHold> hold_;  // of a view that holds the module
  std::shared_ptr<void> at_work_;   // of a view that counts as a pending call
};

}  // namespace sos
