#include "core/script/forward_hooks.h"

#include <ATen/Functions.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <mutex>

#include "core/base/error.h"
#include "core/operators/arguments.h"
#include "core/operators/map_tensors.h"
#include "core/operators/operator_call.h"
#include "core/script/call_inliner.h"

namespace sos {
namespace {

using namespace torch::jit;
using Sites = std::vector<TapSite>;

/// What a tap captured, until the run has ended. If something in the graph may write to the value, a copy is
/// kept too, with each tensor's version counter at the time. The analysis of the graph is cautious, the
/// counters are exact.
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

/// The state of a run that its taps see. A forked task of the graph may pass a tap on another thread, even
/// after the run has ended if nothing waits for the task. It finds no listeners then.
struct RunState : torch::CustomClassHolder {
  RunState(std::shared_ptr<const Sites> sites, const HookedRun& run)
      : sites(std::move(sites)), taps(run.taps), replace(run.replace) {}

  const std::shared_ptr<const Sites> sites;
  const std::vector<Tap> taps;
  const HookedRun::Replace replace;
  std::mutex mutex;  // guards the following members
  bool ended = false;
  std::vector<Held> captures;
  std::exception_ptr failure;  // what a listener threw; the interpreter would turn it into a text
};

/// Ends the run, whether it returns or throws.
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

/// The value that takes the place of `value`, after the tap has captured it or asked the listener.
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

/// Every graph can name the operator, also the graph of a file. Only our own runs have such a state.
c10::intrusive_ptr<RunState> expect_state(const c10::IValue& value) {
  if (value.isCapsule()) {
    const auto holder = value.toCapsule();
    if (auto* state = dynamic_cast<RunState*>(holder.get())) {
      return c10::intrusive_ptr<RunState>::reclaim_copy(state);
    }
  }
  throw Error("ERR_NOT_TORCHSCRIPT", "a module may not call sos::tap: hooks insert it while they run");
}

// `site` is the position in the list of sites, and `state` is the run's RunState, an input of the graph. The
// conservative alias analysis keeps optimisations from moving or dropping a tap. In the copy of the graph in
// which writes are looked for, a mark stands for a tap. Its schema says that it returns what it is given.
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

}  // namespace

TappedMethod::TappedMethod(const Module& module, const std::string& method, const std::vector<Tap>& taps)
    : module_(module),
      method_(method),
      tapped_(tap_calls(module, method, taps)),
      sites_(std::make_shared<const Sites>(tapped_.sites)),
      function_(std::make_unique<GraphFunction>("sos_tapped_" + method, tapped_.graph, nullptr)) {}

bool TappedMethod::outdated() const {
  return !std::all_of(tapped_.instances.begin(), tapped_.instances.end(), [&](const auto& instance) {
    return *submodule_at(module_, instance.first).type() == *instance.second;
  });
}

c10::IValue TappedMethod::run(const Stack& inputs, HookedRun& run) const {
  const auto shared_state = c10::make_intrusive<RunState>(sites_, run);
  RunState& state = *shared_state;
  const RunEnd end{state, run};
  const auto& schema_inputs = function_->graph()->inputs();
  // No call in the graph is a call of the root itself, so the taps of the root are served here.
  const auto stands_here = [&](const Tap& tap) { return tap.path.empty() && listens_to(tap, method_); };
  c10::IValue arguments = c10::ivalue::Tuple::create(inputs);
  for (size_t i = 0; i < run.taps.size(); ++i) {
    if (!stands_here(run.taps[i]) || !run.taps[i].before) continue;
    std::vector<c10::TypePtr> types;
    for (size_t k = 0; k < inputs.size(); ++k) types.push_back(schema_inputs[k + 1]->type());
    arguments = pass(state, i, c10::TupleType::create(types), tapped_.inputs_overwritten, arguments);
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
