#include "core/operators/operator_call.h"

#include <ATen/TensorIterator.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>

#include "core/base/error.h"
#include "core/memory/kept_shapes.h"

namespace sos {
namespace {

std::vector<c10::OperatorHandle> all_overloads(const std::string& name) {
  auto& dispatcher = c10::Dispatcher::singleton();
  const auto dot = name.find('.');
  std::vector<c10::OperatorHandle> found;
  if (dot != std::string::npos) {
    const std::string overload = name.substr(dot + 1);
    const auto handle = dispatcher.findSchema({name.substr(0, dot), overload == "default" ? "" : overload});
    if (handle) found.push_back(*handle);
    return found;
  }
  std::vector<c10::OperatorName> names;
  for (auto& candidate : dispatcher.getAllOpNames()) {
    if (candidate.name == name) names.push_back(std::move(candidate));
  }
  // The order of the dispatcher depends on hashes. Sorting breaks ties in the same way in every process.
  std::sort(names.begin(), names.end(),
            [](const auto& a, const auto& b) { return a.overload_name < b.overload_name; });
  for (const auto& candidate : names) {
    if (auto handle = dispatcher.findSchema(candidate)) found.push_back(*handle);
  }
  return found;
}

std::string explain(const std::string& name,
                    const std::vector<std::pair<std::string, std::string>>& refusals) {
  std::ostringstream text;
  if (refusals.size() == 1) {
    text << name << ": " << refusals[0].second << "\n  " << refusals[0].first;
    return text.str();
  }
  text << name << ": no overload fits these arguments";
  for (const auto& [schema, reason] : refusals) text << "\n  " << schema << "\n    " << reason;
  return text.str();
}

/// Whether a call returns a view of its arguments' memory, and so computes nothing.
bool only_views(const c10::FunctionSchema& schema) {
  if (schema.returns().empty()) return false;
  const auto* alias = schema.returns()[0].alias_info();
  return alias != nullptr && !alias->isWrite();
}

/// Whether a call that returns a view if it can may also copy the elements.
bool may_copy(const std::string& name) {
  static const std::set<std::string> names = {
      "aten::_autocast_to_full_precision",
      "aten::_autocast_to_reduced_precision",
      "aten::coalesce",
      "aten::contiguous",
      "aten::flatten",
      "aten::pin_memory",
      "aten::ravel",
      "aten::reshape",
      "aten::reshape_as",
      "aten::resolve_conj",
      "aten::resolve_neg",
      "aten::to",
  };
  return names.contains(name);
}

void announce(const c10::FunctionSchema& schema, const torch::jit::Stack& stack,
              const OperatorPacket::BeforeUse& before_use) {
  using Use = OperatorPacket::Use;
  const bool views = only_views(schema) && !may_copy(schema.name());
  for (size_t i = 0; i < stack.size(); ++i) {
    const auto* alias = schema.arguments()[i].alias_info();
    const auto use = alias != nullptr && alias->isWrite() ? Use::write : views ? Use::view : Use::read;
    if (stack[i].isTensor()) before_use(stack[i].toTensor(), use);
    if (!stack[i].isList()) continue;
    for (const c10::IValue& item : stack[i].toListRef()) {
      if (item.isTensor()) before_use(item.toTensor(), use);
    }
  }
}

std::vector<at::Tensor> written_of(const c10::FunctionSchema& schema, const torch::jit::Stack& stack) {
  std::vector<at::Tensor> tensors;
  announce(schema, stack, [&](const at::Tensor& tensor, OperatorPacket::Use use) {
    if (use == OperatorPacket::Use::write) tensors.push_back(tensor);
  });
  return tensors;
}

bool is_out(const c10::Argument& argument) {
  const auto* alias = argument.alias_info();
  return argument.kwarg_only() && alias != nullptr && alias->isWrite();
}

/// For fewer elements, an operator gains from more threads about what it costs to hand it over.
constexpr int64_t kLarge = 4 * at::internal::GRAIN_SIZE;

/// The elements of all tensors among the arguments; 0 if one of them is on another device, which computes by
/// itself.
int64_t cpu_elements(const torch::jit::Stack& stack) {
  int64_t elements = 0;
  bool cpu = true;
  const auto add = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    cpu = cpu && tensor.is_cpu();
    elements += tensor.numel();
  };
  for (const auto& value : stack) {
    if (value.isTensor()) add(value.toTensor());
    if (!value.isTensorList()) continue;
    for (const auto& item : value.toListRef()) add(item.toTensor());
  }
  return cpu ? elements : 0;
}

}  // namespace

