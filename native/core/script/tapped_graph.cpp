#include "core/script/tapped_graph.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>

#include "core/script/bypasses.h"
#include "core/script/call_inliner.h"

namespace sos {
namespace {

using namespace torch::jit;
using Sites = std::vector<TapSite>;
using Instances = std::vector<std::pair<std::string, c10::TypePtr>>;

bool reaches(const Tap& tap, const c10::IValue& instance, const Node* call, const Module& callee) {
  return instance.is(callee._ivalue()) &&
         listens_to(tap, call->s(attr::name));  // one instance may have several paths
}

/// Inlines all calls and puts an operator around the calls that taps ask for. Returns the outputs of the
/// operators in the order of the sites. Notes which submodules are called.
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
  const CallInliner inliner(root, graph, visit, root_state);
  expect_followed(root, inliner, taps);
  take_the_calls(root, graph, inliner, taps);
  graph.lint();
  return outputs;
}

/// Whether something in the graph may write to the value.
bool is_overwritten(const AliasDb& aliases, const Value* value) {
  if (value->type()->kind() == TypeKind::TensorType) return aliases.hasWriters(value);
  return value->type()->containedTypeSize() > 0;  // a container, whose contents are not followed
}

/// Marks the sites whose values something in the graph may write to. Returns whether it may write to the
/// method's own inputs.
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
    const bool forked = marks[i]->owningGraph() != graph.get();  // aliases are not followed there
    sites[i].overwritten = forked || std::any_of(values.begin(), values.end(), [&](const Value* value) {
                             return is_overwritten(aliases, value);
                           });
  }
  const auto inputs = graph->inputs().slice(1, graph->inputs().size() - 2);  // without self and the state
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const Value* value) { return is_overwritten(aliases, value); });
}

}  // namespace

TappedGraph tap_calls(const Module& module, const std::string& method, const std::vector<Tap>& taps) {
  TappedGraph tapped{.graph = copy_graph(module, method)};
  auto& [graph, sites, inputs_overwritten, instances] = tapped;
  instrument(module, *graph, taps, "sos::tap", sites, instances);
  std::vector<Tap> silent;
  for (size_t i = 0; i < taps.size(); ++i) {
    const auto has_site = [&](const TapSite& site) { return site.tap == i; };
    if (std::none_of(sites.begin(), sites.end(), has_site)) silent.push_back(taps[i]);
  }
  expect_called(module, silent);
  inputs_overwritten = find_overwritten(module, method, taps, sites);
  std::sort(instances.begin(), instances.end());
  instances.erase(std::unique(instances.begin(), instances.end()), instances.end());
  return tapped;
}

namespace {

/// Whether a name is `stem` and then digits, or nothing.
bool is_numbered(const std::string& name, const std::string& stem) {
  return name.rfind(stem, 0) == 0 &&
         std::all_of(name.begin() + stem.size(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool listens_to(const Tap& tap, const std::string& method) {
  return tap.method.empty() ? is_forward(method) : method == tap.method;
}

bool is_numbered_forward(const std::string& name) {
  return is_numbered(name, "forward");
}

bool is_forward(const std::string& name) {
  return is_numbered_forward(name) || is_numbered(name, "forward__");
}

}  // namespace sos
