#include "core/script/bypasses.h"

#include <algorithm>
#include <string>

#include "core/base/error.h"

namespace sos {
namespace {

using namespace torch::jit;

const auto kFusedLayer = Symbol::fromQualString("aten::_transformer_encoder_layer_fwd");

/// Whether the module at `path` is the module of the tap, or contains it.
bool is_within(const Module& root, const Tap& tap, const std::string& path) {
  const auto target = submodule_at(root, tap.path)._ivalue();
  for (const Module& part : submodule_at(root, path).modules()) {
    if (part._ivalue() == target) return true;
  }
  return false;
}

void collect(Block* block, Symbol kind, std::vector<Node*>& found) {
  for (Node* node : block->nodes()) {
    if (node->kind() == kind) found.push_back(node);
    for (Block* inner : node->blocks()) collect(inner, kind, found);
    if (node->hasAttribute(attr::Subgraph)) collect(node->g(attr::Subgraph)->block(), kind, found);
  }
}

/// Makes the innermost condition that can exclude the node exclude it. False if there is no such condition.
bool leave_out(Node* node) {
  Node* inside = node;
  while (Node* outer = inside->owningBlock()->owningNode()) {
    if (outer->kind() == prim::If) {
      const bool holds = inside->owningBlock() == outer->blocks()[0];
      std::vector<Node*> beside;
      collect(outer->blocks()[holds ? 1 : 0], node->kind(), beside);
      if (beside.empty()) {
        const WithInsertPoint guard(outer);
        outer->replaceInput(0, outer->owningGraph()->insertConstant(!holds));
        return true;
      }
    }
    inside = outer;
  }
  return false;
}

std::string quoted(const std::string& path) {
  return "'" + path + "'";
}

/// The path of the module around a submodule, and the submodule's name there.
std::pair<std::string, std::string> place_of(const std::string& path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string::npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

/// Whether a call that names no module may be a call of the module at `path`. Code may pass around what is
/// behind an interface, and may pick from a list or a dict of modules, which have no forward.
bool may_be_callee(const Module& root, const std::string& path, const CallInliner::Unfollowed& call) {
  if (path.empty()) return false;
  const auto [around, name] = place_of(path);
  if (call.container) return around == *call.container;
  const auto parent = submodule_at(root, around);
  const bool carried = parent.type()->getAttribute(name)->kind() == TypeKind::InterfaceType;
  return (carried || !parent.find_method("forward")) &&
         submodule_at(root, path).type()->isSubtypeOf(*call.type);
}

/// Whether a method of the root calls what the tap listens to. If not, `other` becomes another method of the
/// submodule that is called, if there is one.
bool is_called(const Module& root, const Tap& tap, std::string& other) {
  const auto target = submodule_at(root, tap.path)._ivalue();
  bool called = false;
  for (const auto& method : root.get_methods()) {
    if (tryToGraphFunction(method.function()) == nullptr) continue;
    const auto graph = copy_graph(root, method.name());
    CallInliner(root, *graph, [&](Node* call, const Module& callee, const std::string&, Value*) {
      if (target != callee._ivalue()) return;
      const auto& name = call->s(attr::name);
      if (listens_to(tap, name)) {
        called = true;
      } else {
        other = name;
      }
    });
  }
  return called;
}

}  // namespace

void take_the_calls(const Module& root, Graph& graph, const CallInliner& inliner,
                    const std::vector<Tap>& taps) {
  std::vector<Node*> fused;
  collect(graph.block(), kFusedLayer, fused);
  for (Node* node : fused) {
    const auto owner = inliner.owner_of(node);
    const auto within = [&](const Tap& tap) { return is_within(root, tap, owner); };
    if (std::none_of(taps.begin(), taps.end(), within) || leave_out(node)) continue;
    for (const Tap& tap : taps) {
      const bool layer_itself = submodule_at(root, tap.path)._ivalue() == submodule_at(root, owner)._ivalue();
      if (layer_itself || !within(tap)) continue;
      throw Error("ERR_HOOK_BYPASSED",
                  "the hook on " + quoted(tap.path) + " would never run: in the traced module " +
                      quoted(owner) +
                      " is one fused operator, which calls no submodules; script it, or trace it with "
                      "gradients enabled");
    }
  }
}

void expect_followed(const Module& root, const CallInliner& inliner, const std::vector<Tap>& taps) {
  for (const auto& call : inliner.unfollowed()) {
    for (const auto& named : root.named_modules()) {
      if (!may_be_callee(root, named.name, call)) continue;
      for (const Tap& tap : taps) {
        if (!is_within(root, tap, named.name)) continue;
        throw Error(
            "ERR_HOOK_BYPASSED",
            "the hook on " + quoted(tap.path) +
                " would miss calls: the code chooses while it runs whether it calls " + quoted(named.name) +
                " or another module, and hooks follow only calls that name their module; hook a module "
                "around it");
      }
    }
  }
}

void expect_called(const Module& root, const std::vector<Tap>& taps) {
  for (const Tap& tap : taps) {
    std::string other;
    if (!tap.expected || tap.path.empty() || is_called(root, tap, other)) continue;
    const auto method = tap.method.empty() ? "forward" : tap.method;
    throw Error(
        "ERR_NOT_CALLED",
        "the hook on " + quoted(tap.path) + " would never run: no method of the module calls its " + method +
            (other.empty() ? ". Perhaps other code uses its weights directly, or a trace did not pass it"
                           : "; name the method that is called, '" + other + "', by { method }"));
  }
}

}  // namespace sos