const OperatorPacket& OperatorPacket::find(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<OperatorPacket>> packets;
  std::lock_guard<std::mutex> lock(mutex);
  if (const auto known = packets.find(name); known != packets.end()) return *known->second;
  auto overloads = all_overloads(name);
  if (overloads.empty()) {
    throw Error("ERR_OPERATOR_UNKNOWN",
                "expected the name of an operator, such as 'aten::add', but there is no '" + name +
                    "' in this libtorch");
  }
  auto packet = std::unique_ptr<OperatorPacket>(new OperatorPacket(name, std::move(overloads)));
  return *packets.emplace(name, std::move(packet)).first->second;
}

OperatorPacket::OperatorPacket(std::string name, std::vector<c10::OperatorHandle> overloads)
    : name_(std::move(name)), overloads_(std::move(overloads)) {
  const auto base = name_.substr(0, name_.find('.'));
  exchanges_memory_ = base == "aten::set_" || base == "aten::set_data";
  const bool all = exchanges_memory_ || base.find("resize") != std::string::npos;
  for (const auto& overload : overloads_) {
    const auto& arguments = overload.schema().arguments();
    reshapes_.push_back(all || overload.hasTag(at::Tag::inplace_view) ||
                        std::any_of(arguments.begin(), arguments.end(), is_out));
  }
}

const c10::OperatorHandle* OperatorPacket::choose(const Arguments& arguments, Match& match) const {
  const uint64_t signature = overloads_.size() > 1 ? arguments.signature() : 0;
  auto& known = chosen_[(signature ^ signature >> 4) % chosen_.size()];
  if (const uint64_t entry = known.load(std::memory_order_relaxed);
      signature != 0 && entry >> 8 == signature) {
    const auto& overload = overloads_[entry & 0xff];
    if (match_arguments(overload.schema(), arguments, match, nullptr)) return &overload;
  }
  const c10::OperatorHandle* best = nullptr;
  Match candidate;
  for (const auto& overload : overloads_) {
    if (!match_arguments(overload.schema(), arguments, candidate, nullptr)) continue;
    if (best != nullptr && candidate.cost >= match.cost) continue;
    std::swap(match, candidate);
    best = &overload;
    if (match.cost == 0) break;
  }
  const auto index = static_cast<uint64_t>(best - overloads_.data());
  if (best != nullptr && signature != 0 && index < 256) {
    known.store(signature << 8 | index, std::memory_order_relaxed);
  }
  return best;
}

const c10::OperatorHandle& OperatorPacket::expect(const Arguments& arguments, Match& match) const {
  if (const auto* chosen = choose(arguments, match)) return *chosen;
  // Only a failed call pays for the reasons.
  std::vector<std::pair<std::string, std::string>> refusals;
  for (const auto& overload : overloads_) {
    std::string reason;
    match_arguments(overload.schema(), arguments, match, &reason);
    refusals.emplace_back(c10::toString(overload.schema()), reason);
  }
  throw Error("ERR_OPERATOR_ARGUMENTS", explain(name_, refusals));
}

void OperatorPacket::call(const Arguments& arguments, torch::jit::Stack& stack, const BeforeUse& before_use,
                          const RunLarge& run_large) const {
  Match match;
  match.stack = std::move(stack);
  const auto& chosen = expect(arguments, match);
  stack = std::move(match.stack);
  if (before_use) announce(chosen.schema(), stack, before_use);
  const KeptShapes kept(reshapes(chosen) ? written_of(chosen.schema(), stack) : std::vector<at::Tensor>());
  try {
    if (run_large && cpu_elements(stack) >= kLarge && !only_views(chosen.schema())) {
      run_large([&] { chosen.callBoxed(stack); });
    } else {
      chosen.callBoxed(stack);
    }
  } catch (...) {
    kept.restore();
    throw;
  }
}

OperatorPacket::Writes OperatorPacket::writes_of(const Arguments& arguments) const {
  Match match;
  const auto& chosen = expect(arguments, match);
  return {written_of(chosen.schema(), match.stack), reshapes(chosen)};
}

std::vector<std::string> operator_schemas() {
  auto& dispatcher = c10::Dispatcher::singleton();
  std::vector<std::string> schemas;
  for (const auto& name : dispatcher.getAllOpNames()) {
    if (const auto handle = dispatcher.findSchema(name)) schemas.push_back(c10::toString(handle->schema()));
  }
  std::sort(schemas.begin(), schemas.end());
  return schemas;
}

}  // namespace sos
