#pragma once
#include <ATen/core/ivalue.h>

#include <functional>

namespace sos {

/// `value` with each tensor in it, however nested in tuples, lists and dicts, replaced by what `change` makes
/// of it. Containers are made anew, with their types.
c10::IValue map_tensors(const c10::IValue& value, const std::function<at::Tensor(const at::Tensor&)>& change);

}  // namespace sos
