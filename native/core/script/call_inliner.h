#pragma once
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace sos {

/// A copy of the graph of a module's method. Throws Error `ERR_NO_METHOD` if the module lacks the method.
std::shared_ptr<torch::jit::Graph> copy_graph(const torch::jit::Module& module, const std::string& method);

/// Inlines all calls of the graph that libtorch can inline by their types alone. Calls through an interface
/// stay, and so do forks.
void inline_calls(torch::jit::Graph& graph);

/// Whether the node has a graph of its own, which runs apart: a fork, or an awaitable, which runs when it is
/// waited for.
bool has_own_graph(const torch::jit::Node* node);

/// Inlines the graph of a module's method in place, together with the graphs that it forks, and follows every
/// call of a submodule. Nodes keep the stack of the calls that they come from, for the messages of failures.
class CallInliner {
 public:
  /// It is called for each call of a submodule's method, before the body takes its place. It gets the node,
  /// the instance that is called, the dotted path of that instance, and `carried` as a value of the graph in
  /// which the call stands.
  using Visit = std::function<void(torch::jit::Node* call, const torch::jit::Module& callee,
                                   const std::string& path, torch::jit::Value* carried)>;

  /// `carried` is an input of the graph. It is handed on to each graph that is forked.
  CallInliner(const torch::jit::Module& root, torch::jit::Graph& graph, Visit visit,
              torch::jit::Value* carried = nullptr)
      : root_(root), self_(graph.inputs().at(0)), visit_(std::move(visit)), carried_(carried) {
    inline_block(graph.block());
  }

  /// The dotted path of the submodule that `value` is: "" for the root itself, and nothing if it is not a
  /// submodule.
  std::optional<std::string> path_of(torch::jit::Value* value) const;

  /// The dotted path of the submodule whose code contains `node`; "" for the root.
  std::string owner_of(const torch::jit::Node* node) const;

  /// A call of a module that the code chooses while it runs.
  struct Unfollowed {
    std::optional<std::string> container;  ///< the path of the module that contains it, if that is known
    c10::TypePtr type;                     ///< the type of the module, or an interface of it
  };

  /// The calls whose modules have no known path. Their bodies were not followed.
  const std::vector<Unfollowed>& unfollowed() const { return unfollowed_; }

  /// The value outside of all forks that was handed into them as `value`; `value` itself if it was not handed
  /// in.
  torch::jit::Value* outside_forks(torch::jit::Value* value) const;

 private:
  void inline_block(torch::jit::Block* block);
  bool inline_call(torch::jit::Node* node);
  void follow_fork(torch::jit::Node* fork);
  void note_unfollowed(torch::jit::Value* callee);
  void set_owner(torch::jit::Node* node, const std::string& path);

  const torch::jit::Module& root_;
  torch::jit::Value* const self_;
  const Visit visit_;
  torch::jit::Value* carried_;  // in the graph that is being inlined
  // Inputs of forks' graphs → inputs of the forks.
  std::unordered_map<torch::jit::Value*, torch::jit::Value*> forked_;
  std::vector<Unfollowed> unfollowed_;
  std::unordered_map<const torch::jit::Node*, std::string> owners_;  // without the root's own nodes
};

/// The submodule at the dotted path; "" is `root` itself. Each name of the path must be an attribute.
torch::jit::Module submodule_at(const torch::jit::Module& root, const std::string& path);

}  // namespace sos
