#include "core/script/graph_tree.h"

#include <torch/csrc/jit/ir/ir.h>

#include <unordered_map>

#include "core/script/call_inliner.h"

namespace sos {
namespace {

using namespace torch::jit;

class TreeReader {
 public:
  explicit TreeReader(Graph& graph) : graph_(graph) { paths_[graph.inputs().at(0)] = ""; }

  GraphBlock read() { return read_block(*graph_.block()); }

 private:
  GraphBlock read_block(const Block& block) {
    GraphBlock read{values_of(block.inputs()), {}, {}};
    for (const Node* node : block.nodes()) read.nodes.push_back(read_node(*node));
    read.outputs = numbers_of(block.outputs());
    return read;
  }

  GraphNode read_node(const Node& node) {
    GraphNode read{node.kind().toQualString(),
                   numbers_of(node.inputs()),
                   values_of(node.outputs()),
                   node.kind() == prim::GetAttr ? path_of(node) : std::nullopt,
                   {}};
    for (const Block* block : node.blocks()) read.blocks.push_back(read_block(*block));
    return read;
  }

  /// The path of what a GetAttr reads; nothing if its owner is not reached from the module by names alone.
  std::optional<std::string> path_of(const Node& node) {
    const auto owner = paths_.find(node.input());
    if (owner == paths_.end()) return std::nullopt;
    const auto& name = node.s(attr::name);
    return paths_[node.output()] = owner->second.empty() ? name : owner->second + "." + name;
  }

  std::vector<GraphValue> values_of(at::ArrayRef<const Value*> values) {
    std::vector<GraphValue> read;
    for (const Value* value : values) read.push_back({value->unique(), value->type()->str()});
    return read;
  }

  static std::vector<size_t> numbers_of(at::ArrayRef<const Value*> values) {
    std::vector<size_t> numbers;
    for (const Value* value : values) numbers.push_back(value->unique());
    return numbers;
  }

  Graph& graph_;
  std::unordered_map<const Value*, std::string> paths_;  // of the module and what was read from it
};

}  // namespace

GraphBlock graph_tree(const Module& module, const std::string& method) {
  const auto graph = copy_graph(module, method);
  inline_calls(*graph);
  return TreeReader(*graph).read();
}

}  // namespace sos
