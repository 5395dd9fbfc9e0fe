#pragma once
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <functional>

namespace sos {

/// `value` with each tensor in it, however nested in tuples, lists and dicts, replaced by what `change` makes
/// of it. Containers are made anew, with their types.
c10::IValue map_tensors(const c10::IValue& value, const std::function<at::Tensor(const at::Tensor&)>& change);

/// The type of a tuple, by which a NamedTuple has names; null of one without names that holds an undefined
/// tensor, for which libtorch makes no type.
c10::TupleTypePtr tuple_type_of(const c10::IValue& tuple);

}  // namespace sos
