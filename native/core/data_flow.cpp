#include "core/operator_calls.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>

#include "core/call_inliner.h"

namespace sos {
namespace {

using namespace torch::jit;

class CallReader {
 public:
  CallReader(const Module& module, const std::string& method)
      : module_(module),
        graph_(copy_graph(module, method)),
        inliner_(module, *graph_, [](Node*, const Module&, const std::string&, Value*) {}) {}

  std::vector<OperatorCall> read() {
    read_block(graph_->block());
    return std::move(calls_);
  }

 private:
  void read_block(Block* block) {
    for (Node* node : block->nodes()) {
      if (!node->kind().is_prim() && node->maybeSchema() != nullptr) calls_.push_back(call_of(node));
      for (Block* inner : node->blocks()) read_block(inner);
      if (node->kind() == prim::fork && node->hasAttribute(attr::Subgraph)) {
        read_block(node->g(attr::Subgraph)->block());
      }
    }
  }

  OperatorCall call_of(Node* node) const {
    OperatorCall call{node->kind().toQualString(), {}};
    const auto& arguments = node->schema().arguments();
    for (size_t i = 0; i < arguments.size() && i < node->inputs().size(); ++i) {
      call.arguments.emplace_back(arguments[i].name(), source_of(node->input(i)));
    }
    return call;
  }

  ArgumentSource source_of(Value* value) const {
    value = inliner_.outside_forks(value);
    Node* const node = value->node();
    const auto kind = node->kind();
    ArgumentSource source;
    if (kind == prim::Param) {
      const auto inputs = graph_->inputs();
      const auto found = std::find(inputs.begin(), inputs.end(), value);
      if (found != inputs.end() && found != inputs.begin()) source.input = found - inputs.begin() - 1;
    } else if (kind == prim::unchecked_cast) {
      return source_of(node->input());
    } else if (const auto constant = toIValue(value)) {
      if (constant->isTensor()) {
        source.result_of = kind.toQualString();
      } else {
        source.value = constant;
      }
    } else if (kind == prim::GetAttr) {
      read_attribute(node, source);
    } else if (kind == prim::ListConstruct || kind == prim::TupleConstruct) {
      read_items(node, source);
    } else {
      source.result_of = kind.toQualString();
    }
    return source;
  }

  void read_attribute(Node* node, ArgumentSource& source) const {
    const auto owner = inliner_.path_of(node->input());
    if (!owner) {
      source.result_of = node->kind().toQualString();
      return;
    }
    const auto& name = node->s(attr::name);
    const auto value = submodule_at(module_, *owner)._ivalue()->getAttr(name);
    if (value.isTensor()) {
      source.attribute = owner->empty() ? name : *owner + "." + name;
    } else {
      source.value = value;
    }
  }

  void read_items(Node* node, ArgumentSource& source) const {
    std::vector<ArgumentSource> items;
    for (Value* item : node->inputs()) items.push_back(source_of(item));
    const bool constant =
        std::all_of(items.begin(), items.end(), [](const ArgumentSource& item) { return item.value; });
    if (!constant) {
      source.items = std::move(items);
      return;
    }
    c10::impl::GenericList values(c10::AnyType::get());
    for (const ArgumentSource& item : items) values.push_back(*item.value);
    source.value = values;
  }

  const Module& module_;
  const std::shared_ptr<Graph> graph_;
  const CallInliner inliner_;
  std::vector<OperatorCall> calls_;
};

}  // namespace

std::vector<OperatorCall> operator_calls(const Module& module, const std::string& method) {
  return CallReader(module, method).read();
}

}  // namespace sos
