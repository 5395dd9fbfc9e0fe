#pragma once
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sos {

/// A place to listen at: the inputs of a submodule's call (`before`) or its output. The root's path is "".
struct Tap {
  std::string path;
  bool before = false;
  std::string method;     ///< of the submodule; "" for its forward
  bool replaces = false;  ///< the listener is asked at once for the value to go on with, nothing is captured
  bool expected = false;  ///< it is an error where no method of the module ever calls what is listened to

  // What is done with each tensor of a capture, in this order.
  bool detach = false;
  std::string reduce;  ///< an operator that takes a tensor alone and returns one, as `mean`; "" for none
  std::optional<c10::Device> device;
};

/// Where a tap stands in the graph.
struct TapSite {
  size_t tap;
  c10::TypePtr type;  ///< of the value that passes
  bool overwritten;   ///< whether something may write to the value afterwards
};

/// A copy of a method's graph with taps in it.
struct TappedGraph {
  std::shared_ptr<torch::jit::Graph> graph;  ///< its last input is the state that taps are given
  std::vector<TapSite> sites;
  bool inputs_overwritten = false;  ///< whether something may write to the method's own inputs
  std::vector<std::pair<std::string, c10::TypePtr>> instances;  ///< the classes of the submodules called
};

/// Inlines all calls and puts an operator around those that taps ask for, `sos::tap`: its `site` is the place
/// in the list of the sites. Those of the root itself get none. Where the code has a fused operator in the
/// place of a tapped submodule beside the calls, it takes the calls, as eager modules with hooks do.
///
/// Throws Error: `ERR_NO_METHOD` if the module lacks the method; `ERR_HOOK_BYPASSED` where calls of a tapped
/// submodule cannot be followed, or are fused with no other way; `ERR_NOT_CALLED` where an expected one has
/// none.
TappedGraph tap_calls(const torch::jit::Module& module, const std::string& method,
                      const std::vector<Tap>& taps);

/// Whether a tap is for calls of this method of its submodule.
bool listens_to(const Tap& tap, const std::string& method);

/// Whether `name` is a forward: tracing numbers the calls of a submodule `forward`, `forward1`, `forward2`…
bool is_forward(const std::string& name);

}  // namespace sos
