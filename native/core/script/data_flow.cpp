#include "core/script/data_flow.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/script/call_inliner.h"

namespace sos {
namespace {

using namespace torch::jit;

class FlowReader {
 public:
  FlowReader(const Module& module, const std::string& method)
      : module_(module),
        graph_(copy_graph(module, method)),
        inliner_(module, *graph_, [](Node*, const Module&, const std::string&, Value*) {}) {}

  DataFlow read() {
    read_block(graph_->block());
    budget_ = kBudget;
    DataFlow flow{std::move(calls_), {}};
    if (graph_->outputs().size() == 1) flow.result = source_of(graph_->outputs()[0]);
    return flow;
  }

 private:
  // The conditions, tuples and lists of a file may be nested deeply, and may refer to each other again and
  // again.
  static constexpr size_t kBudget = 10000;
  static constexpr size_t kDepth = 200;

  void read_block(Block* block) {
    for (Node* node : block->nodes()) {
      if (!node->kind().is_prim() && node->maybeSchema() != nullptr) {
        calls_.push_back(call_of(node));
        places_[node] = calls_.size() - 1;
      }
      const auto taken = node->kind() == prim::If ? known(node->input()) : std::nullopt;
      for (size_t i = 0; i < node->blocks().size(); ++i) {
        const bool around = skipped_;
        skipped_ = around || (taken && *taken != (i == 0));
        read_block(node->blocks()[i]);
        skipped_ = around;
      }
      if (has_own_graph(node)) {
        read_block(node->g(attr::Subgraph)->block());
      }
    }
  }

  OperatorCall call_of(Node* node) {
    OperatorCall call{node->kind().toQualString(), inliner_.owner_of(node), skipped_, {}};
    const auto& arguments = node->schema().arguments();
    for (size_t i = 0; i < arguments.size() && i < node->inputs().size(); ++i) {
      budget_ = kBudget;
      call.arguments.emplace_back(arguments[i].name(), source_of(node->input(i)));
    }
    return call;
  }

  ArgumentSource source_of(Value* value) {
    if (budget_ == 0 || depth_ == kDepth) return {};
    --budget_;
    ++depth_;
    ArgumentSource source = read_source(same_value(value));
    --depth_;
    return source;
  }

  /// The value itself, without casts that only name its type.
  Value* same_value(Value* value) const {
    value = inliner_.outside_forks(value);
    while (value->node()->kind() == prim::unchecked_cast ||
           value->node()->kind() == prim::unchecked_unwrap_optional) {
      value = inliner_.outside_forks(value->node()->input());
    }
    return value;
  }

  ArgumentSource read_source(Value* value) {
    Node* const node = value->node();
    const auto kind = node->kind();
    ArgumentSource source;
    if (kind == prim::Param) {
      const auto inputs = graph_->inputs();
      const auto found = std::find(inputs.begin(), inputs.end(), value);
      if (found != inputs.end() && found != inputs.begin()) source.input = found - inputs.begin() - 1;
    } else if (const auto constant = toIValue(value)) {
      if (constant->isTensor()) {
        source.dtype = constant->toTensor().scalar_type();
        source.result_of = kind.toQualString();
      } else {
        source.value = constant;
      }
    } else if (kind == prim::GetAttr) {
      read_attribute(node, source);
    } else if (kind == prim::ListConstruct || kind == prim::TupleConstruct) {
      read_items(node, source);
    } else if (kind == prim::DictConstruct) {
      source.entries = sources_of(node->inputs());
    } else if (kind == prim::TupleUnpack || kind == prim::ListUnpack) {
      return item_of(source_of(node->input()), value->offset());
    } else if (kind == prim::TupleIndex) {
      const auto index = toIValue(node->input(1));
      const auto tuple = node->input(0)->type()->cast<c10::TupleType>();
      if (!index || !tuple) return source;
      const int64_t at = index->toInt();
      return item_of(source_of(node->input(0)), at < 0 ? at + tuple->elements().size() : at);
    } else if (kind == prim::If) {
      return choice_of(value);
    } else if ((kind == aten::wait || kind == prim::awaitable_wait) &&
               has_own_graph(same_value(node->input(0))->node())) {
      return source_of(same_value(node->input(0))->node()->g(attr::Subgraph)->outputs().at(0));
    } else {
      source.result_of = kind.toQualString();
      if (const auto place = places_.find(node); place != places_.end()) {
        source.call = place->second;
        if (node->outputs().size() > 1) source.output = value->offset();
      }
    }
    return source;
  }

