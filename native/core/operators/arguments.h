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

/// The arguments that a dynamically typed caller passes. The values are loose: a whole number is an int even
/// if it may also mean a float, a list is a list of anything, and dtypes, devices, layouts and memory formats
/// are strings.
struct Arguments {
  c10::SmallVector<c10::IValue, 8> positional;
  std::vector<std::pair<std::string, c10::IValue>> keyword;

  /// The kinds of the values in one number, if the kinds alone decide which overload of an operator fits
  /// best: tensors, scalars, null, lists of ints or of tensors. It is 0 if the values themselves matter too.
  uint64_t signature() const;

  /// The same, with the keywords as one more positional value, a dict.
  Arguments with_keywords_as_dict() const;
};

/// Arguments in the order of a schema, with the defaults filled in.
struct Match {
  torch::jit::Stack stack;
  int cost = 0;  ///< how much had to be converted: 0 if each value had exactly the schema's type
};

/// Fits `arguments` to `schema` and puts them into `match`. If they do not fit, it returns false and writes
/// into `reason`, if that is given, which argument failed and how. Making such a text costs more than the
/// call, and a call with several overloads fails on some of them. `self`, the object of a method, comes
/// before the positional values and is taken as it is.
bool match_arguments(const c10::FunctionSchema& schema, const Arguments& arguments, Match& match,
                     std::string* reason, const c10::IValue* self = nullptr);

}  // namespace sos
