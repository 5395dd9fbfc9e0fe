#pragma once
#include <torch/csrc/jit/api/module.h>

#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace sos {

/// A place to listen at: the inputs of a submodule's forward (`before`) or its output. The root's path is "".
struct Tap {
  std::string path;
  bool before = false;
};

/// What passed a tap during one run, in the order of the calls.
struct Capture {
  size_t tap;         ///< index into the taps of the method
  c10::IValue value;  ///< before: a tuple of the inputs; after: the output
};

/// Where a run leaves its captures. A forked task of the graph may pass a tap on another thread.
struct CaptureLog {
  std::mutex mutex;
  std::vector<Capture> captures;
};

/// A method of a TorchScript module that reports what passes its submodules.
///
/// The module's own graph stays untouched: it is shared with siblings of the same type, its executor may be
/// cached, and it is what a save writes. A copy is inlined call by call while the GetAttr chain tells which
/// instance is called, and a tap operator is put around the call sites asked for. The tap returns the very
/// value it is given, so autograd and aliasing are as without it.
class TappedMethod {
 public:
  /// Throws Error `ERR_NO_METHOD` if the module lacks the method.
  TappedMethod(const torch::jit::Module& module, const std::string& method, std::vector<Tap> taps);

  /// Runs on the module's current weights. `stack` holds the inputs as the method's schema asks, without
  /// self.
  c10::IValue run(const torch::jit::Stack& stack, std::vector<Capture>& captures) const;

 private:
  torch::jit::Module module_;
  std::vector<Tap> taps_;
  std::unique_ptr<torch::jit::GraphFunction> function_;
};

/// The paths of the submodules whose forward `method` calls, in the order of the calls in its graph; a
/// submodule called several times is listed as often.
std::vector<std::string> called_submodules(const torch::jit::Module& module, const std::string& method);

/// Whether `name` is a forward: tracing numbers the calls of a submodule `forward`, `forward1`, `forward2`…
bool is_forward(const std::string& name);

}  // namespace sos
