#pragma once
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>
#include <string>

namespace sos {

/// Converts a loose value to `type`, into `out`. Returns how much had to be converted, 0 if the value had
/// exactly that type, or nothing if it does not fit. `broadcast` is the length of a list that one value may
/// fill (`int[2]`).
std::optional<int> convert_value(const c10::IValue& value, const c10::TypePtr& type,
                                 std::optional<int32_t> broadcast, c10::IValue& out);

/// `value` converted to `type`, or nothing if it does not fit.
std::optional<c10::IValue> as_type(const c10::IValue& value, const c10::TypePtr& type);

/// A short description of what a caller passed: `Tensor[2, 3] float32`, `int 3`, `list of 2`.
std::string describe(const c10::IValue& value);

}  // namespace sos
