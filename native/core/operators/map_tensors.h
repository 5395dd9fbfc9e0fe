#pragma once
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <functional>

namespace sos {

/// `value` with each tensor in it replaced by what `change` makes of it, in all nested tuples, lists and
/// dicts. Containers are made anew, with the same types.
c10::IValue map_tensors(const c10::IValue& value, const std::function<at::Tensor(const at::Tensor&)>& change);

/// The type of a tuple, which holds the names of a NamedTuple. It is null for a tuple without names that
/// holds an undefined tensor, since libtorch makes no type for it.
c10::TupleTypePtr tuple_type_of(const c10::IValue& tuple);

}  // namespace sos
