#pragma once
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <memory>
#include <string>

namespace sos {

/// A copy of the graph of a module's method. Throws Error `ERR_NO_METHOD` if the module lacks the method.
std::shared_ptr<torch::jit::Graph> copy_graph(const torch::jit::Module& module, const std::string& method);

/// Inlines the graph of a module's method in place and follows every call of a submodule.
class CallInliner {
 public:
  /// Told each call of a submodule's method before the body takes its place: the node, which instance is
  /// called, and by which dotted path.
  using Visit =
      std::function<void(torch::jit::Node* call, const torch::jit::Module& callee, const std::string& path)>;

  CallInliner(const torch::jit::Module& root, torch::jit::Graph& graph, Visit visit)
      : root_(root), self_(graph.inputs().at(0)), visit_(std::move(visit)) {
    inline_block(graph.block());
  }

 private:
  void inline_block(torch::jit::Block* block);
  bool inline_call(torch::jit::Node* node);
  std::optional<std::string> path_of(torch::jit::Value* value) const;

  const torch::jit::Module& root_;
  torch::jit::Value* const self_;
  const Visit visit_;
};

/// The submodule at the dotted path; "" is `root` itself. The path must be one of an attribute.
torch::jit::Module submodule_at(const torch::jit::Module& root, const std::string& path);

}  // namespace sos
