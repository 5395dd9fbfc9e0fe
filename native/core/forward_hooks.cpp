#include "core/forward_hooks.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <optional>

#include "core/error.h"

namespace sos {
namespace {

using namespace torch::jit;

// `tap` names the listener and `log` is the address of the run's CaptureLog, an input of the graph. The
// conservative alias analysis keeps optimisations from moving or dropping it.
const RegisterOperators kTap({Operator(
    "sos::tap(t value, int tap, int log) -> t",
    [](Stack& stack) {
      const int64_t address = pop(stack).toInt();
      const int64_t tap = pop(stack).toInt();
      auto* log = reinterpret_cast<CaptureLog*>(address);
      std::lock_guard<std::mutex> lock(log->mutex);
      log->captures.push_back({static_cast<size_t>(tap), stack.back()});
    },
    c10::AliasAnalysisKind::CONSERVATIVE)});

/// Inlines a graph in place and follows every call of a submodule.
class Instrumenter {
 public:
  Instrumenter(const Module& root, Graph& graph, const std::vector<Tap>* taps)
      : root_(root), graph_(graph), taps_(taps) {
    self_ = graph.inputs().at(0);
    if (taps != nullptr) log_ = graph.addInput("log")->setType(IntType::get());
  }

  void run() { visit(graph_.block()); }
  std::vector<std::string> calls;

 private:
  void visit(Block* block) {
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      Node* node = *it;
      Node* before = node->prev();
      for (Block* inner : node->blocks()) visit(inner);
      if (!inline_call(node)) {
        ++it;
        continue;
      }
      it = before->iterator();  // go on with what the call was replaced by
      ++it;
    }
  }

  /// Replaces a call of a method or function by its body. False where the node is no such call.
  bool inline_call(Node* node) {
    if (node->kind() == prim::CallMethod) {
      const auto path = path_of(node->input(0));
      if (path) concretize(node->input(0), *path);
      const auto type = node->input(0)->type()->cast<c10::ClassType>();
      if (!type) return false;
      const std::string method = node->s(attr::name);
      if (path && !path->empty() && is_forward(method)) {
        calls.push_back(*path);
        tap_call(node, *path);
      }
      GraphFunction* callee = tryToGraphFunction(type->getMethod(method));
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

  std::optional<std::string> path_of(Value* value) const {
    if (value == self_) return "";
    Node* node = value->node();
    if (node->kind() != prim::GetAttr) return std::nullopt;
    const auto parent = path_of(node->input());
    if (!parent) return std::nullopt;
    const auto& name = node->s(attr::name);
    return parent->empty() ? name : *parent + "." + name;
  }

  /// A submodule behind an interface is called through it: the instance tells which class it really is.
  void concretize(Value* value, const std::string& path) const {
    if (value->type()->kind() != TypeKind::InterfaceType) return;
    auto object = root_._ivalue();
    size_t start = 0;
    while (start < path.size()) {
      const size_t dot = std::min(path.find('.', start), path.size());
      object = object->getAttr(path.substr(start, dot - start)).toObject();
      start = dot + 1;
    }
    value->setType(object->type());
  }

  Value* insert_tap(Value* value, size_t tap) {
    Value* index = graph_.insertConstant(static_cast<int64_t>(tap));
    Node* node = graph_.create(Symbol::fromQualString("sos::tap"), {value, index, log_}, 1);
    node->output()->setType(value->type());
    graph_.insertNode(node);
    return node->output();
  }

  void tap_call(Node* call, const std::string& path) {
    if (taps_ == nullptr) return;
    for (size_t i = 0; i < taps_->size(); ++i) {
      const Tap& tap = (*taps_)[i];
      if (tap.path != path) continue;
      if (tap.before) {
        WithInsertPoint guard(call);
        const auto inputs = call->inputs().slice(1);
        Value* tuple = graph_.insertNode(graph_.createTuple(inputs))->output();
        Node* unpack = graph_.insertNode(graph_.createTupleUnpack(insert_tap(tuple, i)));
        for (size_t k = 0; k < unpack->outputs().size(); ++k) call->replaceInput(k + 1, unpack->outputs()[k]);
      } else {
        WithInsertPoint guard(call->next());
        Value* output = call->output();
        Value* tapped = insert_tap(output, i);
        output->replaceAllUsesAfterNodeWith(tapped->node(), tapped);
      }
    }
  }

  const Module& root_;
  Graph& graph_;
  const std::vector<Tap>* taps_;
  Value* self_ = nullptr;
  Value* log_ = nullptr;
};

std::shared_ptr<Graph> graph_of(const Module& module, const std::string& method) {
  const auto found = module.find_method(method);
  if (!found) {
    throw Error("ERR_NO_METHOD",
                "expected the name of a method of the module but it has no '" + method + "'");
  }
  found->function().ensure_defined();
  return toGraphFunction(found->function()).graph()->copy();
}

}  // namespace

bool is_forward(const std::string& name) {
  return name.rfind("forward", 0) == 0 &&
         std::all_of(name.begin() + 7, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

TappedMethod::TappedMethod(const Module& module, const std::string& method, std::vector<Tap> taps)
    : module_(module), taps_(std::move(taps)) {
  auto graph = graph_of(module, method);
  Instrumenter(module_, *graph, &taps_).run();
  graph->lint();
  function_ = std::make_unique<GraphFunction>("sos_tapped_" + method, std::move(graph), nullptr);
}

c10::IValue TappedMethod::run(const Stack& inputs, std::vector<Capture>& captures) const {
  CaptureLog log;
  for (size_t i = 0; i < taps_.size(); ++i) {
    if (taps_[i].path.empty() && taps_[i].before)
      log.captures.push_back({i, c10::ivalue::Tuple::create(inputs)});
  }
  Stack stack;
  stack.reserve(inputs.size() + 2);
  stack.emplace_back(module_._ivalue());
  stack.insert(stack.end(), inputs.begin(), inputs.end());
  stack.emplace_back(static_cast<int64_t>(reinterpret_cast<intptr_t>(&log)));
  function_->run(stack);
  for (size_t i = 0; i < taps_.size(); ++i) {
    if (taps_[i].path.empty() && !taps_[i].before) log.captures.push_back({i, stack.back()});
  }
  captures = std::move(log.captures);
  return std::move(stack.back());
}

std::vector<std::string> called_submodules(const Module& module, const std::string& method) {
  auto graph = graph_of(module, method);
  Instrumenter instrumenter(module, *graph, nullptr);
  instrumenter.run();
  return std::move(instrumenter.calls);
}

}  // namespace sos
