#pragma once
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>
#include <string>

namespace sos {

/// A loose value as `type` asks for it, in `out`: how far it had to be bent, 0 where it had just that type,
/// or nothing where it does not fit. `broadcast` is the length to which one value fills a list (`int[2]`).
std::optional<int> convert_value(const c10::IValue& value, const c10::TypePtr& type,
                                 std::optional<int32_t> broadcast, c10::IValue& out);

/// `value` as `type` asks for it, or nothing where it does not fit.
std::optional<c10::IValue> as_type(const c10::IValue& value, const c10::TypePtr& type);

/// A short word for what a caller passed: `Tensor[2, 3] float32`, `int 3`, `list of 2`.
std::string describe(const c10::IValue& value);

}  // namespace sos
