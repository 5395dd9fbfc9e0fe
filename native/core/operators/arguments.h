#pragma once
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>
#include <c10/util/SmallVector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/operators/convert_value.h"

namespace sos {

/// What a dynamically typed caller passes. The values are loose: a whole number is an int wherever it may
/// also mean a float, a list is a list of anything, and dtypes, devices, layouts and memory formats are
/// strings.
struct Arguments {
  c10::SmallVector<c10::IValue, 8> positional;
  std::vector<std::pair<std::string, c10::IValue>> keyword;

  /// The kinds of the values in one number, where these alone decide which overload of an operator fits best:
  /// tensors, scalars, null, lists of ints or of tensors. 0 where the values themselves count too.
  uint64_t signature() const;

  /// The same with the keywords as one more positional value, a dict.
  Arguments with_keywords_as_dict() const;
};

/// Arguments laid out as a schema asks, defaults filled in.
struct Match {
  torch::jit::Stack stack;
  int cost = 0;  ///< how far the values had to be bent: 0 where each had just the schema's type
};

/// Fits `arguments` to `schema` in `match`, or returns false and says in `reason`, if there is one, which
/// argument failed, and how: texts cost more than the call, and a call with overloads fails on some of them.
/// `self`, a method's, precedes the positional values and is taken as it is.
bool match_arguments(const c10::FunctionSchema& schema, const Arguments& arguments, Match& match,
                     std::string* reason, const c10::IValue* self = nullptr);

}  // namespace sos
