#pragma once
#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <vector>

namespace sos {

struct GraphBlock;

/// A value of a graph. Its number is unique within the graph.
struct GraphValue {
  size_t number;
  std::string type;  ///< as the text of a graph has it: `Tensor`, `int[]`
};

/// A node of a graph: one step that computes values from other values.
struct GraphNode {
  std::string kind;            ///< such as `aten::conv2d` or `prim::If`
  std::vector<size_t> inputs;  ///< the numbers of the values that it takes
  std::vector<GraphValue> outputs;
  /// Of a `prim::GetAttr`: the dotted path of what it reads from the module.
  std::optional<std::string> attribute;
  std::vector<GraphBlock> blocks;  ///< the branches of a condition, or the body of a loop
};

/// A list of nodes, which run one after the other.
struct GraphBlock {
  std::vector<GraphValue> inputs;
  std::vector<GraphNode> nodes;
  std::vector<size_t> outputs;  ///< the numbers of the values that it returns
};

/// The graph of a method with all calls inlined that libtorch can inline. The first input is the module
/// itself. The graph of a fork is not part of it. Throws Error `ERR_NO_METHOD`.
GraphBlock graph_tree(const torch::jit::Module& module, const std::string& method);

}  // namespace sos
