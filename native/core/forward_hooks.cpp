#include "core/forward_hooks.h"

#include <ATen/Functions.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <mutex>

#include "core/arguments.h"
#include "core/call_inliner.h"
#include "core/error.h"
#include "core/map_tensors.h"
#include "core/operator_call.h"

namespace sos {
namespace {

using namespace torch::jit;
using Sites = std::vector<TappedMethod::Site>;

/// What a tap captured, until the run has ended. Where something in the graph may write to it, a copy is kept
/// too, and how often each tensor was written to when it passed: the analysis of the graph is cautious, the
/// counts are exact.
struct Held {
  size_t tap;
  c10::IValue value;
  c10::IValue copy;
  std::vector<std::pair<at::Tensor, uint32_t>> versions;

  Capture release() && {
    const bool written = std::any_of(versions.begin(), versions.end(), [](const auto& entry) {
      return entry.first.is_inference() || entry.first._version() != entry.second;
    });
    return {tap, written ? std::move(copy) : std::move(value)};
  }
};

/// A run as its taps see it. A forked task of the graph may pass a tap on another thread, and after the run
/// has ended too, if nothing waits for it: it finds no listeners then.
struct RunState : torch::CustomClassHolder {
  RunState(std::shared_ptr<const Sites> sites, const HookedRun& run)
      : sites(std::move(sites)), taps(run.taps), replace(run.replace) {}

