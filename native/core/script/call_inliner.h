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

/// Whether the node runs a graph of its own apart: at once as a fork, or as late as it is waited for.
bool has_own_graph(const torch::jit::Node* node);

/// Inlines the graph of a module's method in place, with the graphs that it forks, and follows every call of
/// a submodule. Nodes keep the stack of the calls that they come from, which failures tell.
class CallInliner {
 public:
  /// Told each call of a submodule's method before the body takes its place: the node, which instance is
  /// called, by which dotted path, and `carried` as it is known in the graph of the call.
  using Visit = std::function<void(torch::jit::Node* call, const torch::jit::Module& callee,
                                   const std::string& path, torch::jit::Value* carried)>;

  /// `carried`, an input of the graph, is handed on to each graph that is forked.
  CallInliner(const torch::jit::Module& root, torch::jit::Graph& graph, Visit visit,
              torch::jit::Value* carried = nullptr)
      : root_(root), self_(graph.inputs().at(0)), visit_(std::move(visit)), carried_(carried) {
    inline_block(graph.block());
  }

  /// The dotted path of the submodule that `value` is; "" for the root itself, nothing for what is none.
  std::optional<std::string> path_of(torch::jit::Value* value) const;

  /// The dotted path of the submodule in whose code `node` stands; "" for the root.
  std::string owner_of(const torch::jit::Node* node) const;

  /// A call of a module that its code chooses as it runs.
  struct Unfollowed {
    std::optional<std::string>
        container;      ///< the path of the module that it is a part of, where that is known
    c10::TypePtr type;  ///< of the module, or an interface that it has
  };

  /// The calls whose modules no path tells; their bodies were not followed.
  const std::vector<Unfollowed>& unfollowed() const { return unfollowed_; }

  /// What stands for `value` outside of the forks that it was handed into; itself where it was not.
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
  torch::jit::Value* carried_;  // in the graph at work
  std::unordered_map<torch::jit::Value*, torch::jit::Value*>
      forked_;  // inputs of forks' graphs → of the forks
  std::vector<Unfollowed> unfollowed_;
  std::unordered_map<const torch::jit::Node*, std::string> owners_;  // the root's own nodes are not in it
};

/// The submodule at the dotted path; "" is `root` itself. The path must be one of an attribute.
torch::jit::Module submodule_at(const torch::jit::Module& root, const std::string& path);

}  // namespace sos
