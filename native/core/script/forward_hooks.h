#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/script/tapped_graph.h"

namespace sos {

/// What passed a tap during one run, in the order of the calls.
struct Capture {
  size_t tap;         ///< index into the taps of the call
  c10::IValue value;  ///< before: a tuple of the inputs; after: the output
};

/// The listeners of one call of a method, and where it leaves what it captured.
struct HookedRun {
  /// Asked by taps that replace; gives nothing to let the value pass. What it throws ends the run.
  using Replace = std::function<std::optional<c10::IValue>(size_t tap, const c10::IValue& value)>;

  std::vector<Tap> taps;
  Replace replace;
  std::vector<Capture> captures;
};

/// A method of a TorchScript module that tells what passes its submodules.
///
/// The module's own graph stays untouched: it is shared with siblings of the same type, its executor may be
/// cached, and it is what a save writes. A copy is inlined call by call while the GetAttr chain tells which
/// instance is called, and a tap operator is put around the call sites asked for. A tap returns the very
/// value it is given, or its replacement, so autograd and aliasing are as without it. Where something in the
/// graph has later written to the value, as relu_ after a batch norm, a copy is captured.
class TappedMethod {
 public:
  /// Throws Error as `tap_calls`.
  TappedMethod(const torch::jit::Module& module, const std::string& method, const std::vector<Tap>& taps);

  /// Runs on the module's current weights; the taps of `run` are those of the constructor up to what is done
  /// with values. `stack` holds the inputs as the method's schema asks, without self.
  c10::IValue run(const torch::jit::Stack& stack, HookedRun& run) const;

  /// Whether submodules behind interfaces have been exchanged for ones of other classes, whose code is not
  /// what was inlined.
  bool outdated() const;

 private:
  torch::jit::Module module_;
  std::string method_;
  TappedGraph tapped_;
  std::shared_ptr<const std::vector<TapSite>> sites_;
  std::unique_ptr<torch::jit::GraphFunction> function_;
};

/// The paths of the submodules whose forward `method` calls, in the order of the calls in its graph; a
/// submodule called several times is listed as often.
std::vector<std::string> called_submodules(const torch::jit::Module& module, const std::string& method);

}  // namespace sos