  const std::shared_ptr<const Sites> sites;
  const std::vector<Tap> taps;
  const HookedRun::Replace replace;
  std::mutex mutex;  // guards what follows
  bool ended = false;
  std::vector<Held> captures;
  std::exception_ptr failure;  // the interpreter makes texts of errors: what a listener threw is kept here
};

/// Ends the run however it ends.
struct RunEnd {
  RunState& state;
  HookedRun& run;
  ~RunEnd() {
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.ended = true;
    for (Held& held : state.captures) run.captures.push_back(std::move(held).release());
    state.captures.clear();
  }
};

at::Tensor treat(const Tap& tap, const at::Tensor& tensor) {
  at::Tensor treated = tap.detach ? tensor.detach() : tensor;
  if (!tap.reduce.empty()) {
    const auto results = OperatorPacket::find("aten::" + tap.reduce).call({{treated}, {}});
    if (results.size() != 1 || !results[0].isTensor()) {
      throw Error(
          "ERR_INVALID_ARGUMENT",
          "expected an operator that returns one tensor for reduce but received '" + tap.reduce + "'");
    }
    treated = results[0].toTensor();
  }
  return tap.device ? treated.to(*tap.device) : treated;
}

Held hold(const Tap& tap, size_t tap_index, bool overwritten, const c10::IValue& value) {
  Held held{tap_index, value, {}, {}};
  if (tap.detach || !tap.reduce.empty() || tap.device) {
    held.value = map_tensors(value, [&](const at::Tensor& tensor) { return treat(tap, tensor); });
  }
  if (!overwritten) return held;
  held.copy = map_tensors(held.value, [&](const at::Tensor& tensor) {
    held.versions.emplace_back(tensor, tensor.is_inference() ? 0 : tensor._version());
    return tensor.clone();
  });
  return held;
}

/// What goes on in the place of `value`, after the listener was asked or told.
c10::IValue pass(RunState& state, size_t tap_index, const c10::TypePtr& type, bool overwritten,
                 const c10::IValue& value) {
  const Tap& tap = state.taps[tap_index];
  if (!tap.replaces) {
    auto held = hold(tap, tap_index, overwritten, value);
    const std::lock_guard<std::mutex> lock(state.mutex);
    if (!state.ended) state.captures.push_back(std::move(held));
    return value;
  }
  const auto answer = state.replace(tap_index, value);
  if (!answer) return value;
  if (auto fitting = as_type(*answer, type)) return *fitting;
  throw Error("ERR_HOOK_RESULT", "the hook on '" + tap.path + "' is expected to return " + type->repr_str() +
                                     ", or nothing to leave the value as it is, but returned " +
                                     describe(*answer));
}

/// The operator is known to every graph, those of files too: only our own runs have a state to give.
c10::intrusive_ptr<RunState> expect_state(const c10::IValue& value) {
  if (value.isCapsule()) {
    const auto holder = value.toCapsule();
    if (auto* state = dynamic_cast<RunState*>(holder.get())) {
      return c10::intrusive_ptr<RunState>::reclaim_copy(state);
    }
  }
  throw Error("ERR_NOT_TORCHSCRIPT", "a module may not call sos::tap: hooks insert it while they run");
}

// `site` says where in the graph, `state` is the run's RunState, an input of the graph. The conservative
// alias analysis keeps optimisations from moving or dropping a tap. A mark stands for a tap in the copy of
// the graph in which writes are looked for: there it is known that it returns what it is given.
const RegisterOperators kOperators({
    Operator(
        "sos::tap(t value, int site, Any state) -> t",
        [](Stack& stack) {
          const auto state = expect_state(pop(stack));
          const auto& site = state->sites->at(static_cast<size_t>(pop(stack).toInt()));
          try {
            stack.back() = sos::pass(*state, site.tap, site.type, site.overwritten, stack.back());
          } catch (...) {
            const std::lock_guard<std::mutex> lock(state->mutex);
            state->failure = std::current_exception();
            throw;
          }
        },
        c10::AliasAnalysisKind::CONSERVATIVE),
    Operator(
        "sos::mark(t(a) value, int site, Any state) -> t(a)", [](Stack& stack) { drop(stack, 2); },
        c10::AliasAnalysisKind::FROM_SCHEMA),
});

bool listens_to(const Tap& tap, const std::string& method) {
  return tap.method.empty() ? is_forward(method) : method == tap.method;
}

bool reaches(const Tap& tap, const c10::IValue& instance, const Node* call, const Module& callee) {
  return instance.is(callee._ivalue()) && listens_to(tap, call->s(attr::name));  // one may have several paths
}

using Instances = std::vector<std::pair<std::string, c10::TypePtr>>;

/// Inlines all calls and puts an operator around those that taps ask for, the outputs of the operators in the
/// order of the sites. Notes which submodules are called.
std::vector<Value*> instrument(const Module& root, Graph& graph, const std::vector<Tap>& taps,
                               const char* operator_name, Sites& sites, Instances& instances) {
  std::vector<c10::IValue> targets;
  for (const Tap& tap : taps) targets.emplace_back(submodule_at(root, tap.path)._ivalue());
  Value* root_state = graph.addInput("state")->setType(c10::AnyType::get());
  std::vector<Value*> outputs;
  const auto insert = [&](Value* value, size_t tap, Value* state) {
    Graph& around = *value->owningGraph();
    Value* site = around.insertConstant(static_cast<int64_t>(sites.size()));
    Node* node = around.insertNode(
        around.create(Symbol::fromQualString(operator_name), {value, site, state}, /*num_outputs=*/1));
    node->output()->setType(value->type());
    sites.push_back({tap, value->type(), false});
    outputs.push_back(node->output());
    return node->output();
  };
  const auto visit = [&](Node* call, const Module& callee, const std::string& path, Value* state) {
    Graph& around = *call->owningGraph();
    instances.emplace_back(path, callee.type());
    Node* last = call;
    Value* output = call->output();
    for (size_t i = 0; i < taps.size(); ++i) {
      if (taps[i].path.empty() || !reaches(taps[i], targets[i], call, callee)) continue;
      if (taps[i].before) {
        const WithInsertPoint guard(call);
        Value* inputs = around.insertNode(around.createTuple(call->inputs().slice(1)))->output();
        Node* unpacked = around.insertNode(around.createTupleUnpack(insert(inputs, i, state)));
        for (size_t k = 0; k < unpacked->outputs().size(); ++k) {
          call->replaceInput(k + 1, unpacked->outputs()[k]);
        }
      } else {
        const WithInsertPoint guard(last->next());
        Value* tapped = insert(output, i, state);
        output->replaceAllUsesAfterNodeWith(tapped->node(), tapped);
        output = tapped;
        last = tapped->node();
      }
    }
  };
  CallInliner(root, graph, visit, root_state);
  graph.lint();
  return outputs;
}

/// Whether something in the graph may write to the value.
bool is_overwritten(const AliasDb& aliases, const Value* value) {
  if (value->type()->kind() == TypeKind::TensorType) return aliases.hasWriters(value);
  return value->type()->containedTypeSize() > 0;  // a container: what is in it is not followed
}

/// Marks the sites whose values something in the graph may write to. Whether it may write to the method's own
/// inputs.
bool find_overwritten(const Module& module, const std::string& method, const std::vector<Tap>& taps,
                      Sites& sites) {
  const auto graph = copy_graph(module, method);
  Sites marked;
  Instances instances;
  const auto marks = instrument(module, *graph, taps, "sos::mark", marked, instances);
  const AliasDb aliases(graph);
  for (size_t i = 0; i < marks.size(); ++i) {
    Node* source = marks[i]->node()->input(0)->node();
    const auto values =
        source->kind() == prim::TupleConstruct ? source->inputs() : marks[i]->node()->inputs().slice(0, 1);
    const bool forked = marks[i]->owningGraph() != graph.get();  // where aliases are not followed
    sites[i].overwritten = forked || std::any_of(values.begin(), values.end(), [&](const Value* value) {
                             return is_overwritten(aliases, value);
                           });
  }
  const auto inputs = graph->inputs().slice(1, graph->inputs().size() - 2);  // less self and the state
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const Value* value) { return is_overwritten(aliases, value); });
}

}  // namespace

