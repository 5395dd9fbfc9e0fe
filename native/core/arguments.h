#pragma once
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sos {

/// What a dynamically typed caller passes. The values are loose: a whole number is an int wherever it may
/// also mean a float, a list is a list of anything, and dtypes, devices, layouts and memory formats are
/// strings.
struct Arguments {
  std::vector<c10::IValue> positional;
  std::vector<std::pair<std::string, c10::IValue>> keyword;
};

/// Arguments laid out as a schema asks, defaults filled in.
struct Match {
  torch::jit::Stack stack;
  int cost = 0;  ///< how far the values had to be bent: 0 where each had just the schema's type
};

/// Fits `arguments` to `schema`, or returns nothing and says in `reason`, if there is one, which argument
/// failed, and how: texts cost more than the call, and a call with overloads fails on some of them. `bound`
/// values (a method's self) precede the positional ones and are taken as they are.
std::optional<Match> match_arguments(const c10::FunctionSchema& schema, const Arguments& arguments,
                                     std::string* reason, const std::vector<c10::IValue>& bound = {});

/// A short word for what a caller passed: `Tensor[2, 3] float32`, `int 3`, `list of 2`.
std::string describe(const c10::IValue& value);

}  // namespace sos
