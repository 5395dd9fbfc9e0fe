#include "core/operators/arguments.h"

#include <ATen/core/jit_type.h>

#include "core/operators/convert_value.h"

namespace sos {
namespace {

using c10::IValue;
using c10::TypeKind;
using c10::TypePtr;

/// A number for the kind of a value; 0 if `convert_value` looks at the value itself.
unsigned kind_of(const IValue& value) {
  if (value.isTensor()) return 1;
  if (value.isNone()) return 2;
  if (value.isInt()) return 3;
  if (value.isDouble()) return 4;
  if (value.isBool()) return 5;
  if (value.isComplexDouble()) return 6;
  if (value.isGenerator()) return 7;
  if (!value.isList()) return 0;
  const auto elements = value.toListRef();
  if (elements.empty()) return 0;
  const unsigned first = kind_of(elements[0]);
  if (first != 1 && first != 3) return 0;
  for (const IValue& element : elements) {
    if (kind_of(element) != first) return 0;
  }
  return 7 + first;
}

std::string expected(const c10::Argument& argument) {
  return "argument '" + argument.name() + "' expects " + argument.real_type()->repr_str();
}

}  // namespace

bool match_arguments(const c10::FunctionSchema& schema, const Arguments& arguments, Match& match,
                     std::string* reason, const IValue* self) {
  const auto& formals = schema.arguments();
  const auto refuse = [&](auto&& text) {
    if (reason != nullptr) *reason = text();
    return false;
  };
  match.cost = 0;
  match.stack.clear();
  match.stack.reserve(formals.size());
  if (self != nullptr) match.stack.push_back(*self);
  size_t next = 0;           // counts the positional values that are used
  size_t keywords_used = 0;  // counts the keyword values that are used
  for (size_t i = match.stack.size(); i < formals.size(); ++i) {
    const c10::Argument& formal = formals[i];
    const IValue* given = nullptr;
    if (!formal.kwarg_only() && next < arguments.positional.size()) given = &arguments.positional[next++];
    for (const auto& [name, value] : arguments.keyword) {
      if (name != formal.name()) continue;
      if (given != nullptr) {
        return refuse([&] { return "argument '" + name + "' is given twice, by position and by name"; });
      }
      given = &value;
      ++keywords_used;
    }
    const TypePtr& type = formal.real_type();
    if (given == nullptr ||
        (given->isNone() && type->kind() != TypeKind::OptionalType && formal.default_value())) {
      if (!formal.default_value()) {
        return refuse(
            [&] { return "argument '" + formal.name() + "' (" + type->repr_str() + ") is missing"; });
      }
      match.stack.push_back(*formal.default_value());
      continue;
    }
    const auto cost = convert_value(*given, type, formal.N(), match.stack.emplace_back());
    if (!cost) return refuse([&] { return expected(formal) + " but received " + describe(*given); });
    match.cost += *cost;
  }
  if (next < arguments.positional.size()) {
    return refuse([&] {
      return "takes at most " + std::to_string(next) + " positional arguments but received " +
             std::to_string(arguments.positional.size());
    });
  }
  if (keywords_used < arguments.keyword.size()) {
    for (const auto& [name, value] : arguments.keyword) {
      if (!schema.argumentIndexWithName(name)) {
        return refuse([&] { return "has no argument '" + name + "'"; });
      }
    }
    return refuse([&] { return std::string("an argument is named twice"); });
  }
  return true;
}

uint64_t Arguments::signature() const {
  if (!keyword.empty() || positional.size() > 13) return 0;
  uint64_t signature = 1;
  for (const IValue& value : positional) {
    const unsigned kind = kind_of(value);
    if (kind == 0) return 0;
    signature = signature << 4 | kind;
  }
  return signature;
}

Arguments Arguments::with_keywords_as_dict() const {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::AnyType::get());
  for (const auto& [name, value] : keyword) dict.insert(name, value);
  Arguments all{positional, {}};
  all.positional.emplace_back(std::move(dict));
  return all;
}

}  // namespace sos