bool is_forward(const std::string& name) {
  return name.rfind("forward", 0) == 0 &&
         std::all_of(name.begin() + 7, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

TappedMethod::TappedMethod(const Module& module, const std::string& method, const std::vector<Tap>& taps)
    : module_(module), method_(method) {
  auto graph = copy_graph(module, method);
  Sites sites;
  instrument(module_, *graph, taps, "sos::tap", sites, instances_);
  inputs_overwritten_ = find_overwritten(module_, method, taps, sites);
  std::sort(instances_.begin(), instances_.end());
  instances_.erase(std::unique(instances_.begin(), instances_.end()), instances_.end());
  sites_ = std::make_shared<const Sites>(std::move(sites));
  function_ = std::make_unique<GraphFunction>("sos_tapped_" + method, std::move(graph), nullptr);
}

bool TappedMethod::outdated() const {
  return !std::all_of(instances_.begin(), instances_.end(), [&](const auto& instance) {
    return *submodule_at(module_, instance.first).type() == *instance.second;
  });
}

c10::IValue TappedMethod::run(const Stack& inputs, HookedRun& run) const {
  const auto shared_state = c10::make_intrusive<RunState>(sites_, run);
  RunState& state = *shared_state;
  const RunEnd end{state, run};
  const auto& schema_inputs = function_->graph()->inputs();
  // No call in the graph is the root's own: its taps stand here.
  const auto stands_here = [&](const Tap& tap) { return tap.path.empty() && listens_to(tap, method_); };
  c10::IValue arguments = c10::ivalue::Tuple::create(inputs);
  for (size_t i = 0; i < run.taps.size(); ++i) {
    if (!stands_here(run.taps[i]) || !run.taps[i].before) continue;
    std::vector<c10::TypePtr> types;
    for (size_t k = 0; k < inputs.size(); ++k) types.push_back(schema_inputs[k + 1]->type());
    arguments = pass(state, i, c10::TupleType::create(types), inputs_overwritten_, arguments);
  }
  const auto& elements = arguments.toTupleRef().elements();
  Stack stack;
  stack.reserve(elements.size() + 2);
  stack.emplace_back(module_._ivalue());
  stack.insert(stack.end(), elements.begin(), elements.end());
  stack.push_back(c10::IValue::make_capsule(shared_state));
  try {
    function_->run(stack);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(state.mutex);
    if (state.failure) std::rethrow_exception(state.failure);
    throw;
  }
  c10::IValue output = std::move(stack.back());
  for (size_t i = 0; i < run.taps.size(); ++i) {
    if (!stands_here(run.taps[i]) || run.taps[i].before) continue;
    output = pass(state, i, function_->graph()->outputs().at(0)->type(), false, output);
  }
  return output;
}

std::vector<std::string> called_submodules(const Module& module, const std::string& method) {
  const auto graph = copy_graph(module, method);
  std::vector<std::string> calls;
  CallInliner(module, *graph, [&](Node* call, const Module&, const std::string& path, Value*) {
    if (is_forward(call->s(attr::name))) calls.push_back(path);
  });
  return calls;
}

}  // namespace sos
