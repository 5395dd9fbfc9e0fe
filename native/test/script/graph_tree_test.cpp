#include "core/script/graph_tree.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include <algorithm>

#include "core/base/error.h"

using torch::jit::Module;

namespace {

/// A child that is called in a branch, and a weight that is read in a loop.
Module parent() {
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  Module child("__torch__.Child", unit);
  child.register_parameter("weight", at::ones({2, 2}), false);
  child.define(R"(
def forward(self, x):
    return torch.linear(x, self.weight)
)");
  Module root("__torch__.Root", unit);
  root.register_module("child", child);
  root.register_parameter("scale", at::ones({2}), false);
  root.define(R"(
def forward(self, x, both: bool):
    if both:
        x = self.child.forward(x)
    for i in range(3):
        x = torch.mul(x, self.scale)
    return x
)");
  return root;
}

const sos::GraphNode& only(const sos::GraphBlock& block, const std::string& kind) {
  const auto is_it = [&](const sos::GraphNode& node) { return node.kind == kind; };
  REQUIRE(std::count_if(block.nodes.begin(), block.nodes.end(), is_it) == 1);
  return *std::find_if(block.nodes.begin(), block.nodes.end(), is_it);
}

const sos::GraphNode& reader_of(const sos::GraphBlock& block, const std::string& path) {
  const auto found = std::find_if(block.nodes.begin(), block.nodes.end(),
                                  [&](const sos::GraphNode& node) { return node.attribute == path; });
  REQUIRE(found != block.nodes.end());
  return *found;
}

}  // namespace

TEST_CASE("the tree of a graph shows the nodes of branches and loops, with calls inlined") {
  const auto tree = sos::graph_tree(parent(), "forward");
  REQUIRE(tree.inputs.size() == 3);
  CHECK(tree.inputs[1].type == "Tensor");
  const auto& condition = only(tree, "prim::If");
  CHECK(condition.inputs == std::vector<size_t>{tree.inputs[2].number});
  REQUIRE(condition.blocks.size() == 2);
  const auto& linear = only(condition.blocks[0], "aten::linear");
  CHECK(linear.inputs[0] == tree.inputs[1].number);
  CHECK(linear.inputs[1] == reader_of(condition.blocks[0], "child.weight").outputs.at(0).number);
  CHECK(condition.blocks[0].outputs == std::vector<size_t>{linear.outputs.at(0).number});
  CHECK(condition.blocks[1].outputs == std::vector<size_t>{tree.inputs[1].number});
  const auto& loop = only(tree, "prim::Loop");
  CHECK(tree.outputs == std::vector<size_t>{loop.outputs.at(0).number});
  const auto& product = only(loop.blocks.at(0), "aten::mul");
  CHECK(product.outputs.at(0).type == "Tensor");
  CHECK(product.inputs[0] == loop.blocks[0].inputs.at(1).number);
}

TEST_CASE("the tree of a method that the module lacks is an error") {
  CHECK_THROWS_AS(sos::graph_tree(parent(), "backward"), sos::Error);
}
