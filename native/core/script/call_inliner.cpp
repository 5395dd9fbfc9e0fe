#include "core/script/call_inliner.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/inliner.h>

#include "core/base/error.h"

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

void inline_calls(Graph& graph) {
  // libtorch keeps the graph of a method that ran without the optimiser as it was: what is inlined may bring
  // calls.
  for (std::string before; before != graph.toString(false);) {
    before = graph.toString(false);
    Inline(graph);
  }
}

bool has_own_graph(const Node* node) {
  return (node->kind() == prim::fork || node->kind() == prim::awaitable) &&
         node->hasAttribute(attr::Subgraph);
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

namespace {

void set_call_stack(Node* node, const InlinedCallStackPtr& stack) {
  node->setCallStack(stack);
  for (Block* inner : node->blocks()) {
    for (Node* deeper : inner->nodes()) set_call_stack(deeper, stack);
  }
}

/// Replaces `call` by the body of `callee`.
void inline_body(Node* call, GraphFunction* callee) {
  callee->ensure_defined();
  auto stack = c10::make_intrusive<InlinedCallStack>(callee, call->sourceRange());
  if (const auto outer = call->callstack()) {
    const auto entries = (*outer)->vec();
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      stack = c10::make_intrusive<InlinedCallStack>(stack, std::get<0>(*entry), std::get<1>(*entry));
    }
  }
  Node* const before = call->prev();
  Node* const after = call->next();
  inlineCallTo(call, callee, callee->graph().get());
  for (Node* node = before->next(); node != after; node = node->next()) set_call_stack(node, stack);
}

}  // namespace

void CallInliner::inline_block(Block* block) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it;
    Node* before = node->prev();
    for (Block* inner : node->blocks()) inline_block(inner);
    if (has_own_graph(node)) follow_fork(node);
    if (!inline_call(node)) {
      ++it;
      continue;
    }
    it = before->iterator();  // continue with the nodes that replaced the call
    ++it;
  }
}

/// Replaces a call of a method or function by its body. False if the node is not such a call.
bool CallInliner::inline_call(Node* node) {
  Node* const before = node->prev();
  Node* const after = node->next();
  std::string owner = owner_of(node);
  const auto take_place = [&](GraphFunction* callee) {
    inline_body(node, callee);
    for (Node* inlined = before->next(); inlined != after; inlined = inlined->next()) {
      set_owner(inlined, owner);
    }
  };
  if (node->kind() == prim::CallMethod) {
    const auto path = path_of(node->input(0));
    if (path) owner = *path;
    if (path) {
      const Module callee = submodule_at(root_, *path);
      // A submodule behind an interface is called through the interface. The instance knows its real class.
      if (node->input(0)->type()->kind() == TypeKind::InterfaceType) node->input(0)->setType(callee.type());
      if (!path->empty()) visit_(node, callee, *path, carried_);
    } else {
      note_unfollowed(node->input(0));
    }
    const auto type = node->input(0)->type()->cast<c10::ClassType>();
    if (!type) return false;
    GraphFunction* callee = tryToGraphFunction(type->getMethod(node->s(attr::name)));
    if (callee == nullptr) return false;
    take_place(callee);
    return true;
  }
  if (node->kind() == prim::CallFunction) {
    const auto type = node->input(0)->type()->expect<FunctionType>();
    GraphFunction* callee = tryToGraphFunction(*type->function());
    if (callee == nullptr) return false;
    node->removeInput(0);
    take_place(callee);
    return true;
  }
  return false;
}

void CallInliner::note_unfollowed(Value* callee) {
  const auto type = callee->type()->cast<c10::ClassType>();
  if (type && !type->is_module()) return;  // an object, which contains no modules
  Unfollowed call{std::nullopt, callee->type()};
  if (callee->node()->kind() == prim::ModuleContainerIndex)
    call.container = path_of(callee->node()->input(0));
  unfollowed_.push_back(std::move(call));
}

/// The body of a fork is a graph of its own. The copy of the graph around it shares that graph with the
/// original.
void CallInliner::follow_fork(Node* fork) {
  const auto body = fork->g(attr::Subgraph)->copy();
  fork->g_(attr::Subgraph, body);
  for (size_t i = 0; i < body->inputs().size(); ++i) forked_[body->inputs()[i]] = fork->inputs()[i];
  for (Node* node : body->nodes()) set_owner(node, owner_of(fork));
  Value* const outside = carried_;
  if (outside != nullptr) {
    fork->addInput(outside);
    carried_ = body->addInput()->setType(outside->type());
  }
  inline_block(body->block());
  carried_ = outside;
}

void CallInliner::set_owner(Node* node, const std::string& path) {
  owners_[node] = path;
  for (Block* inner : node->blocks()) {
    for (Node* deeper : inner->nodes()) set_owner(deeper, path);
  }
}

std::string CallInliner::owner_of(const Node* node) const {
  const auto found = owners_.find(node);
  return found == owners_.end() ? "" : found->second;
}

Value* CallInliner::outside_forks(Value* value) const {
  const auto outside = forked_.find(value);
  return outside == forked_.end() ? value : outside_forks(outside->second);
}

std::optional<std::string> CallInliner::path_of(Value* value) const {
  value = outside_forks(value);
  if (value == self_) return "";
  Node* node = value->node();
  if (node->kind() != prim::GetAttr) return std::nullopt;
  const auto parent = path_of(node->input());
  if (!parent) return std::nullopt;
  const auto& name = node->s(attr::name);
  return parent->empty() ? name : *parent + "." + name;
}

}  // namespace sos
