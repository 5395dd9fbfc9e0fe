#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/script/tapped_graph.h"

namespace sos {

/// A value that passed a tap during one run. Captures are in the order of the calls.
struct Capture {
  size_t tap;         ///< the index of the tap in the list of the call
  c10::IValue value;  ///< a tuple of the inputs if the tap stands before the call, else the output
};

/// The listeners of one call of a method. The captures are put here, too.
struct HookedRun {
  /// Called by taps that replace. It returns nothing to let the value pass. If it throws, the run ends.
  using Replace = std::function<std::optional<c10::IValue>(size_t tap, const c10::IValue& value)>;

  std::vector<Tap> taps;
  Replace replace;
  std::vector<Capture> captures;
};

/// A method of a TorchScript module that reports what its submodules take and return.
///
/// The module's own graph stays as it is: siblings of the same type share it, its executor may be cached, and
/// a save writes it. A copy is inlined call by call, while the GetAttr chain tells which instance is called,
/// and a tap operator is put around the call sites asked for. A tap returns the very value it is given, or
/// its replacement, so autograd and aliasing are as without it. If something in the graph later wrote to the
/// value, as relu_ after a batch norm does, the tap captures a copy.
class TappedMethod {
 public:
  /// Throws Error as tap_calls() does.
  TappedMethod(const torch::jit::Module& module, const std::string& method, const std::vector<Tap>& taps);

  /// Runs on the module's current weights. The taps of `run` must be those of the constructor; only what is
  /// done with the values may differ. `stack` holds the inputs in the order of the method's schema, without
  /// self.
  c10::IValue run(const torch::jit::Stack& stack, HookedRun& run) const;

  /// Whether submodules behind interfaces were exchanged for submodules of other classes, whose code is not
  /// the code that was inlined.
  bool outdated() const;

 private:
  torch::jit::Module module_;
  std::string method_;
  TappedGraph tapped_;
  std::shared_ptr<const std::vector<TapSite>> sites_;
  std::unique_ptr<torch::jit::GraphFunction> function_;
};

/// The paths of the submodules whose forward `method` calls, in the order of the calls in its graph. A
/// submodule that is called several times is listed as often.
std::vector<std::string> called_submodules(const torch::jit::Module& module, const std::string& method);

}  // namespace sos
