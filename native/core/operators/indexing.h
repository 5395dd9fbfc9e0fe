#pragma once
#include <ATen/core/ivalue.h>

namespace sos {

/// `tensor[i, j, …]` by the rules of Python's PyTorch, which libtorch's own indexing follows. An index is an
/// int (one position), a list of three ints or Nones (a slice's start, stop and step), None (a new axis), the
/// string "..." (all dimensions that the other indices leave), a bool, or a tensor (positions, or a mask).
/// The result is a view unless an index is a bool or a tensor. Throws Error `ERR_INDEX` if an index is none
/// of these or out of range, or if there are too many.
at::Tensor get_item(const at::Tensor& tensor, c10::ArrayRef<c10::IValue> indices);

/// `tensor[i, j, …] = value`. `value` is a number, or a tensor, which is broadcast.
void set_item(const at::Tensor& tensor, c10::ArrayRef<c10::IValue> indices, const c10::IValue& value);

}  // namespace sos
