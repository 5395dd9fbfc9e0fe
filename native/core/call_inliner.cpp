#include "core/call_inliner.h"

#include <torch/csrc/jit/api/function_impl.h>

#include "core/error.h"

namespace sos {

using namespace torch::jit;

std::shared_ptr<Graph> copy_graph(const Module& module, const std::string& method) {
  const auto found = module.find_method(method);
  if (!found) {
    throw Error("ERR_NO_METHOD",
                "expected the name of a method of the module but it has no '" + method + "'");
  }
  found->function().ensure_defined();
  return toGraphFunction(found->function()).graph()->copy();
}

Module submodule_at(const Module& root, const std::string& path) {
  auto object = root._ivalue();
  for (size_t start = 0; start < path.size();) {
    const size_t dot = std::min(path.find('.', start), path.size());
    object = object->getAttr(path.substr(start, dot - start)).toObject();
    start = dot + 1;
  }
  return Module(object);
}

void CallInliner::inline_block(Block* block) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it;
    Node* before = node->prev();
    for (Block* inner : node->blocks()) inline_block(inner);
    if (!inline_call(node)) {
      ++it;
      continue;
    }
    it = before->iterator();  // go on with what the call was replaced by
    ++it;
  }
}

/// Replaces a call of a method or function by its body. False where the node is no such call.
bool CallInliner::inline_call(Node* node) {
  if (node->kind() == prim::CallMethod) {
    const auto path = path_of(node->input(0));
    if (path) {
      const Module callee = submodule_at(root_, *path);
      // A submodule behind an interface is called through it: the instance tells which class it really is.
      if (node->input(0)->type()->kind() == TypeKind::InterfaceType) node->input(0)->setType(callee.type());
      if (!path->empty()) visit_(node, callee, *path);
    }
    const auto type = node->input(0)->type()->cast<c10::ClassType>();
    if (!type) return false;
    GraphFunction* callee = tryToGraphFunction(type->getMethod(node->s(attr::name)));
    if (callee == nullptr) return false;
    callee->ensure_defined();
    inlineCallTo(node, callee, callee->graph().get());
    return true;
  }
  if (node->kind() == prim::CallFunction) {
    const auto type = node->input(0)->type()->expect<FunctionType>();
    GraphFunction* callee = tryToGraphFunction(*type->function());
    if (callee == nullptr) return false;
    callee->ensure_defined();
    node->removeInput(0);
    inlineCallTo(node, callee, callee->graph().get());
    return true;
  }
  return false;
}

std::optional<std::string> CallInliner::path_of(Value* value) const {
  if (value == self_) return "";
  Node* node = value->node();
  if (node->kind() != prim::GetAttr) return std::nullopt;
  const auto parent = path_of(node->input());
  if (!parent) return std::nullopt;
  const auto& name = node->s(attr::name);
  return parent->empty() ? name : *parent + "." + name;
}

}  // namespace sos
