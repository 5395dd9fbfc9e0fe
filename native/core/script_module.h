#pragma once
#include <torch/csrc/jit/api/module.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/archive.h"
#include "core/arguments.h"
#include "core/byte_source.h"
#include "core/forward_hooks.h"
#include "core/module_kind.h"

namespace sos {

/// One module of the tree.
struct ModuleInfo {
  std::string path;  ///< dotted, "" for the root
  std::string type;  ///< the Python class, as `torch.nn.modules.conv.Conv2d`
  std::vector<std::pair<std::string, at::Tensor>> parameters;  ///< its own, not its children's
  std::vector<std::string> operators;  ///< that its own methods call, as `aten::linear`, each once
};

/// A TorchScript module loaded from a file or from bytes. The only user, with forward_hooks, of torch::jit's
/// public API.
class ScriptModule {
 public:
  /// Throws Error: `ERR_FILE_NOT_FOUND`, `ERR_NOT_TORCHSCRIPT`, `ERR_LEGACY_TORCHSCRIPT`, `ERR_STATE_DICT`.
  static std::shared_ptr<ScriptModule> load(const ByteSource& source, std::optional<c10::Device> device);

  /// Calls `method`. Taps, if any, report to `captures`.
  c10::IValue call(const std::string& method, const Arguments& arguments, const std::vector<Tap>& taps,
                   std::vector<Capture>& captures);

  /// Writes the archive to `path` with the extra files it was loaded with and those of `extra_files`.
  void save(const std::string& path, const ExtraFiles& extra_files) const;

  void train(bool mode);
  bool is_training() const;

  std::vector<std::pair<std::string, at::Tensor>> parameters() const;
  std::vector<std::pair<std::string, at::Tensor>> buffers() const;
  std::vector<ModuleInfo> modules() const;
  std::vector<std::string> called_submodules(const std::string& method) const;
  ModuleKind kind() const;
  const ExtraFiles& extra_files() const { return extra_files_; }

 private:
  ScriptModule(torch::jit::Module module, ExtraFiles extra_files)
      : module_(std::move(module)), extra_files_(std::move(extra_files)) {}

  std::shared_ptr<TappedMethod> tapped(const std::string& method, const std::vector<Tap>& taps);

  torch::jit::Module module_;
  ExtraFiles extra_files_;
  std::mutex mutex_;  // guards tapped_
  std::map<std::string, std::shared_ptr<TappedMethod>> tapped_;
};

}  // namespace sos