  void read_attribute(Node* node, ArgumentSource& source) const {
    if (const auto value = attribute_of(node); !value) {
      source.result_of = node->kind().toQualString();
    } else if (value->isTensor()) {
      if (value->toTensor().defined()) source.dtype = value->toTensor().scalar_type();
      const auto owner = *inliner_.path_of(node->input());
      const auto& name = node->s(attr::name);
      source.attribute = owner.empty() ? name : owner + "." + name;
    } else {
      source.value = value;
    }
  }

  /// The present value of what a GetAttr reads; nothing if its owner is not known.
  std::optional<c10::IValue> attribute_of(Node* node) const {
    const auto owner = inliner_.path_of(node->input());
    if (!owner) return std::nullopt;
    return submodule_at(module_, *owner)._ivalue()->getAttr(node->s(attr::name));
  }

  std::vector<ArgumentSource> sources_of(at::ArrayRef<Value*> values) {
    std::vector<ArgumentSource> sources;
    for (Value* value : values) sources.push_back(source_of(value));
    return sources;
  }

  void read_items(Node* node, ArgumentSource& source) {
    auto items = sources_of(node->inputs());
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

  /// The item of a list or a tuple.
  ArgumentSource item_of(ArgumentSource whole, size_t index) const {
    if (whole.items) return index < whole.items->size() ? (*whole.items)[index] : ArgumentSource{};
    if (whole.choices) {
      for (ArgumentSource& choice : *whole.choices) choice = item_of(std::move(choice), index);
    } else if (whole.call && !whole.output) {
      whole.output = index;
    } else if (whole.value && whole.value->isList() && index < whole.value->toListRef().size()) {
      whole.value = c10::IValue(whole.value->toListRef()[index]);
    } else {
      return {};
    }
    return whole;
  }

  /// The values between which conditions choose, each of them once.
  ArgumentSource choice_of(Value* value) {
    std::vector<Value*> waiting{value};
    std::unordered_set<Value*> seen;
    std::vector<Value*> leaves;
    while (!waiting.empty()) {
      Value* const one = same_value(waiting.back());
      waiting.pop_back();
      if (!seen.insert(one).second || one->node()->kind() == prim::Uninitialized) continue;
      if (one->node()->kind() != prim::If) {
        leaves.push_back(one);
        continue;
      }
      const auto taken = known(one->node()->input());
      for (const bool branch : {false, true}) {
        if (taken.value_or(branch) != branch) continue;
        waiting.push_back(one->node()->blocks()[branch ? 0 : 1]->outputs()[one->offset()]);
      }
    }
    if (leaves.size() == 1) return source_of(leaves[0]);
    ArgumentSource source;
    source.choices = sources_of(leaves);
    return source;
  }

  /// The value of a condition in eval mode, if the graph and the module's attributes determine it.
  std::optional<bool> known(Value* value, size_t depth = 0) const {
    if (depth == kDepth) return std::nullopt;
    value = same_value(value);
    Node* const node = value->node();
    if (const auto constant = toIValue(value)) {
      return constant->isBool() ? std::optional(constant->toBool()) : std::nullopt;
    }
    if (node->kind() == prim::GetAttr) {
      if (node->s(attr::name) == "training") return false;
      const auto attribute = attribute_of(node);
      return attribute && attribute->isBool() ? std::optional(attribute->toBool()) : std::nullopt;
    }
    if (node->kind() == aten::__not__) {
      const auto given = known(node->input(), depth + 1);
      return given ? std::optional(!*given) : std::nullopt;
    }
    if (node->kind() == aten::__is__ || node->kind() == aten::__isnot__) {
      const auto left = is_none(node->input(0));
      const auto right = is_none(node->input(1));
      if (!left || !right || !(*left || *right)) return std::nullopt;
      return (*left && *right) == (node->kind() == aten::__is__);
    }
    return std::nullopt;
  }

  std::optional<bool> is_none(Value* value) const {
    value = same_value(value);
    if (const auto constant = toIValue(value)) return constant->isNone();
    if (value->node()->kind() == prim::GetAttr) {
      const auto attribute = attribute_of(value->node());
      return attribute ? std::optional(attribute->isNone()) : std::nullopt;
    }
    const auto kind = value->type()->kind();
    if (kind == TypeKind::NoneType) return true;
    if (kind == TypeKind::OptionalType || kind == TypeKind::UnionType || kind == TypeKind::AnyType) {
      return std::nullopt;
    }
    return false;
  }

  const Module& module_;
  const std::shared_ptr<Graph> graph_;
  const CallInliner inliner_;
  std::vector<OperatorCall> calls_;
  std::unordered_map<const Node*, size_t> places_;  // positions in `calls_`
  size_t budget_ = kBudget;
  size_t depth_ = 0;
  bool skipped_ = false;  // the current block is not taken in eval mode
};

}  // namespace

DataFlow data_flow(const Module& module, const std::string& method) {
  return FlowReader(module, method).read();
}

}  // namespace sos
