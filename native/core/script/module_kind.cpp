#include "core/script/module_kind.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>

#include "core/script/forward_hooks.h"

namespace sos {
namespace {

using namespace torch::jit;

/// Whether a graph shows that a script made it: by control flow, calls of functions or of methods other than
/// forward, or a read of `training`. Tracing leaves none of these.
bool shows_script(Block* block) {
  for (Node* node : block->nodes()) {
    const auto kind = node->kind();
    if (kind == prim::If || kind == prim::Loop || kind == prim::CallFunction) return true;
    if (kind == prim::CallMethod && !is_numbered_forward(node->s(attr::name))) return true;
    if (kind == prim::GetAttr && node->s(attr::name) == "training") return true;
    for (Block* inner : node->blocks()) {
      if (shows_script(inner)) return true;
    }
  }
  return false;
}

/// Whether a graph shows that a trace made it: a script would decide these at run time, and a trace has them
/// as constants.
bool shows_trace(Block* block) {
  static const std::vector<std::string> kBakedIn = {"aten::batch_norm", "aten::dropout", "aten::_convolution",
                                                    "aten::feature_dropout", "aten::instance_norm"};
  for (Node* node : block->nodes()) {
    if (std::find(kBakedIn.begin(), kBakedIn.end(), node->kind().toQualString()) != kBakedIn.end())
      return true;
    if (node->kind() == prim::CallMethod && node->s(attr::name) != "forward" &&
        is_numbered_forward(node->s(attr::name))) {
      return true;
    }
  }
  return false;
}

/// Whether the graph has tensors as constants. Freezing turns weights into such constants.
bool holds_tensors(Block* block) {
  for (Node* node : block->nodes()) {
    if (node->kind() == prim::Constant && node->output()->type()->kind() == TypeKind::TensorType) return true;
    for (Block* inner : node->blocks()) {
      if (holds_tensors(inner)) return true;
    }
  }
  return false;
}

}  // namespace

ModuleKind kind_of(const Module& root) {
  const bool bare = root.named_parameters().size() == 0 && root.named_children().size() == 0;
  bool trace = false;
  bool script = false;
  for (const auto& module : root.modules()) {
    for (const auto& method : module.get_methods()) {
      // Quantised layers have scripted helpers in traces, too. A script that uses such a helper shows by the
      // call that it is a script.
      const bool own = module._ivalue() == root._ivalue() && method.name().rfind('_', 0) != 0;
      if (!own && !is_forward(method.name())) continue;
      GraphFunction* function = tryToGraphFunction(method.function());
      if (function == nullptr) continue;
      function->ensure_defined();
      Block* block = function->graph()->block();
      if (bare && holds_tensors(block)) return ModuleKind::frozen;
      script |= shows_script(block);
      trace |= shows_trace(block);
    }
  }
  if (script) return ModuleKind::scripted;
  return trace ? ModuleKind::traced : ModuleKind::undetermined;
}

}  // namespace sos
