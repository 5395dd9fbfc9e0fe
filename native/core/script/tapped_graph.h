#pragma once
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sos {

/// A place to listen at: the inputs of a submodule's call (`before`) or its output. The path of the root is
/// "".
struct Tap {
  std::string path;
  bool before = false;
  std::string method;  ///< the method of the submodule; "" for its forward
  /// Asks the listener at once for the value that takes this one's place; nothing is captured.
  bool replaces = false;
  bool expected = false;  ///< makes it an error if no method of the module calls what the tap listens to

  // What is done with each tensor of a capture, in this order:
  bool detach = false;
  std::string reduce;  ///< an operator that takes one tensor and returns one, such as `mean`; "" for none
  std::optional<c10::Device> device;
};

/// The position of a tap in the graph.
struct TapSite {
  size_t tap;
  c10::TypePtr type;  ///< the type of the value that passes
  bool overwritten;   ///< whether something may write to the value later
};

/// A copy of a method's graph with taps in it.
struct TappedGraph {
  std::shared_ptr<torch::jit::Graph> graph;  ///< its last input is the state that the taps get
  std::vector<TapSite> sites;
  bool inputs_overwritten = false;  ///< whether something may write to the method's own inputs
  std::vector<std::pair<std::string, c10::TypePtr>> instances;  ///< the classes of the submodules called
};

/// Copies the method's graph, inlines all calls and puts an operator, `sos::tap`, around the calls that taps
/// ask for. The `site` of the operator is its position in the list of sites. Calls of the root itself get no
/// operator. If the code has a fused operator beside the calls of a tapped submodule, the calls are taken, as
/// in eager modules with hooks.
///
/// Throws Error: `ERR_NO_METHOD` if the module lacks the method; `ERR_HOOK_BYPASSED` if calls of a tapped
/// submodule cannot be followed, or are fused and there is no other way; `ERR_NOT_CALLED` if an expected call
/// does not exist.
TappedGraph tap_calls(const torch::jit::Module& module, const std::string& method,
                      const std::vector<Tap>& taps);

/// Whether a tap listens to calls of this method of its submodule.
bool listens_to(const Tap& tap, const std::string& method);

/// Whether `name` is `forward`, or one of the names that tracing gives to the calls of a submodule:
/// `forward1`, `forward2`, …
bool is_numbered_forward(const std::string& name);

/// Whether `name` is the name of a forward: a numbered one, or an overload, which scripting names
/// `forward__0`, `forward__1`, …, as in nn.LSTM.
bool is_forward(const std::string& name);

}  // namespace sos
